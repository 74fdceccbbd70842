"""What the report shows of study B: its introduction, parts, headline and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_app.figures.drawing import with_interval
from bids_app.learn.study import NOISE, Fact, Part, Tables
from bids_app.protocol import Protocol

TITLE = "Study B: diagnosis from lesion maps"
ABOUT = (
    "Voxels whose grey-matter belief on FLAIR exceeds a threshold learned from the training scans make a "
    "lesion map; a chi-square test ranks voxels "
    "by how differently the classes are hit, and a support vector machine decides from the first n. Two "
    "protocols stand side by side: as published, scans are "
    "split at random, so that one patient may be on both sides, and n is chosen on the test scans; "
    "leak-free, patients are kept whole and "
    "everything is chosen inside the training folds."
)
PARTS = (
    Part(
        "who",
        "Who was studied",
        "",
        ("flow",),
        {"by_class": "Patients by class"},
        {
            "left_out": "Visits left out: unreadable or odd maps",
            "duplicates": "Scans that are copies of others",
            "by_split": "Training against test scans of the published split",
            "orders": "Lesion voxels by the order of processing",
        },
    ),
    Part(
        "where",
        "Where lesions are, and where classes differ",
        "",
        ("frequency", "chi2"),
        {
            "clusters_held": "Clusters that hold: whole patients permuted, family-wise P at most .05",
            "map_test": "What the permutation map tested",
        },
        {"clusters": "As published: clusters of the chi-square map (false discovery rate 5 %)"},
    ),
    Part(
        "accuracy",
        "How well scans are classified",
        "",
        ("roc", "by-size"),
        {
            "performance": "Each protocol with 95 % intervals",
            "acute": "Leak-free on acute scans, beside all scans",
            "calls": "What the calls are worth: balanced accuracy, predictive values, scans that are not called",
            "calibration": "Leak-free probabilities against what happened",
            "lesion_free": "Scans without lesions",
            "confusion": "Several classes: leak-free calls",
        },
        {
            "variants": "Other features and models on the same patient-whole folds",
            "lesion_methods": "AUC by how lesions were found",
            "differences": "Differences in AUC from the lesion maps, on the same draws of patients",
            "decision_curve": "Net benefit by probability from which the first class is called",
            "chosen": "Chosen inside each outer fold",
            "by_size": "Metrics by number of voxels",
            "visits": "Every scan: decisions of both protocols",
        },
    ),
    Part("selected", "Voxels selected", "", ("selected",)),
    Part(
        "raters",
        "Human raters",
        "Decisions of human raters on the same scans. Kappa: below .2 slight, .2 to .4 fair, .4 to .6 "
        "moderate, .6 to .8 substantial, above .8 almost "
        "perfect agreement.",
        (),
        {
            "raters": "Raters, model and majority against the diagnosis",
            "agreement": "Agreement within and between raters and model",
        },
        {"raters_left_out": "Lines of the raters' table that were left out"},
    ),
    Part(
        "optimism",
        "Optimism of the published protocol",
        "Scans of one patient in training and test, and a number of voxels picked on the test, make the "
        "estimate optimistic. The gap shows by how much here; the "
        "null shows what each protocol finds where there is nothing to find.",
        ("gap", "null"),
        {
            "gap": "As published minus leak-free",
            "null_summary": "With diagnoses permuted between patients",
        },
    ),
    Part(
        "checklist",
        "Reporting checklist",
        "Reporting checklists (CLAIM 2024, STARD-AI), filled in as far as this run knows.",
        (),
        {},
        {"claim": "CLAIM 2024 checklist", "stard": "STARD-AI checklist"},
    ),
)


LABELS = {
    "null_mean_auc": "mean AUC of the null",
    "voxels_p_below_05": "voxels of P below .05",
    "chi2_expected_below_5": "share with an expected count below 5",
    "null_sd": "SD of the null",
    "observed_auc": "observed AUC",
    "mcnemar_p": "McNemar P",
    "mcnemar_exact_p": "McNemar exact P",
    "n_voxels": "voxels",
    "volume_mm3": "volume (mm³)",
    "peak_chi2": "peak χ²",
    "peak_z": "peak z",
    "clustered_mcnemar_p": "McNemar P, patients as clusters",
    "distance_mm": "distance (mm)",
    "cv_auc": "inner AUC",
    "cv_accuracy": "inner accuracy",
    "positive": "class",
}


def methods(settings: Mapping[str, Any]) -> str:
    """Return what was done, for a paper, with citations as `[@key]` of the bibliography."""
    return (
        "Diagnoses were told apart on lesion maps after a published thesis [@study_b]: voxels at 3 mm whose "
        "grey-matter "
        "belief on FLAIR [@LST] exceeds a threshold learned from the training scans; a chi-square test ranks "
        "voxels, and a "
        "support vector machine with a radial kernel [@SVM] decides from the first n. The published protocol "
        "splits scans at "
        "random and chooses n on the test scans; beside it, patients were kept whole in outer folds, and threshold, "
        "ranking, n, C, gamma and the operating point were learned inside the training folds. Intervals are "
        "Wilson's over "
        "scans or a bootstrap over patients, as each table says. Both protocols were also run with diagnoses permuted "
        f"between patients. The random seed was {settings['seed']}."
    )


def headline(tables: Tables) -> list[Fact]:
    """Return the main numbers."""
    table = tables["performance"]
    classes = [str(name) for name in table["positive"].unique()]
    found = []
    for positive in classes:
        of = f" ({positive} against the rest)" if len(classes) > 1 else ""
        for protocol, label in ((Protocol.NESTED, "Leak-free"), (Protocol.PAPER, "As published")):
            rows = table[(table["positive"] == positive) & (table["protocol"] == protocol)]
            known = {row["metric"]: row for row in rows.to_dict("records")}
            if "auc" not in known:
                continue
            row = known.pop("auc")
            bounds = with_interval(row["estimate"], row["low"], row["high"]).partition(" ")[2]
            beside = {"accuracy": _majority(tables, positive, protocol)}
            others = ", ".join(
                f"{name} {one['estimate']:.2f}{beside.get(name, '')}" for name, one in known.items()
            )
            found.append(Fact(label + of, f"AUC {row['estimate']:.2f}", f"95 % interval {bounds}; {others}"))
        if "null_summary" in tables:
            null = tables["null_summary"]
            for row in null[(null["positive"] == positive) & (null["protocol"] == Protocol.PAPER)].to_dict(
                "records"
            ):
                note = (
                    f"mean of {row['permutations']} runs with permuted diagnoses{of}; with the true diagnoses and the "
                    f"same grid AUC {row['observed_auc']:.2f}"
                )
                found.append(Fact(NOISE, f"AUC {row['null_mean_auc']:.2f}", note))
    return found


def _majority(tables: Tables, positive: str, protocol: str) -> str:
    """Return, beside an accuracy, that of always calling the larger class; nothing where it is not known."""
    if "calls" not in tables:
        return ""
    calls = tables["calls"]
    rows = calls[(calls["metric"] == "majority") & (calls["protocol"] == protocol)]
    if "positive" in rows:
        rows = rows[rows["positive"] == positive]
    return f" (always calling the larger class: {rows['estimate'].iloc[0]:.2f})" if len(rows) else ""


def limits(tables: Tables) -> list[str]:
    """Return what a reader must not conclude from these results."""
    found = [
        "The classifier knows only the classes it was trained on: any other disease is assigned to one of them.",
        "Scans of one patient are not independent; intervals named Wilson take them as if they were, "
        "those from a bootstrap over patients do not.",
    ]
    if "by_class" in tables and "test" in tables["by_class"]:
        table = tables["by_class"]
        site = table[table["characteristic"].astype(str).str.startswith("site ") & (table["p"] < 0.05)]
        if len(site):
            found.append(
                f"Classes are spread unevenly over sites (P = {site['p'].iloc[0]:.2g}): the classifier "
                "may distinguish scanners rather than diseases."
            )
        age = table[
            table["characteristic"].astype(str).str.startswith(("age", "disease_duration"))
            & (table["p"] < 0.05)
        ]
        if len(age):
            found.append(
                "Classes differ in age or disease duration; part of what separates them may be that."
            )
    return found
