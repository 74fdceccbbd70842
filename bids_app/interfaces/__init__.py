"""Steps of a visit: paths in, paths out, around the pure functions on images.

Each writes uncompressed files into the current folder and returns their paths; heavy libraries are imported
where they are used, so that building a graph stays quick.
"""

from bids_app.interfaces.anatomy import (
    align_coarsely,
    align_flair,
    align_to_template,
    parcellate,
    prepare_head,
    segment,
    segment_unfilled,
)
from bids_app.interfaces.disconnection import measure_disconnection
from bids_app.interfaces.lesions import check_lesions, describe_lesions, fill, find_lesions, take_lesions
from bids_app.interfaces.longitudinal import Compared, compare_visits
from bids_app.interfaces.measures import assess, measure_radiomics, measure_volumes
from bids_app.interfaces.spaces import to_other_spaces

__all__ = [
    "Compared",
    "align_coarsely",
    "align_flair",
    "align_to_template",
    "assess",
    "check_lesions",
    "compare_visits",
    "describe_lesions",
    "fill",
    "find_lesions",
    "measure_disconnection",
    "measure_radiomics",
    "measure_volumes",
    "parcellate",
    "prepare_head",
    "segment",
    "segment_unfilled",
    "take_lesions",
    "to_other_spaces",
]
