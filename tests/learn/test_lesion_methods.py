"""The AUC by how lesions were found: each method named from the sidecars, absent ones with what to do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bids_app.image.lesions import METHODS
from bids_app.learn.diagnosis.lesion_methods import (
    SUPPLIED,
    THRESHOLD,
    UNKNOWN,
    compare_methods,
    mask_methods,
)
from bids_app.learn.diagnosis.protocols import fold_auc
from bids_app.learn.diagnosis.variants import LESION_MAPS, LESION_MASKS


def masks(folder, sidecars):
    paths = [folder / f"sub-{k}_label-L_mask.nii.gz" for k in range(len(sidecars))]
    for path, content in zip(paths, sidecars, strict=True):
        if content is not None:
            path.with_name(path.name.replace(".nii.gz", ".json")).write_text(content)
    return paths


def test_methods_are_those_of_the_sidecars(tmp_path):
    written = [json.dumps({"Method": method.about}) for method in METHODS.values()]
    written += [json.dumps({"Method": "Lesion mask supplied ...", "MaskSource": "manual"})]
    written += ["{", "[]", "{}", json.dumps({"Method": ["x"]}), None]
    found = mask_methods(masks(tmp_path, written))
    assert found.tolist() == [*METHODS, SUPPLIED, *[UNKNOWN] * 5]


def runs(seed=0, n=120):
    rng = np.random.default_rng(seed)
    y, fold, patient = rng.random(n) < 0.6, np.arange(n) % 4, np.arange(n) // 2
    return y, {LESION_MAPS: (y + rng.normal(size=n), fold), LESION_MASKS: (rng.normal(size=n), fold)}, patient


def test_each_method_is_scored_on_its_own_scans_and_absent_ones_say_what_to_do():
    y, both, patient = runs()
    method = np.where(np.arange(120) < 80, "demyelin", SUPPLIED).astype(object)
    table = compare_methods(y, both, method, patient, 1).set_index("lesions")
    assert table.index[0] == THRESHOLD
    assert table.loc[THRESHOLD, "auc"] == pytest.approx(fold_auc(y, *both[LESION_MAPS]))
    for name in ("demyelin", SUPPLIED):
        of = method == name
        expected = fold_auc(y[of], *(part[of] for part in both[LESION_MASKS]))
        assert table.loc[name, "auc"] == pytest.approx(expected) and table.loc[name, "n_scans"] == of.sum()
        assert table.loc[name, "low"] <= expected <= table.loc[name, "high"]
    absent = table[table["n_scans"] == 0]
    assert set(absent.index) == set(METHODS) - {"demyelin"} and absent["auc"].isna().all()
    assert all(f"--lesions {name}" in row["why"] for name, row in absent.iterrows())


def test_a_method_of_one_class_alone_has_no_auc_and_unknown_ones_promise_nothing():
    y, both, patient = runs()
    method = np.where(y, "demyelin", SUPPLIED).astype(object)
    table = compare_methods(y, both, method, patient, 1).set_index("lesions")
    assert table.loc[["demyelin", SUPPLIED], "why"].eq("all of one class").all()
    unknown = compare_methods(y, both, np.full(120, UNKNOWN, dtype=object), patient, 1)
    assert unknown["lesions"].tolist() == [THRESHOLD, UNKNOWN]
