"""Demyelin's lesion network: a small 3D U-Net, run by onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from bids_app.image.lesion_features import relative_to_white

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MULTIPLE = 8  # three times halved
LARGEST = 3.0
LEAST_CONTRAST = 0.03


def network_channels(flair: Array, t1w: Array | None, brain: Mask, prior: Array, gm: Array) -> Array:
    """Return what the network sees of a visit.

    Parameters
    ----------
    flair : ndarray, (x, y, z)
        FLAIR on voxels of 1 mm, corrected for non-uniformity, any unit.
    t1w : ndarray, (x, y, z), or None
        T1w likewise; without one its channel is 0.
    brain : ndarray of bool, (x, y, z)
        Brain mask.
    prior : ndarray, (x, y, z)
        The template's probability of white matter, 0 to 1.
    gm : ndarray, (x, y, z)
        Probability of grey matter of this brain, 0 to 1.

    Returns
    -------
    ndarray, (5, x, y, z), float32
        FLAIR relative to white matter and to grey matter, T1w in units of its contrast between the two (1 white
        matter, 0 grey matter: no T1w is like grey matter everywhere), the template's white matter, the brain.

    Raises
    ------
    VisitError
        If the brain has almost no white or grey matter, or white matter is dark.
    """
    white, grey = relative_to_white(flair, brain, prior, gm, "FLAIR")
    channels = [white, (white - grey) / (1 + grey)]
    if t1w is None:
        channels.append(np.zeros_like(white))
    else:
        white, grey = relative_to_white(t1w, brain, prior, gm, "T1w")
        channels.append((white - grey) / max(abs(grey), LEAST_CONTRAST))
    channels += [prior, np.ones_like(white)]
    return np.clip(np.stack(channels), -LARGEST, LARGEST).astype(np.float32) * brain


def network_probability(channels: Array, network: InferenceSession) -> Array:
    """Run the network on the brain's box.

    Parameters
    ----------
    channels : ndarray, (5, x, y, z)
        Of `network_channels`.
    network : InferenceSession
        The network.

    Returns
    -------
    ndarray, (x, y, z), float32
        0 to 1; 0 outside the brain.
    """
    brain = channels[-1]
    answer = np.zeros(brain.shape, np.float32)
    found = ndimage.find_objects((brain > 0).astype(np.uint8))
    if found:
        cut = channels[(slice(None), *found[0])]
        room = [(0, 0)] + [(0, -length % MULTIPLE) for length in cut.shape[1:]]
        (logit,) = network.run(None, {"channels": np.pad(cut, room)[None]})
        answer[found[0]] = special.expit(logit[0, 0][tuple(slice(length) for length in cut.shape[1:])])
    return answer * brain
