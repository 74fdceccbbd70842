"""Steps of a visit: paths in, paths out, around the pure functions on images.

Each writes uncompressed files into the current folder and returns their paths; heavy libraries are imported
where they are used, so that building a graph stays quick.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bids_app.derivatives import load_image as load

if TYPE_CHECKING:
    import nibabel as nib
    import pandas as pd


def keep(image: nib.Nifti1Image, name: str, meta: dict[str, Any] | None = None) -> Path:
    """Write an image (and its metadata beside it) into the current folder."""
    from bids_app.derivatives import save_image

    _keep_meta(name, meta or {})
    return save_image(image, Path(f"{name}.nii").absolute())


def keep_table(table: pd.DataFrame, name: str, meta: dict[str, Any]) -> Path:
    """Write a table and the meaning of its columns into the current folder."""
    from bids_app.derivatives import write_table

    _keep_meta(name, meta)
    return write_table(table, Path(f"{name}.tsv").absolute())


def _keep_meta(name: str, meta: dict[str, Any]) -> None:
    Path(f"{name}.json").write_text(json.dumps(meta), encoding="utf-8")


def masked(image: nib.Nifti1Image, mask: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return an image that is 0 outside a mask."""
    import nibabel as nib
    import numpy as np

    data = np.asarray(image.dataobj, dtype=np.float32) * (np.asanyarray(mask.dataobj) > 0)
    return nib.Nifti1Image(data, image.affine)


NAWM_INDEX = 117  # after AAL's 116 regions


class Head(NamedTuple):
    """A head image on the working grid, its brain mask and what was noticed."""

    image: Path
    brain: Path
    stripped: bool
    notes: list[str]


def prepare_head(scan: Path, voxel_size: float) -> Head:
    """Read a scan, bring it to isotropic voxels, find the brain, correct non-uniformity."""
    from bids_app.image.bias import correct_bias
    from bids_app.image.brain import brain_mask
    from bids_app.image.volume import conform, read_scan

    image, notes = read_scan(scan)
    grid = conform(image, voxel_size)
    brain = brain_mask(grid)
    if brain.stripped:
        notes.append(f"{scan.name}: came without a skull; its foreground is the brain mask")
    meta = {"SkullStripped": brain.stripped}
    return Head(
        keep(correct_bias(grid, brain.mask), "image", meta), keep(brain.mask, "brain"), brain.stripped, notes
    )


class Aligned(NamedTuple):
    """A FLAIR image on the grid of the T1w, the transform that brought it there, what was noticed."""

    image: Path
    to_t1w: Path
    notes: list[str]


def align_flair(scan: Path, t1w: Path, brain: Path, seed: int) -> Aligned:
    """Read a FLAIR scan, align it with the T1w and correct non-uniformity."""
    import nibabel as nib
    import numpy as np

    from bids_app.image.bias import correct_bias
    from bids_app.image.register import align_rigid, apply
    from bids_app.image.volume import conform, read_scan

    flair, notes = read_scan(scan)
    fixed = load(t1w)
    size = float(nib.affines.voxel_sizes(fixed.affine).min())
    target = align_rigid(conform(flair, size), fixed, Path("to_t1w.txt").absolute(), seed=seed)
    moved = apply(flair, fixed, [target], interpolation="bSpline")
    acquired = np.asarray(flair.dataobj)
    data = np.clip(np.asarray(moved.dataobj), acquired.min(), acquired.max())  # splines overshoot at edges
    corrected = correct_bias(nib.Nifti1Image(data, fixed.affine), load(brain))
    return Aligned(keep(corrected, "flair"), target, notes)


class Registered(NamedTuple):
    """Transforms for images to and from the template, and how alike they became."""

    forward: Path
    inverse: Path
    correlation: float


def align_to_template(image: Path, brain: Path, template: str, resolution: float, seed: int) -> Registered:
    """Register a brain to the template at a resolution in mm."""
    from bids_app.image.register import align_template
    from bids_app.image.template import load_template

    forward, inverse = Path("forward.h5").absolute(), Path("inverse.h5").absolute()
    target = load_template(template, resolution).t1w
    alike = align_template(masked(load(image), load(brain)), target, forward, inverse, seed=seed)
    return Registered(forward, inverse, alike)


def align_coarsely(image: Path, brain: Path, template: str, seed: int) -> Registered:
    """Register a brain to the template at 2 mm, for the priors that find the lesions."""
    return align_to_template(image, brain, template, 2.0, seed)


