"""Study A's figures: who, how well, what was selected, and how optimistic the published protocol is."""

from bids_app.learn.edss.figures.draw import draw

__all__ = ["draw"]
