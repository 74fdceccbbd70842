"""Quality numbers of a visit: one record each, with how it is measured, what it is called and when to look.

A number is added here and nowhere else: the table of the visit, its sidecar, both reports, the documentation and the
phantom read the records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.image.coverage import WHOLE
from bids_app.image.lesion_table import visit_summary
from bids_app.image.outliers import Side
from bids_app.image.quality_measures import (
    compare_masks,
    contrast,
    mutual_information,
    scan_noise,
    slice_outlier,
)

LOOK = "Compare with the pictures above and with other visits of the study."


@dataclass(frozen=True, kw_only=True)
class QualityInputs:
    """What the quality of a visit is measured from.

    Attributes
    ----------
    labels, brain, lesions : Nifti1Image, (x, y, z)
        Tissue labels (1 GM, 2 WM, 3 CSF), brain mask and lesion mask, on the working grid.
    lesion_table : DataFrame
        As `lesion_table.lesion_table` returns it.
    correlation : float
        Of the registered image and the template.
    stripped : bool
        Whether the first image was already skull-stripped.
    foreign_ml : float
        What was cut from the brain mask, outside the skull.
    tiv_mm3, tiv_by_scaling_mm3 : float
        Intracranial volume by the template's space, and by the scaling to the template.
    flair, t1w : Nifti1Image, (x, y, z), optional
        FLAIR and T1w corrected for non-uniformity, on the working grid.
    scan : Nifti1Image, (x, y, z), optional
        FLAIR as acquired.
    segmented : Nifti1Image, (x, y, z), optional
        Demyelin's lesion mask where another came with the data.
    coverage : float
        Share of the T1w's brain mask inside the FLAIR's field of view; NaN without T1w.
    """

    labels: nib.Nifti1Image
    brain: nib.Nifti1Image
    lesions: nib.Nifti1Image
    lesion_table: pd.DataFrame
    correlation: float
    stripped: bool
    foreign_ml: float
    tiv_mm3: float
    tiv_by_scaling_mm3: float
    flair: nib.Nifti1Image | None = None
    scan: nib.Nifti1Image | None = None
    t1w: nib.Nifti1Image | None = None
    segmented: nib.Nifti1Image | None = None
    coverage: float = np.nan

    @cached_property
    def of_t1w(self) -> tuple[float, float, float]:
        """SNR in white matter, SNR in grey matter and CNR of the T1w."""
        return contrast(self.t1w, self.labels, self.lesions) if self.t1w else (np.nan,) * 3

    @cached_property
    def of_flair(self) -> tuple[float, float, float]:
        """SNR in white matter, SNR in grey matter and CNR of the FLAIR."""
        return contrast(self.flair, self.labels, self.lesions) if self.flair else (np.nan,) * 3

    @cached_property
    def agreement(self) -> tuple[float, float]:
        """Dice and difference in mL of the mask that came with the data and Demyelin's."""
        return compare_masks(self.lesions, self.segmented) if self.segmented else (np.nan, np.nan)

    def millilitres(self, mask: nib.Nifti1Image) -> float:
        """Volume of a mask on the working grid."""
        voxel = float(np.prod(nib.affines.voxel_sizes(self.lesions.affine))) / 1000
        return np.count_nonzero(mask.dataobj) * voxel


