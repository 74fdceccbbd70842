"""The viewer's page: images drawn in a browser from disk, under a strict policy."""

from __future__ import annotations

import pytest
from made_visits import make_visit, settings

from bids_app.reports.visit import write_visit_report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("derivatives")
    make_visit(root)
    page, *rest = write_visit_report(root, "sub-01", settings=settings())
    return page, rest[-1]


def test_images_are_drawn_without_complaint_or_request(written, open_page):
    page, viewer = written
    assert viewer.name == "sub-01_desc-viewer.html"
    opened = open_page(page)
    opened.page.get_by_role("link", name="Open the images in a viewer").click()
    opened.page.locator("body[data-ready='5']").wait_for(timeout=120_000)
    opened.assert_clean()
    canvas = opened.page.locator("#view")
    before = canvas.screenshot()
    assert len(before) > 20_000  # a brain, not a black square
    shown = opened.page.locator("#volumes input:checked").evaluate_all(
        "all => all.map((one) => one.dataset.show)"
    )
    assert shown == ["1", "4"]  # FLAIR and lesions
    opened.page.get_by_label("T1w", exact=True).check()
    opened.page.get_by_label("FLAIR", exact=True).uncheck()
    opened.page.wait_for_timeout(500)
    assert canvas.screenshot() != before
    opened.page.get_by_role("link", name="Back to the report").click()
    assert opened.page.url == page.as_uri()


def test_opens_at_the_lesion_chosen_with_coordinates_and_sides(written, open_page):
    page = open_page(written[0]).page
    page.goto(written[1].as_uri() + "#lesion-3")
    page.locator("body[data-ready='5']").wait_for(timeout=120_000)
    place = page.locator("#lesions option:checked").get_attribute("data-place").split()
    assert page.input_value("#lesions") == "lesion-3"
    assert page.inner_text("#place") == "x {}, y {}, z {} mm".format(*place)
    page.click("[data-step='1']")
    assert page.inner_text("#place") != "x {}, y {}, z {} mm".format(*place)
    assert "left is on the left" in page.inner_text("#side")
    before = page.locator("#view").screenshot()
    page.click("#sides")
    assert "left is on the right" in page.inner_text("#side")
    assert page.locator("#view").screenshot() != before


def test_no_face_is_in_the_page(written, tmp_path):
    import base64
    import gzip
    import re

    import nibabel as nib
    import numpy as np

    text = written[1].read_text(encoding="utf-8")
    data = re.search(r'data-name="T1w"[^>]*>([^<]+)<', text)[1]
    image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(data)))
    brain = nib.load(written[0].parent / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz")
    shown = nib.affines.apply_affine(image.affine, np.argwhere(np.asarray(image.dataobj) > 0))
    inside = nib.affines.apply_affine(brain.affine, np.argwhere(np.asarray(brain.dataobj) > 0))
    assert (shown.min(axis=0) >= inside.min(axis=0) - 9).all()
    assert (shown.max(axis=0) <= inside.max(axis=0) + 9).all()
