"""One rule for what stands out: on the worse side alone, and the same on a visit's page and on the cohort's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_app.derivatives import write_table
from bids_app.derivatives.names import OUTPUTS, anat_folder
from bids_app.derivatives.reader import Derivatives
from bids_app.image.outliers import FAR, stands_out
from bids_app.image.quality import QUALITY, QUALITY_COLUMNS, flags
from bids_app.reports.cohort.quality import read_quality
from bids_app.reports.norms import quality_norms
from bids_app.reports.words import quality_rows

N = 40


@pytest.mark.parametrize(
    ("z", "worse", "far"),
    [
        (-FAR - 1, "low", True),
        (FAR + 1, "low", False),
        (FAR + 1, "high", True),
        (-FAR - 1, "high", False),
        (FAR + 1, "either", True),
        (-FAR - 1, "either", True),
        (FAR - 0.1, "either", False),
        (99.0, None, False),
        (np.nan, "either", False),
    ],
)
def test_only_the_worse_side_stands_out(z, worse, far):
    assert stands_out(z, worse) is far


def test_both_pages_mark_the_same_visits(tmp_path):
    rng, names = np.random.default_rng(3), [f"sub-{k:02d}" for k in range(N)]
    for k, name in enumerate(names):
        numbers = {
            key: q.typical[0] + q.typical[1] * rng.standard_normal()
            for key, q in QUALITY.items()
            if q.typical
        }
        numbers |= {"lesion_count": 5 + k % 7, "foreign_tissue_ml": 0.1}
        if k == 0:  # the best scan of all
            numbers |= {"snr_t1w_wm": 60.0, "flair_noise": 0.001}
        if k == 1:
            numbers |= {"snr_t1w_wm": 6.0, "lesion_count": 900}
        row = dict.fromkeys(QUALITY_COLUMNS) | numbers | {"flags": ",".join(flags(numbers)) or None}
        folder = anat_folder(tmp_path, Derivatives(tmp_path).visit(name).name.folder)
        write_table(pd.DataFrame([row]), folder / OUTPUTS["qc"].path(name, template="", atlas=""))
    visits = pd.DataFrame({"participant_id": names})
    cohort = read_quality(tmp_path, visits, pd.Series(names)).set_index("visit")
    marked = {}
    for name in names:
        visit = Derivatives(tmp_path).visit(name)
        rows = quality_rows(visit, quality_norms(visit))
        marked[name] = {row["key"] for row in rows if row["level"] == "look"}
        together = ",".join(filter(None, [cohort["outside"][name], cohort["unlike"][name]]))
        assert marked[name] == set(filter(None, together.split(","))), name
    assert marked["sub-00"] == set()
    assert {"snr_t1w_wm", "lesion_count"} <= marked["sub-01"]
