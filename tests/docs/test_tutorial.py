"""The tutorial's commands on the file tree of the public dataset, with small images in place of the scans."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from pages import ROOT, commands

INFO = """\
patient_id,age,sex,ms_type,edss,criteria
1,31,F,RR,1.5,McDonald 2010
2,33,M,CIS,0.0,McDonald 2010
3,37,F,N/A,N/A,N/A
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The dataset as it is cloned: three patients, five images each."""
    root = tmp_path / "open_ms_data" / "cross_sectional"
    for number in (1, 2, 3):
        folder = root / "raw" / f"patient{number:02d}"
        folder.mkdir(parents=True)
        for name in ("FLAIR", "T1W", "T1WKS", "T2W", "consensus_gt"):
            data = np.random.default_rng(number).integers(0, 100, (12, 14, 12)).astype(np.int16)
            nib.save(nib.Nifti1Image(data, np.diag([16.0, 16.0, 16.0, 1.0])), folder / f"{name}.nii.gz")
    (root / "patient_info.csv").write_text(INFO)
    return tmp_path


def test_the_tutorials_commands_find_every_patient_with_both_images(tree):
    written = [command.words for command in commands() if command.page == "tutorial.md"]
    layout = next(words for words in written if words[0] == "python")
    dry = next(words for words in written if "--dry-run" in words)
    script = ROOT / "docs" / layout[1]
    subprocess.run([sys.executable, script, *layout[2:]], cwd=tree, check=True)
    program = Path(sys.executable).parent / "demyelin"
    done = subprocess.run([program, *dry[1:]], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 visits of 3 participants: 3 with T1w and FLAIR" in done.stdout
    people = pd.read_csv(tree / "ds" / "participants.tsv", sep="\t", keep_default_na=False)
    assert people["edss"].tolist() == ["1.5", "0.0", "n/a"]
    assert people["disease_course"].tolist() == ["RR", "n/a", "n/a"]
    assert shlex.join(written[0]).startswith("git clone --depth 1 https://github.com/")