class Segmented(NamedTuple):
    """Tissue labels and probabilities, and the prior of white matter."""

    labels: Path
    gm: Path
    wm: Path
    csf: Path
    wm_prior: Path


def segment(image: Path, brain: Path, inverse: Path, template: str, resolution: float) -> Segmented:
    """Segment three tissues with the template's priors brought to the image."""
    from bids_app.image.register import apply
    from bids_app.image.template import load_template
    from bids_app.image.tissue import segment_tissues

    head, atlas = load(image), load_template(template, resolution)
    priors = [apply(prior, head, [inverse]) for prior in (atlas.gm, atlas.wm, atlas.csf)]
    found = segment_tissues(head, load(brain), *priors)
    return Segmented(
        keep(found.labels, "labels"),
        keep(found.gm, "gm"),
        keep(found.wm, "wm"),
        keep(found.csf, "csf"),
        keep(priors[1], "wm_prior"),
    )


def segment_unfilled(image: Path, brain: Path, inverse: Path, template: str, resolution: float) -> Segmented:
    """Segment three tissues with the lesions still in the image, to find them."""
    return segment(image, brain, inverse, template, resolution)


class Found(NamedTuple):
    """Lesion probability and mask."""

    probability: Path
    mask: Path
    notes: list[str]


def find_lesions(
    flair: Path, brain: Path, gm: Path, wm: Path, csf: Path, wm_prior: Path, method: str
) -> Found:
    """Segment lesions by one method of the ladder."""
    from bids_app.image.lesions import METHODS, LesionInputs, segment_lesions

    found = segment_lesions(
        LesionInputs(
            flair=load(flair),
            brain=load(brain),
            gm=load(gm),
            wm=load(wm),
            csf=load(csf),
            wm_prior=load(wm_prior),
        ),
        method,
    )
    meta = {"Method": METHODS[method].about, "MethodSettings": METHODS[method].settings}
    return Found(keep(found.probability, "probability", meta), keep(found.mask, "mask", meta), [])


def take_lesions(
    given: Path, flair_scan: Path, flair: Path, t1w_scan: Path | None = None, to_t1w: Path | None = None
) -> Found:
    """Bring a lesion mask of the dataset to the working grid."""
    import nibabel as nib
    import numpy as np

    from bids_app.image.register import apply
    from bids_app.image.volume import read_mask, read_scan, resample

    scans = {"T1w": t1w_scan, "FLAIR": flair_scan}
    like = {name: read_scan(path).image for name, path in scans.items() if path is not None}
    mask, owner, notes = read_mask(given, like)
    grid = load(flair)
    if owner == "FLAIR" and to_t1w is not None:
        moved = apply(mask, grid, [to_t1w], interpolation="nearestNeighbor")
    else:
        moved = resample(mask, grid, order=0)
    meta = {"Method": "Lesion mask that came with the dataset.", "Manual": True}
    data = (np.asarray(moved.dataobj) > 0).astype(np.uint8)
    probability = nib.Nifti1Image(data.astype(np.float32), grid.affine)
    return Found(
        keep(probability, "probability", meta),
        keep(nib.Nifti1Image(data, grid.affine), "mask", meta),
        [*notes, f"lesions: {given.name} (on the {owner} grid)"],
    )


class Filled(NamedTuple):
    """T1w with lesions filled."""

    image: Path


def fill(t1w: Path, lesions: Path, wm: Path, brain: Path, seed: int) -> Filled:
    """Fill the lesions of a T1w image from the white matter around them."""
    from bids_app.image.atlas import normal_appearing_white_matter
    from bids_app.image.fill import fill_lesions

    nawm = normal_appearing_white_matter(load(wm), load(lesions), load(brain))
    return Filled(keep(fill_lesions(load(t1w), load(lesions), nawm, seed=seed), "filled"))


class Parcelled(NamedTuple):
    """Atlas labels, their names, and normal-appearing white matter, in the visit's space."""

    parcels: Path
    regions: Path
    nawm: Path


def parcellate(inverse: Path, wm: Path, lesions: Path, brain: Path, atlas: str) -> Parcelled:
    """Bring the atlas to the visit and find the normal-appearing white matter."""
    from bids_app.image.atlas import load_atlas, normal_appearing_white_matter, parcels

    source, grid = load_atlas(atlas), load(wm)
    meta = {"Atlas": source.name, "AtlasSpace": source.space}
    columns = {"index": {"Description": "Value in the label image."}, "name": {"Description": "Region."}}
    return Parcelled(
        keep(parcels(source, grid, [inverse]), "parcels", meta),
        keep_table(source.regions, "regions", meta | columns),
        keep(normal_appearing_white_matter(grid, load(lesions), load(brain)), "nawm"),
    )


