"""Study A: EDSS from volumes, radiomics and disconnection."""

from bids_app.learn.edss.result import EDSSResult
from bids_app.learn.edss.study import Options, Rules, run

__all__ = ["EDSSResult", "Options", "Rules", "run"]
