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
    "attack_index": Number("", 0, 200),  # which attack the scan belongs to, the first being 1
}
TEXTS = (
    "sex",
    "site",
    "diagnosis",
    "disease_course",
    "aqp4",
)  # site 1 is not 1.0, even beside one that is unknown
OTHERS = ("acq_time", "edss_date", "relapse_date", "steroids_date", "filename")
# other names that mean the same, where a table lacks the right one; whose a row is must be said
OTHER_NAMES = {**dict.fromkeys(("session", "ses", "sesid"), "session_id"), "gender": "sex"}
ALL = (*KEYS, *NUMBERS, *TEXTS, *OTHERS)
EDSS_SCALE = frozenset({0.0, *(half / 2 for half in range(2, 21))})  # Kurtzke 1983: 0, then 1 to 10 by halves
CODES = frozenset(
    {-9999.0, -999.0, -99.0, 9999.0, 99999.0}
)  # numbers that programs write for what is missing
DAYS_IN = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
UNIT_WORDS = {
    **dict.fromkeys(
        ("d", "day", "days", "tag", "tage", "jour", "jours", "día", "días", "dia", "dias"), "day"
    ),
    **dict.fromkeys(("w", "wk", "week", "weeks", "woche", "wochen", "semaine", "semaines"), "week"),
    **dict.fromkeys(("mo", "mon", "month", "months", "monat", "monate", "mois", "mes", "meses"), "month"),
    **dict.fromkeys(
        (
            "y",
            "yr",
            "yrs",
            "yo",
            "year",
            "years",
            "yearsold",
            "a",
            "jahr",
            "jahre",
            "an",
            "ans",
            "año",
            "años",
        ),
        "year",
    ),
}
SEXES = {
    **dict.fromkeys(
        ("m", "male", "males", "man", "men", "boy", "masculine", "masc", "mann", "männlich", "männl"), "M"
    ),
    **dict.fromkeys(("homme", "mâle", "masculin", "hombre", "masculino", "maschio", "mand", "mies"), "M"),
    **dict.fromkeys(
        ("f", "female", "females", "woman", "women", "girl", "feminine", "fem", "frau", "w"), "F"
    ),
    **dict.fromkeys(
        ("weiblich", "weibl", "femme", "féminin", "mujer", "femenino", "feminino", "femmina"), "F"
    ),
    **dict.fromkeys(("kvinna", "kvinne", "kvinde", "vrouw", "nainen"), "F"),
}
DENIED = frozenset(
    {"not", "non", "no", "neither", "trans", "formerly", "than"}
)  # a word for a sex beside them is none
# numbers within the range that programs also write for what is missing
SUSPECT = frozenset({99.0, 999.0})
LEAST_CAP = 80.0  # years: ages from about 90 on are published as one class; 30+ says that nobody knows
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
# full names, for tables that have an acronym too
IN_FULL = {
    "multiplesclerosis": "MS",
    "neuromyelitisoptica": "NMO",
    **dict.fromkeys(("neuromyelitisopticaspectrumdisorder", "neuromyelitisopticaspectrumdisorders"), "NMOSD"),
    **dict.fromkeys(("mogantibodyassociateddisease", "mogassociateddisease"), "MOGAD"),
    "clinicallyisolatedsyndrome": "CIS",
    "radiologicallyisolatedsyndrome": "RIS",
    **dict.fromkeys(("healthycontrol", "healthycontrols", "healthy"), "HC"),
}
DIAGNOSES = ("MS", "NMOSD", "NMO", "MOGAD", "CIS", "RIS", "RRMS", "SPMS", "PPMS", "ADEM", "SVD", "HC")
