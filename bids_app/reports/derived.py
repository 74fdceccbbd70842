"""One visit's derivatives, as the report reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bids_app.derivatives import load_image
from bids_app.derivatives.dataset import sidecar
from bids_app.derivatives.names import OUTPUTS
from bids_app.errors import InputError
from bids_app.visit_name import VisitName

if TYPE_CHECKING:
    import nibabel as nib


@dataclass
class Derived:
    """Files of one visit.

    Attributes
    ----------
    output_dir : Path
        Root of the derivatives.
    folder : Path
        The visit's `anat` folder.
    prefix : str
        The visit's prefix, e.g. `sub-01_ses-1`.
    template, atlas : str
        Names that are part of file names.
    problems : list of str
        What could not be shown, and why.
    """

    output_dir: Path
    folder: Path
    prefix: str
    template: str
    atlas: str
    problems: list[str] = field(default_factory=list)
    _images: dict[str, nib.Nifti1Image] = field(default_factory=dict)

    @property
    def participant(self) -> str:
        """Participant with `sub-`."""
        return VisitName.parse(self.prefix).participant_id

    def path(self, key: str) -> Path:
        """Return the place of an output by its key in `names.OUTPUTS`."""
        return self.folder / OUTPUTS[key].path(self.prefix, template=self.template, atlas=self.atlas)

    def has(self, *keys: str) -> bool:
        """Whether all these outputs are there."""
        return all(self.path(key).exists() for key in keys)

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
        try:
            content = json.loads(sidecar(self.path(key)).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def read_table(path: Path) -> pd.DataFrame | None:
    """Read a table of the derivatives; None where there is none, or no table in it."""
    try:
        return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)
    except (OSError, ValueError):
        return None
