"""Methods text: what was really done, and citations that fit together."""

from __future__ import annotations

import re

import pytest
from made_visits import settings

from bids_app.learn.study import load_study
from bids_app.reports.citations import UNPUBLISHED, as_bibtex, as_latex, as_markdown, bibliography, reference
from bids_app.reports.methods import Facts, methods_parts, methods_text
from bids_app.settings import STUDIES

CONNECTOME = {"Source": ["a_b.fib.gz"], "NStreamlines": 150000}
RADIOMICS = {
    "imageType": {"Original": {}, "LoG": {}},
    "featureClass": {"glcm": []},
    "setting": {"binWidth": 5},
}


def test_markdown_numbers_fit_the_list_of_references():
    text = methods_text(settings())
    body, references = text.split("## References")
    used = {int(number) for number in re.findall(r"\[(\d+)\]", body)}
    listed = {int(number) for number in re.findall(r"^(\d+)\. ", references, re.M)}
    assert used == listed == set(range(1, len(used) + 1))


def test_latex_cites_exactly_the_bibtex_entries():
    facts = Facts(connectome=CONNECTOME, radiomics=RADIOMICS)
    _, latex, bibtex = (part["text"] for part in methods_parts(settings(), facts))
    entries = re.findall(r"@article\{(\w+),", bibtex)
    assert set(re.findall(r"\\cite\{(\w+)\}", latex)) == set(entries)
    assert bibtex.count("{") == bibtex.count("}")


def test_text_follows_the_settings():
    fast = methods_text(settings(fast=True, random_seed=7))
    assert "2 mm isotropic" in fast
    assert "seed was 7" in fast
    assert "belief above 0.331" in methods_text(settings(lesions="belief-threshold"))
    assert "TemplateFlow" in methods_text(settings(template="MNI152NLin6Asym"))
    assert "supplied with the data" not in methods_text(settings(), Facts(supplied_lesions=False))
    assert "The lesion masks supplied with the data were used." in methods_text(
        settings(), Facts(supplied_lesions=True)
    )


def test_text_speaks_only_of_what_there_is():
    without = methods_text(settings(), Facts(t1w=False))
    assert "filled in a T1-weighted image" not in without
    assert "Radiomic" not in without
    assert "ChaCo" not in methods_text(settings())
    by_t1w = methods_text(settings(), Facts(flair=False, supplied_lesions=False))
    assert "FLAIR images" not in by_t1w and "belief" not in by_t1w
    assert "by the T1-weighted image alone" in by_t1w and "Radiomic" in by_t1w
    with_all = methods_text(settings(), Facts(connectome=CONNECTOME, radiomics=RADIOMICS))
    assert "150000 streamlines (a_b.fib.gz)" in with_all
    assert "image types Original, LoG; classes glcm; bin width 5" in with_all


def test_special_letters_are_safe_in_latex():
    assert "50\\% of a\\_b \\& \\{c\\} \\textbackslash{}d~\\cite{AAL}" in as_latex(
        "50% of a_b & {c} \\d [@AAL]"
    )


def test_unknown_reference_is_refused():
    with pytest.raises(KeyError, match="nobody"):
        as_markdown("As said [@nobody].")


def test_every_reference_is_complete():
    for key, one in bibliography().items():
        if one.get("kind") == UNPUBLISHED:
            assert {"title", "note"} <= set(one), key
            continue
        assert {"author", "title", "journal", "year", "volume", "pages", "doi"} <= set(one), key
        assert re.fullmatch(r"10\.\d{4,}/\S+", one["doi"]), key
    assert "title = {N4ITK" not in as_bibtex("[@N4]")


def test_both_studies_are_named_by_their_publication():
    assert "10.3174/ajnr.A7274" in reference("study_a")
    assert "Asan Medical Center" in reference("study_b")
    assert as_bibtex("[@study_b]").startswith("@misc{study_b,")
    assert {load_study(name).source for name in STUDIES} == {"study_a", "study_b"}
