"""A third study, as somebody would add one: is a participant older than the median?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from bids_app.errors import InputError
from bids_app.figures import charts
from bids_app.figures.drawing import keep_all
from bids_app.learn.artifact import Model, training_ranges
from bids_app.learn.results import Applied, StudyResult
from bids_app.learn.study import Fact, Part, Study


@dataclass(frozen=True, kw_only=True)
class ToyResult(StudyResult):
    name = "toy"
    description = "Age against the median."
    about: ClassVar = {"ages": "One row per visit: its age, and whether that is above the median."}


class Toy(Study):
    result = ToyResult
    title = "Toy study: who is older"
    about = "Ages against their median."
    parts = (Part("ages", "Ages", "Half are older.", ("flow",), {"ages": "Everybody's age"}),)
    labels: ClassVar = {"older": "above the median"}

    def run(self, cohort, settings, n_jobs):
        if "age" not in cohort.visits:
            raise InputError("participants.tsv: column age is missing")
        ages = cohort.visits[["participant_id", "age"]]
        model = Model(
            {"median": np.float64(ages["age"].median())},
            {"Kind": self.name, "Inputs": ["age"], "Ranges": training_ranges(ages[["age"]]), "Sites": []},
        )
        table = ages.assign(older=ages["age"] > ages["age"].median())
        return ToyResult(
            tables={"ages": table}, notes=[], settings={"seed": settings.random_seed}, models={"m": model}
        )

    def apply(self, cohort, models, seed):
        ((_, model),) = models
        return Applied(
            {"applied": cohort.visits[["age"]] > model.parts["median"]}, ["median of another cohort"]
        )

    def headline(self, tables):
        return [Fact("Older", str(int(tables["ages"]["older"].sum())), "participants")]

    def draw(self, result, folder, settings):
        step = {"step": "all", "n_visits": 1, "n_patients": 1, "excluded": 0, "reason": ""}
        return keep_all([lambda: charts.flow("toy_flow", "Flow", pd.DataFrame([step]), {})], folder)


STUDY = Toy()
