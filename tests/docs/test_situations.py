"""Each situation that the documentation names has a test of its own."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "your-data.md"
HEADS = ("| situation |", "| in the table |")
CHOICE, ODD, PEOPLE, CELLS = (
    "layout/test_choice.py",
    "layout/test_odd_datasets.py",
    "tables/test_people.py",
    "tables/test_odd_tables.py",
)
COHORT, COVERAGE, VOLUME = (
    "cohort/test_tables_of_a_cohort.py",
    "image/test_coverage.py",
    "image/test_volume.py",
)
# how a row begins: its tests
TESTS = {
    "`sub-MS_01`": [f"{CHOICE}::test_what_is_not_read_is_named_with_what_to_do"],
    "an image named for another": [
        "layout/test_trees.py::test_images_are_of_exactly_their_visit_and_every_file_is_accounted_for"
    ],
    "a link to another": [
        f"{CHOICE}::test_a_link_to_somebody_elses_image_is_refused_one_to_another_session_told",
        f"{ODD}::test_a_link_to_a_store_under_another_name_is_told",
    ],
    "the same content": [
        f"{ODD}::test_one_persons_image_under_anothers_name_is_told",
        f"{ODD}::test_one_image_as_t1w_and_flair_is_told",
    ],
    "`sub-1` beside": [f"{ODD}::test_labels_that_differ_in_zeros_or_case_are_told"],
    "images in `processed/`": [
        f"{CHOICE}::test_what_is_not_read_is_named_with_what_to_do",
        f"{ODD}::test_folders_that_programs_made_are_not_walked_through_to_the_end",
    ],
    "what `.bidsignore` lists": [f"{CHOICE}::test_bidsignore"],
    "`DatasetType` derivative": [f"{CHOICE}::test_a_derivative_dataset_is_refused"],
    "`UNIT1`": [
        f"{CHOICE}::test_what_is_not_read_is_named_with_what_to_do",
        f"{CHOICE}::test_the_near_miss_is_why_a_visit_is_left_out",
    ],
    "`part-phase`": [f"{CHOICE}::test_a_phase_image_is_never_used"],
    "only a post-contrast": [f"{CHOICE}::test_contrast_alone_is_used_and_told"],
    "a link of git-annex": [f"{CHOICE}::test_what_was_not_fetched_is_told_with_the_command"],
    "a native image": [
        f"{ODD}::test_a_native_image_that_was_not_fetched_is_not_replaced_by_one_after_contrast_agent"
    ],
    "several volumes": [
        f"{ODD}::test_an_image_of_another_kind_of_dimension_comes_after_a_volume_and_alone_is_said_to_fail"
    ],
    "NaN around": [f"{VOLUME}::test_invalid_numbers_around_the_head_are_zero"],
    "no FLAIR image": [
        "layout/test_tree_kinds.py::test_visits_of_a_tree",
        "workflows/test_t1w_alone.py::test_a_visit_says_everywhere_that_it_has_no_flair",
        "workflows/test_t1w_alone.py::test_a_flair_that_may_be_meant_is_not_passed_over",
    ],
    "folders of participants": [f"{ODD}::test_folders_without_any_image_are_counted"],
    "T1w without FLAIR": [
        f"{CHOICE}::test_a_t1w_of_another_session_only_where_asked_for_and_with_the_days_between",
        f"{ODD}::test_a_t1w_image_elsewhere_is_offered_and_a_session_that_nobody_has_is_refused",
    ],
    "images beside the sessions": [f"{CHOICE}::test_images_beside_sessions_are_a_visit_of_their_own"],
    "a filter that leaves": [f"{CHOICE}::test_a_filter_is_counted_and_one_that_leaves_nothing_refused"],
    "masks in a folder": [
        f"{CHOICE}::test_masks_are_counted_and_those_of_no_visit_named",
        f"{ODD}::test_masks_that_a_visit_has_and_cannot_use_are_told",
    ],
    "the raw dataset given": [f"{ODD}::test_the_raw_dataset_given_as_the_folder_of_masks_is_refused"],
    "`-d lesions=` twice": [
        "workflows/test_chosen.py::test_two_folders_of_masks_are_refused",
        "learn/test_group.py::test_an_impossible_analysis_asked_for_is_one_clear_line",
    ],
    "a FLAIR that shows": [
        f"{COVERAGE}::test_the_share_of_the_brain_in_the_field_of_view",
        "workflows/test_field_of_view_told.py::test_sidecars_of_a_visit",
    ],
    "a FLAIR that lies far": [f"{COVERAGE}::test_the_share_of_the_brain_in_the_field_of_view"],
    "a FLAIR of another head": [
        f"{COVERAGE}::test_images_that_tell_nothing_of_each_other_are_refused_whatever_their_size"
    ],
    "noise around": [
        "image/test_background.py::test_noise_around_the_head_is_refused_and_nothing_or_a_constant_is_not"
    ],
    "a T1w that is a copy": [f"{COVERAGE}::test_a_copy_and_a_stranger_are_refused"],
    "a table that no visit": ["layout/test_tree_kinds.py::test_visits_of_a_tree"],
    "UTF-16": [
        f"{PEOPLE}::test_whatever_program_wrote_it",
        f"{CELLS}::test_characters_that_nobody_sees_and_bars",
    ],
    "a quoted cell": [f"{CELLS}::test_a_quoted_cell_between_tabs_may_hold_tabs_and_lines"],
    "`EDSS`, `Age `": [
        f"{PEOPLE}::test_names_of_columns_in_any_case",
        f"{CELLS}::test_a_unit_wherever_it_is_said",
    ],
    "`session` or `gender`": [f"{CELLS}::test_whose_the_rows_are"],
    "no `participant_id`": [f"{CELLS}::test_whose_the_rows_are"],
    "identifiers without": [
        f"{PEOPLE}::test_identifiers_match_where_there_is_no_doubt",
        f"{COHORT}::test_sessions_without_padding",
    ],
    "`NA`, `-`": [f"{PEOPLE}::test_a_cell"],
    "age 99": [f"{CELLS}::test_an_age"],
    "`2,5`": [f"{PEOPLE}::test_a_cell"],
    "`89+`": [f"{CELLS}::test_an_age"],
    "age in days": [
        f"{CELLS}::test_a_unit_wherever_it_is_said",
        f"{PEOPLE}::test_codes_and_units_by_the_json_file",
    ],
    "`30 years`": [f"{CELLS}::test_an_age"],
    "EDSS 2.7": [f"{CELLS}::test_an_edss_that_is_none", f"{PEOPLE}::test_a_cell"],
    "`F`, `female`": [f"{CELLS}::test_a_sex"],
    "`RRMS`": [f"{PEOPLE}::test_a_cell"],
    "`nmosd` and": [f"{CELLS}::test_a_diagnosis_in_full_is_the_acronym_where_both_are_there"],
    "`MS?`": [f"{CELLS}::test_a_diagnosis_in_full_is_the_acronym_where_both_are_there"],
    "dates as": [
        "tables/test_dates_in_tables.py::test_a_column",
        f"{COHORT}::test_dates_of_a_column_are_read_by_one_rule",
    ],
    "several rows": [f"{PEOPLE}::test_several_rows_of_one_participant"],
    "rows with `session_id`": [f"{COHORT}::test_a_table_of_phenotypes_with_visits_in_one_column"],
    "two tables": [f"{COHORT}::test_values_that_differ_between_tables_are_told"],
    "a line with more": [f"{PEOPLE}::test_quotes_comments_and_short_and_long_lines"],
    "`sessions.tsv` beside": [f"{COHORT}::test_tables_that_lie_where_none_is_read_are_told"],
    "an Excel workbook": [f"{PEOPLE}::test_a_workbook_and_an_empty_file_are_refused"],
    "raters' decisions": [
        "learn/test_raters.py::test_a_table_of_any_program_with_visits_as_people_write_them",
        "image/test_atlas.py::test_own_atlas",
    ],
}


def situations() -> list[str]:
    """Return the first cells of the page's two tables."""
    found, inside = [], False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        inside = line.startswith(HEADS) or (inside and line.startswith("|"))
        if inside and not line.startswith((*HEADS, "| ---")):
            found.append(re.split(r" \| ", line.removeprefix("| "))[0])
    return found


@lru_cache
def names(file: str) -> set[str]:
    """Return the tests of a file."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_situation_is_listed_here():
    rows = situations()
    assert len(rows) > 40
    for row in rows:
        assert sum(row.startswith(begin) for begin in TESTS) == 1, row
    assert [begin for begin in TESTS if not any(row.startswith(begin) for row in rows)] == []


@pytest.mark.parametrize("begin", TESTS)
def test_its_tests_exist(begin):
    for place in TESTS[begin]:
        file, _, name = place.partition("::")
        assert name in names(file), place
