"""What the page shows of each study, in order, and the words around it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """A part of a study: its figures and tables, by name without the study's prefix.

    A figure stands for itself and for those named after it (`roc` for `roc-RRMS`); with `first`, only the first of
    them is open. Tables of `folded` are shown on request.
    """

    key: str
    title: str
    words: str
    figures: tuple[str, ...] = ()
    tables: dict[str, str] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)
    first: bool = False


@dataclass(frozen=True)
class Study:
    """A study: its title, what it does in a few sentences, and its parts."""

    title: str
    about: str
    parts: tuple[Part, ...]


EDSS = Study(
    "Study A: predicting disability (EDSS)",
    "Age, sex, disease duration and course, lesion and brain volume, disconnection and radiomics are "
    "reduced by variance, collinearity, "
    "LASSO and correlation-based feature selection; four models then predict the EDSS of the visit. Two "
    "protocols stand side by side: as "
    "published, columns are selected once on all training patients and cross-validated after that; "
    "leak-free, the selection is repeated inside "
    "every fold. Tests on held-out patients are free of the leak in both.",
    (
        Part(
            "who",
            "Who was studied",
            "",
            ("flow",),
            {"demographics": "Characteristics by site, with study A's tests"},
        ),
        Part(
            "predictions",
            "Predicted against observed",
            "A model is useful as far as its points follow the diagonal in patients it never saw.",
            ("predictions",),
            {"performance": "How well each model predicts"},
            {"visits": "Every visit: leak-free and held-out predictions, largest error first"},
            first=True,
        ),
        Part(
            "models",
            "Models compared",
            "Absolute errors of the models on the same patients, as study A compares them: "
            "repeated-measures ANOVA with Greenhouse and "
            "Geisser's correction, then pairs with Bonferroni's.",
            ("performance",),
            {"anova": "Absolute errors compared between models"},
            {"pairs": "Pairs of models", "hyperparameters": "What tuning chose"},
        ),
        Part(
            "selected",
            "What was selected",
            "From all candidates to the few columns that the models see.",
            ("selection", "regions"),
            {"columns": "The selected columns, in plain words"},
            {
                "selection": "Columns left and lost at each step, per fold",
                "representatives": "Columns dropped as collinear, and the one that stands for them",
            },
        ),
        Part(
            "honesty",
            "What honesty changes",
            "If columns are chosen with the outcomes of patients who are then used to test, the test is "
            "too kind. The gap shows by how much here; the "
            "null shows what each protocol finds where there is nothing to find.",
            ("gap", "null"),
            {
                "gap": "As published minus leak-free",
                "null_summary": "With outcomes dealt anew to patients",
            },
        ),
        Part(
            "learning",
            "Learning curve",
            "Would more patients help?",
            ("learning",),
            {},
            {"learning_curve": "The points of the curve"},
        ),
        Part(
            "trust",
            "Calibration and prediction intervals",
            "Whether a predicted EDSS, and the interval around it, mean what they say.",
            ("calibration", "intervals"),
            {"intervals": "Prediction intervals: split conformal, half width and measured coverage"},
            {"calibration": "Mean observed against mean predicted EDSS"},
        ),
    ),
)
DIAGNOSIS = Study(
    "Study B: diagnosis from lesion maps",
    "Voxels whose grey-matter belief on FLAIR exceeds a threshold learned from the training scans make a "
    "lesion map; a chi-square test ranks voxels "
    "by how differently the classes are hit, and a support vector machine decides from the first n. Two "
    "protocols stand side by side: as published, scans are "
    "split at random, so that one patient may be on both sides, and n is chosen on the test scans; "
    "leak-free, patients are kept whole and "
    "everything is chosen inside the training folds.",
    (
        Part(
            "who",
            "Who was studied",
            "",
            ("flow",),
            {"by_class": "Patients by class"},
            {"by_split": "Training against test scans of the published split"},
        ),
        Part(
            "where",
            "Where lesions are, and where classes differ",
            "",
            ("frequency", "chi2"),
            {"clusters": "Clusters where lesion frequency differs (false discovery rate 5 %)"},
        ),
        Part(
            "accuracy",
            "How well scans are told apart",
            "",
            ("roc", "by-size"),
            {
                "performance": "Each protocol with 95 % intervals",
                "lesion_free": "Test scans without lesions, as published",
                "confusion": "Several classes: leak-free calls",
            },
            {
                "variants": "Other features and models on the same patient-whole folds",
                "chosen": "Chosen inside each outer fold",
                "by_size": "Metrics by number of voxels",
                "visits": "Every scan: decisions of both protocols",
            },
        ),
        Part("selected", "Voxels selected", "", ("selected",)),
        Part(
            "raters",
            "Human raters",
            "Decisions of people on the same scans. Kappa: below .2 slight, .2 to .4 fair, .4 to .6 "
            "moderate, .6 to .8 substantial, above .8 almost "
            "perfect agreement.",
            (),
            {
                "raters": "Raters, model and majority against the diagnosis",
                "agreement": "Agreement within and between raters and model",
            },
        ),
        Part(
            "honesty",
            "What honesty changes",
            "Scans of one patient in training and test, and a number of voxels picked on the test, make a "
            "test too kind. The gap shows by how much here; the "
            "null shows what each protocol finds where there is nothing to find.",
            ("gap", "null"),
            {
                "gap": "As published minus leak-free",
                "null_summary": "With diagnoses dealt anew to patients",
            },
        ),
    ),
)
STUDIES = {"edss": EDSS, "diagnosis": DIAGNOSIS}
