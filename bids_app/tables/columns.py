"""The columns that Demyelin knows: their ranges, units and words."""

from __future__ import annotations

import re
from typing import NamedTuple

KEYS = ("participant_id", "session_id")


class Number(NamedTuple):
    """A column of numbers: its unit, and the range outside which a value is no person's."""

    unit: str
    low: float
    high: float


NUMBERS: dict[str, Number] = {
    "age": Number("years", 0, 120),
    "disease_duration": Number("years", 0, 100),
    "onset_age": Number("years", 0, 120),
    "edss": Number("", 0, 10),
    "days_to_edss": Number("days", -36525, 36525),
    "days_since_relapse": Number("days", -36525, 36525),
    "days_since_steroids": Number("days", -36525, 36525),
    "months_since_episode": Number("months", 0, 1200),
}
TEXTS = ("sex", "site", "diagnosis", "disease_course")  # site 1 is not 1.0, even beside one that is unknown
OTHERS = ("acq_time", "edss_date", "relapse_date", "steroids_date", "filename")
ALL = (*KEYS, *NUMBERS, *TEXTS, *OTHERS)
EDSS_SCALE = frozenset({0.0, *(half / 2 for half in range(2, 21))})  # Kurtzke 1983: 0, then 1 to 10 by halves
CODES = frozenset(
    {-9999.0, -999.0, -99.0, 9999.0, 99999.0}
)  # numbers that programs write for what is missing
DAYS_IN = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
UNIT_WORDS = {
    **dict.fromkeys(("d", "day", "days"), "day"),
    **dict.fromkeys(("w", "wk", "week", "weeks"), "week"),
    **dict.fromkeys(("mo", "mon", "month", "months"), "month"),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years", "a"), "year"),
}
SEXES = {
    **dict.fromkeys(("m", "male", "man", "men", "boy", "masculine", "mann", "männlich", "homme"), "M"),
    **dict.fromkeys(
        ("f", "female", "woman", "women", "girl", "feminine", "frau", "weiblich", "femme", "w"), "F"
    ),
}
COURSES = {
    **dict.fromkeys(("rr", "rrms", "relapsingremitting", "relapsingremittingms", "relapsing"), "RR"),
    **dict.fromkeys(("sp", "spms", "secondaryprogressive", "secondaryprogressivems"), "SP"),
    **dict.fromkeys(("pp", "ppms", "primaryprogressive", "primaryprogressivems"), "PP"),
    **dict.fromkeys(("cis", "clinicallyisolatedsyndrome"), "CIS"),
    **dict.fromkeys(("ris", "radiologicallyisolatedsyndrome"), "RIS"),
}
# what may follow a course's name without making it another
QUALIFIER = re.compile(
    r"[\s,;(]+(?:non[- ]?)?(?:active|inactive|stable|progressing|with(?:out)? (?:activity|progression|relapses))\)?$",
    re.IGNORECASE,
)
# spellings of diagnoses that are acronyms, so that ms and MS are one; others take their most frequent spelling
DIAGNOSES = ("MS", "NMOSD", "NMO", "MOGAD", "CIS", "RIS", "RRMS", "SPMS", "PPMS", "ADEM", "SVD", "HC")
