"""What a step's annotations say is read before it and written after it; what it records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_app import steps
from bids_app.derivatives import save_image, write_table
from bids_app.image.lesions import BELIEF_THRESHOLD, METHODS
from bids_app.steps.files import Image, Table, WithMeta, call, kind_of


class Made(NamedTuple):
    image: WithMeta[Image]
    table: Table
    place: Path
    nothing: Image | None
    number: float


def double(images: dict[str, Image], table: Table, number: float, extra: Image | None = None) -> Made:
    assert extra is None
    data = sum(np.asarray(image.dataobj) for image in images.values())
    doubled = WithMeta(nib.Nifti1Image(data, np.eye(4)), {"Doubled": True})
    Path("there.txt").write_text("x")
    return Made(doubled, table.assign(n=[1]), Path("there.txt"), None, number)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_images_and_tables_are_read_and_written_with_their_metadata(here):
    image = save_image(nib.Nifti1Image(np.full((2, 2, 2), 3, np.uint8), np.eye(4)), here / "in.nii.gz")
    table = write_table(pd.DataFrame({"name": ["NA"]}), here / "in.tsv")
    made = call(double, {"images": {"a": image, "b": image}, "table": table, "number": 2.5})
    assert made == {
        "image": here / "image.nii", "table": here / "table.tsv", "place": here / "there.txt", "number": 2.5
    }  # fmt: skip
    assert (np.asarray(nib.load(made["image"]).dataobj) == 6).all()
    assert json.loads((here / "image.json").read_text()) == {"Doubled": True}
    assert not (here / "table.json").exists()
    assert (here / "table.tsv").read_text() == "name\tn\nNA\t1\n"  # a region may be called NA


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (Image | None, Image),
        (WithMeta[Table] | None, Table),
        (WithMeta[Image], Image),
        (int | str, Any),
        (Path, Path),
        (dict[str, Image], dict[str, Image]),
    ],
)
def test_kinds(annotation, kind):
    assert kind_of(annotation) == kind


def test_every_step_is_described_for_people():
    from bids_app.steps.record import STEPS

    assert set(steps.__all__) - {"ComparedFiles"} <= set(STEPS)
    assert all(record.words and record.seconds > 0 and record.mem_gb > 0 for record in STEPS.values())


def test_the_sidecar_has_the_threshold_that_was_published():
    belief = METHODS["belief-threshold"].recorded(0, 3.0)
    assert belief["threshold"] == BELIEF_THRESHOLD == pytest.approx(0.3306, abs=1e-4)
    assert belief["probability_threshold"] == 0.5
    assert METHODS["demyelin"].recorded(0.0, 3.0)["threshold"] == METHODS["demyelin"].threshold
    assert METHODS["demyelin"].recorded(0.4, 3.0)["threshold"] == 0.4


@pytest.mark.parametrize(("labels", "index"), [([1, 116], 117), ([1, 117, 300], 301)])
def test_white_matter_has_an_index_of_its_own_in_any_atlas(labels, index):
    rng = np.random.default_rng(0)
    data = np.zeros((24, 12, 12), np.int32)
    for place, label in enumerate(labels):
        data[6 * place : 6 * place + 6] = label
    white = np.zeros_like(data)
    white[18:] = 1
    brain = nib.Nifti1Image(np.ones(data.shape, np.uint8), np.eye(4))
    t1w = nib.Nifti1Image(rng.normal(100, 10, data.shape).astype(np.float32), np.eye(4))
    regions = pd.DataFrame({"index": labels, "name": [f"R{label}" for label in labels]})
    images = [nib.Nifti1Image(one, np.eye(4)) for one in (data, white)]
    settings = Path(__file__).with_name("few_features.yaml")
    table, meta = steps.measure_radiomics(t1w, *images, brain, regions, settings).table
    assert table["index"].tolist() == [*labels, index]
    assert table["name"].iloc[-1] == "NAWM"
    assert table["index"].is_unique
    assert str(index) in meta["index"]["Description"]
