"""Change between visits measured against what is known: phantoms with known contraction, and experts' masks.

Without options phantom pairs are made and the error of volume change is printed; with `--lesions`, which new lesions
are found in such pairs. `--pairs DERIVATIVES BIDS MASKS`
compares the voxels that changed in processed real pairs with the experts' masks of change in MASKS
(`sub-X/sub-X_space-common_desc-change_mask.nii.gz`, and a transform of each FLAIR to that space beside it).
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import cc3d
import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage

from bids_app.derivatives import load_image
from bids_app.derivatives.reader import Derivatives
from bids_app.image.bias import correct_bias
from bids_app.image.calibration import found_again
from bids_app.image.injection import contraction, place_lesions, rescan
from bids_app.image.lesion_table import number_lesions
from bids_app.image.lesions import segment_lesions
from bids_app.image.longitudinal import VisitImages, compare
from bids_app.image.pair_calibration import true_percent
from bids_app.image.transforms import apply
from bids_app.image.volume import resample
from bids_app.image.volume_change import Side, tissue_regions, volume_change
from bids_app.phantom.anatomy import PhantomAnatomy, anatomy_at, make_anatomy
from bids_app.phantom.images import SLICE_MM, T1W, scan
from bids_app.phantom.lesion_inputs import scanned_inputs
from bids_app.phantom.lesions import draw_lesions
from bids_app.phantom.people import draw_person
from bids_app.settings import DEFAULT_METHOD
from bids_app.visit_name import VisitName
from bids_app.workflows.longitudinal import find_pairs

CONTRACTIONS = (0.0, 0.3, 0.7, 1.5)  # percent
NOISE = 0.03
PRESENT, NEW, NEW_MM3 = 15, 10, 50.0  # lesions at both visits, at the later one alone, and their volume
SURE = 0.95  # white matter where new ones are put
OVERLAP = 0.1  # of the smaller of two lesions, that makes them one


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--resolution", type=float, default=2.0)
    parser.add_argument("--lesions", action="store_true")
    parser.add_argument("--pairs", nargs=3, type=Path, metavar=("DERIVATIVES", "BIDS", "MASKS"))
    chosen = parser.parse_args()
    if chosen.pairs:
        print(real_pairs(*chosen.pairs).to_string(index=False))
        return
    if chosen.lesions:
        table = pd.DataFrame([new_lesions(n, chosen.resolution) for n in range(1, chosen.people + 1)])
        print(table.to_string(index=False))
        print(
            f"found {table['found'].sum()} of {table['put_in'].sum()}, {table['false'].mean():.2f} false ones a pair"
        )
        return
    table = phantom_pairs(chosen.people, chosen.resolution)
    print(table.round(3).to_string(index=False))
    error = table["measured"] - table["injected"]
    print(f"\nbrain: bias {error.mean():+.3f} %, SD {error.std():.3f} %, largest {error.abs().max():.3f} %")
    print(f"exchanged: largest difference {(table['measured'] + table['exchanged']).abs().max():.4f} %")
    again = table[["grid", "gain"]].abs().max()
    print(
        f"scan against itself: other grid {again['grid']:.3f} %, other gain and noise {again['gain']:.3f} %"
    )
    print(f"transitivity over three visits: {table['transitivity'].abs().max():.3f} %")
    print(f"CPU seconds a comparison: {table['cpu_s'].median():.0f}")


def phantom_pairs(people: int, resolution: float) -> pd.DataFrame:
    """Return a row for each person and contraction: percent put in, measured, exchanged; checks once a person."""
    rows = []
    for number, percent in product(range(1, people + 1), CONTRACTIONS):
        atrophy = draw_person(number, "MS", 1, 1).atrophy
        anatomy = make_anatomy(resolution, atrophy, np.random.default_rng(number))
        mask = image(anatomy.brain, anatomy)
        made = contraction(mask, percent, seed=number)
        before = side(anatomy, 10 * number)
        later = contracted(anatomy, made.drawn, atrophy)
        after = side(later, 10 * number + 1 + CONTRACTIONS.index(percent))
        start = time.process_time()
        measured = volume_change(before, after, np.eye(4)).percent["brain"]
        cpu = time.process_time() - start
        row = {
            "person": number,
            "injected": true_percent(made.factor, before.regions["brain"]),
            "measured": measured,
            "exchanged": volume_change(after, before, np.eye(4)).percent["brain"],
            "cpu_s": cpu,
        }
        if percent == CONTRACTIONS[-1]:
            row |= checks(anatomy, atrophy, before, after, measured, number)
        rows.append(row)
    return pd.DataFrame(rows)


def checks(
    anatomy: PhantomAnatomy, atrophy: float, before: Side, after: Side, measured: float, number: int
) -> dict[str, float]:
    """Measure a scan against itself on another grid and with another gain, and the sum over three visits."""
    move = np.eye(4)
    move[:3, 3] = 0.4, -0.3, 0.5
    half = np.eye(4)
    half[:3, 3] = -move[:3, 3] / 2
    shifted = {name: rescan(one, shift=tuple(move[:3, 3]), order=1) for name, one in before.regions.items()}
    labels = {
        name: rescan(getattr(before, name), shift=tuple(move[:3, 3]), order=0)
        for name in ("tissue", "lesions", "brain")
    }
    turned = Side(image=rescan(before.image, shift=tuple(move[:3, 3])), regions=shifted, **labels)
    level = float(np.median(np.asarray(before.image.dataobj)[anatomy.brain]))
    loud = before._replace(image=rescan(before.image, gain=1.3, drift=0.05, noise=0.01 * level, seed=number))
    middle = side(
        contracted(anatomy, contraction(image(anatomy.brain, anatomy), 0.7, seed=number).drawn, atrophy),
        10 * number + 9,
    )
    first = volume_change(before, middle, np.eye(4)).percent["brain"]
    second = volume_change(middle, after, np.eye(4)).percent["brain"]
    return {
        "grid": volume_change(before, turned, half).percent["brain"],
        "gain": volume_change(before, loud, np.eye(4)).percent["brain"],
        "transitivity": first + second - measured,
    }


def image(data: np.ndarray, anatomy: PhantomAnatomy) -> nib.Nifti1Image:
    """Return an array as an image on an anatomy's grid."""
    return nib.Nifti1Image(np.asarray(data).astype(np.float32), anatomy.affine)


