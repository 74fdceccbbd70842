"""Study B's phantom: belief and lesion maps of RRMS and NMOSD patients, several scans each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from bids_app.derivatives import save_image, write_json, write_table
from bids_app.derivatives.dataset import write_sidecar
from bids_app.derivatives.names import OUTPUTS, anat_folder
from bids_app.image.atlas import AAL
from bids_app.image.lesion_table import LESION_COLUMNS, number_lesions
from bids_app.image.quality import QUALITY_COLUMNS
from bids_app.image.template import BELIEF_MM, BUILT_IN
from bids_app.phantom import study
from bids_app.phantom.lesions import RADIUS_MM
from bids_app.phantom.quality import NUMBERS, Typical, draw_quality
from bids_app.phantom.raters import draw_ratings
from bids_app.phantom.sites import ARTEFACT_CENTRES, Sites, lay_out, lesion_rows
from bids_app.visit_name import VisitName

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Demographics(NamedTuple):
    """Onset age and duration (mean, SD; years), share of men."""

    onset: tuple[float, float]
    male: float
    duration: tuple[float, float]


CLASSES = ("RRMS", "NMOSD")
PRIOR = {"RRMS": "MS", "NMOSD": "NMOSD"}
DEMOGRAPHICS: dict[str, Demographics] = {  # study B, table 1
    "RRMS": Demographics((32.7, 12.4), 0.256, (10.6, 6.5)),
    "NMOSD": Demographics((39.3, 12.9), 0.124, (9.7, 6.0)),
}
LESION_FREE = {"RRMS": 0.06, "NMOSD": 0.40}  # share of patients who never have a lesion


class Hot(NamedTuple):
    """A site where many patients have a lesion: centre and radii (template mm), share of RRMS and NMOSD."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    chance: dict[str, float]


# where the study's chi-square map is highest; a centre with x > 0 stands for both sides, each by itself
HOT_SITES = {
    "frontal horn of the lateral ventricle": Hot((19, 32, 8), (6, 7, 7), {"RRMS": 0.50, "NMOSD": 0.16}),
    "body of the lateral ventricle": Hot((24, -16, 27), (6, 10, 6), {"RRMS": 0.60, "NMOSD": 0.16}),
    "occipital horn of the lateral ventricle": Hot((30, -56, 14), (7, 8, 7), {"RRMS": 0.55, "NMOSD": 0.18}),
    "inferior temporal lobe": Hot((45, -32, -14), (6, 8, 5), {"RRMS": 0.40, "NMOSD": 0.06}),
    "dorsal medulla": Hot((0, -42, -52), (6, 5, 8), {"RRMS": 0.05, "NMOSD": 0.30}),
    "cerebral peduncle": Hot((13, -18, -14), (6, 6, 7), {"RRMS": 0.06, "NMOSD": 0.20}),
    "internal capsule": Hot((20, -8, 8), (5, 9, 9), {"RRMS": 0.07, "NMOSD": 0.20}),
    "corpus callosum": Hot((0, -28, 20), (9, 10, 6), {"RRMS": 0.08, "NMOSD": 0.22}),
}
LESIONS = {"RRMS": (1.6, 4.0), "NMOSD": (1.2, 2.0)}  # elsewhere; gamma: shape and scale of their number
COMMON = 0.35  # share of these at the sites that both diseases have
EVENNESS = 3.0  # Dirichlet: how evenly scans are spread over patients
SEEN = 0.85  # chance that a lesion of a patient shows in a scan
RADIUS_FACTOR = 1.5  # a segmentation at 3 mm sees lesions with their rims
ARTEFACT_CHANCE = 0.15  # of each artefact in each scan
ARTEFACT_RADII_MM = (3.0, 6.0)  # as large as a small lesion
# belief: of grey matter, white matter and fluid (medians of two visits of an openMS patient, -.035, -.075 and -.30,
# shifted so that the brain's mean is study B's .026); SD of texture between and within scans; lesions' range
TISSUE_BELIEF = np.array([-0.035, -0.075, -0.30]) + 0.104
# SD of belief: the patient's own, and each scan's; together .086, as in that patient's tissues
TEXTURE_SD = (0.05, 0.07)
LESION_BELIEF = (0.4, 0.9)  # from study B's threshold (0.33) up
BELIEF_STEP = 1 / 1024  # belief is written in such steps, so that files compress