class Table(NamedTuple):
    """One table."""

    table: Path


def measure_volumes(
    gm: Path, wm: Path, csf: Path, brain: Path, nawm: Path, lesions: Path, parcels: Path, regions: Path
) -> Table:
    """Measure global volumes and grey matter per region."""
    import pandas as pd

    from bids_app.features.volumes import COLUMNS, volumes_table

    table = volumes_table(
        gm=load(gm),
        wm=load(wm),
        csf=load(csf),
        brain=load(brain),
        nawm=load(nawm),
        lesions=load(lesions),
        parcels=load(parcels),
        regions=pd.read_csv(regions, sep="\t"),
    )
    return Table(keep_table(table, "volumes", COLUMNS))


class Described(NamedTuple):
    """Lesions numbered, and the table of them."""

    labels: Path
    table: Path


def describe_lesions(
    lesions: Path,
    probability: Path,
    flair: Path,
    gm: Path,
    csf: Path,
    nawm: Path,
    parcels: Path,
    regions: Path,
    inverse: Path,
) -> Described:
    """Number the lesions and say where each is."""
    import pandas as pd

    from bids_app.image.lesion_table import COLUMNS, Surroundings, lesion_table, number_lesions
    from bids_app.image.places import place_image
    from bids_app.image.register import apply

    labels = number_lesions(load(lesions))
    places = apply(place_image(), labels, [inverse], interpolation="nearestNeighbor")
    around = Surroundings(
        flair=load(flair),
        probability=load(probability),
        gm=load(gm),
        csf=load(csf),
        nawm=load(nawm),
        parcels=load(parcels),
        regions=pd.read_csv(regions, sep="\t"),
        places=places,
        from_template=[inverse],
    )
    return Described(
        keep(labels, "lesion_labels"), keep_table(lesion_table(labels, around), "lesions", COLUMNS)
    )


class Spread(NamedTuple):
    """A visit's maps on other grids."""

    t1w_template: Path | None
    probability_template: Path
    lesions_template: Path
    belief: Path
    lesions_template_3mm: Path
    lesions_flair: Path


def to_other_spaces(
    flair: Path,
    gm: Path,
    brain: Path,
    lesions: Path,
    probability: Path,
    forward: Path,
    flair_scan: Path,
    template: str,
    resolution: float,
    t1w: Path | None = None,
    to_t1w: Path | None = None,
) -> Spread:
    """Bring maps to template space (working resolution and 3 mm) and lesions to the FLAIR as acquired."""
    from bids_app.image.belief import belief_map, grey_matter_mean
    from bids_app.image.register import apply, apply_averaged
    from bids_app.image.template import belief_grid, load_template
    from bids_app.image.volume import read_scan, resample

    grid, coarse = load_template(template, resolution).brain, belief_grid(template)
    mask, chance = load(lesions), load(probability)
    images = (load(flair), load(gm), load(brain), mask)
    mean = grey_matter_mean(*images)
    scan = read_scan(flair_scan).image
    if to_t1w is None:
        own = resample(mask, scan, order=0)
    else:
        own = apply(mask, scan, [to_t1w], interpolation="nearestNeighbor", inverse=[True])
    return Spread(
        keep(apply(load(t1w), grid, [forward]), "t1w_template") if t1w else None,
        keep(apply(chance, grid, [forward]), "probability_template"),
        keep(apply(mask, grid, [forward], interpolation="nearestNeighbor"), "lesions_template"),
        keep(apply_averaged(belief_map(*images), coarse, [forward]), "belief", {"GreyMatterMean": mean}),
        keep(_half(apply_averaged(mask, coarse, [forward])), "lesions_template_3mm"),
        keep(own, "lesions_flair"),
    )


def _half(share: nib.Nifti1Image) -> nib.Nifti1Image:
    """Return where at least half of a voxel is covered."""
    import nibabel as nib
    import numpy as np

    return nib.Nifti1Image((np.asarray(share.dataobj) >= 0.5).astype(np.uint8), share.affine)


