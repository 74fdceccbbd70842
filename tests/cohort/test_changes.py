"""Change between visits and detection limits, from the tables of pairs to the group level's table, page and models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_app.cli import main
from bids_app.cohort.changes import COHORT_CHANGE_COLUMNS, MEASURES, read_changes, read_limits, with_changes
from bids_app.derivatives import write_json, write_table
from bids_app.derivatives.reader import Derivatives
from bids_app.image.calibration import CONTRASTS
from bids_app.reports.cohort.change import change_section

VISITS = pd.DataFrame(
    {
        "participant_id": ["sub-1", "sub-1", "sub-2", "sub-2", "sub-3"],
        "session_id": ["ses-1", "ses-2", "ses-1", "ses-2", "ses-1"],
        "site": ["A", "A", "B", "B", "B"],
        "treatment": ["x", "x", None, "y", "y"],
    }
)


def add_pair(
    root: Path, person: str, changes: list[str], percent: float, years: float | None, **meta
) -> None:
    """Add the tables of a pair that ends at session 2."""
    visit = Derivatives(root).visit(f"{person}_ses-2")
    rows = {
        "index": range(len(changes)),
        "change": changes,
        "volume_before_mm3": 10.0,
        "volume_after_mm3": 30.0,
    }
    path = write_table(pd.DataFrame(rows), visit.path("changes", before="1"))
    write_json({"ProtocolDifferences": []} | meta, path.with_suffix(".json"))
    volumes = {
        "name": ["brain", "lateral ventricles"],
        "percent": [percent, 2.0],
        "percent_per_year": [percent / years if years else None, 2 / years if years else None],
        "error_percent": [0.2, None],
    }
    path = write_table(pd.DataFrame(volumes), visit.path("volume_changes", before="1"))
    write_json({"Years": years}, path.with_suffix(".json"))


@pytest.fixture
def root(tmp_path) -> Path:
    add_pair(tmp_path, "sub-1", ["new", "new", "unchanged"], -0.6, 2.0)
    add_pair(
        tmp_path, "sub-2", ["shrunken"], -0.1, None, ProtocolDifferences=["FLAIR scanner: a, then b", "x"]
    )
    visit = Derivatives(tmp_path).visit("sub-1_ses-2")
    put = {"name": ["new", "new", "growth", "false"], "pair": [3, 3, 3, 1], "found": [1, 0, 1, None]}
    write_table(pd.DataFrame(put), visit.path("change_calibration", before="1"))
    write_table(
        pd.DataFrame({"name": "brain", "pair": range(1, 6)}), visit.path("volume_calibration", before="1")
    )
    return tmp_path


def test_a_row_a_pair(root):
    table = read_changes(root, VISITS).set_index("participant_id")
    assert list(table.index) == ["sub-1", "sub-2"]
    one, other = table.loc["sub-1"], table.loc["sub-2"]
    assert (one["before"], one["session_id"], one["site"]) == ("ses-1", "ses-2", "A")
    assert (one["new"], one["unchanged"], one["neda_mri"], other["neda_mri"]) == (2, 1, 0, 1)
    assert one["new_per_year"] == 1.0
    assert one["lesion_volume_mm3_per_year"] == 30.0
    assert (one["brain_percent"], one["brain_percent_per_year"], one["brain_error_percent"]) == (
        -0.6,
        -0.3,
        0.2,
    )
    assert (one["new_put_in"], one["new_found"], one["false_per_pair"]) == (2, 1, 0.2)
    assert np.isnan(other["years"]) and np.isnan(other["new_per_year"])
    assert one["protocol_differences"] is None
    assert other["protocol_differences"] == "FLAIR scanner: a, then b; x"
    endings = tuple(name[1:] for name in COHORT_CHANGE_COLUMNS if name.startswith("*"))
    assert all(name in COHORT_CHANGE_COLUMNS or name.endswith(endings) for name in read_changes(root, VISITS))


def test_only_later_visits_get_measures_of_change(root):
    visits = with_changes(VISITS, read_changes(root, VISITS))
    assert visits["participant_id"].tolist() == VISITS["participant_id"].tolist()
    assert visits["change_new_lesions_per_year"].notna().tolist() == [False, True, False, False, False]
    assert visits["change_brain_percent_per_year"][1] == -0.3
    assert set(MEASURES) < set(visits)
    nothing = read_changes(root, VISITS.iloc[:1])
    assert nothing.empty
    assert with_changes(VISITS, nothing) is VISITS


def add_limits(root: Path, visit: str, limits: list[float | None]) -> None:
    rows = {"name": ["all", *CONTRASTS], "limit_mm3": limits, "false_mm3": [5.0, None, None, None]}
    write_table(pd.DataFrame(rows), Derivatives(root).visit(visit).path("detection_limits"))


def test_limits_by_site_count_what_was_never_found_as_beyond(root):
    add_limits(root, "sub-1_ses-1", [50, None, 60, 20])
    add_limits(root, "sub-1_ses-2", [70, 400, 80, 40])
    add_limits(root, "sub-2_ses-1", [100, None, None, 90])
    limits = read_limits(root, VISITS)
    assert limits["all_mm3"].tolist() == [50, 70, 100]
    for name in ("c", "d"):
        (root / name).touch()
    section = change_section(
        read_changes(root, VISITS), limits, {"change": "c", "detection_limits": "d"}, {}, root
    )
    titles = [table["title"] for table in section["tables"]]
    assert titles == [
        "Change by site",
        "Change by treatment",
        "Every pair of visits",
        "Detection limits by site",
    ]
    assert section["flagged"] == 1
    shown = section["tables"][-1]
    cells = {
        head["label"]: [cell["text"] if isinstance(cell, dict) else cell for cell in column]
        for head, column in zip(shown["columns"], zip(*shown["rows"], strict=True), strict=True)
    }
    assert cells["all, mm³"] == ["60", "100"]
    assert cells["faint, mm³"] == ["above 1000", "above 1000"]


def test_nothing_compared_is_no_section():
    assert change_section(pd.DataFrame(), pd.DataFrame(), {}, {}, Path()) is None


@pytest.fixture
def study(tmp_path) -> tuple[Path, Path]:
    """A study of 40 visits with EDSS."""
    from bids_app.phantom.cli import main as phantom

    bids = tmp_path / "study"
    made = ["--derivatives-only", "--study", "A", "--nprocs", "1", "--visits", "40,0", "--regions", "7"]
    assert phantom([str(bids), *made]) == 0
    return bids, bids / "derivatives" / "demyelin"


def test_change_is_a_candidate_on_demand_and_a_section_of_the_page(study, capsys):
    bids, out = study
    command = [str(bids), str(out), "group", "--analysis", "edss", "--folds", "3", "--outer-folds", "3"]
    command += [
        "--permutations",
        "0",
        "--repeated-splits",
        "0",
        "--models",
        "ridge",
        "--candidates",
        "change",
    ]
    command += ["--protocol", "nested"]
    assert main(command) == 2
    assert "--candidates change: no visit has been compared" in capsys.readouterr().err
    people = pd.read_csv(bids / "participants.tsv", sep="\t")
    edss = people.set_index("participant_id")["edss"]
    for name in Derivatives(out).visits():
        visit, score = Derivatives(out).visit(name), edss[name.participant_id]
        table = pd.DataFrame({"change": [], "volume_before_mm3": [], "volume_after_mm3": []})
        write_table(table, visit.path("changes", before="0"))
        volumes = pd.DataFrame({"name": ["brain"], "percent": [-score], "percent_per_year": [-score]})
        path = write_table(volumes, visit.path("volume_changes", before="0"))
        write_json({"Years": 1.0}, path.with_suffix(".json"))
    assert main(command) == 0
    output = capsys.readouterr().out
    assert "40 pairs of visits compared" in output
    assert "40 of 40 visits have a visit before them" in output
    selected = pd.read_csv(out / "group" / "edss_columns.tsv", sep="\t")
    assert "change_brain_percent_per_year" in set(selected["column"])  # it is the EDSS itself here
    assert len(pd.read_csv(out / "group" / "change.tsv", sep="\t")) == 40
    assert 'id="change"' in (out / "group.html").read_text()
