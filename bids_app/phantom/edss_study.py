"""Study A's phantom: radiomics, volumes, disconnection and lesions of patients whose disability is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.derivatives import write_json, write_table, write_text
from bids_app.derivatives.names import OUTPUTS, anat_folder
from bids_app.derivatives.reader import Derivatives
from bids_app.features.chaco import CHACO_COLUMNS
from bids_app.features.volumes import FIRST_GLOBAL, GLOBAL, VOLUME_COLUMNS
from bids_app.image.atlas import AAL, load_atlas
from bids_app.image.lesion_table import LESION_COLUMNS
from bids_app.image.quality import QUALITY_COLUMNS
from bids_app.image.template import BUILT_IN
from bids_app.phantom import study
from bids_app.phantom.edss_people import (
    AGE_WEIGHT,
    EDSS_MODEL,
    LEVELS,
    NOISE,
    NULL_MODEL,
    PLANTED,
    SHARES,
    SITES,
    EDSSPatient,
    draw_patient,
)
from bids_app.phantom.quality import NUMBERS, Typical, draw_quality
from bids_app.phantom.sites import Sites, lay_out, lesion_rows
from bids_app.visit_name import VisitName

Array = npt.NDArray[np.float64]
NAWM = "NAWM"
BLOCKS = 182  # latent variables of a region: 117 x 182 columns are left of 127,764, as in study A
SHARED = 8  # latent variables common to all regions; the first rises with age
# of a feature, common to all and to its region: radiomics are highly correlated
SHARED_VARIANCE, REGION_VARIANCE = 0.15, 0.15
LOADING = (0.93, 0.99)  # correlations inside a block are 0.86 to 0.98
HEAVY_SHARE = 0.04  # columns with a few extreme values: what a variance filter on scaled values drops
SITE_SHIFT_SD = 0.25  # of a block's mean at the second site
MOST_LESIONS = 200  # the sites hold no more apart


@dataclass(frozen=True, kw_only=True)
class EDSSPlan:
    """What to make: visits of each site, regions with radiomics (None: all), outcome, seed, processes.

    `like` are tables of radiomics whose means and spreads the columns take (see `structure`), `typical` the quality
    numbers.
    """

    visits: tuple[int, ...] = (500, 104)
    regions: int | None = None
    null_outcome: bool = False
    seed: int = 1
    nprocs: int = 1
    like: tuple[Path, ...] = ()
    typical: Typical = field(default_factory=lambda: NUMBERS)


@dataclass(frozen=True)
class CohortStructure:
    """How columns hang together: arrays (regions, features) or (regions, blocks)."""

    names: list[str]
    regions: list[str]
    loading: Array
    heavy: npt.NDArray[np.bool_]
    scale: Array
    centre: Array
    shared: Array
    shift: Array

    def planted(self) -> list[tuple[int, int]]:
        """Return row and column of each planted feature."""
        return [(self.regions.index(region), self.names.index(name)) for region, name in PLANTED]


@lru_cache(maxsize=2)
def structure(seed: int, like: tuple[Path, ...] = ()) -> CohortStructure:
    """Draw the columns' structure: column j of a region belongs to block j modulo 182.

    The members of a block lie 182 columns apart, so that they belong to different image types and only one
    of them to the original image or the finest Laplacian of Gaussian.

    Parameters
    ----------
    seed : int
    like : tuple of Path
        Tables of radiomics whose means and standard deviations the columns take, where these know them.
    """
    from bids_app.features.radiomics import feature_names

    rng = np.random.default_rng([seed, 41])
    names, regions = feature_names(), [*load_atlas().regions["name"], NAWM]
    shape, blocks = (len(regions), len(names)), (len(regions), BLOCKS)
    scale = 10 ** rng.uniform(-2, 4, shape)
    drawn = CohortStructure(
        names,
        regions,
        loading=rng.uniform(*LOADING, shape),
        heavy=rng.random(shape) < HEAVY_SHARE,
        scale=scale,
        centre=scale * rng.uniform(4, 10, shape),
        shared=rng.normal(0, np.sqrt(SHARED_VARIANCE / SHARED), (*blocks, SHARED)),
        shift=rng.normal(0, SITE_SHIFT_SD, blocks),
    )
    if like:
        _shape_like(drawn, like)
    for row, column in drawn.planted():
        drawn.heavy[row, column] = False
        drawn.loading[row, column] = LOADING[1]
        drawn.shared[row, column % BLOCKS] = 0
    return drawn


def finished_radiomics(out: Path) -> tuple[Path, ...]:
    """Return the tables of radiomics of the visits that are finished in a phantom's derivatives."""
    found = Derivatives(out / study.DERIVATIVES).find("radiomics", template=BUILT_IN, atlas=AAL)
    return tuple(path for _, path in found)