def assess(
    flair: Path,
    flair_scan: Path,
    labels: Path,
    brain: Path,
    lesions: Path,
    lesion_table: Path,
    correlation: float,
    stripped: bool,
    t1w: Path | None = None,
) -> Table:
    """Measure the visit's quality."""
    import nibabel as nib
    import numpy as np
    import pandas as pd

    from bids_app.image.quality import COLUMNS, contrast, flags, slice_outlier
    from bids_app.image.volume import read_scan

    tissue, mask = load(labels), load(lesions)
    numbers: dict[str, Any] = {}
    for name, path in {"t1w": t1w, "flair": flair}.items():
        snr_wm, snr_gm, cnr = contrast(load(path), tissue, mask) if path else (np.nan,) * 3
        numbers |= {f"snr_{name}_wm": snr_wm, f"snr_{name}_gm": snr_gm, f"cnr_{name}": cnr}
    millilitre = float(np.prod(nib.affines.voxel_sizes(mask.affine))) / 1000
    numbers |= {
        "flair_slice_outlier": slice_outlier(read_scan(flair_scan).image),
        "brain_volume_ml": np.count_nonzero(load(brain).dataobj) * millilitre,
        "template_correlation": correlation,
        "lesion_volume_ml": np.count_nonzero(mask.dataobj) * millilitre,
        "lesion_count": len(pd.read_csv(lesion_table, sep="\t")),
        "skull_stripped": int(stripped),
    }
    numbers["flags"] = ",".join(flags(numbers)) or None
    table = pd.DataFrame([numbers])[list(COLUMNS)].round(4)
    return Table(keep_table(table, "qc", COLUMNS))


class Disconnected(NamedTuple):
    """Disconnection by region and by pair, and as a map."""

    regions: Path
    pairs: Path
    map: Path


def measure_disconnection(
    lesions_template: Path, connectome: str, atlas: str, end_radius: float
) -> Disconnected:
    """Score the disconnection of every region by lesions in template space."""
    from bids_app.features.chaco import COLUMNS, PAIR_COLUMNS, chaco, disconnectome_map
    from bids_app.features.connectome import Connectome
    from bids_app.image.atlas import load_atlas

    normative, source = Connectome.open(Path(connectome)), load_atlas(atlas)
    found = chaco(load(lesions_template), normative, source, end_radius=end_radius)
    meta = {
        "Connectome": normative.describe(),
        "Definition": "NeMo 2: share hit of the streamlines that end in the region and in another one.",
        "EndRadius": end_radius,
        "AtlasSpace": source.space,
    }
    pairs = found.pairs.copy()  # BIDS wants index and name in a dseg table
    pairs.insert(0, "index", range(1, len(pairs) + 1))
    pairs.insert(1, "name", pairs["region_a"] + "-" + pairs["region_b"])
    both = {"index": {"Description": "Row."}, "name": {"Description": "The two regions."}}
    return Disconnected(
        keep_table(found.regions, "chaco", COLUMNS | meta),
        keep_table(pairs, "chaco_pairs", both | PAIR_COLUMNS | meta),
        keep(disconnectome_map(normative, found.damaged), "disconnection", meta),
    )


def measure_radiomics(
    t1w: Path, parcels: Path, nawm: Path, brain: Path, regions: Path, settings_file: Path | None = None
) -> Table:
    """Extract radiomic features of every atlas region and of normal-appearing white matter.

    The two overlap at the inner edge of the cortex, so they are two label images. Features come from the
    unfilled T1w, as in study A.
    """
    import nibabel as nib
    import numpy as np
    import pandas as pd

    from bids_app.features.radiomics import PAPER_SETTINGS, RadiomicsSettings, extract

    settings = RadiomicsSettings.from_file(settings_file) if settings_file else PAPER_SETTINGS
    inside = np.asanyarray(load(brain).dataobj) > 0
    image, atlas = load(t1w), load(parcels)
    cut = nib.Nifti1Image(np.asanyarray(atlas.dataobj) * inside, atlas.affine)
    rows = pd.read_csv(regions, sep="\t")
    names: dict[int, str] = dict(zip(rows["index"], rows["name"], strict=True))
    white = nib.Nifti1Image(
        (np.asanyarray(load(nawm).dataobj) > 0).astype(np.int32) * NAWM_INDEX, atlas.affine
    )
    wanted = {NAWM_INDEX: "NAWM"}
    tables = [
        extract(image, labels, label_names=some, settings=settings, mask=load(brain))
        for labels, some in ((cut, names), (white, wanted))
    ]
    table = pd.concat(tables).rename_axis("name").reset_index()
    table.insert(0, "index", [*names, NAWM_INDEX])
    meta = {
        "index": {"Description": f"Value in the label image; {NAWM_INDEX} is normal-appearing white matter."},
        "name": {"Description": "Region."},
        "RadiomicsSettings": settings.to_dict(),
        "Columns": "The other columns are pyradiomics' feature names: image type, class, feature.",
    }
    return Table(keep_table(table, "radiomics", meta))
