"""What is in a derivative dataset: its visits, and the files of each, by their key in the table of outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from bids_app.derivatives.dataset import sidecar
from bids_app.derivatives.files import load_image
from bids_app.derivatives.names import OUTPUTS, anat_folder, figure_folder
from bids_app.errors import InputError
from bids_app.visit_name import PARTICIPANT, SESSION, VisitName

if TYPE_CHECKING:
    import nibabel as nib


class FoundFile(NamedTuple):
    """A file of a visit, and what its name says: `atlas`, `template` or `before` where its ending has them."""

    path: Path
    entities: dict[str, str]


@dataclass(frozen=True)
class Derivatives:
    """A derivative dataset of Demyelin.

    Attributes
    ----------
    root : Path
        Root of the derivatives.
    """

    root: Path

    def visit(self, name: VisitName | str, *, template: str = "", atlas: str = "") -> VisitFiles:
        """Return the files of one visit, whether it is there or not.

        Parameters
        ----------
        name : VisitName or str
            The visit, or its prefix.
        template, atlas : str
            Names that are part of file names; needed for the files that have them.
        """
        parsed = name if isinstance(name, VisitName) else VisitName.parse(name)
        return VisitFiles(self.root, parsed, template, atlas)

    def find(self, key: str, *, template: str = "*", atlas: str = "*") -> Iterator[tuple[VisitName, Path]]:
        """Yield an output of every visit that has it, in the order of their folders.

        Parameters
        ----------
        key : str
            Of `names.OUTPUTS`.
        template, atlas : str
            Names that are part of file names; any by default.
        """
        found: list[Path] = []
        for pattern in (f"{PARTICIPANT}*", f"{PARTICIPANT}*/{SESSION}*"):
            folder = anat_folder(Path(), Path(pattern))
            found += self.root.glob(str(folder / OUTPUTS[key].path("*", template=template, atlas=atlas)))
        for path in sorted(found):
            name = VisitName.parse(path.name)
            if OUTPUTS[key].entities(path.name, name.prefix) is not None:
                yield name, path

    def visits(self) -> list[VisitName]:
        """Return the visits that have a lesion table, which every finished one has, in the order of their folders."""
        return [name for name, _ in self.find("lesion_table")]


@dataclass
class VisitFiles:
    """Files of one visit.

    Attributes
    ----------
    root : Path
        Root of the derivatives.
    name : VisitName
        The visit.
    template, atlas : str
        Names that are part of file names.
    problems : list of str
        What could not be read, and why.
    """

    root: Path
    name: VisitName
    template: str = ""
    atlas: str = ""
    problems: list[str] = field(default_factory=list)
    _images: dict[str, nib.Nifti1Image] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Start of the names of the visit's files."""
        return self.name.prefix

    @property
    def folder(self) -> Path:
        """Folder of the visit's images and tables."""
        return anat_folder(self.root, self.name.folder)

    @property
    def figures(self) -> Path:
        """Folder of the figures of the participant's visits."""
        return figure_folder(self.root, self.name)

    @property
    def page(self) -> Path:
        """Place of the visit's report."""
        return self.root / f"{self.name}.html"

    def path(self, key: str, *, before: str = "") -> Path:
        """Return the place of an output by its key in `names.OUTPUTS`.

        Parameters
        ----------
        key : str
            Of `names.OUTPUTS`.
        before : str
            Session of the earlier visit, for the files of two.
        """
        ending = OUTPUTS[key].path(self.prefix, template=self.template, atlas=self.atlas, before=before)
        return self.folder / ending

    def has(self, *keys: str) -> bool:
        """Whether all these outputs are there."""
        return all(self.path(key).exists() for key in keys)

    def find(self, key: str) -> list[FoundFile]:
        """Return the files of an output whatever template, atlas or earlier session their names have, sorted."""
        pattern = OUTPUTS[key].path(self.prefix, template="*", atlas="*", before="*")
        paths = sorted(self.folder.glob(pattern))
        found = [(path, OUTPUTS[key].entities(path.name, self.prefix)) for path in paths]
        return [FoundFile(path, entities) for path, entities in found if entities is not None]

    def image(self, key: str) -> nib.Nifti1Image:
        """Load an image; its voxels are read once.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        import nibabel as nib
        import numpy as np

        if key not in self._images:
            path = self.path(key)
            try:
                image = load_image(path)
                self._images[key] = nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine)
            except FileNotFoundError as error:
                raise InputError(f"{path.name}: not kept in the derivatives") from error
            except Exception as error:  # nibabel, gzip and zlib each have their own
                self.problems.append(
                    f"{path.name}: damaged ({type(error).__name__}); run the visit again with --force"
                )
                raise InputError(self.problems[-1]) from error
        return self._images[key]

    def table(self, key: str) -> pd.DataFrame | None:
        """Read a table; None where there is none or it is empty."""
        return read_table(self.path(key))

    def meta(self, key: str) -> dict[str, Any]:
        """Read the JSON file beside an output; empty where there is none that can be read."""
        return read_meta(self.path(key))


def read_meta(path: Path) -> dict[str, Any]:
    """Read the JSON file beside a file of the derivatives; empty where there is none that can be read."""
    try:
        content = json.loads(sidecar(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_table(path: Path) -> pd.DataFrame | None:
    """Read a table of the derivatives; None where there is none, or no table in it."""
    try:
        return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)
    except (OSError, ValueError):
        return None
