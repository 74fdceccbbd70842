"""Study A's figures: who, how well, what was selected, and what honesty changes."""

from bids_app.learn.edss.figures.draw import draw

__all__ = ["draw"]
