"""Steps of a visit: functions of images, tables and values.

What a step's parameters and result are annotated with says which files are read before it and written after it
(`files.call`); images and tables are read when their voxels are asked for. Heavy libraries are imported inside the
functions, so that building a graph stays quick.
"""

from bids_app.steps.anatomy import (
    align_flair,
    align_to_template,
    parcellate,
    place_in_template,
    prepare_head,
    segment,
)
from bids_app.steps.calibration import calibrate_lesions, calibrate_pair
from bids_app.steps.disconnection import measure_disconnection
from bids_app.steps.lesions import check_lesions, describe_lesions, fill, find_lesions, take_lesions
from bids_app.steps.longitudinal import ComparedFiles, compare_visits
from bids_app.steps.measures import assess, measure_radiomics, measure_volumes
from bids_app.steps.spaces import map_belief, to_other_spaces

__all__ = [
    "ComparedFiles",
    "align_flair",
    "align_to_template",
    "assess",
    "calibrate_lesions",
    "calibrate_pair",
    "check_lesions",
    "compare_visits",
    "describe_lesions",
    "fill",
    "find_lesions",
    "map_belief",
    "measure_disconnection",
    "measure_radiomics",
    "measure_volumes",
    "parcellate",
    "place_in_template",
    "prepare_head",
    "segment",
    "take_lesions",
    "to_other_spaces",
]
