"""The step from lesions in template space to what they disconnect."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bids_app.steps.files import Image, Table, WithMeta, masked
from bids_app.steps.record import step

BOTH = {"index": {"Description": "Row."}, "name": {"Description": "The two regions."}}


class Disconnected(NamedTuple):
    """Disconnection by region, by pair, as a map and by named bundle; and what was done to the lesion image."""

    regions: WithMeta[Table]
    pairs: WithMeta[Table]
    map: WithMeta[Image]
    bundles: WithMeta[Table] | None
    notes: list[str]


@step("disconnection", mem_gb=2.0)
def measure_disconnection(
    lesions: Image,
    connectome: str,
    atlas: str,
    end_radius: float,
    weighted: bool,
    template: str,
    resolution: float,
    coverage: float | None = None,
) -> Disconnected:
    """Score what lesions (a mask; a probability where `weighted`) disconnect, in template space.

    Parameters
    ----------
    lesions : Nifti1Image, (x, y, z)
        Mask, or probability where `weighted`, in template space.
    connectome : str
        Name or folder of the connectome.
    atlas : str
        Name or file of the atlas.
    end_radius : float
        How far from a streamline's end a region is looked for, mm.
    weighted : bool
        Weigh a streamline by the largest lesion probability on its way.
    template : str
        Name of the template.
    resolution : float
        Its voxel edge in mm.
    coverage : float, optional
        Share of the brain that the FLAIR shows.
    """
    from bids_app.features.bundles import BUNDLE_COLUMNS, damage_by_bundle, open_bundles
    from bids_app.features.chaco import (
        CHACO_COLUMNS,
        PAIR_COLUMNS,
        chaco,
        disconnectome_map,
    )
    from bids_app.features.connectome import Connectome
    from bids_app.image.atlas import load_atlas
    from bids_app.image.coverage import about
    from bids_app.image.template import template_image

    normative, source = Connectome.open(Path(connectome)), load_atlas(atlas)
    inside = masked(lesions, template_image("brain", template, resolution))  # warped edges may leave it
    found = chaco(inside, normative, source, end_radius=end_radius, weighted=weighted)
    hit = "Largest lesion probability on a streamline's way." if weighted else "Hit or not."
    common = {"Connectome": normative.describe(), "Damage": hit} | about(coverage)
    meta = common | {
        "Definition": "NeMo 2: share hit of the streamlines that end in the region and in another one.",
        "EndRadius": end_radius,
        "AtlasSpace": source.space,
    }
    bundles = None
    if (named := open_bundles(Path(connectome))) is not None:
        table = damage_by_bundle(inside, named, weighted=weighted).rename(columns={"bundle": "name"})
        columns = {"index": BOTH["index"], "name": BUNDLE_COLUMNS["bundle"]} | BUNDLE_COLUMNS
        del columns["bundle"]
        bundles = WithMeta(_numbered(table), columns | {"Connectome": named.describe(), "Damage": hit})
    pairs = found.pairs.assign(name=found.pairs["region_a"] + "-" + found.pairs["region_b"])
    return Disconnected(
        WithMeta(found.regions, CHACO_COLUMNS | meta),
        WithMeta(_numbered(pairs), BOTH | PAIR_COLUMNS | meta),
        WithMeta(disconnectome_map(normative, found.damage), common),
        bundles,
        list(found.notes),
    )


def _numbered(table: Table) -> Table:
    """Return a table with index and name first, as BIDS wants them of dseg tables."""
    rest = [column for column in table.columns if column != "name"]
    out = table[["name", *rest]]
    out.insert(0, "index", range(1, len(out) + 1))
    return out
