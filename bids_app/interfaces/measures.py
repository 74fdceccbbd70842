"""Steps from images to tables: volumes, radiomics, quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bids_app.derivatives import load_image as load
from bids_app.interfaces.files import Table, keep_table

NAWM_INDEX = 117  # after AAL's 116 regions


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
    own: Path | None = None,
) -> Table:
    """Measure the visit's quality; `own` is Demyelin's lesion mask where another came with the data."""
    import nibabel as nib
    import numpy as np
    import pandas as pd

    from bids_app.image.lesion_table import visit_summary
    from bids_app.image.quality import (
        COLUMNS,
        compare_masks,
        contrast,
        flags,
        mutual_information,
        scan_noise,
        slice_outlier,
    )
    from bids_app.image.volume import read_scan

    tissue, mask, scan = load(labels), load(lesions), read_scan(flair_scan).image
    found = pd.read_csv(lesion_table, sep="\t")
    numbers: dict[str, Any] = {}
    for name, path in {"t1w": t1w, "flair": flair}.items():
        snr_wm, snr_gm, cnr = contrast(load(path), tissue, mask) if path else (np.nan,) * 3
        numbers |= {f"snr_{name}_wm": snr_wm, f"snr_{name}_gm": snr_gm, f"cnr_{name}": cnr}
    millilitre = float(np.prod(nib.affines.voxel_sizes(mask.affine))) / 1000
    dice, difference = compare_masks(mask, load(own)) if own else (np.nan, np.nan)
    numbers |= {
        "flair_t1w_nmi": mutual_information(load(flair), load(t1w), load(brain)) if t1w else np.nan,
        "given_lesions_dice": dice,
        "given_lesions_volume_difference_ml": difference,
        "flair_noise": scan_noise(scan),
        "flair_slice_outlier": slice_outlier(scan),
        "brain_volume_ml": np.count_nonzero(load(brain).dataobj) * millilitre,
        "template_correlation": correlation,
        "lesion_volume_ml": np.count_nonzero(mask.dataobj) * millilitre,
        "lesion_count": len(found),
        "skull_stripped": int(stripped),
    }
    summary = visit_summary(found)
    numbers |= {
        "dissemination_areas": summary["dissemination_areas"],
        "artefact_prone_lesions": int(found["artefact_prone"].notna().sum()),
    }
    numbers["flags"] = ",".join(flags(numbers)) or None
    table = pd.DataFrame([numbers])[list(COLUMNS)].round(4)
    return Table(keep_table(table, "qc", COLUMNS))
