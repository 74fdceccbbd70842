"""Steps from images to tables: volumes, radiomics, quality."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

from bids_app.steps.files import Image, Table, WithMeta
from bids_app.steps.record import step

NAWM_INDEX = 117  # after AAL's 116 regions; larger where another atlas has that label


class MeasuredTable(NamedTuple):
    """One table."""

    table: WithMeta[Table]


@step("regional volumes")
def measure_volumes(
    gm: Image,
    wm: Image,
    csf: Image,
    brain: Image,
    nawm: Image,
    lesions: Image,
    parcels: Image,
    regions: Table,
    structures: Table,
    tiv_mm3: float,
    coverage: float | None = None,
) -> MeasuredTable:
    """Measure global volumes, structures, and grey matter per region.

    Parameters
    ----------
    gm, wm, csf : Nifti1Image, (x, y, z)
        Tissue probabilities.
    brain, nawm, lesions : Nifti1Image, (x, y, z)
        Masks on the same grid.
    parcels : Nifti1Image, (x, y, z)
        Labels of the atlas' regions.
    regions, structures : DataFrame
        Names of the parcels; volumes of the structures.
    tiv_mm3 : float
        Total intracranial volume.
    coverage : float, optional
        Share of the brain that the FLAIR shows.
    """
    from bids_app.features.volumes import VOLUME_COLUMNS, volumes_table
    from bids_app.image.coverage import about

    table = volumes_table(
        gm=gm,
        wm=wm,
        csf=csf,
        brain=brain,
        nawm=nawm,
        lesions=lesions,
        parcels=parcels,
        regions=regions,
        structures=structures,
        tiv_mm3=tiv_mm3,
    )
    return MeasuredTable(WithMeta(table, VOLUME_COLUMNS | about(coverage)))


@step("radiomics", seconds=14.0, mem_gb=3.0)
def measure_radiomics(
    t1w: Image, parcels: Image, nawm: Image, brain: Image, regions: Table, settings_file: Path | None = None
) -> MeasuredTable:
    """Extract radiomic features of every atlas region and of normal-appearing white matter.

    The two overlap at the inner edge of the cortex, so they are two label images, described together. Features come
    from the unfilled T1w, as in study A.

    Parameters
    ----------
    t1w : Nifti1Image, (x, y, z)
        Corrected, lesions unfilled.
    parcels, nawm, brain : Nifti1Image, (x, y, z)
        Labels of the atlas' regions, and masks, on its grid.
    regions : DataFrame
        Names of the parcels.
    settings_file : Path, optional
        pyradiomics' parameter file.
    """
    from bids_app.features.radiomics import PAPER_SETTINGS, RadiomicsSettings, extract
    from bids_app.features.radiomics.catalogue import describe_feature

    settings = RadiomicsSettings.from_file(settings_file) if settings_file else PAPER_SETTINGS
    inside = np.asanyarray(brain.dataobj) > 0
    cut = nib.Nifti1Image(np.asanyarray(parcels.dataobj) * inside, parcels.affine)
    names: dict[int, str] = dict(zip(regions["index"], regions["name"], strict=True))
    white_matter = max(NAWM_INDEX, max(names) + 1)
    white = nib.Nifti1Image((np.asanyarray(nawm.dataobj) > 0).astype(np.int32) * white_matter, parcels.affine)
    every = names | {white_matter: "NAWM"}
    table = extract(t1w, [cut, white], label_names=every, settings=settings, mask=brain)
    table = table.rename_axis("name").reset_index()
    table.insert(0, "index", list(every))
    meta = {
        "index": {
            "Description": f"Value in the label image; {white_matter} is normal-appearing white matter."
        },
        "name": {"Description": "Region."},
        "RadiomicsSettings": settings.to_dict(),
        "Columns": "The other columns are pyradiomics' feature names: image type, class, feature.",
    } | {name: describe_feature(name) for name in table.columns if name not in ("index", "name")}
    return MeasuredTable(WithMeta(table, meta))


@step("quality numbers")
def assess(
    labels: Image,
    brain: Image,
    lesions: Image,
    lesion_table: Table,
    correlation: float,
    stripped: bool,
    foreign_ml: float,
    tiv_mm3: float,
    tiv_by_scaling_mm3: float,
    flair: Image | None = None,
    t1w: Image | None = None,
    flair_scan: Path | None = None,
    segmented: Image | None = None,
    coverage: float | None = None,
) -> MeasuredTable:
    """Measure the visit's quality; `segmented` is Demyelin's lesion mask where another came with the data.

    Parameters
    ----------
    labels, brain, lesions : Nifti1Image, (x, y, z)
        Tissue labels, brain and lesion mask on the working grid.
    lesion_table : DataFrame
        A row a lesion.
    correlation : float
        Of the registered image with the template.
    stripped : bool
        Whether the head came without its skull.
    foreign_ml : float
        What was cut from the brain mask, mL.
    tiv_mm3, tiv_by_scaling_mm3 : float
        Intracranial volume as measured, and by the affine's scaling.
    flair, t1w : Nifti1Image, (x, y, z), optional
        Corrected images on the working grid.
    flair_scan : Path, optional
        FLAIR as acquired.
    segmented : Nifti1Image, (x, y, z), optional
        Demyelin's lesion mask where another came with the data.
    coverage : float, optional
        Share of the brain that the FLAIR shows.
    """
    from bids_app.image.quality import QUALITY_COLUMNS, QualityInputs, quality_table
    from bids_app.image.volume import read_scan

    visit = QualityInputs(
        flair=flair,
        scan=read_scan(flair_scan).image if flair_scan else None,
        labels=labels,
        brain=brain,
        lesions=lesions,
        lesion_table=lesion_table,
        correlation=correlation,
        stripped=stripped,
        foreign_ml=foreign_ml,
        tiv_mm3=tiv_mm3,
        tiv_by_scaling_mm3=tiv_by_scaling_mm3,
        t1w=t1w,
        segmented=segmented,
        coverage=np.nan if coverage is None else coverage,
    )
    return MeasuredTable(WithMeta(quality_table(visit), QUALITY_COLUMNS))
