"""Tables of people and visits as people write them: one reader, with every change and every doubt told.

`read_people` reads a participants, sessions or phenotype table and gives the columns that Demyelin knows their standard
form (see `People`); `read_table` reads any table of text. What can be put right without doubt is, and is counted in the
notes; what is doubtful is named by file, line and column, and costs that cell alone.
"""

from bids_app.tables.columns import ALL, KEYS, NUMBERS, TEXTS
from bids_app.tables.match import match_ids
from bids_app.tables.people import People, read_people, read_sessions
from bids_app.tables.text import Table, read_table

__all__ = [
    "ALL",
    "KEYS",
    "NUMBERS",
    "TEXTS",
    "People",
    "Table",
    "match_ids",
    "read_people",
    "read_sessions",
    "read_table",
]
