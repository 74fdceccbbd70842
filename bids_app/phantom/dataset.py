"""A phantom cohort on disk: raw BIDS, and the truth as a derivative dataset beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app import __version__
from bids_app.derivatives import save_image, write_json, write_table, write_text
from bids_app.image.atlas import load_atlas
from bids_app.phantom.anatomy import TISSUES, PhantomAnatomy, make_anatomy
from bids_app.phantom.images import FLAIR, T1W, scan, thick_slices
from bids_app.phantom.lesions import draw_lesions
from bids_app.phantom.people import EDSS_MODEL, Person, draw_person
from bids_app.visit_name import VisitName

YEARS_BETWEEN = 1.0  # sessions
DIAGNOSES = {
    "MS": "multiple sclerosis",
    "RRMS": "relapsing-remitting multiple sclerosis",
    "NMOSD": "neuromyelitis optica spectrum disorder",
}
PARTICIPANT_COLUMNS: dict[str, dict[str, object]] = {
    "age": {"Description": "Age at the first session.", "Units": "year"},
    "sex": {"Description": "Sex.", "Levels": {"F": "female", "M": "male"}},
    "disease_duration": {"Description": "Time since the first symptom.", "Units": "year"},
    "disease_course": {
        "Description": "Course.",
        "Levels": {"RR": "relapsing-remitting", "SP": "progressive"},
    },
    "site": {"Description": "Scanner."},
    "diagnosis": {
        "Description": "Diagnosis.",
        "Levels": DIAGNOSES,
    },
    "onset_age": {"Description": "Age at the first symptom.", "Units": "year"},
    "edss": {"Description": f"Expanded disability status scale at the first session. {EDSS_MODEL}."},
}
README = """\
A synthetic cohort made by demyelin-phantom: no person's data. The truth is in derivatives/truth.

Every head is the ICBM 2009a template bent by a smooth random field; lesions are drawn from the sites of each
disease; T1w and FLAIR follow from tissue maps, non-uniformity and noise.
"""


@dataclass(frozen=True, kw_only=True)
class CohortPlan:
    """What to make: see `demyelin-phantom --help`."""

    participants: int = 4
    sessions: int = 1
    sites: int = 1
    resolution: float = 2.0
    diagnoses: tuple[str, ...] = ("MS", "NMOSD")
    noise: float = 0.03
    slice_thickness: float = 3.0
    lesion_free: bool = False
    seed: int = 1


def write_phantom(out: Path, plan: CohortPlan) -> Iterator[str]:
    """Write the cohort, yielding a line of progress for each session.

    Parameters
    ----------
    out : Path
        Root of the raw dataset; the truth goes to `derivatives/truth` in it.
    plan : CohortPlan
        What to make. The same plan gives the same bytes, and a participant is the same in a cohort of any size.
    """
    truth = out / "derivatives" / "truth"
    _describe(out, truth, plan)
    rows = []
    for number in range(1, plan.participants + 1):
        person = draw_person(
            number,
            plan.diagnoses[(number - 1) % len(plan.diagnoses)],
            (number - 1) % plan.sites + 1,
            plan.seed,
        )
        scores = []
        for session in range(plan.sessions):
            scores.append(_write_session(out, truth, person, session, plan))
            yield _name(person, session, plan).prefix.replace("_", " ")
        rows.append(_row(person, scores[0]))
        if plan.sessions > 1:
            _write_sessions_table(out, person, scores)
    write_table(pd.DataFrame(rows), out / "participants.tsv")
    write_json(
        {"participant_id": {"Description": "Participant."}} | PARTICIPANT_COLUMNS, out / "participants.json"
    )


def _name(person: Person, session: int, plan: CohortPlan) -> VisitName:
    """Return what a visit is called: without a session where the plan has one each."""
    return VisitName(person.label, str(session + 1) if plan.sessions > 1 else None)


def _row(person: Person, edss: float) -> dict[str, object]:
    return {
        "participant_id": VisitName(person.label).participant_id,
        "age": person.age,
        "sex": person.sex,
        "disease_duration": person.disease_duration,
        "disease_course": person.disease_course,
        "site": f"site{person.site}",
        "diagnosis": person.diagnosis,
        "onset_age": person.onset_age,
        "edss": edss,
    }


def _write_sessions_table(out: Path, person: Person, scores: list[float]) -> None:
    table = pd.DataFrame(
        {
            "session_id": [VisitName(person.label, str(n + 1)).session_id for n in range(len(scores))],
            "age": [round(person.age + n * YEARS_BETWEEN, 1) for n in range(len(scores))],
            "edss": scores,
        }
    )
    path = write_table(table, out / VisitName(person.label).sessions_table)
    columns = {
        "session_id": {"Description": "Session."},
        "age": {"Description": "Age at the session.", "Units": "year"},
    }
    write_json(columns | {"edss": {"Description": "EDSS at the session."}}, path.with_suffix(".json"))


def _write_session(out: Path, truth: Path, person: Person, session: int, plan: CohortPlan) -> float:
    """Write one session's images and truth; return its EDSS."""
    years = session * YEARS_BETWEEN
    anatomy = make_anatomy(
        plan.resolution, person.atrophy_after(years), np.random.default_rng([person.seed, 1])
    )
    count = 0 if plan.lesion_free else person.lesions_after(session)
    lesions = draw_lesions(anatomy, person.disease, count, np.random.default_rng([person.seed, 2]))
    millilitre = plan.resolution**3 / 1000
    edss = person.edss(float(np.count_nonzero(lesions >= 0.5)) * millilitre, years)
    rng = np.random.default_rng([person.seed, 3, session])
    t1w = scan(anatomy, lesions, T1W, site=person.site, noise=plan.noise, rng=rng)
    flair = scan(anatomy, lesions, FLAIR, site=person.site, noise=plan.noise, rng=rng)
    who = _name(person, session, plan)
    name, folder = who.prefix, who.folder
    raw = out / folder / "anat"
    save_image(t1w, raw / f"{name}_T1w.nii.gz")
    save_image(thick_slices(flair, plan.slice_thickness), raw / f"{name}_FLAIR.nii.gz")
    for suffix, times in {"T1w": (0.0023, 2.3, 0.9), "FLAIR": (0.39, 5.0, 1.8)}.items():
        echo, repetition, inversion = times
        sidecar = {
            "MagneticFieldStrength": 3,
            "EchoTime": echo,
            "RepetitionTime": repetition,
            "InversionTime": inversion,
        }
        write_json(sidecar | {"Manufacturer": f"Phantom {person.site}"}, raw / f"{name}_{suffix}.json")
    _write_truth(truth / folder / "anat", name, anatomy, lesions >= 0.5, edss)
    return edss