def _shape_like(drawn: CohortStructure, tables: Iterable[Path]) -> None:
    """Give columns the mean and spread that they have in tables; a spread is a tenth of the mean at least."""
    found = [
        pd.read_csv(path, sep="\t").set_index("name").reindex(drawn.regions)[drawn.names].to_numpy(np.float64)
        for path in tables
    ]
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
    known = np.isfinite(mean) & (mean != 0)
    drawn.centre[known] = mean[known]
    drawn.scale[known] = np.maximum(spread, 0.1 * np.abs(mean))[known]


def radiomics(patient: EDSSPatient, seed: int, like: tuple[Path, ...] = ()) -> npt.NDArray[np.float32]:
    """Return a patient's radiomics, (117 regions, 1,092 features).

    The columns' names are pyradiomics' own; their ranges are not, but for those of `like` (see `structure`).

    Parameters
    ----------
    patient : EDSSPatient
        Whose features are drawn.
    seed : int
        Of the study's structure.
    like : tuple of Path
        Tables whose ranges the features get.
    """
    of = structure(seed, like)
    rng = np.random.default_rng([seed, 42, int(patient.label)])
    common = rng.standard_normal(SHARED)
    common[0] = 0.5 * patient.age_z + np.sqrt(0.75) * common[0]
    regional = np.sqrt(REGION_VARIANCE) * rng.standard_normal((len(of.regions), 1))
    unshared = np.sqrt(1 - SHARED_VARIANCE - REGION_VARIANCE) * rng.standard_normal(of.shift.shape)
    latent = of.shared @ common + regional + unshared
    for (row, column), value in zip(of.planted(), patient.latent, strict=True):
        latent[row, column % BLOCKS] = value
    if patient.site > 1:
        latent += of.shift
    noise = rng.standard_normal(of.loading.shape)
    block = np.arange(len(of.names)) % BLOCKS
    values = of.loading * latent[:, block] + np.sqrt(1 - of.loading**2) * noise
    values[of.heavy] = np.exp(2 * values[of.heavy])
    return (of.centre + of.scale * values).astype(np.float32)


def write_radiomics(values: npt.NDArray[np.float32], regions: int | None, seed: int, path: Path) -> None:
    """Write a radiomics table; numbers in single precision, as short as they can be told apart.

    Parameters
    ----------
    values : ndarray of float32, (regions, features)
    regions : int, optional
        How many are written, those with planted features first; all by default.
    seed : int
        Of the study's structure.
    path : Path
    """
    of = structure(seed)
    planted = dict.fromkeys(row for row, _ in of.planted())
    rows = sorted([*planted, *(r for r in range(len(of.regions)) if r not in planted)][:regions])
    lines = [["index", "name", *of.names]]
    lines += [[str(row + 1), of.regions[row], *values[row].astype(str)] for row in rows]
    write_text("".join("\t".join(line) + "\n" for line in lines), path)