@dataclass(frozen=True, kw_only=True)
class DiagnosisPlan:
    """What to make: scans and patients of each class, outcome, seed, processes, quality numbers."""

    scans: tuple[int, ...] = (746, 292)
    patients: tuple[int, ...] = (172, 97)
    null_outcome: bool = False
    seed: int = 1
    nprocs: int = 1
    typical: Typical = field(default_factory=lambda: NUMBERS)


@dataclass(frozen=True)
class DiagnosisPatient:
    """One patient of study B's phantom; `drawn_as` is the class whose model the patient follows."""

    label: str
    number: int
    diagnosis: str
    drawn_as: str
    sex: str
    onset_age: float
    duration: float
    years: tuple[float, ...]
    months: tuple[float, ...]

    @property
    def name(self) -> str:
        """BIDS name."""
        return VisitName(self.label).participant_id

    def visit(self, session: int) -> VisitName:
        """Return the name of a scan, counted from 1."""
        return VisitName(self.label, f"{session:02d}")


def draw_patients(plan: DiagnosisPlan) -> list[DiagnosisPatient]:
    """Draw the patients and the times of their scans."""
    rng = np.random.default_rng([plan.seed, 51])
    patients: list[DiagnosisPatient] = []
    for diagnosis, n_scans, n in zip(CLASSES, plan.scans, plan.patients, strict=True):
        counts = 1 + rng.multinomial(n_scans - n, rng.dirichlet(np.full(n, EVENNESS)))
        patients += [
            _draw_patient(len(patients) + k, diagnosis, int(count), plan)
            for k, count in enumerate(counts, start=1)
        ]
    return patients


def _draw_patient(number: int, diagnosis: str, scans: int, plan: DiagnosisPlan) -> DiagnosisPatient:
    rng = np.random.default_rng([plan.seed, 52, number])
    drawn_as = str(rng.choice(CLASSES)) if plan.null_outcome else diagnosis
    about = DEMOGRAPHICS[drawn_as]
    onset = float(np.clip(rng.normal(*about.onset), 12, 75))
    mean, sd = about.duration
    duration = float(np.clip(rng.gamma((mean / sd) ** 2, sd**2 / mean), 0.3, 40))
    return DiagnosisPatient(
        label=f"{number:04d}",
        number=number,
        diagnosis=diagnosis,
        drawn_as=drawn_as,
        sex="M" if rng.random() < about.male else "F",
        onset_age=round(onset, 1),
        duration=round(duration, 1),
        years=tuple(np.sort(rng.uniform(0, duration, scans)).round(2)),
        months=tuple(rng.exponential(14, scans).round(1)),
    )


def patient_lesions(patient: DiagnosisPatient, at: Sites, seed: int) -> list[tuple[float, Mask]]:
    """Draw a patient's lesions: years from onset to each, and its voxels.

    Parameters
    ----------
    patient : DiagnosisPatient
    at : Sites
        Where lesions may lie.
    seed : int
        Of the cohort; the patient's number is added.
    """
    rng = np.random.default_rng([seed, 53, patient.number])
    if rng.random() < LESION_FREE[patient.drawn_as]:
        return []
    found = []
    for site in HOT_SITES.values():
        x, y, z = site.centre
        for side in (1, -1) if x else (1,):
            if rng.random() < site.chance[patient.drawn_as]:
                centre = np.array([side * x, y, z]) + rng.normal(0, 1, 3)
                radii = np.array(site.radii) * rng.uniform(0.8, 1.25, 3)
                found.append((_start(patient, rng), at.near(centre, radii)))
    prior = PRIOR[patient.drawn_as]
    shared = np.mean(list(at.chance.values()), axis=0)
    for _ in range(int(rng.poisson(rng.gamma(*LESIONS[patient.drawn_as])))):
        chance = shared if rng.random() < COMMON else at.chance[prior]
        median, spread = RADIUS_MM[prior]
        centre = at.points[rng.choice(chance.size, p=chance)]
        radii = RADIUS_FACTOR * median * np.exp(rng.normal(0, spread)) * rng.uniform(0.75, 1.35, 3)
        found.append((_start(patient, rng), at.near(centre, radii)))
    return found


def _start(patient: DiagnosisPatient, rng: np.random.Generator) -> float:
    """Draw years from onset to a lesion; most are there when the first scan is made."""
    return float(rng.uniform(-patient.duration, patient.duration))


