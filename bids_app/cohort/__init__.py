"""Derivatives and participants.tsv as tidy tables of visits."""

from bids_app.cohort.visits import Cohort, read_cohort

__all__ = ["Cohort", "read_cohort"]
