"""Where the maps and tables of visits are that studies read voxel by voxel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bids_app.derivatives.reader import Derivatives

MAPS = {  # what studies call them, and their keys in the table of outputs
    "belief": "belief",
    "median": "belief_median",
    "lesions": "lesions_template_3mm",
    "table": "lesion_table",
    "quality": "qc",
}


def map_paths(visits: Iterable[str], output_dir: Path, template: str) -> dict[str, dict[str, Path]]:
    """Return maps of belief and lesions, lesion table and quality table of each visit, by visit name.

    Parameters
    ----------
    visits : iterable of str
        Names of the visits, e.g. `sub-01_ses-1`.
    output_dir : Path
        The derivatives' root.
    template : str
        Name of the template.

    Returns
    -------
    dict
        Keys of `MAPS`; each a mapping of visit to path, in the order of `visits`.
    """
    found: dict[str, dict[str, Path]] = {name: {} for name in MAPS}
    for visit in visits:
        files = Derivatives(output_dir).visit(visit, template=template)
        for name, key in MAPS.items():
            found[name][visit] = files.path(key)
    return found