def artefacts(at: Sites, rng: np.random.Generator) -> Mask:
    """Draw a scan's artefacts, which a segmentation takes for lesions; the same chance in both classes."""
    mask = np.zeros(len(at.points), bool)
    for centre in ARTEFACT_CENTRES.values():
        moved = np.asarray(centre) + rng.normal(0, 2, 3)
        radii = rng.uniform(*ARTEFACT_RADII_MM, 3)
        if rng.random() < ARTEFACT_CHANCE:
            mask |= at.near(moved, radii)
    return mask


def belief_map(at: Sites, bright: Mask, steady: Array, rng: np.random.Generator) -> Array:
    """Return belief at the brain voxels: tissue, texture (`steady` is the patient's own), lesions and artefacts.

    Parameters
    ----------
    at : Sites
        The brain's voxels and tissues.
    bright : ndarray, (voxels,), bool
        Lesions and artefacts.
    steady : ndarray, (voxels,)
        The patient's own texture, the same in all scans.
    rng : Generator
    """
    belief = TISSUE_BELIEF @ at.tissues + TEXTURE_SD[0] * steady + TEXTURE_SD[1] * texture(at, rng)
    belief[bright] = rng.uniform(*LESION_BELIEF, int(bright.sum()))
    return np.round(belief / BELIEF_STEP) * BELIEF_STEP


def texture(at: Sites, rng: np.random.Generator) -> Array:
    """Return noise correlated over a voxel or two, SD 1, at the brain voxels."""
    smooth = ndimage.gaussian_filter(rng.standard_normal(at.grid.shape, np.float32), 0.8)
    inside = smooth[np.asarray(at.grid.dataobj) > 0].astype(np.float64)
    return (inside - inside.mean()) / inside.std()


def _write_patient(
    patient: DiagnosisPatient, plan: DiagnosisPlan, at: Sites, out: Path
) -> list[dict[str, object]]:
    """Write a patient's scans; return a row of truth for each."""
    owned = patient_lesions(patient, at, plan.seed)
    steady = texture(at, np.random.default_rng([plan.seed, 54, patient.number]))
    rows: list[dict[str, object]] = []
    for session, year in enumerate(patient.years, start=1):
        rng = np.random.default_rng([plan.seed, 55, patient.number, session])
        shown = [mask for start, mask in owned if rng.random() < SEEN and start <= year]
        lesion = np.any(shown, axis=0) if shown else np.zeros(len(at.points), bool)
        artefact = artefacts(at, rng)
        belief = belief_map(at, lesion | artefact, steady, rng)
        _write_scan(patient, session, at, lesion | artefact, belief, out, rng, plan.typical)
        rows.append(
            {
                "participant_id": patient.name,
                "session_id": patient.visit(session).session_id,
                "diagnosis": patient.diagnosis,
                "drawn_as": patient.drawn_as,
                "lesions": len(shown),
                "lesion_voxels": int(lesion.sum()),
                "artefact_voxels": int((artefact & ~lesion).sum()),
            }
        )
    _write_sessions(patient, out)
    return rows


def _write_scan(
    patient: DiagnosisPatient,
    session: int,
    at: Sites,
    bright: Mask,
    belief: Array,
    out: Path,
    rng: np.random.Generator,
    typical: Typical,
) -> None:
    """Write a scan's belief map, lesion mask, lesion table and quality numbers."""
    name = patient.visit(session)
    prefix = name.prefix
    folder = anat_folder(out / study.DERIVATIVES, name.folder)
    images = {
        "belief": at.image(belief.astype(np.float32)),
        "lesions_template_3mm": at.image(bright.astype(np.uint8)),
    }
    for key, image in images.items():
        output = OUTPUTS[key]
        path = save_image(image, folder / output.path(prefix, template=BUILT_IN, atlas=AAL))
        write_sidecar(
            path, {"Description": output.about, "Synthetic": True, "Resolution": "3 mm"} | dict(output.meta)
        )
    numbered = np.asarray(number_lesions(images["lesions_template_3mm"]).dataobj)
    lesion = numbered[np.asarray(at.grid.dataobj) > 0]
    index = np.arange(1, int(lesion.max()) + 1)
    volume = np.bincount(lesion, minlength=1)[1:].astype(np.float64) * BELIEF_MM**3
    mean = np.asarray(ndimage.mean(belief, lesion, index)) if index.size else np.empty(0)
    path = folder / OUTPUTS["lesion_table"].path(prefix, template=BUILT_IN, atlas=AAL)
    table = lesion_rows(at, lesion.astype(np.int64), volume, np.clip(mean, 0, 1))
    study.write_with_sidecar(table, path, OUTPUTS["lesion_table"].about, LESION_COLUMNS)
    known = {"lesion_volume_ml": float(volume.sum()) / 1000, "lesion_count": len(table)}
    quality = draw_quality(rng, 1, known, t1w=False, typical=typical)
    path = folder / OUTPUTS["qc"].path(prefix, template=BUILT_IN, atlas=AAL)
    study.write_with_sidecar(quality, path, OUTPUTS["qc"].about, QUALITY_COLUMNS)


