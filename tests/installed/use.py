"""Import every module and use what an extra brings:  use.py [pyradiomics|dask]."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import bids_app


def every_module() -> None:
    for module in pkgutil.walk_packages(bids_app.__path__, "bids_app."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def pyradiomics() -> None:
    import nibabel as nib
    import numpy as np

    from bids_app.features.radiomics import RadiomicsSettings, extract

    settings = RadiomicsSettings.from_dict({"imageType": {"Square": {}}, "featureClass": {"glcm": ["MCC"]}})
    assert settings.uncovered(), "this must need pyradiomics itself"
    picture = np.random.default_rng(1).normal(100, 20, (12, 12, 12)).astype(np.float32)
    labels = np.pad(np.ones((6, 6, 6), np.uint8), 3)
    table = extract(
        nib.Nifti1Image(picture, np.eye(4)), nib.Nifti1Image(labels, np.eye(4)), settings=settings
    )
    assert table.notna().all(axis=None), table


def dask() -> None:
    import distributed

    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        assert distributed.Client(cluster).submit(sum, [1, 2]).result(timeout=60) == 3
    importlib.import_module("dask_jobqueue")


if __name__ == "__main__":
    every_module()
    for extra in filter(None, sys.argv[1:]):
        {"pyradiomics": pyradiomics, "dask": dask}[extra]()
    print("every module imports", *(f"and {extra} works" for extra in sys.argv[1:] if extra))
