"""Which connectome a run uses: the one asked for, else the one that is there; nothing is fetched here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bids_app.errors import InputError
from bids_app.features.connectome import CARD, Connectome
from bids_app.features.streamlines import Tractogram
from bids_app.image.atlas import load_atlas
from bids_app.image.template import template_image
from bids_app.settings import NO_CONNECTOME, SYNTHETIC

ENVIRONMENT = "DEMYELIN_CONNECTOME"
STREAMLINES = 30_000  # a toy that is made once, while somebody waits
TOY_SEED = 1  # any; the same on every machine
MADE_UP = {
    "Synthetic": True,
    "Source": ["synthetic: shortest paths in the template"],
    "Licence": "CC0-1.0",
}
MISSING_NOTE = (
    "no disconnection: there is no connectome; get one once with `demyelin-connectome fetch`, or give "
    "--connectome DIR"
)
SYNTHETIC_NOTE = (
    "disconnection is from a synthetic connectome (shortest paths in a template, no anatomy): for "
    "testing only, not for conclusions"
)

Choice = tuple[Path | None, str | None]


def cache_folder() -> Path:
    """Return where `demyelin-connectome fetch` puts its connectome: the user's cache."""
    import pooch

    return Path(pooch.os_cache("demyelin")) / "connectome"


def choose_connectome(requested: str | None, tell: Callable[[str], None]) -> Choice:
    """Find the connectome of a run.

    In this order: the folder asked for; the folder that `DEMYELIN_CONNECTOME` names, as in the container image,
    where it is there; the one in the user's cache. `synthetic` is made once, into the cache.

    Parameters
    ----------
    requested : str or None
        A folder, `synthetic`, `none`, or None for what is there.
    tell : callable
        Prints a line: a synthetic connectome takes half a minute.

    Returns
    -------
    folder : Path or None
        A connectome that opens; None for none.
    note : str or None
        What a reader of the results must know.

    Raises
    ------
    InputError
        If the folder asked for, or named by the environment, holds no whole connectome, or the cache cannot be
        written.
    """
    if requested == NO_CONNECTOME:
        return None, None
    if requested == SYNTHETIC:
        return _made_up(tell), SYNTHETIC_NOTE
    baked = os.environ.get(ENVIRONMENT)
    if baked and not Path(baked).exists():  # an image made without one
        baked = None
    named = requested or baked
    folder = Path(named).expanduser().resolve() if named else cache_folder()
    if not named and not (folder / CARD).exists():
        return None, MISSING_NOTE
    try:
        card = Connectome.open(folder).card
    except InputError as error:
        source = "--connectome" if requested else ENVIRONMENT if named else "demyelin-connectome fetch"
        raise InputError(f"{source}: {error}; or give --connectome {NO_CONNECTOME}") from error
    return folder, SYNTHETIC_NOTE if card["Synthetic"] else None


def _made_up(tell: Callable[[str], None]) -> Path:
    """Return the synthetic connectome's folder, made where it is not there yet."""
    folder = cache_folder().with_name(f"{SYNTHETIC}-{STREAMLINES}-{TOY_SEED}")
    try:
        Connectome.open(folder)
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        return folder
    tell(f"making a synthetic connectome, once, into {folder} (about half a minute)")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        try:
            synthetic_connectome(STREAMLINES, TOY_SEED, tell).save(aside)
            if not folder.exists():  # another run may have been quicker
                aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"--connectome {SYNTHETIC}: {folder.parent} cannot be written ({error.strerror}); set XDG_CACHE_HOME to a "
            "folder that can"
        ) from error
    return folder


def synthetic_connectome(
    n_streamlines: int, seed: int, tell: Callable[[str], None] | None = None
) -> Connectome:
    """Return a connectome of shortest paths between AAL's regions (see `synthetic`), labelled synthetic.

    Parameters
    ----------
    n_streamlines : int
    seed : int
    tell : callable, optional
        Takes a line of progress.
    """
    from bids_app.features.synthetic import synthetic_streamlines

    lines = synthetic_streamlines(load_atlas(), n_streamlines=n_streamlines, seed=seed, tell=tell)
    return on_atlas_grid(lines, MADE_UP)


def on_atlas_grid(
    lines: Tractogram, about: dict[str, Any], *, subject: np.ndarray | None = None, checked: bool = False
) -> Connectome:
    """Return streamlines as a connectome on AAL's grid.

    Parameters
    ----------
    lines : Tractogram
        RAS mm in MNI space.
    about : dict
        Entries of the card.
    subject : ndarray, (n,), optional
        Reference subject of each streamline.
    checked : bool
        Refuse streamlines of which less than half lies in the template's white matter.
    """
    atlas = load_atlas()
    return Connectome.from_streamlines(
        lines,
        affine=atlas.image.affine,
        shape=atlas.image.shape,
        subject=subject,
        white_matter=template_image("wm", resolution=2.0) if checked else None,
        about={"Space": atlas.space} | about,
    )