def _write_sessions(patient: DiagnosisPatient, out: Path) -> None:
    """Write what is known of each scan."""
    years = np.array(patient.years)
    table = pd.DataFrame(
        {
            "session_id": [patient.visit(n + 1).session_id for n in range(len(years))],
            "age": (patient.onset_age + years).round(1),
            "disease_duration": years.round(1),
            "months_since_episode": patient.months,
        }
    )
    path = out / VisitName(patient.label).sessions_table
    write_table(table, path)
    columns = {
        "session_id": {"Description": "Session."},
        "age": {"Description": "Age at the scan.", "Units": "year"},
        "disease_duration": {"Description": "Time from the first symptom to the scan.", "Units": "year"},
        "months_since_episode": {"Description": "Time since the last relapse.", "Units": "month"},
    }
    write_json(columns, path.with_suffix(".json"))


def write_diagnosis_study(out: Path, plan: DiagnosisPlan) -> Iterator[str]:
    """Write study B's phantom, yielding lines of progress.

    Parameters
    ----------
    out : Path
        Root; derivatives and truth go to `derivatives/demyelin` and `derivatives/truth` in it, the simulated
        raters' decisions to `raters.tsv`.
    plan : DiagnosisPlan
        What to make. The same plan gives the same bytes, for any number of processes. With `null_outcome`
        each patient follows the model of a class drawn by chance, whatever the diagnosis.
    """
    options = {name: value for name, value in asdict(plan).items() if name not in {"nprocs", "typical"}}
    study.describe(out, f"study B, {options}")
    at, patients = lay_out([PRIOR[name] for name in CLASSES]), draw_patients(plan)
    study.write_participants(_people(patients), out, "Not drawn.")
    for name, chance in at.chance.items():
        save_image(at.image(chance.astype(np.float32)), out / study.TRUTH / f"desc-{name}_chance.nii.gz")
    write_json(_truth(plan), out / study.TRUTH / "diagnosis_model.json")
    rows: list[dict[str, object]] = []
    write = partial(_write_patient, plan=plan, at=at, out=out)
    for number, added in enumerate(study.run_jobs(write, patients, plan.nprocs), start=1):
        rows += added
        yield from study.progress(number, len(patients), patients[number - 1].name)
    scans = pd.DataFrame(rows)
    write_table(scans, out / study.TRUTH / "scans.tsv")
    write_table(draw_ratings(scans, plan.seed, plan.null_outcome), out / "raters.tsv")


def _people(patients: list[DiagnosisPatient]) -> pd.DataFrame:
    rows = [
        {
            "participant_id": p.name,
            "age": round(p.onset_age + p.years[0], 1),
            "sex": p.sex,
            "disease_duration": p.duration,
            "disease_course": "RR" if p.diagnosis == "RRMS" else "n/a",
            "site": "site1",
            "diagnosis": p.diagnosis,
            "onset_age": p.onset_age,
            "edss": "n/a",
        }
        for p in patients
    ]
    return pd.DataFrame(rows)


def _truth(plan: DiagnosisPlan) -> dict[str, object]:
    return {
        "Seed": plan.seed,
        "NullOutcome": plan.null_outcome,
        "LesionFreePatients": LESION_FREE,
        "Sites": {name: site._asdict() for name, site in HOT_SITES.items()},
        "OtherLesions": "desc-MS_chance.nii.gz, desc-NMOSD_chance.nii.gz",
        "CommonShareOfOtherLesions": COMMON,
        "ArtefactCentres": ARTEFACT_CENTRES,
        "ArtefactChance": ARTEFACT_CHANCE,
    }
