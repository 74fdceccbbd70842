"""Demyelin's lesion network: a small 3D U-Net, run by onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from bids_app.image.white_matter import LEAST_CONTRAST, Relative

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MULTIPLE = 8  # three times halved
LARGEST = 3.0  # limit of every channel, as in training; chosen by hand, not tuned


def network_channels(flair: Relative, t1w: Relative | None, brain: Mask, prior: Array) -> Array:
    """Return what the network sees of a visit.

    Parameters
    ----------
    flair : Relative, (x, y, z)
        FLAIR relative to white matter, on voxels of 1 mm.
    t1w : Relative, (x, y, z), or None
        T1w likewise; without one its channel is 0.
    brain : ndarray of bool, (x, y, z)
        Brain mask.
    prior : ndarray, (x, y, z)
        The template's probability of white matter, 0 to 1.

    Returns
    -------
    ndarray, (5, x, y, z), float32
        FLAIR relative to white matter and to grey matter, T1w in units of its contrast between the two (1 white
        matter, 0 grey matter: no T1w is like grey matter everywhere), the template's white matter, the brain.
    """
    channels = [flair.image, flair.above_grey()]
    if t1w is None:
        channels.append(np.zeros_like(flair.image))
    else:
        channels.append((t1w.image - t1w.grey) / max(abs(t1w.grey), LEAST_CONTRAST))
    channels += [prior, np.ones_like(flair.image)]
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
