"""The cohort's report, `group.html`."""

from bids_app.reports.cohort.page import write_cohort_report

__all__ = ["write_cohort_report"]
