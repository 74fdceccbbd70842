"""What the JSON files of a dataset say of an image, by BIDS' inheritance principle."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from bids_app.layout.names import parse

LEVELS = 4  # folders from a dataset's root to an image: root, sub-, ses-, anat


class Sidecars:
    """Reads sidecars of one dataset, each file once.

    Parameters
    ----------
    root : Path
        The dataset.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed = lru_cache(maxsize=64)(_json_files)
        self._read = lru_cache(maxsize=512)(_read)

    def of(self, image: Path) -> dict[str, Any]:
        """Return an image's metadata: a file nearer to it wins, at the same level the one with more entities.

        A file applies where its suffix is the image's and all its entities are (BIDS 1.10, Common principles); one
        that cannot be read says nothing.
        """
        mine = parse(image.name)
        folders = [folder for folder in reversed(image.parents) if folder.is_relative_to(self._root)]
        said: dict[str, Any] = {}
        for folder in folders[-LEVELS:]:
            applies = []
            for path in self._listed(folder):
                name = parse(path.name)
                if (
                    name.suffix == mine.suffix
                    and name.entities.items() <= mine.entities.items()
                    and not name.loose
                ):
                    applies.append((len(name.entities), path))
            for _, path in sorted(applies):
                said |= self._read(path)
        return said


def _json_files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix == ".json"]
    except OSError:
        return []


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig", errors="replace"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
