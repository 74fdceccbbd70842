"""Lesion growth, re-derived from Schmidt et al. 2012 (NeuroImage 59:3774-3783)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from bids_app.errors import VisitError

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int8]

MAX_ROUNDS = 50  # a guard against endless growth; it ends when nothing grows
MRF_WEIGHT = 1.0  # of the neighbours' likelihood against the intensity's; chosen by hand, not tuned
GREY = 1  # label of grey matter among CSF, GM and WM
MIN_SEEDS = 10  # voxels; with fewer nothing is grown; chosen by hand


def belief_maps(flair: Array, tissues: Array, wm_prior: Array, brain: Mask) -> tuple[Array, Array, Labels]:
    """Return how much brighter each voxel is than its own tissue and than grey matter.

    Parameters
    ----------
    flair : ndarray, (x, y, z)
        FLAIR intensities.
    tissues : ndarray, (3, x, y, z)
        Probabilities of CSF, GM and WM.
    wm_prior : ndarray, (x, y, z)
        The template's probability of white matter: weighs the beliefs, since lesions lie in or near it.
    brain : ndarray of bool, (x, y, z)
        Brain mask.

    Returns
    -------
    belief : ndarray, (x, y, z)
        max(F - mean_k, 0) / mean_k x wm_prior, with k the voxel's tissue.
    grey : ndarray, (x, y, z)
        The same against the mean of grey matter, in voxels of grey and white matter; 0 elsewhere.
    label : ndarray of int8, (x, y, z)
        k: 0 CSF, 1 GM, 2 WM, -1 outside.
    """
    label = np.where(brain, tissues.argmax(axis=0), -1).astype(np.int8)
    belief, grey = np.zeros(flair.shape, np.float32), np.zeros(flair.shape, np.float32)
    for k in range(3):
        here = label == k
        if here.any():
            mean = flair[here].mean()
            brighter = np.maximum(flair - mean, 0) / max(mean, 1e-6) * wm_prior
            belief[here] = brighter[here]
            if k == GREY:
                grey = brighter * (label >= GREY)
    return belief, grey, label


def grow_lesions(flair: Array, tissues: Array, wm_prior: Array, brain: Mask, kappa: float) -> Array:
    """Return the lesion probability of lesion growth.

    Seeds are voxels of grey or white matter whose belief against grey matter exceeds kappa. (In the paper, those
    segmented as grey matter: its segmentation takes lesions for that, Demyelin's for white matter, above all by the
    FLAIR alone.) A seed region takes in a neighbour when it is likelier a lesion than its own tissue: lesion
    intensities follow a gamma distribution, tissue intensities a normal one, and each of the six face neighbours of
    the same kind adds to the likelihood (Markov random field). Both distributions are fitted again after every round,
    until nothing joins.

    Parameters
    ----------
    flair, tissues, wm_prior, brain : ndarray
        As in `belief_maps`.
    kappa : float
        Seed threshold; 0.3 in the paper.

    Returns
    -------
    ndarray, (x, y, z), float32
        1 in seeds, posterior probability where lesions grew and on their borders, 0 elsewhere; lesions are >= 0.5.

    Raises
    ------
    VisitError
        If a tissue that lesions grow into has no voxel that is not lesion.
    """
    belief, grey, label = belief_maps(flair, tissues, wm_prior, brain)
    lesion = grey > kappa
    probability = lesion.astype(np.float32)
    if lesion.sum() < MIN_SEEDS:
        return probability
    face = ndimage.generate_binary_structure(3, 1)
    for _ in range(MAX_ROUNDS):
        border = ndimage.binary_dilation(lesion, face, mask=belief > 0) & ~lesion
        posterior = _posterior(flair, label, lesion, border)
        probability[border] = posterior
        joins = np.zeros_like(lesion)
        joins[border] = posterior >= 0.5
        if not joins.any():
            break
        lesion |= joins
    return probability


def _posterior(flair: Array, label: Labels, lesion: Mask, border: Mask) -> Array:
    """Return the lesion probability of the border voxels, given the lesions so far."""
    log_lesion = stats.gamma.logpdf(flair[border], *_gamma_moments(flair[lesion]))
    tissue = label[border]
    log_other = np.zeros(tissue.size)
    for k in np.unique(tissue):
        values = flair[(label == k) & ~lesion]
        if not values.size:
            raise VisitError("lesion growth: a tissue is all lesion; check the tissue segmentation")
        log_other[tissue == k] = stats.norm.logpdf(
            flair[border][tissue == k], values.mean(), max(values.std(), 1e-6)
        )
    kernel = ndimage.generate_binary_structure(3, 1).astype(np.float32)
    kernel[1, 1, 1] = 0
    neighbours = ndimage.convolve(lesion.astype(np.float32), kernel)[border]
    field = MRF_WEIGHT * (2 * neighbours - kernel.sum())
    return (1 / (1 + np.exp(-np.clip(log_lesion - log_other + field, -30, 30)))).astype(np.float32)


def _gamma_moments(values: Array) -> tuple[float, float, float]:
    """Return shape, location 0 and scale of the gamma distribution with the values' mean and variance."""
    mean, variance = float(values.mean()), max(float(values.var()), 1e-6)
    return mean**2 / variance, 0.0, variance / mean