def contracted(anatomy: PhantomAnatomy, drawn: np.ndarray, atrophy: float) -> PhantomAnatomy:
    """Return an anatomy whose content moved, sampled once from the template: a second sampling would blur it."""
    where = np.moveaxis(np.moveaxis(np.indices(anatomy.brain.shape), 0, -1) + drawn, -1, 0)
    points = [ndimage.map_coordinates(axis, where, order=3, mode="nearest") for axis in anatomy.points]
    return anatomy_at(np.stack(points), anatomy.affine, atrophy)


def side(anatomy: PhantomAnatomy, seed: int) -> Side:
    """Scan an anatomy as another session would: contrast, field and noise of its own."""
    none, mask = np.zeros(anatomy.brain.shape, np.float32), image(anatomy.brain, anatomy)
    taken = scan(anatomy, none, T1W, site=1, noise=NOISE, rng=np.random.default_rng(seed))
    tissue = image(np.where(anatomy.brain, anatomy.tissues.argmax(axis=0) + 1, 0), anatomy)
    lesions = image(none, anatomy)
    return Side(correct_bias(taken, mask), mask, tissue, lesions, tissue_regions(tissue, lesions))


def new_lesions(number: int, resolution: float) -> dict[str, float]:
    """Put new lesions into a phantom with lesions, scan it twice, and count those that are called new."""
    anatomy = make_anatomy(resolution, 0.1, np.random.default_rng(number))
    present = draw_lesions(anatomy, "MS", PRESENT, np.random.default_rng([number, 1]))
    white = image(anatomy.tissues[1] > SURE, anatomy)
    wanted = [(NEW_MM3, 1.0)] * NEW
    added = place_lesions(white, image(present > 0.1, anatomy), wanted, number)
    before = lesion_visit(anatomy, present, 10 * number)
    after = lesion_visit(anatomy, np.maximum(present, added.strength), 10 * number + 1)
    found = compare(before, after, np.eye(4))
    active = found.table.loc[found.table["change"].isin(["new", "enlarged"]), "index"].to_numpy()
    labels = np.asarray(resample(found.labels, white, order=0).dataobj)
    hit = found_again(np.isin(labels, active), added)
    false = ~np.isin(active, labels[np.asarray(added.labels.dataobj) > 0])
    return {"person": number, "put_in": len(hit), "found": sum(hit), "false": int(false.sum())}


