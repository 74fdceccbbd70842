"""Figures of the lesion bench: reliability of the probabilities, overlays."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

BINS = np.linspace(0, 1, 11)


def draw_reliability(curves: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Draw the share of true lesion voxels against the probability."""
    figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
    ax.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    for name, (probability, truth) in curves.items():
        which = np.digitize(probability, BINS[1:-1])
        some = probability > 0.01
        count = np.bincount(which[some], minlength=10)
        seen = np.bincount(which[some], truth[some], 10) / np.maximum(count, 1)
        mean = np.bincount(which[some], probability[some], 10) / np.maximum(count, 1)
        ax.plot(mean[count > 30], seen[count > 30], marker="o", label=name)
    ax.set(xlabel="lesion probability", ylabel="share of voxels that are lesion", xlim=(0, 1), ylim=(0, 1))
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_overlay(inputs, probability: np.ndarray, truth: np.ndarray, path: Path) -> None:
    """Draw the six axial slices with most lesion: truth green, probability of a half red."""
    flair = np.asarray(inputs.flair.dataobj) * (np.asarray(inputs.brain.dataobj) > 0)
    order = np.argsort(-(truth | (probability > 0.5)).sum(axis=(0, 1)))
    chosen = []
    for z in order:
        if all(abs(z - other) > 6 for other in chosen):
            chosen.append(int(z))
        if len(chosen) == 6:
            break
    figure, axes = plt.subplots(1, len(chosen), figsize=(4 * len(chosen), 4.6), layout="constrained")
    top = np.percentile(flair[flair > 0], 99.7)
    for ax, z in zip(np.atleast_1d(axes), sorted(chosen), strict=True):
        ax.imshow(np.rot90(flair[:, :, z]), cmap="gray", vmin=0, vmax=top)
        for mask, colour in ((truth, "lime"), (probability >= 0.5, "red")):
            if mask[:, :, z].any():
                ax.contour(np.rot90(mask[:, :, z]), [0.5], colors=colour, linewidths=0.8)
        ax.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=60)
    plt.close(figure)
