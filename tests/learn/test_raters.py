"""Raters: study B's published numbers from its counts, and what is refused in a raters' table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from bids_app.errors import InputError
from bids_app.learn.diagnosis.protocols import calls_table
from bids_app.learn.diagnosis.raters import agreement, clustered_mcnemar, performance, read_raters
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
    table = performance(ratings_of(truth), truth, "RRMS", truth.iloc[:8])
    table = table[table["scans"] == "own"].set_index(["rater", "metric"])["estimate"]
    assert table["A"].eq(1).all() and table["model"].eq(1).all()
    assert table["majority"].to_dict() == {"sensitivity": 1, "specificity": 0, "accuracy": 0.7}


def test_visit_names_with_and_without_prefix():
    names = visit_names(pd.Series(["01", "sub-02", "03"]), pd.Series(["1", "ses-2", None]))
    assert names.tolist() == ["sub-01_ses-1", "sub-02_ses-2", "sub-03"]


GOOD = "visit\trater\tdecision\toccasion\nsub-1\tA\tRRMS\t1\nsub-1\tA\tNMOSD\t2\n"


def test_reads_a_good_table(tmp_path):
    path = tmp_path / "raters.tsv"
    path.write_text(GOOD)
    ratings, bad = read_raters(path, ["sub-1"], LABELS)
    assert ratings["occasion"].tolist() == [1, 2] and bad.empty
    path.write_text("participant_id\tsession_id\trater\tdecision\n1\t2\tA\tRRMS\n")
    assert read_raters(path, ["sub-1_ses-2"], LABELS)[0]["visit"].tolist() == ["sub-1_ses-2"]


@pytest.mark.parametrize("word", ["unsure", "Unsure", "n/a", "", " ", "?", "unknown"])
def test_abstentions_are_understood_and_counted(tmp_path, word):
    path = tmp_path / "raters.tsv"
    path.write_text(
        f"visit\trater\tdecision\toccasion\nsub-1\tA\t{word}\t1.0\nsub-2\tA\tnmosd\t1\nsub-2\tA\tRRMS\t3\n"
    )
    ratings, bad = read_raters(path, ["sub-1", "sub-2"], LABELS)
    assert bad.empty and ratings["occasion"].tolist() == [1, 1, 3]
    assert ratings["decision"].isna().tolist() == [True, False, False]
    assert ratings["decision"][1] == "NMOSD"
    truth = pd.Series(["RRMS", "NMOSD"], ["sub-1", "sub-2"])
    table = performance(ratings, truth, "RRMS").query(
        "rater == 'A' and scans == 'own' and metric == 'accuracy'"
    )
    assert table[["n", "abstained", "estimate"]].to_numpy().tolist() == [[1, 1, 1.0]]
    within = agreement(ratings, truth).query("kind == 'intra-rater'")
    assert within["n"].tolist() == [1]  # the third occasion against the first


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (GOOD.replace("sub-1\tA\tNMOSD", "sub-9\tA\tNMOSD"), 3, "visit 'sub-9' is not among the visits"),
        (
            GOOD.replace("NMOSD", "NMO"),
            3,
            "decision 'NMO' is neither one of the classes RRMS, NMOSD nor unsure",
        ),
        (GOOD.replace("\t2\n", "\tlater\n"), 3, "occasion 'later' is not 1, 2"),
        (GOOD.replace("\t2\n", "\t1.5\n"), 3, "occasion '1.5' is not 1, 2"),
        (GOOD.replace("A\tNMOSD", "\tNMOSD"), 3, "has no rater"),
    ],
)
def test_bad_lines_are_named_and_the_others_used(tmp_path, text, line, message):
    path = tmp_path / "raters.tsv"
    path.write_text(text)
    ratings, bad = read_raters(path, ["sub-1"], LABELS)
    assert len(ratings) == 1 and bad["line"].tolist() == [line]
    assert message in bad["fault"][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("\t2\n", "\t1\n"), "rater A rated sub-1 twice on one occasion"),
        (GOOD.replace("decision", "answer"), "column decision is missing"),
        ("", "cannot be read"),
        (GOOD.splitlines()[0] + "\n", "holds no ratings"),
        (GOOD.replace("sub-1", "sub-9"), "no line can be used"),
    ],
)
def test_tables_of_no_use_are_one_clear_line(tmp_path, text, message):
    path = tmp_path / "raters.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_raters(path, ["sub-1"], LABELS)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_raters(tmp_path / "none.tsv", ["sub-1"], LABELS)


def test_all_judges_on_the_same_scans_per_scan_and_per_patient():
    visits = [f"sub-{k // 3}_ses-{k % 3}" for k in range(60)]
    patient = pd.Series([v.split("_")[0] for v in visits], visits)
    truth = pd.Series(["RRMS"] * 36 + ["NMOSD"] * 24, visits)
    rng = np.random.default_rng(0)
    wrong = truth.map({"RRMS": "NMOSD", "NMOSD": "RRMS"})
    a, b, m = (truth.where(rng.random(60) < 0.8, wrong) for _ in range(3))
    ratings = pd.concat([ratings_of(a.iloc[:50]), ratings_of(b.iloc[10:], "B")])
    table = performance(ratings, truth, "RRMS", m.iloc[5:], patient)
    common = table[(table["scans"] == "common") & (table["metric"] == "accuracy")]
    assert (common.loc[common["unit"] == "scan", "n"] == 40).all()
    assert set(table["interval"]) == {"patient bootstrap"}
    row = common[(common["rater"] == "A") & (common["unit"] == "scan")].iloc[0]
    assert row["estimate"] == pytest.approx((a == truth).iloc[10:50].mean())
    by_patient = (a == truth).iloc[10:50].groupby(patient.iloc[10:50]).mean() > 0.5
    row = common[(common["rater"] == "A") & (common["unit"] == "patient")].iloc[0]
    assert row["estimate"] == pytest.approx(by_patient.mean()) and row["n"] == len(by_patient)
    pairs = agreement(ratings, truth, m, patient)
    assert (pairs["low"].between(-1, 1) & pairs["high"].between(-1, 1)).all()
    assert (pairs["low"] <= pairs["kappa"]).all() and (pairs["kappa"] <= pairs["high"]).all()


def test_kappa_interval_stays_inside():
    visits = [f"sub-{k}" for k in range(20)]
    truth = pd.Series(["RRMS"] * 15 + ["NMOSD"] * 5, visits)
    other = truth.copy()
    other.iloc[0] = "NMOSD"  # the normal interval would end above 1
    row = agreement(pd.concat([ratings_of(truth), ratings_of(other, "B")]), truth).iloc[0]
    assert row["kappa"] == pytest.approx(cohen_kappa_score(truth, other)) and row["high"] <= 1


def test_clustered_mcnemar():
    from statsmodels.stats.contingency_tables import mcnemar as reference

    rng = np.random.default_rng(0)
    first, second = rng.random(200) < 0.7, rng.random(200) < 0.6
    b, c = np.sum(first & ~second), np.sum(second & ~first)
    alone = clustered_mcnemar(first, second, np.arange(200))
    assert alone == pytest.approx(reference([[0, b], [c, 0]], exact=False, correction=False).pvalue)
    p = []
    for seed in range(300):  # scans of a patient repeat one another: the plain test finds too much
        rng = np.random.default_rng(seed)
        patient = np.repeat(np.arange(40), 5)
        one, two = (rng.random(40) < 0.6)[patient], (rng.random(40) < 0.6)[patient]
        p.append(clustered_mcnemar(one, two, patient))
    assert np.mean(np.array(p) < 0.05) < 0.09


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", ["\t", ";", ","])
def test_a_table_of_any_program_with_visits_as_people_write_them(tmp_path, encoding, separator):
    path = tmp_path / "raters.tsv"
    rows = [
        ["Visit", "RATER", "Decision ", "Occasion"],
        ["1_1", "Dr. Müller", "rrms", "1.0"],
        ["SUB-1_ses-01", "B", "n/a", ""],
        ["sub-2", "B", "NMOSD", ""],
        ["sub-03", "B", "RRMS?", ""],
        ["", "", "", ""],
        ["sub-03", "B", '"unsure"', ""],
        ["sub-3_ses-9", "B", "RRMS", ""],
    ]
    path.write_bytes("\r\n".join(separator.join(row) for row in rows).encode(encoding))
    notes: list[str] = []
    known = ["sub-01_ses-01", "sub-02_ses-01", "sub-03_ses-01", "sub-03_ses-02", "sub-03"]
    ratings, bad = read_raters(path, known, LABELS, notes)
    assert ratings["visit"].tolist() == ["sub-01_ses-01", "sub-01_ses-01", "sub-02_ses-01", "sub-03"]
    assert ratings["decision"].fillna("").tolist() == ["RRMS", "", "NMOSD", ""]
    assert bad["line"].tolist() == [5, 8] and "RRMS?" in bad["fault"][0]
    assert any("visits such as 1_1 read as sub-01_ses-01" in note for note in notes)


def test_the_same_person_under_two_spellings_is_not_guessed(tmp_path):
    path = tmp_path / "raters.tsv"
    path.write_text("visit\trater\tdecision\nsub-01\tA\tRRMS\nsub-1\tA\tNMOSD\n")
    ratings, bad = read_raters(path, ["sub-01"], LABELS)
    assert len(ratings) == 1 and bad["visit"].tolist() == ["sub-1"]
