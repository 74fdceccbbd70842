"""How the images of two visits differ in what made them: voxels, contrast agent, scanner, timing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bids_app.layout.names import parse
from bids_app.layout.sidecars import Sidecars

AGENT = "ContrastBolusIngredient"
# BIDS' names of what decides how large a structure looks and how bright a lesion is, and what to call them
FIELDS = {
    "Manufacturer": "manufacturer",
    "ManufacturersModelName": "scanner",
    "DeviceSerialNumber": "scanner's serial number",
    "MagneticFieldStrength": "field strength",
    "MRAcquisitionType": "acquisition",
    "EchoTime": "echo time",
    "RepetitionTime": "repetition time",
    "InversionTime": "inversion time",
    "FlipAngle": "flip angle",
}
TOLERANCE = 0.05  # of numbers: rounding, and what a scanner changes by itself


def differences(root: Path, before: Mapping[str, Path], after: Mapping[str, Path]) -> list[str]:
    """Say how the images of two visits differ in what made them.

    What only one of two sidecars tells is no difference, a contrast agent aside.

    Parameters
    ----------
    root : Path
        The raw dataset.
    before, after : mapping of str to Path
        The images of the earlier and the later visit by their kind, `T1w` or `FLAIR`.

    Returns
    -------
    list of str
        One phrase for each difference; empty where none is known.
    """
    read = Sidecars(root)
    found = []
    for kind in sorted({*before, *after}):
        if kind not in before or kind not in after:
            found.append(f"{kind} at the {'later' if kind in after else 'earlier'} visit only")
            continue
        old, new = (_described(read, images[kind]) for images in (before, after))
        for name, words in {"voxels": "voxels", AGENT: "contrast agent", **FIELDS}.items():
            one, other = old.get(name), new.get(name)
            known = name == AGENT or (one is not None and other is not None)
            if known and not _same(one, other):
                found.append(f"{kind} {words}: {_text(one)}, then {_text(other)}")
    return found


def _described(read: Sidecars, image: Path) -> dict[str, Any]:
    """Return what an image's header, name and sidecars tell."""
    facts = {name: value for name, value in read.of(image).items() if name in {AGENT, *FIELDS}}
    if agent := parse(image.name).entities.get("ce"):
        facts.setdefault(AGENT, agent)
    if (voxels := _voxels(image)) is not None:
        facts["voxels"] = voxels
    return facts


def _voxels(image: Path) -> tuple[float, ...] | None:
    """Return the edges of an image's voxels in mm; None where its header cannot be read."""
    import nibabel as nib

    try:
        loaded: Any = nib.load(image)
        affine = loaded.affine
    except Exception:  # nibabel, gzip and zlib each have their own
        return None
    return tuple(float(edge) for edge in np.sort(nib.affines.voxel_sizes(affine)))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return bool(np.allclose(one, other, rtol=TOLERANCE))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return bool(np.isclose(one, other, rtol=TOLERANCE))
    return str(one).strip().casefold() == str(other).strip().casefold()


def _text(value: Any) -> str:
    if value is None:
        return "none told"
    if isinstance(value, tuple):
        return " x ".join(f"{edge:.2g}" for edge in value) + " mm"
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
