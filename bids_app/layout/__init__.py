"""BIDS in: from a dataset to visits, with the reason for every image that is used or left out."""

from bids_app.layout.dataset import check_description
from bids_app.layout.plan import find_visits, plan_visits
from bids_app.layout.rows import Plan
from bids_app.layout.visit import Visit

__all__ = ["Plan", "Visit", "check_description", "find_visits", "plan_visits"]
