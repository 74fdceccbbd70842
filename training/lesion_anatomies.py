"""Turn prepared visits into training anatomies: images without their lesions, and lesion shapes brought to them.

    python training/lesion_anatomies.py SHARED PREPARED OUT

OUT gets a folder an anatomy of .npy arrays, cropped to the brain: `maps` (8, x, y, z) float16 with FLAIR and T1w
(lesions filled, median of the brain 1), GM, WM, CSF, the template's WM, the brain, and where the truth is unknown;
`shapes` (n, x, y, z) uint8 with the lesion masks of other patients; for the two patients with a truth `real`
(3, x, y, z) float16 with FLAIR, T1w and lesions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from lesion_data import MNI, load_inputs, masks_of, shapes_on, truth_on
from scipy import ndimage

from bids_app.image.atlas import normal_appearing_white_matter
from bids_app.image.fill import fill_lesions
from bids_app.image.lesions import segment_lesions, weighted_belief
from bids_app.image.template import load_template
from bids_app.image.volume import resample

PAD = 8
DOUBTFUL_BELIEF = 0.10


def _array(image):
    return np.asarray(image.dataobj, dtype=np.float32)


def _scaled(data, inside):
    return data / np.median(data[inside])


def real_anatomy(folder: Path, truth: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return a real visit's maps, its lesions filled; `doubt` is where lesions may be that nobody drew."""
    inputs = load_inputs(folder)
    brain = _array(inputs.brain) > 0
    belief = weighted_belief(inputs)
    found = (
        truth
        if truth is not None
        else _array(segment_lesions(inputs, "weighted-belief", min_volume=10).mask) > 0
    )
    bright = found | (belief > DOUBTFUL_BELIEF) if truth is None else found
    bright = ndimage.binary_dilation(bright, iterations=1) & brain
    mask = nib.Nifti1Image(bright.astype(np.uint8), inputs.flair.affine)
    nawm = normal_appearing_white_matter(inputs.wm, mask, inputs.brain)
    maps = {
        "flair": _array(fill_lesions(inputs.flair, mask, nawm, seed=0)),
        "t1w": _array(fill_lesions(inputs.t1w, mask, nawm, seed=0)),
        **{name: _array(getattr(inputs, name)) for name in ("gm", "wm", "csf")},
        "prior": _array(inputs.wm_prior),
        "brain": brain.astype(np.float32),
        "doubt": bright.astype(np.float32) if truth is None else np.zeros(brain.shape, np.float32),
    }
    filled = maps["wm"] * ~bright + bright * (maps["csf"] < 0.5)
    maps["gm"], maps["wm"] = maps["gm"] * (1 - bright * (maps["csf"] < 0.5)), filled
    real = np.stack([_scaled(_array(inputs.flair), brain), _scaled(_array(inputs.t1w), brain), found])
    maps["flair"], maps["t1w"] = _scaled(maps["flair"], brain), _scaled(maps["t1w"], brain)
    return maps if truth is None else maps | {"real": real}


def template_anatomy() -> dict[str, np.ndarray]:
    """Return the template's maps; its FLAIR is a sum of tissues, textured by its T1w."""
    source = load_template()
    gm, wm, csf = (_array(one) for one in (source.gm, source.wm, source.csf))
    brain = _array(source.brain)
    t1w = _scaled(_array(source.t1w), brain > 0)
    flair = 1.08 * gm + 0.95 * wm + 0.35 * csf
    nothing = np.zeros_like(gm)
    return {
        "flair": flair,
        "t1w": t1w,
        "gm": gm,
        "wm": wm,
        "csf": csf,
        "prior": wm,
        "brain": brain,
        "doubt": nothing,
    }


def save(out: Path, maps: dict[str, np.ndarray], shapes: list[np.ndarray]) -> None:
    """Crop to the brain and write."""
    out.mkdir(parents=True, exist_ok=True)
    corners = [
        (max(s.start - PAD, 0), s.stop + PAD)
        for s in ndimage.find_objects((maps["brain"] > 0).astype(np.uint8))[0]
    ]
    box = tuple(slice(*corner) for corner in corners)
    names = ("flair", "t1w", "gm", "wm", "csf", "prior", "brain", "doubt")
    np.save(out / "maps.npy", np.stack([maps[name][box] for name in names]).astype(np.float16))
    if "real" in maps:
        np.save(out / "real.npy", maps["real"][(slice(None), *box)].astype(np.float16))
    np.save(
        out / "shapes.npy",
        np.stack([np.rint(255 * np.clip(one[box], 0, 1)) for one in shapes]).astype(np.uint8),
    )


def main() -> None:
    """Make every anatomy that is prepared and not made yet."""
    shared, prepared, out = (Path(arg).absolute() for arg in sys.argv[1:4])
    masks = {name: path for name, path in masks_of(shared).items() if name not in MNI}
    if not (out / "template/shapes.npy").exists():
        maps = template_anatomy()
        grid = load_template().brain
        images = [nib.load(path) for path in masks.values()]
        soft = [nib.Nifti1Image((_array(i) > 0).astype(np.float32), i.affine) for i in images]
        save(out / "template", maps, [_array(resample(image, grid)) for image in soft])
    for folder in sorted(path.parent for path in prepared.glob("*/wm_prior.nii")):
        if folder.name.endswith("-flair") or (out / folder.name / "shapes.npy").exists():
            continue
        truth = truth_on(folder, masks_of(shared)[folder.name]) if folder.name in MNI else None
        save(
            out / folder.name,
            real_anatomy(folder, truth),
            [shapes_on(folder, path) for path in masks.values()],
        )
        print(folder.name, flush=True)


if __name__ == "__main__":
    main()