@dataclass(frozen=True)
class QualityNumber:
    """One quality number.

    Attributes
    ----------
    name : str
        Its column.
    words : str
        What reports call it, without the unit.
    about : str
        What it is, for the sidecar and the documentation.
    measure : callable
        From `QualityInputs` to the number; NaN where the visit lacks what it needs.
    unit : str
        For the label and the sidecar.
    usual : tuple of float
        Range in which most visits lie; outside it, the visit is flagged.
    worse : {"low", "high", "either", None}
        On which side of the other visits it asks for a look; None where it says what the visit is, not how good.
    advice : str
        What to look at.
    light : str
        The traffic light of the visit's report that it belongs to.
    skewed : bool
        Whether a long tail is its nature: compared on a log scale.
    typical : tuple of float, optional
        Mean and SD over good scans of one scanner, for the phantom.
    """

    name: str
    words: str
    about: str
    measure: Callable[[QualityInputs], float]
    unit: str = ""
    usual: tuple[float, float] = (-inf, inf)
    worse: Side | None = None
    advice: str = LOOK
    light: str = ""
    skewed: bool = False
    typical: tuple[float, float] | None = None

    @property
    def label(self) -> str:
        """Words with the unit."""
        return f"{self.words} ({self.unit})" if self.unit else self.words

    @property
    def has_usual_range(self) -> bool:
        """Whether any value is outside the usual range."""
        return isfinite(self.usual[0]) or isfinite(self.usual[1])

    @property
    def column(self) -> dict[str, object]:
        """What the sidecar says of it."""
        unit = {"Units": self.unit} if self.unit else {}
        return {"Description": self.about, **unit}


SCAN, REGISTRATION, BRAIN_MASK = "Scan quality", "Registration", "Brain mask"

