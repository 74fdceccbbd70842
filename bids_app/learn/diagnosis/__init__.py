"""Study B: MS against NMOSD from lesion maps."""

from bids_app.learn.diagnosis.analysis import run
from bids_app.learn.diagnosis.engine import chi2_rank
from bids_app.learn.diagnosis.grid import PAPER_GRID, PAPER_SIZES, Grid, Sweep
from bids_app.learn.diagnosis.model import DiagnosisModel
from bids_app.learn.diagnosis.options import Options
from bids_app.learn.diagnosis.result import DiagnosisResult
from bids_app.learn.diagnosis.sizes import sweep
from bids_app.learn.diagnosis.views import LesionFrequency

__all__ = [
    "PAPER_GRID",
    "PAPER_SIZES",
    "DiagnosisModel",
    "DiagnosisResult",
    "Grid",
    "LesionFrequency",
    "Options",
    "Sweep",
    "chi2_rank",
    "run",
    "sweep",
]
