"""Names of protocols and models that callers misspell."""

from __future__ import annotations

import pytest

from bids_app.errors import InputError
from bids_app.learn import diagnosis, edss


@pytest.mark.parametrize(
    ("run", "words", "message"),
    [
        (edss.run, {"protocol": "nestd"}, "protocol 'nestd': choose of both, paper, nested"),
        (edss.run, {"models": ("ridge", "lstm")}, "models 'lstm': choose of ridge, gp, svr, rf"),
        (edss.run, {"models": ()}, "models is empty: choose of ridge"),
        (diagnosis.run, {"protocol": None}, "protocol None: choose of both"),
    ],
)
def test_misspelt_choices_are_refused_before_anything_is_read(run, words, message):
    with pytest.raises(InputError, match=message):
        run(None, seed=1, **words)
