"""Raters: study B's published numbers from its counts, and what is refused in a raters' table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from bids_app.errors import InputError
from bids_app.learn.diagnosis.protocols import calls_table
from bids_app.learn.diagnosis.raters import agreement, performance, read_raters
from bids_app.learn.names import visit_names

LABELS = ("RRMS", "NMOSD")
# study B, Table 2: counts right of 228 RRMS and 88 NMOSD, and percentages with 95 % intervals
TABLE_2 = {
    "SVM": ((131, 69), ((57.5, 51.0, 63.7), (78.4, 68.7, 85.7), (63.3, 57.9, 68.4))),
    "A": ((146, 72), ((64.0, 57.6, 70.0), (81.8, 72.5, 88.5), (69.0, 63.7, 73.8))),
    "B": ((159, 51), ((69.7, 63.5, 75.3), (58.0, 47.5, 67.7), (66.5, 61.1, 71.4))),
}


@pytest.mark.parametrize("who", TABLE_2)
def test_table_2(who):
    (right_ms, right_nmo), published = TABLE_2[who]
    y = np.arange(316) < 228
    called = np.where(y, np.arange(316) < right_ms, np.arange(316) >= 228 + right_nmo)
    table = calls_table(y, called)
    assert table["metric"].tolist() == ["sensitivity", "specificity", "accuracy"]
    found = 100 * table[["estimate", "low", "high"]].to_numpy(float)
    np.testing.assert_allclose(found, published, atol=0.06)  # the study's own rounding of 57.85


@pytest.mark.parametrize(("only_rater", "only_model", "p"), [(66, 48, 0.111), (64, 54, 0.407)])
def test_mcnemar_of_model_against_rater(only_rater, only_model, p):
    """Correctness in the published discordant pairs, the rest of 316 scans right for both."""
    visits = [f"sub-{k:03d}" for k in range(316)]
    truth = pd.Series(["RRMS"] * 228 + ["NMOSD"] * 88, visits)
    wrong = truth.map({"RRMS": "NMOSD", "NMOSD": "RRMS"})
    where = np.arange(316)
    rater = truth.where((where < only_rater) | (where >= only_rater + only_model), wrong)
    model = truth.where(where >= only_rater, wrong)
    table = agreement(ratings_of(rater), truth, model)
    row = table[table["kind"] == "model-rater"].iloc[0]
    assert (row["only_first_right"], row["only_second_right"]) == (only_model, only_rater)
    assert row["mcnemar_p"] == pytest.approx(p, abs=0.0005)
    assert row["mcnemar_exact_p"] == pytest.approx(p, abs=0.02)


def ratings_of(decision, rater="A", occasion=1):
    return pd.DataFrame(
        {"visit": decision.index, "rater": rater, "decision": decision.to_numpy(), "occasion": occasion}
    )


def test_agreement_within_between_and_with_the_model():
    rng = np.random.default_rng(0)
    visits = [f"sub-{k:02d}" for k in range(60)]
    draw = {name: pd.Series(rng.choice(LABELS, 60), visits) for name in ("A", "B", "model", "truth")}
    again = draw["A"].iloc[:10].copy()
    again.iloc[:2] = ["NMOSD" if d == "RRMS" else "RRMS" for d in again.iloc[:2]]
    ratings = pd.concat([ratings_of(draw["A"]), ratings_of(draw["B"], "B"), ratings_of(again, "A", 2)])
    table = agreement(ratings, draw["truth"], draw["model"]).set_index(["kind", "first", "second"])
    within = table.loc[("intra-rater", "A", "A")]
    assert within["n"] == 10 and within["kappa"] == pytest.approx(
        cohen_kappa_score(draw["A"].iloc[:10], again)
    )
    between = table.loc[("inter-rater", "A", "B")]
    assert between["kappa"] == pytest.approx(cohen_kappa_score(draw["A"], draw["B"]))
    assert ("model-rater", "model", "B") in table.index
    assert between["band"] == "slight"


def test_performance_has_model_and_majority():
    visits = [f"sub-{k}" for k in range(10)]
    truth = pd.Series(["RRMS"] * 7 + ["NMOSD"] * 3, visits)
    table = performance(ratings_of(truth), truth, "RRMS", truth.iloc[:8]).set_index(["rater", "metric"])[
        "estimate"
    ]
    assert table["A"].eq(1).all() and table["model"].eq(1).all()
    assert table["majority"].to_dict() == {"sensitivity": 1, "specificity": 0, "accuracy": 0.7}


def test_visit_names_with_and_without_prefix():
    names = visit_names(pd.Series(["01", "sub-02", "03"]), pd.Series(["1", "ses-2", None]))
    assert names.tolist() == ["sub-01_ses-1", "sub-02_ses-2", "sub-03"]


GOOD = "visit\trater\tdecision\toccasion\nsub-1\tA\tRRMS\t1\nsub-1\tA\tNMOSD\t2\n"


def test_reads_a_good_table(tmp_path):
    path = tmp_path / "raters.tsv"
    path.write_text(GOOD)
    assert read_raters(path, ["sub-1"], LABELS)["occasion"].tolist() == [1, 2]
    path.write_text("participant_id\tsession_id\trater\tdecision\n1\t2\tA\tRRMS\n")
    assert read_raters(path, ["sub-1_ses-2"], LABELS)["visit"].tolist() == ["sub-1_ses-2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("sub-1\tA\tNMOSD", "sub-9\tA\tNMOSD"), "line 3: visit 'sub-9' is not among the visits"),
        (GOOD.replace("NMOSD", "NMO"), "line 3: decision 'NMO' is not one of the classes RRMS, NMOSD"),
        (GOOD.replace("\t2\n", "\t1\n"), "rater A rated sub-1 twice on occasion 1"),
        (GOOD.replace("\t2\n", "\tlater\n"), "occasion 'later' is not 1 or 2"),
        (GOOD.replace("decision", "answer"), "column decision is missing"),
        (GOOD.replace("NMOSD", "n/a"), "line 3 has no decision"),
        ("", "cannot be read"),
        (GOOD.splitlines()[0] + "\n", "holds no ratings"),
    ],
)
def test_bad_tables_are_one_clear_line(tmp_path, text, message):
    path = tmp_path / "raters.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_raters(path, ["sub-1"], LABELS)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_raters(tmp_path / "none.tsv", ["sub-1"], LABELS)
