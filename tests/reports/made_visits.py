"""A visit's derivatives made in a second: the template as a person, spheres as lesions; and others to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from bids_app.derivatives import save_image, write_json, write_table
from bids_app.derivatives.names import OUTPUTS
from bids_app.image.atlas import load_atlas
from bids_app.image.template import BUILT_IN, load_template
from bids_app.image.volume import resample
from bids_app.settings import Settings

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
SPHERES = ((-24, -20, 22, 8.0), (26, -10, 24, 6.0), (-30, 20, 18, 5.0), (0, -50, -34, 4.0))
PLACES = ("periventricular", "deep_white_matter", "juxtacortical_cortical", "infratentorial")
FEATURES = [
    f"{kind}_{family}_{name}"
    for kind in ("original", "log-sigma-1-0-mm-3D", "wavelet-LLH")
    for family in ("firstorder", "glcm", "ngtdm")
    for name in ("A", "B")
]


def settings(**more: Any) -> dict[str, Any]:
    """Return settings as a done record has them."""
    chosen = Settings(bids_dir=Path("/"), output_dir=Path("/"), analysis_level="participant", **more)
    return chosen.results()


def place(folder: Path, prefix: str, key: str) -> Path:
    return folder / OUTPUTS[key].path(prefix, template=BUILT_IN, atlas="AAL")


def make_visit(root: Path, prefix: str = "sub-01", *, t1w: bool = True, seed: int = 0) -> Path:
    """Write a visit's images and tables at 3 mm; return its `anat` folder."""
    folder = root.joinpath(*prefix.split("_"), "anat")
    template = load_template(BUILT_IN, 3)
    grid = template.brain
    lesion, labels = _lesions(grid)
    head = np.asarray(template.t1w.dataobj, dtype=np.float32)
    flair = head.max() * 1.1 * (np.asarray(grid.dataobj) > 0) - head + 2 * head.max() * lesion
    images: dict[str, np.ndarray] = {
        "brain": np.asarray(grid.dataobj).astype(np.uint8),
        "lesions": lesion.astype(np.uint8),
        "lesion_labels": labels.astype(np.int32),
        "lesion_probability": _blurred(lesion),
        "lesions_template": lesion.astype(np.uint8),
        "lesions_template_3mm": lesion.astype(np.uint8),
        "belief": (flair / flair[flair > 0].mean() - 1).astype(np.float32) * (flair > 0),
        "disconnectome": _blurred(lesion),
    }
    for tissue in ("GM", "WM", "CSF"):
        images[tissue] = np.asarray(getattr(template, tissue.lower()).dataobj)
    if t1w:
        parcels = resample(load_atlas().image, grid, order=0)
        images |= {
            "t1w": head - 0.4 * head * lesion,
            "filled": head,
            "flair": flair,
            "t1w_template": head,
            "parcels": np.asarray(parcels.dataobj).astype(np.int32),
        }
    else:
        images["flair_native"] = flair
    for key, data in images.items():
        image = nib.Nifti1Image(data, grid.affine)
        # a connectome's grid is not the template's
        save_image(
            image.slicer[2:-2, 1:, 1:] if key == "disconnectome" else image, place(folder, prefix, key)
        )
    write_table(_lesion_rows(labels, grid.affine), place(folder, prefix, "lesion_table"))
    make_tables(root, prefix, seed=seed, t1w=t1w)
    return folder


def make_tables(root: Path, prefix: str, *, seed: int, t1w: bool = True) -> None:
    """Write the tables that other visits are compared by."""
    folder = root.joinpath(*prefix.split("_"), "anat")
    rng = np.random.default_rng(seed)
    regions = load_atlas().regions
    n = len(regions)
    numbers = {
        "snr_t1w_wm": 18 + rng.normal(),
        "template_correlation": 0.7 + rng.normal() / 100,
        "flags": "n/a",
    }
    if not t1w:
        numbers |= {"snr_t1w_wm": np.nan, "template_correlation": 0.2, "flags": "template_correlation"}
    write_table(pd.DataFrame([numbers]), place(folder, prefix, "qc"))
    write_json({"snr_t1w_wm": {"Description": EVIL}}, place(folder, prefix, "qc").with_suffix(".json"))
    if not t1w:
        return
    whole = pd.DataFrame({"index": [1001], "name": ["TIV"], "volume_mm3": [1.5e6]})
    grey = np.linspace(1000, 9000, n) * (1 + rng.normal(0, 0.05, n))
    volumes = pd.DataFrame({"index": regions["index"], "name": regions["name"], "volume_mm3": grey})
    write_table(pd.concat([whole, volumes]), place(folder, prefix, "volumes"))
    share = np.clip(rng.normal(0.05, 0.05, n), 0, 1)
    write_table(
        volumes[["index", "name"]].assign(chaco=share, n_streamlines=100), place(folder, prefix, "chaco")
    )
    meta = {"Connectome": {"Source": ["a & b_c.fib.gz"], "NStreamlines": 5, "Synthetic": True}}
    write_json(meta, place(folder, prefix, "chaco").with_suffix(".json"))
    a, b = rng.integers(0, n, (2, 50))
    names = regions["name"].to_numpy()
    pairs = pd.DataFrame(
        {"region_a": names[a], "region_b": names[b], "chaco": rng.random(50), "n_streamlines": 20}
    )
    pairs.loc[0, ["region_a", "chaco"]] = [EVIL, 1.0]
    write_table(pairs, place(folder, prefix, "chaco_pairs"))
    features = pd.DataFrame(rng.normal(size=(n, len(FEATURES))), columns=FEATURES)
    write_table(pd.concat([volumes[["index", "name"]], features], axis=1), place(folder, prefix, "radiomics"))


def _lesions(grid: nib.Nifti1Image) -> tuple[np.ndarray, np.ndarray]:
    where = nib.affines.apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))
    labels = np.zeros(grid.shape, int)
    for number, (x, y, z, radius) in enumerate(SPHERES, 1):
        labels[np.linalg.norm(where - (x, y, z), axis=-1) <= radius] = number
    return labels > 0, labels


def _blurred(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    soft = ndimage.gaussian_filter(mask.astype(np.float32), 1)
    return soft / soft.max()


def _lesion_rows(labels: np.ndarray, affine: np.ndarray) -> pd.DataFrame:
    rows = []
    for number, (x, y, z, _) in enumerate(SPHERES, 1):
        volume = float((labels == number).sum() * abs(np.linalg.det(affine)))
        rows.append(
            (number, f"lesion-{number:03d}", volume, x, y, z, 0.9, 1.0, 0.5, EVIL, PLACES[number - 1])
        )
    names = ["index", "name", "volume_mm3", "x", "y", "z", "mean_probability", "max_probability", "contrast"]
    table = pd.DataFrame(rows, columns=[*names, "nearest_region", "place"])
    return table.assign(artefact_prone=[None, None, None, "fourth_ventricle"])
