"""The template on its grids, and templates that cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from bids_app.image.template import BUILT_IN, belief_grid, load_template


@pytest.mark.parametrize(("resolution", "millilitres"), [(2.0, 1886), (3.0, 1886), (4.0, 1886)])
def test_tissues_fill_the_brain_at_every_resolution(resolution, millilitres):
    template = load_template(resolution=resolution)
    inside = np.asarray(template.brain.dataobj) > 0
    total = sum(np.asarray(image.dataobj) for image in (template.gm, template.wm, template.csf))
    np.testing.assert_allclose(total[inside], 1, atol=1e-5)
    assert (total[~inside] == 0).all()
    assert inside.sum() * resolution**3 / 1000 == pytest.approx(millilitres, rel=0.02)
    assert (np.asarray(template.t1w.dataobj)[~inside] == 0).all()
    sizes = np.linalg.norm(template.brain.affine[:3, :3], axis=0)
    np.testing.assert_allclose(sizes, resolution)


def test_white_matter_is_where_it_lies_in_mni_space():
    template = load_template(resolution=2.0)
    to_voxel = np.linalg.inv(template.brain.affine)

    def at(point: tuple[int, int, int]) -> tuple[int, ...]:
        return tuple(np.rint(to_voxel @ [*point, 1])[:3].astype(int))

    assert template.wm.dataobj[at((26, -20, 34))] > 0.9  # corona radiata
    assert template.gm.dataobj[at((-12, 10, 10))] > 0.5  # head of the caudate nucleus
    assert template.csf.dataobj[at((14, -26, 20))] > 0.7  # body of the lateral ventricle
    assert template.brain.dataobj[at((24, -64, -44))] == 1  # cerebellum


def test_belief_grid_is_3_mm_with_the_documented_number_of_voxels():
    grid = belief_grid()
    assert int(np.asarray(grid.dataobj).sum()) == 69765
    assert f"{69765:,}" in (belief_grid.__doc__ or "")
    assert grid.header.get_zooms() == (3.0, 3.0, 3.0)


def test_a_template_that_cannot_be_reached_is_a_clear_line(tmp_path):
    code = (
        "from bids_app.errors import InputError\nfrom bids_app.image.template import load_template\n"
        "try:\n    load_template('MNI152NLin6Asym', 3.0)\nexcept InputError as error:\n    print('LINE', error)"
    )
    nowhere = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    home = {"TEMPLATEFLOW_HOME": str(tmp_path / "tf"), "no_proxy": "", "NO_PROXY": ""}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=os.environ | nowhere | home,
        capture_output=True,
        text=True,
        timeout=90,
    )
    (line,) = [one for one in answer.stdout.splitlines() if one.startswith("LINE")]
    assert "--template MNI152NLin6Asym" in line
    assert BUILT_IN in line