def volumes(patient: EDSSPatient, rng: np.random.Generator) -> pd.DataFrame:
    """Return a patient's volumes in mm3, in the participant level's columns.

    Regions share the grey matter by their size in the atlas, which leaves a tenth of it without a name.
    """
    regions, shares = _atlas()
    grey = 0.57 * patient.wbv_ml
    white = patient.wbv_ml - grey
    known = {
        "TIV": patient.tiv_ml,
        "WBV": patient.wbv_ml,
        "GM": grey,
        "WM": white,
        "CSF": patient.tiv_ml - patient.wbv_ml,
        "NAWM": 0.85 * white - patient.lesion_ml,
        "TLV": patient.lesion_ml,
    }
    regional = 0.9 * grey * shares * np.exp(rng.normal(0, 0.08, len(regions)))
    table = pd.DataFrame(
        {
            "index": [*range(FIRST_GLOBAL, FIRST_GLOBAL + len(GLOBAL)), *regions["index"]],
            "name": [*GLOBAL, *regions["name"]],
            "volume_mm3": [*(1000 * known[name] for name in GLOBAL), *(1000 * regional)],
        }
    )
    return table.round({"volume_mm3": 3})


@lru_cache(maxsize=1)
def _atlas() -> tuple[pd.DataFrame, Array]:
    """Return AAL's regions and their shares of its voxels."""
    atlas = load_atlas()
    counts = np.bincount(np.asarray(atlas.image.dataobj).ravel())[atlas.regions["index"]]
    return atlas.regions, counts / counts.sum()


