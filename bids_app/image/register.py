"""Alignment of images by Greedy: rigid between contrasts, diffeomorphic to the template.

Greedy (Yushkevich et al. 2016, doi:10.1016/j.jalz.2016.06.205; github.com/pyushkevich/greedy).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage, optimize

from bids_app.errors import VisitError, one_line
from bids_app.image.itk import from_ras, to_itk
from bids_app.image.structure_priors import STRUCTURES, load_priors, sample
from bids_app.image.transforms import apply, widths, write
from bids_app.image.volume import box_mean

if TYPE_CHECKING:
    import SimpleITK

Array = npt.NDArray[np.float64]

LINEAR = "-m NMI -n 100x50x10"  # normalised mutual information: for any two contrasts
COARSE = "-m NMI -n 100x0x0"  # enough to see which of two starts is the better one
FINEST_MM = 2.0  # of all grids; below it linear alignment gains nothing
# chosen on a T1w with FreeSurfer's labels and two heads: Greedy's own smoothing (1.7, 0.7) loses small nuclei,
# 3 and 1.5 overlap less; neighbourhoods of 7 voxels or more iterations are no better
DEFORMABLE = "-m NCC 2x2x2 -n 60x30x10 -s 2.5vox 1vox -sv"
APART = ("thalamus", "pallidum", "brain stem")  # between grey and white matter, each with its own intensity


def align_rigid(moving: nib.Nifti1Image, fixed: nib.Nifti1Image, target: Path, *, seed: int) -> Path:
    """Align two images of one head, whatever their contrasts (rigid, normalised mutual information).

    Parameters
    ----------
    moving, fixed : Nifti1Image, (x, y, z)
        For example FLAIR and T1w.
    target : Path
        ITK text transform to write (`.txt`).
    seed : int
        Of the positions between voxels at which the images are compared.

    Returns
    -------
    Path
        `target`: maps points of `fixed` to `moving`, so it brings the image `moving` to `fixed`.

    Raises
    ------
    VisitError
        If the registration fails.
    """
    write(from_ras(_linear(fixed, moving, 6, seed)), target)
    return target


def align_template(
    brain: nib.Nifti1Image, template: nib.Nifti1Image, forward: Path, inverse: Path, *, seed: int
) -> float:
    """Register a brain to the template: affine, then a stationary velocity field.

    The affine maximises normalised mutual information with the template. The field maximises the correlation of small
    neighbourhoods with the template drawn in the visit's own contrast (`in_contrast`), so that T1w and FLAIR are
    registered alike.

    Parameters
    ----------
    brain : Nifti1Image, (x, y, z)
        Skull-stripped T1w or FLAIR.
    template : Nifti1Image, (x, y, z)
        Skull-stripped template; its voxel size is the resolution of the registration.
    forward, inverse : Path
        ITK composite transforms to write (`.h5`): for images to the template, and from it.
    seed : int
        Of the positions between voxels at which the images are compared.

    Returns
    -------
    float
        Correlation of the registered image with the template inside the template's brain.

    Raises
    ------
    VisitError
        If the registration fails.
    """
    import SimpleITK

    affine = _linear(template, brain, 12, seed)
    near = nib.Nifti1Image(np.asarray(brain.dataobj, dtype=np.float32), np.linalg.inv(affine) @ brain.affine)
    drawn = in_contrast(template, near)
    found = _greedy(
        f"-i drawn brain {DEFORMABLE} -o warp -oinv back",
        seed,
        drawn=to_itk(drawn),
        brain=to_itk(near),
        warp=None,
        back=None,
    )
    linear = from_ras(affine)
    there, back = (
        SimpleITK.DisplacementFieldTransform(SimpleITK.Cast(found[name], SimpleITK.sitkVectorFloat64))
        for name in ("warp", "back")
    )
    # points go through the transform added last first
    write(SimpleITK.CompositeTransform([linear, there]), forward)
    write(SimpleITK.CompositeTransform([back, linear.GetInverse()]), inverse)
    reference = np.asarray(template.dataobj, dtype=np.float32)
    inside = reference > 0
    warped = np.asarray(apply(brain, template, [forward]).dataobj)
    return float(np.corrcoef(warped[inside], reference[inside])[0, 1])


def in_contrast(template: nib.Nifti1Image, image: nib.Nifti1Image) -> nib.Nifti1Image:
    """Draw the template as an image shows brains: each tissue with the intensity that fits the image best.

    Six intensities (fluid, grey and white matter, thalamus, pallidum, brain stem) times the tissues' priors, fitted
    by non-negative least squares where both are known. With one for each structure, those that are badly aligned at
    first get the intensity of their neighbours: the caudate was drawn as dark as the ventricle.

    Parameters
    ----------
    template : Nifti1Image, (x, y, z)
        Its grid is drawn on.
    image : Nifti1Image, (x, y, z)
        Brain without skull, roughly in the template's place.

    Returns
    -------
    Nifti1Image, float32
        In the unit of `image`.

    Raises
    ------
    VisitError
        If the image shows nothing where the template has a brain.
    """
    spread = np.indices(template.shape).reshape(3, -1).T
    points = nib.affines.apply_affine(template.affine, spread)
    tissues = _tissues_at(points.T.astype(np.float32))
    places = nib.affines.apply_affine(np.linalg.inv(image.affine), points).T
    data = box_mean(np.asarray(image.dataobj, dtype=np.float32), widths(image, template))
    shown = ndimage.map_coordinates(data, places, order=1)
    known = (shown > 0) & (tissues.sum(axis=0) > 0.5)
    if known.sum() < len(tissues):
        raise VisitError("registration failed (the image shows no brain); look at its brain mask")
    intensities, _ = optimize.nnls(tissues[:, known].T.astype(np.float64), shown[known].astype(np.float64))
    drawn = (intensities @ tissues).reshape(template.shape).astype(np.float32)
    return nib.Nifti1Image(drawn, template.affine)


def _tissues_at(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the priors of six tissues at points of the template, (6, n)."""
    priors = load_priors()
    data = np.asarray(priors.dataobj)
    kinds = np.array([one.intensity if one.intensity in APART else one.tissue for one in STRUCTURES])
    summed = (data[..., kinds == kind].sum(axis=3, dtype=np.uint16) for kind in dict.fromkeys(kinds))
    whole = (nib.Nifti1Image(np.minimum(one, 255).astype(np.uint8), priors.affine) for one in summed)
    return np.stack([sample(one, points) for one in whole])


