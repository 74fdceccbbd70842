"""The step from lesions in template space to what they disconnect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_app.derivatives import load_image as load
from bids_app.interfaces.files import keep, keep_table, masked

if TYPE_CHECKING:
    import pandas as pd

BOTH = {"index": {"Description": "Row."}, "name": {"Description": "The two regions."}}


class Disconnected(NamedTuple):
    """Disconnection by region, by pair, as a map and by named bundle; and what was done to the lesion image."""

    regions: Path
    pairs: Path
    map: Path
    bundles: Path | None
    notes: list[str]


def measure_disconnection(
    lesions: Path,
    connectome: str,
    atlas: str,
    end_radius: float,
    weighted: bool,
    template: str,
    resolution: float,
) -> Disconnected:
    """Score what lesions (a mask; a probability where `weighted`) disconnect, in template space."""
    from bids_app.features.bundles import BUNDLE_COLUMNS, damage_by_bundle, open_bundles
    from bids_app.features.chaco import COLUMNS, PAIR_COLUMNS, chaco, disconnectome_map, streamline_damage
    from bids_app.features.connectome import Connectome
    from bids_app.image.atlas import load_atlas
    from bids_app.image.template import load_template

    normative, source = Connectome.open(Path(connectome)), load_atlas(atlas)
    inside = masked(load(lesions), load_template(template, resolution).brain)  # warped edges may leave it
    found = chaco(inside, normative, source, end_radius=end_radius, weighted=weighted)
    damage = streamline_damage(inside, normative, weighted=weighted)
    hit = "Largest lesion probability on a streamline's way." if weighted else "Hit or not."
    common = {"Connectome": normative.describe(), "Damage": hit}
    meta = common | {
        "Definition": "NeMo 2: share hit of the streamlines that end in the region and in another one.",
        "EndRadius": end_radius,
        "AtlasSpace": source.space,
    }
    bundles = None
    if (named := open_bundles(Path(connectome))) is not None:
        table = _numbered(
            damage_by_bundle(inside, named, weighted=weighted).rename(columns={"bundle": "name"})
        )
        columns = {"index": BOTH["index"], "name": BUNDLE_COLUMNS["bundle"]} | BUNDLE_COLUMNS
        del columns["bundle"]
        bundles = keep_table(
            table, "chaco_bundles", columns | {"Connectome": named.describe(), "Damage": hit}
        )
    pairs = found.pairs.assign(name=found.pairs["region_a"] + "-" + found.pairs["region_b"])
    return Disconnected(
        keep_table(found.regions, "chaco", COLUMNS | meta),
        keep_table(_numbered(pairs), "chaco_pairs", BOTH | PAIR_COLUMNS | meta),
        keep(disconnectome_map(normative, damage), "disconnection", common),
        bundles,
        list(found.notes),
    )


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with index and name first, as BIDS wants them of dseg tables."""
    rest = [column for column in table.columns if column != "name"]
    out = table[["name", *rest]]
    out.insert(0, "index", range(1, len(out) + 1))
    return out
