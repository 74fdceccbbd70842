"""Demyelin as an app of brainlife.io: config.json in, brainlife's data types and product.json out.

`python -m bids_app.brainlife [config.json]` runs in the task's folder (https://brainlife.io/docs/apps/).
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_app.cli import main as demyelin
from bids_app.derivatives import write_json, write_text
from bids_app.derivatives.names import anat_folder
from bids_app.derivatives.reader import Derivatives
from bids_app.errors import InputError
from bids_app.visit_name import VisitName

IMAGES = {"t1": "T1w", "flair": "FLAIR"}
SWITCHES = ("fast",)
SHOWN = {"brain": "Brain mask", "lesions": "Lesions"}
SHOWN_WIDTH = 480  # pixels: brainlife keeps product.json in a database and wants it small
DESCRIPTION = {"Name": "brainlife task", "BIDSVersion": "1.10.0"}


@dataclass(frozen=True)
class Task:
    """What config.json asks for; `session` is None where brainlife's data have none."""

    subject: str
    session: str | None
    images: dict[str, Path]
    lesions: Path | None
    options: tuple[str, ...]

    @property
    def visit(self) -> VisitName:
        """What the visit is called."""
        return VisitName(self.subject, self.session)

    @property
    def name(self) -> str:
        """Prefix of the visit's files."""
        return self.visit.prefix

    @property
    def folder(self) -> Path:
        """Folder of the visit inside a dataset, with `anat`."""
        return anat_folder(Path(), self.visit.folder)