def _linear(fixed: nib.Nifti1Image, moving: nib.Nifti1Image, dof: int, seed: int) -> Array:
    """Return the linear transform of points of the fixed image to the moving one, RAS mm, (4, 4).

    It starts where the headers place the images or where their centres of mass meet, whichever a coarse alignment
    ends better from.
    """
    starts = [np.eye(4), nib.affines.from_matvec(np.eye(3), _centre(moving) - _centre(fixed))]
    still = _shrunk(fixed)
    images = [
        _shrunk(nib.Nifti1Image(moving.dataobj, np.linalg.inv(start) @ moving.affine)) for start in starts
    ]

    def found(image: SimpleITK.Image, options: str) -> Any:
        pair = {"fixed": still, "moving": image, "linear": None}
        return _greedy(f"-i fixed moving -a -dof {dof} {options} -o linear", seed, **pair)

    ends = [float(found(image, COARSE).metric_log()[0]["TotalPerPixelMetric"][-1]) for image in images]
    best = int(np.argmin(ends))  # Greedy minimises
    matrix = starts[best] @ np.asarray(found(images[best], LINEAR)["linear"], dtype=np.float64)
    if not (np.isfinite(matrix).all() and np.linalg.det(matrix) > 0):
        raise VisitError("registration failed (no transform found); look at the images' orientation")
    return np.asarray(matrix)


def _shrunk(image: nib.Nifti1Image) -> SimpleITK.Image:
    """Return an image with voxels averaged to about `FINEST_MM`."""
    import SimpleITK

    factors = np.maximum(np.round(FINEST_MM / nib.affines.voxel_sizes(image.affine)), 1).astype(int)
    return SimpleITK.BinShrink(to_itk(image), factors.tolist())


def _centre(image: nib.Nifti1Image) -> Array:
    """Return the centre of mass in RAS mm."""
    data = np.clip(np.asarray(image.dataobj, dtype=np.float64), 0, None)
    if not data.any():
        raise VisitError("registration failed (an image is empty); look at the scan and its brain mask")
    return np.asarray(nib.affines.apply_affine(image.affine, ndimage.center_of_mass(data)))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what C++ libraries print by themselves (the optimiser, whenever a line search ends) from the console."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(place) for place in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for place in (1, 2):
            os.dup2(nowhere, place)
        yield
    finally:
        for place, before in zip((1, 2), kept, strict=True):
            os.dup2(before, place)
        for one in (*kept, nowhere):
            os.close(one)


def _greedy(command: str, seed: int, **objects: SimpleITK.Image | None) -> Any:
    """Run Greedy; what it is to find is None in `objects` and read from the object returned."""
    import SimpleITK
    from picsl_greedy import Greedy3D

    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    tool, log = Greedy3D(), io.StringIO()
    try:  # a seed of 0 would be drawn from the clock
        with _silent():
            tool.execute(f"-threads {threads} -V 0 -seed {seed + 1} {command}", out=log, err=log, **objects)
    except Exception as error:
        raise VisitError(
            f"registration failed ({one_line(error)}); look at the images' orientation and field of view"
        ) from error
    return tool
