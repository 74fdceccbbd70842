"""Demyelin from a notebook: the functions that are worth calling by themselves.

They are imported when they are first used, so that `import demyelin` takes no time. The package behind this one is
`bids_app`; what is not listed here may change between versions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bids_app import __version__

if TYPE_CHECKING:
    from bids_app.cohort import read_cohort
    from bids_app.features import radiomics
    from bids_app.features.chaco import chaco
    from bids_app.features.connectome import Connectome
    from bids_app.features.volumes import volumes_table
    from bids_app.image.atlas import load_atlas
    from bids_app.image.belief import belief_map
    from bids_app.image.lesion_table import number_lesions
    from bids_app.image.lesions import LesionInputs, segment_lesions
    from bids_app.image.template import load_template
    from bids_app.learn import diagnosis, edss, selection

PLACES = {  # where each name comes from
    "Connectome": "bids_app.features.connectome",
    "LesionInputs": "bids_app.image.lesions",
    "belief_map": "bids_app.image.belief",
    "chaco": "bids_app.features.chaco",
    "diagnosis": "bids_app.learn",
    "edss": "bids_app.learn",
    "load_atlas": "bids_app.image.atlas",
    "load_template": "bids_app.image.template",
    "number_lesions": "bids_app.image.lesion_table",
    "radiomics": "bids_app.features",
    "read_cohort": "bids_app.cohort",
    "segment_lesions": "bids_app.image.lesions",
    "selection": "bids_app.learn",
    "volumes_table": "bids_app.features.volumes",
}

CALLED = (  # worth calling from a notebook, in the order of the documentation
    "load_template",
    "load_atlas",
    "belief_map",
    "segment_lesions",
    "number_lesions",
    "volumes_table",
    "radiomics.extract",
    "Connectome.from_streamlines",
    "chaco",
    "read_cohort",
    "selection.CollinearityFilter",
    "selection.LassoSelect",
    "selection.CFSSelect",
    "edss.run",
    "diagnosis.chi2_rank",
    "diagnosis.run",
)

__all__ = [
    "Connectome",
    "LesionInputs",
    "__version__",
    "belief_map",
    "chaco",
    "diagnosis",
    "edss",
    "load_atlas",
    "load_template",
    "number_lesions",
    "radiomics",
    "read_cohort",
    "segment_lesions",
    "selection",
    "volumes_table",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in PLACES:
        raise AttributeError(f"demyelin has no {name!r}; it has {', '.join(sorted(PLACES))}")
    place = import_module(PLACES[name])
    is_module = not hasattr(place, name)
    found = import_module(f"{PLACES[name]}.{name}") if is_module else getattr(place, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, *PLACES])
