"""Study-shaped derivatives: the published shape, planted signals, the files and columns that the group level reads."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from bids_app.cohort import read_cohort
from bids_app.features.volumes import GLOBAL
from bids_app.image.lesion_table import LESION_COLUMNS
from bids_app.image.template import BUILT_IN, belief_grid, load_template
from bids_app.phantom.cli import main
from bids_app.phantom.diagnosis_study import CLASSES, DiagnosisPlan, draw_patients, patient_lesions
from bids_app.phantom.edss_people import PLANTED, draw_patient
from bids_app.phantom.edss_study import radiomics, structure
from bids_app.phantom.raters import draw_ratings
from bids_app.phantom.sites import lay_out


def make(folder: Path, *more: str) -> Path:
    assert main([str(folder), "--derivatives-only", "--nprocs", "1", *more]) == 0
    return folder


def tables(root: Path, ending: str) -> dict[str, pd.DataFrame]:
    found = sorted((root / "derivatives/demyelin").rglob(f"*_{ending}.tsv"))
    return {path.name.split("_")[0]: pd.read_csv(path, sep="\t", na_values="n/a") for path in found}


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def edss(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("a") / "edss", "--visits", "3,1", "--seed", "3")


@pytest.fixture(scope="module")
def diagnosis(tmp_path_factory) -> Path:
    return make(
        tmp_path_factory.mktemp("b") / "diagnosis",
        *("--study", "B", "--visits", "8,6", "--patients", "4,3", "--seed", "3"),
    )


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    drawn = [draw_patient(site, k, 1, False) for site, n in ((1, 500), (2, 104)) for k in range(1, n + 1)]
    return pd.DataFrame([vars(person) for person in drawn])


@pytest.mark.parametrize("name", ["edss", "diagnosis"])
@pytest.mark.parametrize("part", [".", "derivatives/demyelin", "derivatives/truth"])
def test_datasets_are_valid_bids(name, part, request):
    validator = Path(sys.executable).parent / "bids-validator-deno"
    root = request.getfixturevalue(name) / part
    done = subprocess.run([validator, "--format", "json", root], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


@pytest.mark.parametrize(("name", "visits"), [("edss", 4), ("diagnosis", 14)])
def test_the_group_level_reads_them(name, visits, request):
    root = request.getfixturevalue(name)
    cohort = read_cohort(root / "derivatives/demyelin", root / "participants.tsv")
    assert len(cohort.visits) == visits
    shared = "participants.tsv: one age, disease_duration for all visits"  # study B has several visits of a patient
    assert [note for note in cohort.notes if not (name == "diagnosis" and note.startswith(shared))] == []


def test_edss_tables_have_the_contracts_columns(edss):
    wide = tables(edss, "atlas-AAL_desc-radiomics_dseg")
    assert len(wide) == 4
    for table in wide.values():
        assert table.shape == (117, 2 + 1092)
        assert list(table.columns[:3]) == ["index", "name", "original_firstorder_10Percentile"]
        assert list(table["index"]) == list(range(1, 118))
        assert table["name"].iloc[-1] == "NAWM"
        assert np.isfinite(table.iloc[:, 2:].to_numpy()).all()
    for table in tables(edss, "atlas-AAL_desc-volumes_dseg").values():
        volume = table.set_index("name")["volume_mm3"]
        assert list(table["name"][:7]) == list(GLOBAL)
        assert len(table) == 7 + 116
        assert volume["GM"] + volume["WM"] == pytest.approx(volume["WBV"], abs=0.01)
        assert volume["WBV"] + volume["CSF"] == pytest.approx(volume["TIV"], abs=0.01)
        assert volume.iloc[7:].sum() < volume["GM"]
    for table in tables(edss, "atlas-AAL_desc-chaco_dseg").values():
        assert list(table.columns) == ["index", "name", "chaco", "chaco_sd", "n_streamlines", "frac_defined"]
        assert table["chaco"].between(0, 1).all()


def test_lesion_tables_add_up_to_the_lesion_volume(edss):
    volumes = tables(edss, "atlas-AAL_desc-volumes_dseg")
    for name, table in tables(edss, "seg-lesions_dseg").items():
        assert list(table.columns) == list(LESION_COLUMNS)
        total = volumes[name].set_index("name").loc["TLV", "volume_mm3"]
        assert table["volume_mm3"].sum() == pytest.approx(total, rel=1e-3, abs=0.1)
        assert table["volume_mm3"].is_monotonic_decreasing


def test_same_seed_same_bytes_for_any_size_and_processes(edss, tmp_path):
    again = tmp_path / "again"
    more = ("--visits", "2,1", "--seed", "3", "--nprocs", "2")
    assert main([str(again), "--derivatives-only", *more]) == 0
    first, second = hashes(edss), hashes(again)
    written = [name for name in second if "/sub-" in name]
    assert len(written) == 3 * 10
    assert {name: second[name] for name in written} == {name: first[name] for name in written}


def test_fewer_regions_keep_the_planted_ones_and_their_numbers(edss, tmp_path):
    small = make(tmp_path / "small", "--visits", "1,0", "--regions", "9", "--seed", "3")
    few = tables(small, "atlas-AAL_desc-radiomics_dseg")["sub-10001"]
    every = tables(edss, "atlas-AAL_desc-radiomics_dseg")["sub-10001"]
    assert len(few) == 9
    assert {region for region, _ in PLANTED} <= set(few["name"])
    pd.testing.assert_frame_equal(few, every[every["name"].isin(few["name"])].reset_index(drop=True))


def test_published_demographics(people):
    first, second = (people[people["site"] == site] for site in (1, 2))
    assert (first["course"].eq("SP").sum(), first["sex"].eq("M").sum()) == (72, 151)
    assert (second["course"].eq("SP").sum(), second["sex"].eq("M").sum()) == (20, 24)
    assert first["age"].mean() == pytest.approx(37.5, abs=1.5)
    assert first["age"].std() == pytest.approx(10.9, abs=1.5)
    assert first["duration"].mean() == pytest.approx(9.3, abs=1.2)
    assert first["lesion_ml"].mean() == pytest.approx(10.6, abs=2)
    assert first["wbv_ml"].mean() == pytest.approx(1026.1, abs=20)
    assert first["wbv_ml"].std() == pytest.approx(116.3, abs=15)
    assert people["age"].between(18, 70).all()
    assert (people["age"] - people["duration"] > 10).all()


def test_published_edss(people):
    assert set(people["edss"]) <= {0, *np.arange(1, 10.5, 0.5)}  # 0.5 is no step of the scale
    quartiles = [0.25, 0.5, 0.75]
    assert list(people.loc[people["site"] == 1, "edss"].quantile(quartiles)) == [2.0, 2.5, 4.0]
    assert people.loc[people["site"] == 2, "edss"].quantile(quartiles).tolist() == pytest.approx(
        [1.5, 2, 4], abs=0.5
    )
    assert list(people.loc[people["course"] == "SP", "edss"].quantile(quartiles)) == [4.5, 5.5, 6.0]
    assert list(people.loc[people["course"] == "RR", "edss"].quantile(quartiles)) == [2.0, 2.5, 3.5]


def oracle_r(people: pd.DataFrame) -> float:
    """Correlation of EDSS with its best linear prediction from what was planted."""
    site = people[people["site"] == 1]
    x = np.column_stack([np.ones(len(site)), site["age"], site["course"] == "SP", np.stack(site["latent"])])
    predicted = x @ np.linalg.lstsq(x, site["edss"].to_numpy(), rcond=None)[0]
    return float(np.corrcoef(predicted, site["edss"])[0, 1])


def test_planted_signals_explain_edss_and_do_not_without_outcome(people):
    assert 0.75 < oracle_r(people) < 0.9  # the noise that is left is as large as the study leaves unexplained
    null = pd.DataFrame([vars(draw_patient(1, k, 1, True)) for k in range(1, 501)])
    assert oracle_r(null) < 0.25  # nine columns and 500 patients give about 0.13 by chance
    assert list(null["latent"]) == list(people.loc[people["site"] == 1, "latent"])
    assert null["edss"].median() == pytest.approx(2.5, abs=0.5)


def test_blocks_are_collinear_and_planted_columns_carry_their_latent(people):
    of = structure(1)
    drawn = [draw_patient(1, k, 1, False) for k in range(1, 121)]
    values = np.stack([radiomics(patient, 1) for patient in drawn])
    for number, (row, column) in enumerate(of.planted()):
        latent = [patient.latent[number] for patient in drawn]
        assert np.corrcoef(values[:, row, column], latent)[0, 1] > 0.97
        members = [m for m in range(column % 182, 1092, 182) if not of.heavy[row, m]]
        r = np.corrcoef(values[:, row, members].T)
        assert r.min() > 0.75
        assert np.median(r) > 0.85
    spread = values.reshape(120, -1)
    scaled = ((spread - spread.min(axis=0)) / np.ptp(spread, axis=0)).var(axis=0)
    assert np.median(scaled[of.heavy.ravel()]) < np.median(scaled[~of.heavy.ravel()]) / 2


def test_truth_names_what_was_planted(edss):
    truth = json.loads((edss / "derivatives/truth/edss_model.json").read_text())
    assert [entry["column"] for entry in truth["Planted"]] == [f"radiomics.{r}.{f}" for r, f in PLANTED]
    assert all(len(entry["block"]) == 6 and entry["column"] in entry["block"] for entry in truth["Planted"])
    scores = pd.read_csv(edss / "derivatives/truth/scores.tsv", sep="\t")
    assert list(scores["participant_id"]) == list(tables(edss, "seg-lesions_dseg"))


def maps(root: Path, ending: str) -> dict[str, np.ndarray]:
    found = sorted((root / "derivatives/demyelin").rglob(f"*_space-{BUILT_IN}_res-3_{ending}.nii.gz"))
    return {"_".join(p.name.split("_")[:2]): np.asarray(nib.load(p).dataobj) for p in found}


def test_diagnosis_maps_lie_in_the_brain_and_agree(diagnosis):
    inside = np.asarray(belief_grid().dataobj) > 0
    belief, lesions = maps(diagnosis, "desc-belief_FLAIR"), maps(diagnosis, "label-L_mask")
    assert list(belief) == list(lesions)
    assert len(belief) == 14
    for visit, lesion in lesions.items():
        assert not belief[visit][~inside].any()
        assert not lesion[~inside].any()
        if lesion.any():
            assert belief[visit][lesion > 0].min() > 0.39 > belief[visit][inside & (lesion == 0)].mean() + 0.2
    values = np.concatenate([volume[inside] for volume in belief.values()])
    assert values.mean() == pytest.approx(0.026, abs=0.02)
    assert values.std() == pytest.approx(0.12, abs=0.03)


def test_diagnosis_lesion_tables_match_their_masks(diagnosis):
    lesions = maps(diagnosis, "label-L_mask")
    for path in (diagnosis / "derivatives/demyelin").rglob("*_seg-lesions_dseg.tsv"):
        table = pd.read_csv(path, sep="\t", na_values="n/a")
        visit = path.name.removesuffix("_seg-lesions_dseg.tsv")
        assert list(table.columns) == list(LESION_COLUMNS)
        assert table["volume_mm3"].sum() == pytest.approx(27 * np.count_nonzero(lesions[visit]))


def test_diagnosis_truth_and_raters(diagnosis):
    scans = pd.read_csv(diagnosis / "derivatives/truth/scans.tsv", sep="\t")
    assert scans["diagnosis"].value_counts().to_dict() == {"RRMS": 8, "NMOSD": 6}
    assert scans.groupby("diagnosis")["participant_id"].nunique().to_dict() == {"RRMS": 4, "NMOSD": 3}
    ratings = pd.read_csv(diagnosis / "raters.tsv", sep="\t")
    assert set(ratings["rater"]) == {"A", "B"}
    assert set(ratings["decision"]) <= set(CLASSES)


def test_diagnosis_bytes_do_not_depend_on_processes(diagnosis, tmp_path):
    again = tmp_path / "again"
    options = ["--study", "B", "--visits", "8,6", "--patients", "4,3", "--seed", "3", "--nprocs", "2"]
    assert main([str(again), "--derivatives-only", *options]) == 0
    assert hashes(again) == hashes(diagnosis)


@pytest.fixture(scope="module")
def lesions_of():
    """Lesions of many patients by class, and the layout of the grid."""
    at = lay_out(["MS", "NMOSD"])

    def drawn(null: bool) -> dict[str, list[list[tuple[float, np.ndarray]]]]:
        plan = DiagnosisPlan(scans=(150, 150), patients=(150, 150), null_outcome=null)
        found: dict[str, list] = {name: [] for name in CLASSES}
        for patient in draw_patients(plan):
            found[patient.diagnosis].append(patient_lesions(patient, at, plan.seed))
        return found

    return at, drawn


def share_near(at, patients, centre) -> float:
    """Share of lesions that reach within 10 mm of a place."""
    near = np.linalg.norm(at.points - centre, axis=1) < 10
    masks = [mask for lesions in patients for _, mask in lesions]
    return float(np.mean([mask[near].any() for mask in masks]))


def test_each_disease_has_its_sites_and_its_lesion_free_patients(lesions_of):
    at, drawn = lesions_of
    found = drawn(null=False)
    medulla = (0, -42, -52)
    assert share_near(at, found["NMOSD"], medulla) > 2 * share_near(at, found["RRMS"], medulla)
    free = {name: np.mean([not lesions for lesions in found[name]]) for name in CLASSES}
    assert free["NMOSD"] > 0.3 > free["RRMS"] > 0
    white = np.asarray(load_template(resolution=3).wm.dataobj)[np.asarray(at.grid.dataobj) > 0]
    centres = np.concatenate([white[mask] for lesions in found["RRMS"] for _, mask in lesions])
    assert centres.mean() > 1.3 * white.mean()


def test_without_outcome_the_classes_have_the_same_lesions(lesions_of):
    _, drawn = lesions_of
    found = drawn(null=True)
    counts = {name: np.mean([len(lesions) for lesions in found[name]]) for name in CLASSES}
    assert counts["RRMS"] == pytest.approx(counts["NMOSD"], rel=0.25)


def test_raters_are_as_good_and_as_consistent_as_published():
    labels = ["RRMS"] * 3000 + ["NMOSD"] * 3000
    names = [f"sub-{k:04d}" for k in range(6000)]
    scans = pd.DataFrame({"participant_id": names, "session_id": "ses-01", "diagnosis": labels})
    ratings = draw_ratings(scans, 1, null_outcome=False).merge(scans[["participant_id", "diagnosis"]])
    first = ratings[ratings["occasion"] == 1]
    right = (first["decision"] == first["diagnosis"]).groupby([first["rater"], first["diagnosis"]]).mean()
    assert right["A", "RRMS"] == pytest.approx(0.640, abs=0.03)
    assert right["A", "NMOSD"] == pytest.approx(0.818, abs=0.03)
    assert right["B", "NMOSD"] == pytest.approx(0.580, abs=0.03)
    wide = ratings.pivot(index="participant_id", columns=["rater", "occasion"], values="decision")
    assert 0.3 < cohen_kappa_score(wide["A", 1], wide["B", 1]) < 0.5
    for rater in "AB":
        assert 0.58 < cohen_kappa_score(*wide[rater].dropna().to_numpy().T) < 0.8


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--visits", "five"], "two whole numbers"),
        (["--visits", "0,0"], "at least"),
        (["--regions", "3"], "from 7"),
        (["--patients", "3,3"], "study A"),
        (["--study", "B", "--visits", "3,3", "--patients", "4,3"], "each patient needs a scan"),
        (["--study", "B", "--regions", "9"], "study B"),
        (["--nprocs", "0"], "--nprocs"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_study_options_are_one_line(tmp_path, capsys, args, words):
    assert main([str(tmp_path / "new"), "--derivatives-only", *args]) == 2
    output = capsys.readouterr().err
    assert words in output
    assert output.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_quality_numbers_are_mostly_usual_and_bad_scans_are_flagged():
    from bids_app.phantom.quality import draw_quality

    rng = np.random.default_rng(0)
    rows = pd.concat(
        [draw_quality(rng, 1 + k % 2, {"lesion_count": k}) for k in range(400)], ignore_index=True
    )
    assert 0.005 < rows["flags"].notna().mean() < 0.06
    assert rows["snr_t1w_wm"][1::2].mean() < rows["snr_t1w_wm"][::2].mean()
    assert draw_quality(rng, 1, {}, t1w=False)["snr_t1w_wm"].isna().all()