def _write_truth(folder: Path, name: str, anatomy: PhantomAnatomy, lesions: np.ndarray, edss: float) -> None:
    """Write what the images were made from."""
    raw = f"bids:raw:{'/'.join(folder.parts[-2:])}/{name}_T1w.nii.gz"

    def image(data: np.ndarray, ending: str, **meta: object) -> None:
        save_image(nib.Nifti1Image(data, anatomy.affine), folder / f"{name}_{ending}.nii.gz")
        write_json({"Sources": [raw], **meta}, folder / f"{name}_{ending}.json")

    labels = np.where(anatomy.brain, anatomy.tissues.argmax(axis=0) + 1, 0).astype(np.uint8)
    image(anatomy.brain.astype(np.uint8), "desc-brain_mask", Type="Brain")
    image(lesions.astype(np.uint8), "label-L_mask", Type="Lesion")
    image(labels, "dseg")
    for tissue, data in zip(TISSUES, anatomy.tissues, strict=True):
        image(data, f"label-{tissue}_probseg")
    image(anatomy.labels, "atlas-AAL_dseg")
    write_table(load_atlas().regions, folder / f"{name}_atlas-AAL_dseg.tsv")
    millilitre = abs(np.linalg.det(anatomy.affine[:3, :3])) / 1000
    volumes = {
        "TIV": float(anatomy.brain.sum()) * millilitre,
        "WBV": float(anatomy.tissues[:2].sum()) * millilitre,
        "TLV": float(lesions.sum()) * millilitre,
        "edss": edss,
    }
    write_json(volumes, folder / f"{name}_desc-truth_volumes.json")


def _describe(out: Path, truth: Path, plan: CohortPlan) -> None:
    """Write the descriptions of both datasets."""
    made = [{"Name": "demyelin-phantom", "Version": __version__, "Description": str(plan)}]
    common = {"BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["demyelin-phantom"]}
    write_json(
        {"Name": "Demyelin phantom", "DatasetType": "raw", "GeneratedBy": made} | common,
        out / "dataset_description.json",
    )
    links = {"SourceDatasets": [{"URL": "../../"}], "DatasetLinks": {"raw": "../../"}}
    write_json(
        {"Name": "Demyelin phantom: truth", "DatasetType": "derivative", "GeneratedBy": made}
        | common
        | links,
        truth / "dataset_description.json",
    )
    for folder in (out, truth):
        write_text(README, folder / "README")
    write_text("*_volumes.json\n", truth / ".bidsignore")