def disconnection(patient: EDSSPatient, seed: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a patient's ChaCo scores: each region loses connections with lesion volume at its own rate.

    Parameters
    ----------
    patient : EDSSPatient
    seed : int
        Of the cohort: the regions' rates are the same for all patients.
    rng : Generator
        The patient's own.
    """
    regions, _ = _atlas()
    fixed = np.random.default_rng([seed, 43])
    rate = np.exp(fixed.normal(np.log(0.012), 0.7, len(regions)))
    streamlines = fixed.integers(200, 20000, len(regions))
    lost = -np.expm1(-rate * patient.lesion_ml * np.exp(rng.normal(0, 0.5, len(regions))))
    table = regions.assign(chaco=lost, chaco_sd=lost * rng.uniform(0.1, 0.6, len(regions)))
    return table.assign(n_streamlines=streamlines, frac_defined=1.0).round(6)


def lesions(patient: EDSSPatient, at: Sites, rng: np.random.Generator) -> pd.DataFrame:
    """Return a patient's lesion table: the lesion volume over lesions at the disease's sites, largest first.

    Parameters
    ----------
    patient : EDSSPatient
    at : Sites
        Where lesions may lie.
    rng : Generator
        The patient's own.
    """
    count = min(MOST_LESIONS, 1 + int(rng.poisson(4 + 1.5 * patient.lesion_ml)))
    chance = at.chance["MS"]
    voxels = rng.choice(chance.size, count, replace=False, p=chance)
    share = np.sort(rng.dirichlet(np.full(count, 0.8)))[::-1]
    labels = np.zeros(chance.size, np.int64)
    labels[voxels] = np.arange(1, count + 1)
    return lesion_rows(at, labels, 1000 * patient.lesion_ml * share, rng.uniform(0.4, 0.9, count))


def _write_visit(patient: EDSSPatient, plan: EDSSPlan, at: Sites, out: Path) -> str:
    """Write a patient's tables; return the participant's name."""
    name = VisitName(patient.label).prefix
    folder = anat_folder(out / study.DERIVATIVES, Path(name))

    def path(key: str) -> Path:
        return folder / OUTPUTS[key].path(name, template=BUILT_IN, atlas=AAL)

    rng = np.random.default_rng([plan.seed, 44, int(patient.label)])
    tables: list[tuple[str, pd.DataFrame, Mapping[str, Any]]] = [
        ("volumes", volumes(patient, rng), VOLUME_COLUMNS),
        ("chaco", disconnection(patient, plan.seed, rng), CHACO_COLUMNS),
        ("lesion_table", lesions(patient, at, rng), LESION_COLUMNS),
    ]
    known = {
        "brain_volume_ml": patient.tiv_ml * 0.95,
        "lesion_volume_ml": patient.lesion_ml,
        "lesion_count": len(tables[2][1]),
    }
    tables.append(("qc", draw_quality(rng, patient.site, known, typical=plan.typical), QUALITY_COLUMNS))
    for key, table, columns in tables:
        study.write_with_sidecar(table, path(key), OUTPUTS[key].about, columns)
    tsv = path("radiomics")
    write_radiomics(radiomics(patient, plan.seed, plan.like), plan.regions, plan.seed, tsv)
    write_json({"Description": OUTPUTS["radiomics"].about, "Synthetic": True}, tsv.with_suffix(".json"))
    return name


def write_edss_study(out: Path, plan: EDSSPlan) -> Iterator[str]:
    """Write study A's phantom, yielding lines of progress.

    Parameters
    ----------
    out : Path
        Root; derivatives and truth go to `derivatives/demyelin` and `derivatives/truth` in it.
    plan : EDSSPlan
        What to make. The same plan gives the same bytes, for any number of processes.
    """
    options = {
        name: value for name, value in asdict(plan).items() if name not in {"nprocs", "like", "typical"}
    }
    study.describe(out, f"study A, {options}")
    patients = [
        draw_patient(site, number, plan.seed, plan.null_outcome)
        for site, n in zip(SITES, plan.visits, strict=True)
        for number in range(1, n + 1)
    ]
    model = NULL_MODEL if plan.null_outcome else EDSS_MODEL
    study.write_participants(_people(patients), out, model)
    columns = ["score", *(f"{region}.{name}" for region, name in PLANTED)]
    truth = pd.DataFrame([(p.score, *p.latent) for p in patients], columns=columns).round(6)
    truth.insert(0, "participant_id", [VisitName(p.label).participant_id for p in patients])
    write_table(truth, out / study.TRUTH / "scores.tsv")
    write_json(_truth(plan, model), out / study.TRUTH / "edss_model.json")
    write = partial(_write_visit, plan=plan, at=lay_out(["MS"]), out=out)
    for number, name in enumerate(study.run_jobs(write, patients, plan.nprocs), start=1):
        yield from study.progress(number, len(patients), name)


def _people(patients: list[EDSSPatient]) -> pd.DataFrame:
    rows = [
        {
            "participant_id": VisitName(p.label).participant_id,
            "age": p.age,
            "sex": p.sex,
            "disease_duration": p.duration,
            "disease_course": p.course,
            "site": f"site{p.site}",
            "diagnosis": "MS",
            "onset_age": round(p.age - p.duration, 1),
            "edss": p.edss,
        }
        for p in patients
    ]
    return pd.DataFrame(rows)


def _truth(plan: EDSSPlan, model: str) -> dict[str, Any]:
    """Return what was planted, in the group level's column names."""
    of = structure(plan.seed)
    places = dict(zip(PLANTED.items(), of.planted(), strict=True))
    planted = [
        {
            "column": f"radiomics.{region}.{name}",
            "weight": 0.0 if plan.null_outcome else weight,
            "block": [f"radiomics.{region}.{other}" for other in of.names[column % BLOCKS :: BLOCKS]],
        }
        for ((region, name), weight), (_, column) in places.items()
    ]
    return {
        "EDSSModel": model,
        "NullOutcome": plan.null_outcome,
        "Seed": plan.seed,
        "AgeWeight": 0.0 if plan.null_outcome else AGE_WEIGHT,
        "NoiseSD": 1.0 if plan.null_outcome else round(NOISE, 6),
        "Planted": planted,
        "PlantedClinical": [] if plan.null_outcome else ["age", "disease_course"],
        "Levels": LEVELS.tolist(),
        "ShareAtOrBelow": {f"{course} site{site}": share for (course, site), share in SHARES.items()},
    }