def read_task(path: Path) -> Task:
    """Read brainlife's config.json.

    Parameters
    ----------
    path : Path
        JSON file with `flair`, and optionally `t1`, `lesion` (paths of NIfTI images, relative to its folder),
        `fast` and `random_seed`; `_inputs` names participant and session.

    Raises
    ------
    InputError
        If the file is not a JSON object, FLAIR is missing, or a file or value cannot be used.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a JSON object with the key flair")
    images = {key: _image(path, content, key) for key in IMAGES if content.get(key)}
    if "flair" not in images:
        raise InputError(f"{path}: flair is missing; give the path of a FLAIR image")
    options = [f"--{key}" for key in SWITCHES if content.get(key) is True]
    if seed := content.get("random_seed"):
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise InputError(f"{path}: random_seed must be a whole number")
        options += ["--random-seed", str(seed)]
    about = _about(content)
    return Task(
        subject=_label(about.get("subject")) or "01",
        session=_label(about.get("session")) or None,
        images=images,
        lesions=_image(path, content, "lesion") if content.get("lesion") else None,
        options=tuple(options),
    )


def _image(path: Path, content: dict[str, Any], key: str) -> Path:
    """Return the image of one key of config.json."""
    value = content[key]
    if not isinstance(value, str) or not value.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path}: {key} must be the path of a .nii or .nii.gz image")
    image = (path.parent / value).resolve()
    if not image.is_file():
        raise InputError(f"{path}: {key}: no such file {image}")
    return image


def _about(content: dict[str, Any]) -> dict[str, Any]:
    """Return participant and session of the first input that has them."""
    inputs = content.get("_inputs")
    for one in inputs if isinstance(inputs, list) else []:
        meta = one.get("meta") if isinstance(one, dict) else None
        if isinstance(meta, dict) and meta.get("subject"):
            return meta
    return {}


def _label(value: object) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", str(value)) if value else ""


def write_bids(task: Task, folder: Path) -> list[str]:
    """Write the task's images as a BIDS dataset.

    Parameters
    ----------
    task : Task
        What was asked for.
    folder : Path
        Gets `bids/`, and `lesions/` where a lesion mask was given.

    Returns
    -------
    list of str
        Arguments for `demyelin` that belong to the data.
    """
    write_json(DESCRIPTION, folder / "bids" / "dataset_description.json")
    write_text("Made from a brainlife task.\n", folder / "bids" / "README")
    for key, image in task.images.items():
        _copy(image, folder / "bids" / task.folder / f"{task.name}_{IMAGES[key]}{_extension(image)}")
    if task.lesions is None:
        return []
    about = DESCRIPTION | {"DatasetType": "derivative", "GeneratedBy": [{"Name": "brainlife"}]}
    write_json(about, folder / "lesions" / "dataset_description.json")
    name = f"{task.name}_label-L_mask{_extension(task.lesions)}"
    _copy(task.lesions, folder / "lesions" / task.folder / name)
    return ["--derivatives", f"lesions={folder / 'lesions'}"]


def _extension(image: Path) -> str:
    return ".nii.gz" if image.name.endswith(".gz") else ".nii"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def write_products(task: Task, derivatives: Path, folder: Path) -> None:
    """Lay derivatives out as brainlife's data types and write product.json.

    Parameters
    ----------
    task : Task
        What was asked for.
    derivatives : Path
        Demyelin's output.
    folder : Path
        The task's folder; gets `lesions/mask.nii.gz` (neuro/mask), `t1w/t1.nii.gz` (neuro/anat/t1w),
        `parcellation/parc.nii.gz` and `label.json` (neuro/parcellation/volume), `html/` and `product.json`.
    """
    visit = Derivatives(derivatives).visit(task.visit, template="MNI152NLin2009aSym", atlas="AAL")
    places = {"lesions": "lesions/mask.nii.gz", "t1w": "t1w/t1.nii.gz", "parcels": "parcellation/parc.nii.gz"}
    for key, place in places.items():
        if visit.has(key):
            _copy(visit.path(key), folder / place)
    if visit.has("parcel_table"):
        write_json(_parcel_labels(visit.path("parcel_table")), folder / "parcellation" / "label.json")
    _copy(visit.page, folder / "html" / "index.html")
    pictures = {
        title: path
        for key, title in SHOWN.items()
        for path in sorted(visit.figures.glob(f"{task.name}_desc-*{key}.png"))[:1]
    }
    shown = [{"type": "image/png", "name": title, "base64": _small(path)} for title, path in pictures.items()]
    numbers = _numbers(visit.path("lesion_table"))
    summary = f"{numbers['lesions']} lesions, {numbers['lesion_volume_ml']:g} mL"
    write_json(
        {"brainlife": [{"type": "success", "msg": summary}, *shown], "meta": numbers}, folder / "product.json"
    )


def _parcel_labels(table: Path) -> list[dict[str, Any]]:
    """Return brainlife's list of parcels from a BIDS label table."""
    import pandas as pd

    rows = pd.read_csv(table, sep="\t")
    return [
        {"name": str(name), "label": int(index), "voxel_value": int(index)}
        for index, name in zip(rows["index"], rows["name"], strict=True)
    ]


def _small(picture: Path) -> str:
    """Return a figure in few colours and pixels as base64 text."""
    from PIL import Image

    with Image.open(picture) as whole:
        size = (SHOWN_WIDTH, max(1, round(whole.height * SHOWN_WIDTH / whole.width)))
        small = whole.convert("RGB").resize(size).quantize(64)
    held = io.BytesIO()
    small.save(held, format="png", optimize=True)
    return base64.b64encode(held.getvalue()).decode("ascii")


def _numbers(lesions: Path) -> dict[str, Any]:
    """Return the numbers that brainlife can collect over participants."""
    import pandas as pd

    volumes = pd.read_csv(lesions, sep="\t")["volume_mm3"]
    return {"lesions": len(volumes), "lesion_volume_ml": round(float(volumes.sum()) / 1000, 3)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one task in the current folder; return Demyelin's exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    folder = Path.cwd()
    try:
        task = read_task(Path(arguments[0] if arguments else "config.json").resolve())
    except InputError as error:
        print(f"demyelin: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    data = write_bids(task, folder)
    out = folder / "output"
    code = demyelin(
        [str(folder / "bids"), str(out), "participant", "--skip-bids-validation", *data, *task.options]
    )
    if code == 0:
        write_products(task, out, folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
