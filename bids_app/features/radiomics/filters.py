"""The images that features are computed on: original, Laplacian of Gaussian, wavelet subbands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from bids_app.features.radiomics.regions import Box
from bids_app.features.radiomics.settings import RadiomicsSettings, log_name
from bids_app.features.radiomics.wavelet import stationary_wavelet

if TYPE_CHECKING:
    import SimpleITK

SMALLEST_FOR_LOG = 4  # voxels; below it SimpleITK's recursive Gaussian refuses


def to_itk(image: nib.Nifti1Image) -> SimpleITK.Image:
    """Return an image as ITK would read its file: voxels and their size.

    ITK reads scaled integers in single precision, and voxel sizes from the header; the position in space does not
    matter to any feature and is left out. Voxels without a finite value become 0.

    Parameters
    ----------
    image : Nifti1Image, (x, y, z)

    Returns
    -------
    Image
    """
    import SimpleITK

    data = np.asanyarray(image.dataobj)
    stored = image.get_data_dtype()
    if data.dtype == np.float64 and np.issubdtype(stored, np.integer):
        data = data.astype(np.float32)
    if data.dtype == np.bool_ or data.dtype.itemsize > 8:
        data = data.astype(np.float64)
    if np.issubdtype(data.dtype, np.floating):
        data = np.where(np.isfinite(data), data, data.dtype.type(0))
    data = data.astype(data.dtype.newbyteorder("="))
    result = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    result.SetSpacing([float(zoom) for zoom in image.header.get_zooms()[:3]])
    return result


def normalize(
    image: SimpleITK.Image, settings: Mapping[str, Any], mask: npt.NDArray[np.bool_] | None = None
) -> SimpleITK.Image:
    """Return the image with mean 0 and the standard deviation that the settings ask for.

    Parameters
    ----------
    image : Image
    settings : mapping
        `normalizeScale`, `removeOutliers` (standard deviations beyond which values are cut).
    mask : ndarray, (z, y, x), bool, optional
        Voxels that mean and standard deviation are taken from; all voxels without it, as in pyradiomics.

    Returns
    -------
    Image, double precision
    """
    import SimpleITK

    if mask is None:
        normal = SimpleITK.Normalize(image)
    else:
        values = SimpleITK.GetArrayViewFromImage(image)[mask].astype(np.float64)
        spread = values.std(ddof=1)
        normal = (SimpleITK.Cast(image, SimpleITK.sitkFloat64) - float(values.mean())) / float(spread or 1)
    outliers = settings.get("removeOutliers")
    if outliers is not None:
        normal = SimpleITK.Clamp(normal, normal.GetPixelID(), -float(outliers), float(outliers))
    return normal * float(settings.get("normalizeScale", 1))


def laplacian_of_gaussian(image: SimpleITK.Image, sigma: float, threads: int = 1) -> SimpleITK.Image:
    """Return the scale-normalised Laplacian of Gaussian of the whole image (ITK's recursive filter).

    Parameters
    ----------
    image : Image
    sigma : float
        mm.
    threads : int

    Returns
    -------
    Image, single precision
    """
    import SimpleITK

    enhance = SimpleITK.LaplacianRecursiveGaussianImageFilter()
    enhance.SetNormalizeAcrossScale(True)
    enhance.SetSigma(sigma)
    enhance.SetNumberOfThreads(threads)
    return enhance.Execute(image)


def can_filter(image: SimpleITK.Image, sigma: float) -> bool:
    """Tell whether an image is large enough for a Laplacian of Gaussian, by pyradiomics' rule."""
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    return bool(size.min() >= SMALLEST_FOR_LOG and (size >= np.ceil(sigma / spacing) + 1).all())


def filtered_images(
    image: SimpleITK.Image, settings: RadiomicsSettings, box: Box, threads: int = 1
) -> Iterator[tuple[str, npt.NDArray[np.generic], dict[str, Any]]]:
    """Yield each image's name, its part inside the box and its settings, in the order of the columns.

    Parameters
    ----------
    image : Image
        Whole, normalised where the settings ask for it.
    settings : RadiomicsSettings
    box : tuple of slices, (z, y, x)
    threads : int
        For ITK's filter.

    Yields
    ------
    name : str
    part : ndarray, the box's shape
    of_image : dict
        The image type's settings.
    """
    import SimpleITK

    for image_type in settings.image_types:
        of_image = settings.of_image(image_type)
        if image_type == "Original":
            yield "original", SimpleITK.GetArrayViewFromImage(image)[box].copy(), of_image
        elif image_type == "LoG":
            for sigma in of_image.get("sigma", []):
                if can_filter(image, sigma):
                    log = laplacian_of_gaussian(image, sigma, threads)
                    yield log_name(sigma), SimpleITK.GetArrayViewFromImage(log)[box].copy(), of_image
        elif image_type == "Wavelet":
            bands = stationary_wavelet(
                SimpleITK.GetArrayViewFromImage(image), box, of_image.get("wavelet", "coif1")
            )
            while bands:
                name = next(iter(bands))
                yield f"wavelet-{name}", bands.pop(name), of_image