QUALITY: dict[str, QualityNumber] = {
    number.name: number
    for number in (
        QualityNumber(
            "snr_t1w_wm",
            "T1w signal-to-noise, white matter",
            "T1w signal-to-noise ratio: mean / SD of white matter.",
            lambda visit: visit.of_t1w[0],
            usual=(5.0, inf),
            worse="low",
            advice="Look at the T1w for motion (rings, ghosts) and at the white matter outline; a rescan or exclusion "
            "may be right.",
            light=SCAN,
            typical=(13.0, 1.5),
        ),
        QualityNumber(
            "snr_t1w_gm",
            "T1w signal-to-noise, grey matter",
            "T1w signal-to-noise ratio: mean / SD of grey matter.",
            lambda visit: visit.of_t1w[1],
            worse="low",
            advice="Look at the T1w for motion and at the tissue outlines.",
            light=SCAN,
            typical=(8.0, 0.8),
        ),
        QualityNumber(
            "cnr_t1w",
            "T1w contrast-to-noise",
            "T1w contrast-to-noise ratio: |mean WM - mean GM| / sqrt(var WM + var GM).",
            lambda visit: visit.of_t1w[2],
            usual=(0.8, inf),
            worse="low",
            advice="Grey and white matter differ little: check that the T1w is not a post-contrast or proton-density "
            "image, then the tissue outlines.",
            light=SCAN,
            typical=(2.4, 0.25),
        ),
        QualityNumber(
            "snr_flair_wm",
            "FLAIR signal-to-noise, white matter",
            "FLAIR signal-to-noise ratio: mean / SD of white matter.",
            lambda visit: visit.of_flair[0],
            usual=(4.0, inf),
            worse="low",
            advice="Look at the FLAIR for noise and motion; small lesions may be missed and noise taken for lesions.",
            light=SCAN,
            typical=(11.0, 1.2),
        ),
        QualityNumber(
            "cnr_flair",
            "FLAIR contrast-to-noise",
            "FLAIR contrast-to-noise ratio: |mean WM - mean GM| / sqrt(var WM + var GM).",
            lambda visit: visit.of_flair[2],
            worse="low",
            advice="Look at the FLAIR's contrast; faint lesions may be missed.",
            light=SCAN,
            typical=(1.7, 0.2),
        ),
        QualityNumber(
            "flair_noise",
            "FLAIR noise, share of intensity",
            "FLAIR: standard deviation of the raw scan's noise (finest diagonal wavelet), as a share of the "
            "foreground's median intensity.",
            lambda visit: scan_noise(visit.scan) if visit.scan else np.nan,
            usual=(
                -inf,
                0.12,
            ),  # four real scans 0.04 to 0.05; Dice of lesions falls by a tenth or more from 0.15
            worse="high",
            advice="The FLAIR is noisy: small lesions may be missed and noise taken for lesions; a rescan or "
            "exclusion may be right.",
            light=SCAN,
            typical=(0.045, 0.005),
        ),
        QualityNumber(
            "flair_slice_outlier",
            "FLAIR slice outlier, robust SDs",
            "FLAIR: largest jump of mean brain intensity between a slice and its two neighbours, in robust SDs of all "
            "such jumps (stripes, dropped slices).",
            lambda visit: slice_outlier(visit.scan) if visit.scan else np.nan,
            usual=(-inf, 20.0),
            worse="high",
            advice="A slice is far brighter or darker than its neighbours: look for stripes and dropped slices in the "
            "lesion picture.",
            light=SCAN,
            skewed=True,
            typical=(5.0, 1.0),
        ),
        QualityNumber(
            "flair_t1w_nmi",
            "FLAIR to T1w mutual information",
            "Normalised mutual information of the aligned FLAIR and the T1w in the brain (Studholme et al. 1999, "
            "doi:10.1016/S0031-3203(98)00091-0): 1 for unrelated images; n/a without T1w.",
            lambda visit: (
                mutual_information(visit.flair, visit.t1w, visit.brain)
                if visit.flair and visit.t1w
                else np.nan
            ),
            # ten real pairs, at 2 mm: 1.042 to 1.075; 2 mm off: 1.020 to 1.037; 4 mm off: 1.009 to 1.016; of two
            # heads: 1.006 to 1.016
            usual=(1.03, 2.0),
            worse="low",
            advice="Flicker between FLAIR and T1w: a shifted FLAIR puts lesions in the wrong places.",
            light=REGISTRATION,
            typical=(1.16, 0.01),
        ),
        QualityNumber(
            "flair_coverage",
            "Share of the brain in the FLAIR",
            "Share of the T1w's brain mask inside the FLAIR's field of view, after alignment; outside it lesions are "
            "unknown; 0 where lesions were found by the T1w alone; n/a without T1w.",
            lambda visit: visit.coverage,
            usual=(WHOLE, 1.0),
            worse="low",
            advice="Lesion counts, volumes and disconnection are lower bounds where the FLAIR ends.",
            light=REGISTRATION,
            typical=(1.0, 0.0),  # good scans show the whole brain
        ),
        QualityNumber(
            "brain_volume_ml",
            "Brain mask volume",
            "Volume of the brain mask.",
            lambda visit: visit.millilitres(visit.brain),
            unit="mL",
            usual=(950.0, 2000.0),
            worse="either",
            advice="Check the brain mask: part of the brain may be missing, or skull and eyes included.",
            light=BRAIN_MASK,
        ),
        QualityNumber(
            "template_correlation",
            "Correlation with the template",
            "Correlation of the registered image and the template in the brain.",
            lambda visit: visit.correlation,
            usual=(0.45, 1.0),
            worse="low",
            advice="Flicker between T1w and template: where the ventricles do not coincide, regions and "
            "template maps are "
            "wrong.",
            light=REGISTRATION,
            typical=(0.78, 0.03),
        ),
        QualityNumber(
            "foreign_tissue_ml",
            "Removed from the brain mask",
            "Volume of the brain mask outside the skull (eyes, neck, muscle), which was removed.",
            lambda visit: visit.foreign_ml,
            unit="mL",
            usual=(0.0, 5.0),
            worse="high",
            advice="The mask contained tissue outside the skull, which was removed: check the remaining edge of "
            "the mask.",
            light=BRAIN_MASK,
            skewed=True,
        ),
        QualityNumber(
            "tiv_ml",
            "Intracranial volume",
            "Total intracranial volume, including the subarachnoid fluid.",
            lambda visit: visit.tiv_mm3 / 1000,
            unit="mL",
        ),
        QualityNumber(
            "tiv_by_scaling",
            "Intracranial volume by scaling, ratio",
            "Intracranial volume estimated from the affine scaling to the template, divided by tiv_ml: far from 1 "
            "where the registration or the field of view failed.",
            lambda visit: visit.tiv_by_scaling_mm3 / visit.tiv_mm3 if visit.tiv_mm3 else np.nan,
            usual=(
                0.94,
                1.14,
            ),  # 1.03 to 1.08 in a real T1w, two heads and phantoms: 0.1 to either side of their mean
            worse="either",
            advice="The two estimates of intracranial volume disagree: check the registration and the field of view.",
            light=BRAIN_MASK,
        ),
        QualityNumber(
            "lesion_volume_ml",
            "Lesion volume",
            "Total lesion volume.",
            lambda visit: visit.millilitres(visit.lesions),
            unit="mL",
            usual=(0.0, 80.0),
            worse="high",
            advice="Unusually large lesion volume: check the lesion pictures for outlines around normal tissue.",
            skewed=True,
        ),
        QualityNumber(
            "lesion_count",
            "Number of lesions",
            "Number of lesions.",
            lambda visit: len(visit.lesion_table),
            worse="high",
            advice="Look at the lesion table: many tiny lesions are often noise.",
            skewed=True,
        ),
        QualityNumber(
            "given_lesions_dice",
            "Dice of the supplied mask and Demyelin's",
            "Dice of the lesion mask supplied with the data and Demyelin's own; n/a where none was supplied.",
            lambda visit: visit.agreement[0],
            usual=(0.1, 1.0),  # below: another visit's mask, or one in another space
            worse="low",
            advice="The supplied lesion mask and Demyelin's differ greatly: check that it is of this visit and in "
            "its space.",
        ),
        QualityNumber(
            "given_lesions_volume_difference_ml",
            "Volume of the supplied mask minus Demyelin's",
            "Volume of the lesion mask supplied with the data minus that of Demyelin's own; n/a where none was "
            "supplied.",
            lambda visit: visit.agreement[1],
            unit="mL",
        ),
        QualityNumber(
            "dissemination_areas",
            "Typical areas with lesions (of 3)",
            "Areas with lesions of those that dissemination in space asks for (2017 McDonald): periventricular, "
            "juxtacortical or cortical, infratentorial; 0 to 3, the spinal cord is not imaged.",
            lambda visit: visit_summary(visit.lesion_table)["dissemination_areas"],
        ),
        QualityNumber(
            "artefact_prone_lesions",
            "Lesions at artefact-prone sites",
            "Lesions at sites where FLAIR artefacts look like lesions: septum pellucidum, fourth ventricle, choroid "
            "plexus.",
            lambda visit: int(visit.lesion_table["artefact_prone"].notna().sum()),
            worse="high",
            advice="Look at the lesions marked in the table: flow and pulsation look like lesions there.",
            skewed=True,
        ),
        QualityNumber(
            "skull_stripped",
            "Skull-stripped on arrival",
            "Whether the image was already skull-stripped (1) or not (0).",
            lambda visit: int(visit.stripped),
        ),
    )
}

QUALITY_COLUMNS: dict[str, dict[str, object]] = {name: number.column for name, number in QUALITY.items()} | {
    "flags": {
        "Description": "Numbers outside the range in which most visits lie, separated by commas; n/a if none."
    },
}


def quality_table(visit: QualityInputs) -> pd.DataFrame:
    """Measure a visit.

    Returns
    -------
    DataFrame
        One row; the columns of `QUALITY_COLUMNS`.
    """
    return quality_row({name: number.measure(visit) for name, number in QUALITY.items()})


def quality_row(numbers: Mapping[str, float]) -> pd.DataFrame:
    """Return a table of one row from numbers by name, with its flags; numbers that are not there are missing."""
    row = dict.fromkeys(QUALITY_COLUMNS) | dict(numbers) | {"flags": ",".join(flags(numbers)) or None}
    return pd.DataFrame([row]).round(4)


def flags(numbers: Mapping[str, float]) -> list[str]:
    """Return the names of numbers outside their usual range, in the order of `QUALITY`; missing ones are not."""
    found = []
    for name, number in QUALITY.items():
        value, (low, high) = numbers.get(name), number.usual
        if value is not None and isfinite(value) and not low <= value <= high:
            found.append(name)
    return found
