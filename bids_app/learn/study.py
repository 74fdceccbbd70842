"""What every study of a cohort has: what it reads, how it is run and applied, and what its report shows.

A study is a subclass of `Study`, named in `bids_app.settings.STUDIES`; the group level, the command line and the
report know no study by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pandas as pd

from bids_app.learn.results import Applied, StudyResult
from bids_app.settings import STUDIES, Settings

if TYPE_CHECKING:
    from bids_app.figures.drawing import Kept
    from bids_app.learn.artifact import Model

Tables = Mapping[str, pd.DataFrame]
NOISE = "What the published protocol finds in noise"  # label of a headline number


class VisitMeasures(Protocol):
    """Measures of visits: volumes, disconnection and radiomics."""

    @property
    def notes(self) -> list[str]:
        """What was missing or unreadable."""


class StudyCohort(Protocol):
    """The table of visits that studies read; `bids_app.cohort.Cohort` is one."""

    @property
    def derivatives(self) -> Path:
        """Root of the derivatives."""

    @property
    def visits(self) -> pd.DataFrame:
        """One row per visit: participant_id, session_id (missing where there are none) and clinical columns."""

    @property
    def features(self) -> pd.DataFrame:
        """Measures of the visits, (visits, columns), float32."""

    @property
    def columns(self) -> pd.DataFrame:
        """What each column of `features` is: column, family, region, image_type, feature, icc."""

    @property
    def table(self) -> VisitMeasures:
        """Where `features` and `columns` come from, with notes on what was missing."""


@dataclass(frozen=True)
class StudyOptions:
    """What every study can be asked for beside its own choices.

    Attributes
    ----------
    outer : int
        Outer folds of the leak-free protocol.
    permutations : int
        How often outcomes are permuted between patients for the null distribution; 0 for none.
    n_jobs : int
        Processes; results do not depend on it.
    """

    outer: int = 10
    permutations: int = 20
    n_jobs: int = 1

    def recorded(self) -> dict[str, Any]:
        """Return what results depend on."""
        return {name: value for name, value in asdict(self).items() if name != "n_jobs"}


@dataclass(frozen=True)
class Fact:
    """A headline number: what it is, its value, and a note beside it."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Part:
    """A part of a study's report: its figures and tables, by name without the study's prefix.

    A figure stands for itself and for those named after it (`roc` for `roc-RRMS`); with `first`, only the first of
    them is open. Tables of `folded` are shown on request.
    """

    key: str
    title: str
    words: str
    figures: tuple[str, ...] = ()
    tables: dict[str, str] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)
    first: bool = False


class Study(ABC):
    """A question asked of a cohort.

    Attributes
    ----------
    result : type of StudyResult
        What it gives; its `name` is the study's in options and in the names of files.
    title, about : str
        Heading and introduction of its section in the report.
    source : str
        Key of its publication in the bibliography; empty where there is none.
    parts : tuple of Part
        What the section shows, in order.
    labels : mapping of str to str
        Headings of columns that only this study's tables have.
    """

    result: ClassVar[type[StudyResult]]
    title: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str] = ""
    parts: ClassVar[tuple[Part, ...]]
    labels: ClassVar[Mapping[str, str]] = {}

    @property
    def name(self) -> str:
        """The study's name."""
        return self.result.name

    def methods(self, settings: Mapping[str, Any]) -> str:
        """Return what was done, for a paper, with citations as `[@key]` of the bibliography.

        Parameters
        ----------
        settings : mapping
            Of the result.
        """
        return f"{self.about}{f' [@{self.source}]' if self.source else ''}"

    @abstractmethod
    def run(self, cohort: StudyCohort, settings: Settings, n_jobs: int) -> StudyResult:
        """Learn from a cohort.

        Parameters
        ----------
        cohort : StudyCohort
        settings : Settings
            Of the group level.
        n_jobs : int
            Processes; results do not depend on it.

        Raises
        ------
        InputError
            If the cohort does not allow the study.
        """

    @abstractmethod
    def apply(self, cohort: StudyCohort, models: Sequence[tuple[str, Model]], seed: int) -> Applied:
        """Predict a cohort's visits with saved models of this study.

        Parameters
        ----------
        cohort : StudyCohort
        models : sequence of (name, Model)
        seed : int
            Of the intervals of the performance.

        Raises
        ------
        InputError
            If no model can be applied.
        """

    @abstractmethod
    def headline(self, tables: Tables) -> list[Fact]:
        """Return the main numbers."""

    def draw(self, result: Any, folder: Path, settings: Settings) -> list[Kept]:
        """Draw the figures of a result of this study as `<name>_<figure>.svg`; none unless a study has some.

        Parameters
        ----------
        result : StudyResult
            Of `run`.
        folder : Path
            Where they are written.
        settings : Settings
        """
        return []

    def limits(self, tables: Tables, settings: Mapping[str, Any]) -> list[str]:
        """Return what a reader must not conclude from these results.

        Parameters
        ----------
        tables : mapping of str to DataFrame
        settings : mapping
            Of the result.
        """
        return []

    def shown(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table as the report shows it; the whole table can be downloaded there."""
        return table

    def word(self, column: str, value: str) -> str:
        """Return a value of a column of this study's tables as a reader knows it."""
        return value

    def visits(self, tables: Tables) -> tuple[str, pd.DataFrame] | None:
        """Return the name of the table that holds each visit's prediction, and one row per visit for the report."""
        return None


def load_study(name: str) -> Study:
    """Return a study by its name in `bids_app.settings.STUDIES`."""
    return import_module(STUDIES[name]).STUDY
