"""When the volume change of a pair is refused."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_app.image.template import load_template
from bids_app.steps import compare_visits


@pytest.mark.parametrize(("protocol", "measured"), [([], True), (["FLAIR voxels: 1, then 3"], False)])
def test_flairs_of_two_protocols_give_no_volume_change(tmp_path, monkeypatch, protocol, measured):
    monkeypatch.chdir(tmp_path)
    template = load_template(resolution=4.0)
    maps = np.stack([np.asarray(image.dataobj) for image in (template.gm, template.wm, template.csf)])
    brain = maps.sum(axis=0) > 0.5
    flair = np.tensordot((110, 100, 30), maps, axes=1).astype(np.float32)
    lesions = np.zeros(brain.shape, np.int32)
    lesions[20:22, 25:27, 25:27] = 1
    made = {
        "flair": flair + 60 * (lesions > 0),
        "brain": brain.astype(np.uint8),
        "dseg": np.where(brain & (lesions == 0), maps.argmax(axis=0) + 1, 0).astype(np.uint8),
        "lesion_labels": lesions,
    }
    visit = {key: nib.Nifti1Image(data, template.t1w.affine) for key, data in made.items()}
    found = compare_visits(visit, visit, 1, protocol, 1.0)
    assert found.table.data["change"].tolist() == ["unchanged"]
    assert ("NotMeasured" in found.volumes.meta) != measured
    assert found.volumes.meta["ProtocolDifferences"] == protocol
    assert ("brain" in set(found.volumes.data["name"])) == measured
    assert found.table.data["expansion_percent_per_year"].notna().all() == measured
