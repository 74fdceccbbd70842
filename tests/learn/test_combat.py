"""ComBat: planted differences between sites go, covariates' effects stay, unseen sites are aligned or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_edss import make_cohort

from bids_app.errors import InputError
from bids_app.learn.edss import Options, run
from bids_app.learn.edss.apply import apply_models
from bids_app.learn.selection import Combat
from bids_app.learn.selection.combat import shrink


def sites(n=(60, 50, 40), k=80, seed=0, names=(0, 1, 2)):
    """Measures of several sites with known shifts and scales, age kept."""
    rng = np.random.default_rng(seed)
    site = np.repeat(names, n)
    age = rng.normal(40, 10, len(site)) + 5 * (site == names[-1])
    shift, scale = rng.normal(0, 1, (3, k)), rng.uniform(0.6, 1.6, (3, k))
    code = np.searchsorted(names, site)
    slope = rng.normal(0, 0.05, k)
    values = 10 + age[:, None] * slope + shift[code] + scale[code] * rng.standard_normal((len(site), k))
    table = pd.DataFrame(values, columns=[f"f{j}" for j in range(k)]).assign(site=site.astype(float), age=age)
    return table, slope


def site_difference(table, k=80):
    """Largest difference between sites' means once age is taken out, and largest ratio of their spreads."""
    features = table[[f"f{j}" for j in range(k)]].to_numpy()
    design = np.column_stack([pd.get_dummies(table["site"]), table["age"]]).astype(float)
    coefficients = np.linalg.lstsq(design, features, rcond=None)[0]
    residual = features - design @ coefficients
    spread = np.array([residual[table["site"] == s].std(axis=0) for s in table["site"].unique()])
    return (
        np.ptp(coefficients[:-1], axis=0).mean(),
        (spread.max(axis=0) / spread.min(axis=0)).mean(),
        coefficients[-1],
    )


def test_shifts_and_scales_go_and_the_covariate_stays():
    table, slope = sites()
    before = site_difference(table)
    after = site_difference(Combat("site", ["age"]).fit(table).transform(table))
    assert before[0] > 1 and before[1] > 1.5
    assert after[0] < 0.25 and after[1] < 1.2
    assert np.corrcoef(after[2], slope)[0, 1] > 0.95


def test_what_is_learned_comes_from_training_alone():
    table, _ = sites()
    training = table.iloc[::2]
    combat = Combat("site", ["age"]).fit(training)
    whole = combat.transform(table)
    one = combat.transform(table.iloc[[5]])
    np.testing.assert_allclose(one.to_numpy(), whole.iloc[[5]].to_numpy())
    held = table.drop(training.index)
    assert site_difference(combat.transform(held))[0] < 0.75 * site_difference(held)[0]


def test_an_unseen_site_is_aligned_from_its_own_visits_or_refused():
    table, _ = sites()
    known = table[table["site"] < 2]
    combat = Combat("site", ["age"]).fit(known)
    after = combat.transform(table)
    assert site_difference(after)[0] < 0.4
    few = table[table["site"] == 2].head(19)
    with pytest.raises(InputError, match="unseen in training has 19 visits"):
        combat.transform(few)


def test_one_site_changes_nothing_and_constant_columns_stay():
    table, _ = sites()
    one = table[table["site"] == 0].assign(f3=7.0)
    np.testing.assert_allclose(Combat("site", ["age"]).fit(one).transform(one).to_numpy(), one.to_numpy())
    flat = table.assign(f3=7.0)
    assert (Combat("site", ["age"]).fit(flat).transform(flat)["f3"] == 7.0).all()


def test_shrinkage_is_the_posterior_mean():
    """At convergence both conditional means hold (Johnson et al. 2007, section 3.2)."""
    rng = np.random.default_rng(1)
    location, spread, n = rng.normal(0.4, 0.5, 300), rng.uniform(0.7, 1.4, 300), 12
    shift, scale = shrink(location, spread, n)
    width, mean, var = location.var(ddof=1), (spread**2).mean(), (spread**2).var(ddof=1)
    shape, rate = mean**2 / var + 2, mean**3 / var + mean
    np.testing.assert_allclose(
        shift, (n * width * location + scale**2 * location.mean()) / (n * width + scale**2), rtol=1e-3
    )
    squares = (n - 1) * spread**2 + n * (location - shift) ** 2
    np.testing.assert_allclose(scale**2, (rate + squares / 2) / (n / 2 + shape - 1), rtol=1e-3)
    assert np.ptp(shift) < np.ptp(location)


def shifted_cohort():
    """Site b, a fifth of the patients, has measures moved and stretched."""
    cohort = make_cohort(130)
    radiomics = [c for c in cohort.features if c.startswith("radiomics")]
    b = (cohort.visits["site"] == "b").to_numpy()
    cohort.features.loc[b, radiomics] = cohort.features.loc[b, radiomics] * 2 + 3
    return cohort


OPTIONS = Options(outer=4, permutations=0, combat=True)


def external(result):
    table = result.tables["performance"]
    return table[
        (table["set"] == "external") & (table["model"] == "ridge") & (table["features"] == "all")
    ].iloc[0]


def test_a_shifted_external_site_is_predicted_better_and_saved_models_say_the_same():
    cohort = shifted_cohort()
    plain = run(
        cohort, seed=1, cv=4, models=["ridge"], external_site="b", options=Options(outer=4, permutations=0)
    )
    result = run(cohort, seed=1, cv=4, models=["ridge"], external_site="b", options=OPTIONS)
    assert external(result)["mae"] < 0.6 * external(plain)["mae"]
    found = apply_models(cohort, list(result.models.items()))
    predicted = result.tables["predictions"].query(
        "set == 'external' and model == 'ridge' and features == 'all'"
    )
    mine = found.tables["applied"].query("model == 'ridge'").set_index("participant_id")["predicted"]
    np.testing.assert_allclose(mine[predicted["participant_id"]], predicted["predicted"], rtol=1e-4)
    assert any("ComBat aligned it" in note for note in found.notes)
    cohort.visits.loc[0, "site"] = None
    assert reasons_left_out(cohort, result) == {
        "sub-000": "no site in participants.tsv, which a model trained with --combat needs"
    }
    cohort.visits["site"] = ["a"] * 129 + ["c"]
    assert reasons_left_out(cohort, result) == {
        "sub-129": "site c was not in training and has 1 visits here; ComBat needs 20"
    }


def reasons_left_out(cohort, result):
    """Return why visits were not predicted, by participant."""
    found = apply_models(cohort, list(result.models.items()))
    assert not any("aligned it" in note for note in found.notes if "site c" in note)
    rows = found.tables["applied"].query("model == 'ridge' and reason.notna()")
    assert rows["predicted"].isna().all()
    return dict(zip(rows["participant_id"], rows["reason"], strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.drop(columns="site"), "has no site for sub-000"),
        (lambda v: v.assign(site="a"), "a is the only site"),
        (lambda v: v.assign(site=["x"] * 5 + ["a"] * (len(v) - 5)), "site x has 5 patients"),
    ],
)
def test_sites_that_cannot_be_harmonised_are_one_clear_line(change, words):
    cohort = make_cohort(60)
    cohort.visits = change(cohort.visits)
    with pytest.raises(InputError, match=words):
        run(cohort, seed=1, cv=4, options=OPTIONS)
