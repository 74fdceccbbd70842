"""Study A at full size: reading 604 visits of 127,764 numbers, colinearity against pandas, both protocols."""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bids_app.cohort import read_cohort
from bids_app.learn.collinearity import greedy_keep_first
from bids_app.learn.edss import Options, Rules, run

WIDTH = 4368  # of the comparison with pandas


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", default="500,104")
    parser.add_argument("--regions", default="117")
    parser.add_argument("--null-outcome", action="store_true")
    parser.add_argument(
        "--lasso", default="1se", help="1se, min, or how many columns it keeps at least (study A: 21)"
    )
    parser.add_argument("--permutations", type=int, default=0)
    parser.add_argument("--phantom", type=Path, help="a study-shaped phantom made before")
    parser.add_argument("--protocols", nargs="+", default=["paper", "nested"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = args.phantom or Path(folder) / "phantom"
        if args.phantom is None:
            null = ["--null-outcome"] if args.null_outcome else []
            subprocess.run(
                [Path(sys.executable).parent / "demyelin-phantom", root, "--derivatives-only", "--study", "A"]
                + ["--visits", args.visits, "--regions", args.regions, *null],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        shutil.rmtree(root / "derivatives/demyelin/group/cache", ignore_errors=True)
        for what in ("first time", "from the cache"):
            start = time.perf_counter()
            cohort = read_cohort(root / "derivatives/demyelin", root / "participants.tsv")
            shape = cohort.features.shape
            print(f"read {shape[0]} x {shape[1]}, {what}: {time.perf_counter() - start:.1f} s", flush=True)
        _collinearity(cohort.features.to_numpy()[:400])
        for protocol in args.protocols:
            _protocol(cohort, protocol, args.permutations, args.lasso)
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB", flush=True)


def _collinearity(X: np.ndarray) -> None:
    X = np.nan_to_num(X)
    part = X[:, :WIDTH]
    greedy_keep_first(part[:, :600], np.arange(600), 0.8)  # two blocks: compiled before the clock starts
    start = time.process_time()  # of all threads: others use the machine too
    pd.DataFrame(part).corr()
    pandas = time.process_time() - start
    start = time.process_time()
    greedy_keep_first(part, np.arange(part.shape[1]), 0.8)
    seconds = time.process_time() - start
    print(
        f"{part.shape[1]} columns: pandas' .corr() {pandas:.1f} CPU s, the whole filter {seconds:.2f}: "
        f"{pandas / seconds:.0f} x"
    )
    start = time.process_time()
    kept = np.unique(greedy_keep_first(X, np.arange(X.shape[1]), 0.8))
    seconds = time.process_time() - start
    scaled = pandas * (X.shape[1] / part.shape[1]) ** 2
    print(
        f"{X.shape[1]} columns: {seconds:.1f} CPU s, {len(kept)} kept; .corr() would take {scaled:.0f} (extrapolated): "
        f"{scaled / seconds:.0f} x",
        flush=True,
    )


def _protocol(cohort, protocol: str, permutations: int, lasso: str) -> None:
    """Run a protocol; under a null outcome only a LASSO that must keep columns keeps more than one."""
    rules = Rules(lasso=int(lasso) if lasso.isdigit() else lasso)
    start = time.perf_counter()
    result = run(
        cohort,
        protocol=protocol,
        external_site="site2" if "site2" in set(cohort.visits["site"]) else None,
        seed=1,
        options=Options(permutations=permutations, rules=rules, n_jobs=2),
    )
    print(f"{protocol}: {time.perf_counter() - start:.0f} s", flush=True)
    table = result.tables["performance"].query("features == 'all'")
    print(table[["protocol", "set", "model", "n_visits", "r", "R2", "mae"]].round(3).to_string(index=False))
    counts = result.tables["selection"].query("protocol == 'paper'")
    print(
        "columns left: " + ", ".join(f"{r['step']} {r['left']}" for r in counts.to_dict("records")),
        flush=True,
    )


if __name__ == "__main__":
    main()
