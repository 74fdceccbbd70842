"""What visits are called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_app.visit_name import VisitName

LABELS = st.text("abcXYZ0123456789", min_size=1, max_size=8)
NAMES = st.builds(VisitName, LABELS, st.none() | LABELS)


@given(NAMES)
def test_a_name_is_read_back_from_its_prefix_its_files_and_its_identifiers(name):
    assert VisitName.parse(name.prefix) == name
    assert VisitName.parse(f"{name.prefix}_desc-brain_mask.nii.gz") == name
    assert VisitName.parse(f"{name.prefix}.html") == name
    assert VisitName.from_ids(name.participant_id, name.session_id) == name
    assert VisitName.from_ids(name.participant, name.session) == name
    assert "_".join(name.folder.parts) == name.prefix == str(name)


@pytest.mark.parametrize("text", ["", "01", "sub-", "ses-1", "group.html", "xsub-01", "sub-/x"])
def test_what_is_no_visit_is_refused(text):
    with pytest.raises(ValueError, match="does not start"):
        VisitName.parse(text)


def test_numbers_in_labels_sort_as_numbers():
    names = [VisitName("2", "10"), VisitName("10"), VisitName("2"), VisitName("2", "9"), VisitName("1")]
    assert [str(name) for name in sorted(names)] == [
        "sub-1", "sub-2", "sub-2_ses-9", "sub-2_ses-10", "sub-10",
    ]  # fmt: skip


@given(st.lists(NAMES), st.randoms())
def test_the_order_of_visits_does_not_depend_on_how_they_were_listed(names, random):
    shuffled = random.sample(names, len(names))
    assert sorted(names) == sorted(shuffled)


def test_no_other_module_spells_the_prefixes_of_labels():
    root = Path(__file__).parents[1]
    pattern = r"""f["'](sub|ses)-\{|_ses-|["'](sub|ses)-["']|\}_sessions\.tsv"""
    found = subprocess.run(
        ["grep", "-rnE", pattern, "bids_app", "--include=*.py"],
        cwd=root, capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    code = [line for line in found if not line.startswith("bids_app/visit_name.py")]
    assert [line for line in code if "`" not in line] == []  # docstrings name them in backticks
