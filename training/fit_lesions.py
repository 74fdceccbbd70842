"""Fit the lesion classifier and export it to ONNX, its probability calibrated.

    python training/fit_lesions.py SAMPLES OUT.onnx --patients sub-07 sub-26 --seed 1

Gradient boosting (scikit-learn's HistGradientBoostingClassifier) on the synthetic sample and the named patients';
a voxel counts as many times as it stands for. Needs scikit-learn and onnx.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier

from bids_app.image.lesion_features import FEATURES

REAL_SHARE = 0.5
SETTINGS = {
    "max_iter": 120,
    "learning_rate": 0.08,
    "max_leaf_nodes": 12,
    "min_samples_leaf": 200,
    "l2_regularization": 5.0,
}
RISING = {
    "belief",
    "belief_1mm",
    "belief_2mm",
    "belief_max",
    "flair_1mm",
    "flair_local",
    "flair_noise",
    "flair_contrast",
}


def load(samples: Path, patients: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features, lesion and weight; real voxels weigh as much as `REAL_SHARE` of all."""
    parts = []
    names = [*patients, "synthetic"]
    for name in names:
        path = samples / f"{name}.npz"
        if not path.exists():
            continue
        one = np.load(path)
        share = 1 - REAL_SHARE if name == "synthetic" else REAL_SHARE / len(patients)
        parts.append((one["features"], one["lesion"], one["weight"] / one["weight"].sum() * share))
    features, lesion, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    return features, lesion, weight / weight.mean()


def to_onnx(model: HistGradientBoostingClassifier, width: int) -> onnx.ModelProto:
    """Write the trees as ONNX: sum of leaves, then a logistic function."""
    nodes: dict[str, list] = {key: [] for key in (
        "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
        "nodes_falsenodeids", "nodes_missing_value_tracks_true", "target_treeids", "target_nodeids", "target_ids",
        "target_weights")}  # fmt: skip
    for tree, (predictor,) in enumerate(model._predictors):
        for number, node in enumerate(predictor.nodes):
            leaf = bool(node["is_leaf"])
            threshold = np.float32(node["num_threshold"])
            if not leaf and threshold > node["num_threshold"]:
                threshold = np.nextafter(threshold, np.float32(-np.inf))  # float32 features go the same way
            for key, value in {
                "nodes_treeids": tree, "nodes_nodeids": number,
                "nodes_featureids": 0 if leaf else int(node["feature_idx"]),
                "nodes_values": 0.0 if leaf else float(threshold),
                "nodes_modes": "LEAF" if leaf else "BRANCH_LEQ",
                "nodes_truenodeids": 0 if leaf else int(node["left"]),
                "nodes_falsenodeids": 0 if leaf else int(node["right"]),
                "nodes_missing_value_tracks_true": 0 if leaf else int(node["missing_go_to_left"]),
            }.items():  # fmt: skip
                nodes[key].append(value)
            if leaf:
                nodes["target_treeids"].append(tree)
                nodes["target_nodeids"].append(number)
                nodes["target_ids"].append(0)
                nodes["target_weights"].append(float(node["value"]))
    base = [float(np.ravel(model._baseline_prediction)[0])]
    trees = helper.make_node(
        "TreeEnsembleRegressor", ["features"], ["logit"], domain="ai.onnx.ml", n_targets=1,
        aggregate_function="SUM", post_transform="NONE", base_values=base, **nodes,
    )  # fmt: skip
    graph = helper.make_graph(
        [trees, helper.make_node("Sigmoid", ["logit"], ["probability"])],
        "lesions",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="demyelin")


def main() -> None:
    """Fit and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", nargs="+", default=["sub-07", "sub-26"])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    features, lesion, weight = load(args.samples, args.patients)
    rising = [int(name in RISING) for name in FEATURES]  # a brighter voxel is never less a lesion
    model = HistGradientBoostingClassifier(
        random_state=args.seed, early_stopping=False, monotonic_cst=rising, **SETTINGS
    )
    model.fit(features, lesion, sample_weight=weight)
    made = to_onnx(model, features.shape[1])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(made, args.out)
    import onnxruntime

    some = features[:: max(1, len(features) // 2000)]
    (answer,) = onnxruntime.InferenceSession(str(args.out)).run(None, {"features": some})
    gap = np.abs(answer[:, 0] - model.predict_proba(some)[:, 1]).max()
    print(
        f"{args.out}: {len(features)} voxels, {args.out.stat().st_size / 1e3:.0f} kB, "
        f"largest gap to scikit-learn {gap:.1e}"
    )


if __name__ == "__main__":
    main()
