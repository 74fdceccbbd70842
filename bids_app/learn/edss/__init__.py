"""Study A: EDSS from volumes, radiomics and disconnection."""

from bids_app.learn.edss.analysis import run
from bids_app.learn.edss.options import Options
from bids_app.learn.edss.result import EDSSResult
from bids_app.learn.edss.selection import Rules

__all__ = ["EDSSResult", "Options", "Rules", "run"]
