"""Study B's figures: where lesions are, where classes differ, which voxels are selected, and how well it goes."""

from bids_app.learn.diagnosis.figures.draw import draw

__all__ = ["draw"]
