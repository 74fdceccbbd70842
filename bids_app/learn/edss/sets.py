"""Who trains and who tests in study A, and which cohorts are refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_app.errors import InputError
from bids_app.learn.edss.columns import CLINICAL, SITE
from bids_app.learn.edss.fitting import Samples
from bids_app.learn.selection.combat import FEWEST_SITE_VISITS

FEWEST_PATIENTS = 10  # training patients
SMALL_SET = 100  # patients below which the analysis is called small; chosen by hand
SETS = {"cv": "cross-validation", "internal": "internal test", "external": "external test"}


def split(
    visits: pd.DataFrame,
    external_site: str | None,
    test_size: float,
    seed: int | tuple[int, ...],
    *,
    bands: bool = True,
) -> dict[str, npt.NDArray[np.intp]]:
    """Return the rows of the training, internal and external set, patients whole.

    Who was scanned at the external site is tested there with all visits, wherever the others were.

    Parameters
    ----------
    visits : DataFrame
        participant_id, edss and, with an external site, site.
    external_site : str, optional
    test_size : float
        Share of the other patients in the internal test.
    seed : int or tuple of int
    bands : bool
        Draw the internal test within three bands of EDSS, so that it covers the scale; else at random, as published.
    """
    external = np.zeros(len(visits), bool)
    if external_site is not None:
        sites = visits["site"].astype("string") if "site" in visits else pd.Series(dtype="string")
        if external_site not in (known := sorted(set(sites.dropna()))):
            has = ", ".join(known) or "no column site"
            raise InputError(f"--external-site {external_site}: participants.tsv has {has}")
        there = visits["participant_id"][sites.eq(external_site).fillna(False)]
        external = visits["participant_id"].isin(there).to_numpy()
    means = visits[~external].groupby("participant_id")["edss"].mean().sort_index()
    if means.empty:
        raise InputError(f"--external-site {external_site}: no patient is left to train on")
    thirds = means.rank(pct=True).mul(3 if bands else 0).clip(upper=2.999).astype(int)
    rng = np.random.default_rng([*(seed if isinstance(seed, tuple) else (seed,)), 70])
    held: list[str] = []
    for _, band in thirds.groupby(thirds):
        held += list(rng.permutation(band.index.to_numpy())[: round(test_size * len(band))])
    internal = visits["participant_id"].isin(held).to_numpy() & ~external
    sets = {"training": ~external & ~internal, "internal": internal, "external": external}
    return {name: np.flatnonzero(mask) for name, mask in sets.items() if mask.any() or name == "training"}


def check(data: Samples, sets: dict[str, npt.NDArray[np.intp]], cv: int) -> list[str]:
    """Refuse what cannot be learned from; return what a reader must know.

    Parameters
    ----------
    data : Samples
        Columns, outcome and patient of every visit.
    sets : dict of str to ndarray of int
        Rows of each set.
    cv : int
        Folds.
    """
    rows = sets["training"]
    n = len(np.unique(data.groups[rows]))
    if n < FEWEST_PATIENTS:
        raise InputError(
            f"participants.tsv: {n} patients to train on; study A's protocol needs at least {FEWEST_PATIENTS}"
        )
    if np.ptp(data.y[rows]) == 0:
        raise InputError(
            f"participants.tsv: column edss is {data.y[rows][0]:g} for everybody; there is nothing to learn"
        )
    notes = [
        "`paper` cross-validates after selecting columns on the same patients, so its cv row is optimistic; "
        "`nested` repeats the selection inside the folds. The held-out tests are leak-free in both."
    ]
    if n < SMALL_SET:
        notes.append(
            f"{n} training patients: estimates are rough; rely on the intervals rather than on the "
            f"point estimates"
        )
    if n < 2 * cv:
        notes.append(
            f"fewer than {2 * cv} training patients for {cv} folds: folds hold one or two patients each"
        )
    absent = [name for name in CLINICAL if name not in data.X]
    if absent:
        notes.append(f"without the candidate {', '.join(absent)}: participants.tsv has no such values")
    for family in ("chaco", "radiomics", "volume"):
        if not (data.about["family"] == family).any():
            notes.append(f"without {family} columns: no visit has such a table")
    return notes


def check_sites(visits: pd.DataFrame, sites: dict[str, int]) -> None:
    """Refuse sites too small for ComBat: in folds, and as an external test, they could not be aligned."""
    for name in sites:
        n = visits.loc[visits[SITE].astype(str) == name, "participant_id"].nunique()
        if n < FEWEST_SITE_VISITS:
            raise InputError(
                f"--combat: site {name} has {n} patients; ComBat needs {FEWEST_SITE_VISITS} of each site: "
                "leave the site out or run without --combat"
            )
