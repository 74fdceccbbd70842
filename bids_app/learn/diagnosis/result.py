"""What a diagnosis analysis hands on: tidy tables, maps, notes; and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib

from bids_app.derivatives import save_image
from bids_app.learn.results import StudyResult

ABOUT = {
    "flow": "Visits and patients left after each step, and why the others are out.",
    "left_out": "Visits whose maps cannot be read, cannot be belief or are not like the others, and why.",
    "duplicates": "Scans that are copies of others, under the same or another name.",
    "orders": "Lesion voxels of each scan: belief averaged to 3 mm first, or thresholded on the scan's grid first.",
    "roc": "ROC curves of both protocols; the leak-free one is the mean over outer folds.",
    "scans": "One row per scan: split, outer fold, decision values and calls of both protocols.",
    "performance": "Each protocol's sensitivity, specificity, accuracy and AUC with 95 % intervals.",
    "acute": "The leak-free performance on acute scans alone, beside that on all scans.",
    "calls": "What calls are worth: balanced accuracy, predictive values here and at stated prevalences, the share "
    "called at all, and the accuracy of always calling the larger class.",
    "calibration": "Leak-free probabilities of the first class against what happened, scans grouped by probability.",
    "by_size": "The same against the number of voxels, with the chosen C and gamma.",
    "chosen": "What each outer fold of the leak-free protocol chose inside its training scans.",
    "gap": "Published minus leak-free estimate of each metric.",
    "null": "AUC of both protocols with diagnoses permuted between patients; permutation 0 is the observed one.",
    "null_summary": "Mean null AUC, observed AUC on the same reduced grid, and permutation P.",
    "lesion_free": "How scans without lesions are called, by each protocol.",
    "raters_left_out": "Lines of the raters' table that cannot be used, and why.",
    "clusters_held": "Clusters where patients of the classes differ in lesion frequency (family-wise P < .05).",
    "map_test": "What the permutation map tested, and how many chi-square tests have small expected counts.",
    "variants": "Other features and models on the same patient-whole folds.",
    "lesion_methods": "Leak-free AUC by how lesions were found: threshold on belief, and each method of the masks.",
    "differences": "AUC of each model less that of the lesion maps, both on the same draws of patients.",
    "decision_curve": "Net benefit of calling the first class from each leak-free probability on.",
    "confusion": "Leak-free calls among several classes, one against the rest.",
    "raters": "Human raters, model and majority against the diagnosis.",
    "agreement": "Kappa and McNemar's test within and between raters and model.",
    "by_class": "Patients' characteristics by class.",
    "by_split": "Scans' characteristics, training against test of the published split.",
    "claim": "What CLAIM 2024 (Tejani et al. 2024, Radiol Artif Intell 6:e240300) asks a report to say, as far as "
    "this run can.",
    "stard": "What STARD-AI (Sounderajah et al. 2025, Nat Med 31:3283) asks a report to say, as far as this run can.",
    "clusters": "Clusters of voxels whose lesion frequency differs (q < .05), with atlas labels.",
}


@dataclass(frozen=True, kw_only=True)
class DiagnosisResult(StudyResult):
    """Study B on one cohort.

    Attributes
    ----------
    images : dict of str to Nifti1Image
        Maps in template space.
    """

    name = "diagnosis"
    description = "Differential diagnosis from lesion maps (study B), as published and leak-free."
    about = ABOUT

    images: dict[str, nib.Nifti1Image]

    def write(self, folder: Path) -> list[Path]:
        """Write `diagnosis_<name>.tsv`, `diagnosis_<name>.nii.gz`, `diagnosis.json` and the model; return the paths."""
        maps = [save_image(image, folder / f"diagnosis_{name}.nii.gz") for name, image in self.images.items()]
        return [*super().write(folder), *maps]