def lesion_visit(anatomy: PhantomAnatomy, lesions: np.ndarray, seed: int) -> VisitImages:
    """Scan a phantom with lesions, T1w and FLAIR of thick slices, and segment them; tissues are the true ones."""
    rng = np.random.default_rng(seed)
    inputs = scanned_inputs(anatomy, lesions, noise=NOISE, thickness=SLICE_MM, rng=rng)
    labels = number_lesions(segment_lesions(inputs, DEFAULT_METHOD).mask)
    tissue = np.where(
        anatomy.brain & ~(np.asarray(labels.dataobj) > 0), anatomy.tissues.argmax(axis=0) + 1, 0
    )
    return VisitImages(inputs.flair, labels, image(tissue, anatomy), inputs.brain)


def real_pairs(derivatives: Path, bids: Path, masks: Path) -> pd.DataFrame:
    """Compare changed lesions of processed pairs with experts' masks."""
    rows = []
    for folder in sorted(masks.glob("sub-*")):
        (expert_file,) = folder.glob("*_desc-change_mask.nii.gz")
        expert = load_image(expert_file)
        for pair in find_pairs(derivatives, bids, VisitName.parse(folder.name).participant)[0]:
            ours = changed_voxels(derivatives, (pair.before, pair.after), folder, expert)
            theirs = np.asarray(expert.dataobj) > 0
            rows.append({"pair": pair.name} | agreement(theirs, ours, expert))
    return pd.DataFrame(rows).round(3)


def changed_voxels(
    derivatives: Path, names: tuple[VisitName, VisitName], folder: Path, common: nib.Nifti1Image
) -> np.ndarray:
    """Return where the FLAIR became brighter or darker, on the experts' grid."""
    before, after = names
    (to_common,) = folder.glob(f"{after}_from-FLAIR_to-common_xfm.txt")
    visit = Derivatives(derivatives).visit(after)
    chain, inverse = [to_common], [False]
    if visit.has("flair_to_t1w"):
        chain, inverse = [to_common, visit.path("flair_to_t1w")], [False, True]
    voxels = load_image(visit.path("changed_voxels", before=before.session or ""))
    moved = apply(voxels, common, chain, interpolation="nearestNeighbor", inverse=inverse)
    return np.asarray(moved.dataobj) > 0


def agreement(theirs: np.ndarray, ours: np.ndarray, grid: nib.Nifti1Image) -> dict[str, float]:
    """Return Dice and lesion-wise precision, recall and F1 of two masks."""
    voxel = float(np.prod(nib.affines.voxel_sizes(grid.affine)))
    found = _touched(theirs, ours)
    right = _touched(ours, theirs)
    recall, precision = (float(np.mean(some)) if some else 0.0 for some in (found, right))
    return {
        "expert_ml": theirs.sum() * voxel / 1000,
        "ours_ml": ours.sum() * voxel / 1000,
        "expert_lesions": len(found),
        "our_lesions": len(right),
        "dice": 2 * float((theirs & ours).sum()) / max(float(theirs.sum() + ours.sum()), 1.0),
        "recall": recall,
        "precision": precision,
        "f1": 2 * recall * precision / max(recall + precision, 1e-9),
    }


def _touched(some: np.ndarray, other: np.ndarray) -> list[bool]:
    """Say of each piece of a mask whether the other covers enough of it."""
    pieces = cc3d.connected_components(some, connectivity=26)
    size, covered = np.bincount(pieces.ravel()), np.bincount(pieces[other], minlength=pieces.max() + 1)
    return [bool(c >= OVERLAP * n and c) for c, n in zip(covered[1:], size[1:], strict=True)]


if __name__ == "__main__":
    main()
