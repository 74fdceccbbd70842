"""What a visit's files are called and what they hold; documentation and tests read the same table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bids_app.visit_name import VisitName

TISSUES = ("GM", "WM", "CSF")
LEVELS = ("minimal", "standard", "full")  # of --output-level, each with all of the one before


@dataclass(frozen=True)
class Output:
    """One file of a visit.

    Attributes
    ----------
    ending : str
        File name after the visit's prefix; `{template}`, `{atlas}` and `{before}` are filled in.
    about : str
        One sentence: what it holds, with units.
    flair_only : bool
        Whether a visit without T1w has it too.
    meta : dict
        BIDS metadata of its sidecar beside Description and Sources.
    level : str
        Least `--output-level` that keeps it: `minimal` is what the group level reads and lesion masks.
    pair : bool
        Whether it is made from two visits, and lies with the later one; `{before}` is the earlier session.
    """

    ending: str
    about: str
    flair_only: bool = False
    meta: tuple[tuple[str, object], ...] = ()
    level: str = "standard"
    pair: bool = False

    def kept_at(self, level: str) -> bool:
        """Whether an output level keeps it."""
        return LEVELS.index(self.level) <= LEVELS.index(level)

    def path(self, prefix: str, *, template: str, atlas: str, before: str = "") -> str:
        """Return the file name for one visit.

        Parameters
        ----------
        prefix : str
            Of the visit, e.g. `sub-01_ses-1`.
        template, atlas : str
            Names as they stand in file names.
        before : str
            Session of the earlier visit, for what compares two.
        """
        return f"{prefix}_" + self.ending.format(template=template, atlas=atlas, before=before)

    def entities(self, name: str, prefix: str) -> dict[str, str] | None:
        """Return what stands for `{template}`, `{atlas}` and `{before}` in a file's name; None if it is another's."""
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^_/]+)", re.escape(f"{prefix}_{self.ending}"))
        found = re.fullmatch(pattern, name)
        return found.groupdict() if found else None


def _mask(kind: str) -> tuple[tuple[str, object], ...]:
    return (("Type", kind),)


NATIVE = "in the space of the T1w image (of the FLAIR image where there is no T1w)"

OUTPUTS: dict[str, Output] = {
    "t1w": Output(
        "desc-preproc_T1w.nii.gz",
        "T1w image on an isotropic grid, corrected for intensity non-uniformity; lesions as they are.",
        meta=(("SkullStripped", False),),
    ),
    "filled": Output(
        "desc-filled_T1w.nii.gz",
        "The preprocessed T1w with lesions filled from the intensities of the white matter around them.",
        meta=(("SkullStripped", False),),
    ),
    "flair": Output(
        "space-T1w_desc-preproc_FLAIR.nii.gz",
        "FLAIR image aligned with the T1w image, corrected for intensity non-uniformity.",
        meta=(("SkullStripped", False),),
    ),
    "flair_native": Output(
        "desc-preproc_FLAIR.nii.gz",
        "FLAIR image on an isotropic grid, corrected for intensity non-uniformity (visits without T1w).",
        flair_only=True,
        meta=(("SkullStripped", False),),
    ),
    "brain": Output("desc-brain_mask.nii.gz", f"Brain mask {NATIVE}.", True, _mask("Brain")),
    "dseg": Output("dseg.nii.gz", f"Tissue labels {NATIVE}: 1 GM, 2 WM, 3 CSF; 0 in lesions.", True),
    "structures": Output(
        "desc-structures_dseg.nii.gz",
        f"Structures of the brain {NATIVE}, left and right: FreeSurfer's numbers; 99 is lesion.",
        True,
    ),
    "structure_table": Output(
        "desc-structures_dseg.tsv", "Names and volumes of the structures.", True, level="minimal"
    ),
    **{
        tissue: Output(f"label-{tissue}_probseg.nii.gz", f"Probability of {tissue} {NATIVE}.", True)
        for tissue in TISSUES
    },
    "lesion_probability": Output("label-L_probseg.nii.gz", f"Probability of a lesion {NATIVE}.", True),
    "lesions": Output(
        "label-L_mask.nii.gz", f"Lesion mask {NATIVE}.", True, _mask("Lesion"), level="minimal"
    ),
    "lesions_flair": Output(
        "space-FLAIR_label-L_mask.nii.gz",
        "Lesion mask on the grid of the FLAIR image as acquired.",
        True,
        _mask("Lesion"),
        level="minimal",
    ),
    "lesion_labels": Output("seg-lesions_dseg.nii.gz", f"Lesions numbered 1, 2, ... {NATIVE}.", True),
    "lesion_table": Output(
        "seg-lesions_dseg.tsv", "One row per lesion: size, place, probability.", True, level="minimal"
    ),
    "lesion_places": Output(
        "seg-lesions_desc-places_dseg.tsv",
        "Counts and volumes of lesions by class of place (2017 McDonald criteria) and at artefact-prone sites.",
        True,
        level="minimal",
    ),
    "criteria": Output(
        "seg-lesions_desc-criteria_dseg.tsv",
        "Dissemination in space by the 2017 and the 2024 McDonald criteria, as far as brain MRI alone shows it: a "
        "description of images, no diagnosis.",
        True,
        level="minimal",
    ),
    "detection_limits": Output(
        "seg-lesions_desc-limits_dseg.tsv",
        "Volume from which most lesions are found on this scan, by contrast.",
        True,
        level="minimal",
    ),
    "calibration_lesions": Output(
        "seg-lesions_desc-calibration_dseg.tsv",
        "Each lesion of known size and contrast that was put into this scan, and whether it was found.",
        True,
    ),
    "nawm": Output("label-NAWM_mask.nii.gz", f"Normal-appearing white matter {NATIVE}.", meta=_mask("ROI")),
    "parcels": Output("atlas-{atlas}_dseg.nii.gz", "Atlas regions in the space of the T1w image."),
    "parcel_table": Output("atlas-{atlas}_dseg.tsv", "Names of the atlas regions.", level="minimal"),
    "volumes": Output(
        "atlas-{atlas}_desc-volumes_dseg.tsv",
        "Global volumes, structures, and grey-matter volume per region, in mm³.",
        level="minimal",
    ),
    "radiomics": Output(
        "atlas-{atlas}_desc-radiomics_dseg.tsv",
        "Radiomic features of the unfilled T1w per region.",
        level="minimal",
    ),
    "chaco": Output(
        "atlas-{atlas}_desc-chaco_dseg.tsv",
        "Change in connectivity (disconnection) per region.",
        level="minimal",
    ),
    "chaco_pairs": Output(
        "atlas-{atlas}_desc-chacopairs_dseg.tsv",
        "Change in connectivity per pair of connected regions.",
        level="minimal",
    ),
    "chaco_bundles": Output(
        "seg-bundles_desc-chaco_dseg.tsv",
        "Share of the streamlines of each named bundle of a tractography atlas that pass through lesions.",
        level="minimal",
    ),
    "disconnectome": Output(
        "space-{template}_desc-disconnection_probseg.nii.gz",
        "Share of the streamlines through each voxel that pass through lesions, in template space, 1 mm.",
    ),
    "t1w_template": Output(
        "space-{template}_res-1_desc-preproc_T1w.nii.gz",
        "The preprocessed T1w in template space, 1 mm (2 mm with --fast).",
        meta=(("SkullStripped", False),),
    ),
    "lesion_probability_template": Output(
        "space-{template}_res-1_label-L_probseg.nii.gz", "Probability of a lesion in template space.", True
    ),
    "lesions_template": Output(
        "space-{template}_res-1_label-L_mask.nii.gz",
        "Lesion mask in template space.",
        True,
        _mask("Lesion"),
        level="minimal",
    ),
    "belief": Output(
        "space-{template}_res-3_desc-belief_FLAIR.nii.gz",
        "Grey-matter belief map B = (F - mean_GM) / mean_GM in template space, 3 mm, no unit.",
        True,
        (("SkullStripped", True),),
        level="minimal",
    ),
    "belief_median": Output(
        "space-{template}_res-3_desc-beliefmedian_FLAIR.nii.gz",
        "Median over each 3 mm voxel of the grey-matter belief: a threshold on it is one on the visit's grid. Study B.",
        True,
        (("SkullStripped", True),),
        level="minimal",
    ),
    "lesions_template_3mm": Output(
        "space-{template}_res-3_label-L_mask.nii.gz",
        "Lesion mask in template space, 3 mm.",
        True,
        _mask("Lesion"),
        level="minimal",
    ),
    "to_template": Output(
        "from-T1w_to-{template}_mode-image_xfm.h5", "Transform for images, ITK.", level="full"
    ),
    "from_template": Output(
        "from-{template}_to-T1w_mode-image_xfm.h5", "Transform for images, ITK.", level="full"
    ),
    "flair_to_t1w": Output("from-FLAIR_to-T1w_mode-image_xfm.txt", "Rigid transform, ITK."),
    "flair_to_template": Output(
        "from-FLAIR_to-{template}_mode-image_xfm.h5",
        "Transform for images, ITK (visits without T1w).",
        True,
        level="full",
    ),
    "qc": Output("desc-demyelin_qc.tsv", "Quality numbers of the visit, one row.", True, level="minimal"),
    "changes": Output(
        "seg-lesions_desc-since{before}_dseg.tsv",
        "Lesions matched between this visit and the one before: one row per lesion or group of merged ones; the image "
        "has their index on this visit's grid.",
        True,
        pair=True,
    ),
    "change_labels": Output(
        "seg-lesions_desc-since{before}_dseg.nii.gz",
        "The rows' index of the table of changes, on this visit's grid.",
        True,
        pair=True,
    ),
    "changed_voxels": Output(
        "seg-changes_desc-since{before}_dseg.nii.gz",
        "Where the FLAIR became brighter (1) or darker (2) since the visit before, in lesions of either visit and in "
        "white matter, whatever the lesion masks say.",
        True,
        pair=True,
    ),
    "change_criteria": Output(
        "seg-lesions_desc-criteriasince{before}_dseg.tsv",
        "Dissemination in time by new lesions, and the MRI part of no evidence of disease activity (NEDA), since the "
        "visit before: a description of images, no diagnosis.",
        True,
        pair=True,
    ),
    "expanding": Output(
        "seg-lesions_desc-expandingsince{before}_dseg.tsv",
        "Lesions that expand slowly, followed over three visits or more from the first one on.",
        True,
        pair=True,
    ),
    "volume_changes": Output(
        "seg-brain_desc-since{before}_dseg.tsv",
        "Change of the volume of the brain and its tissues since the visit before, by Jacobian integration half-way.",
        True,
        pair=True,
    ),
    "volume_calibration": Output(
        "seg-brain_desc-calibrationsince{before}_dseg.tsv",
        "Known change of volume that was put into the visit before, and what was measured of it (--calibrate).",
        True,
        pair=True,
    ),
    "change_calibration": Output(
        "seg-lesions_desc-calibrationsince{before}_dseg.tsv",
        "Known new and growing lesions that were put into the visit before, and whether they were called so "
        "(--calibrate).",
        True,
        pair=True,
    ),
}

RESOLUTION = {
    "res-1": "Isotropic grid of the template: 1 mm, or 2 mm where the run used --fast.",
    "res-3": "3 mm isotropic grid of the template, as in study B.",
}


def figure_folder(output_dir: Path, name: VisitName) -> Path:
    """Return the folder that holds the figures of a participant's visits."""
    return output_dir / name.participant_id / "figures"


def anat_folder(output_dir: Path, visit_folder: Path) -> Path:
    """Return the folder that holds a visit's files."""
    return output_dir / visit_folder / "anat"
