"""What is known of a step before it runs, declared where the step is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class StepRecord:
    """What a step is for people and for the admission of steps.

    Attributes
    ----------
    words : str
        What it does, as the middle of a sentence.
    seconds : float
        At 2 mm on one core of a laptop; only proportions matter, until a step was measured.
    mem_gb : float
        Peak memory at 1 mm, rounded up.
    """

    words: str
    seconds: float
    mem_gb: float


STEPS: dict[str, StepRecord] = {}
STAGE = "stage.txt"  # in a step's folder


def stage(words: str) -> None:
    """Write down, in the folder in which a step runs, which part of it begins; for people alone."""
    with contextlib.suppress(OSError):
        Path(STAGE).write_text(words, encoding="utf-8")


def step(words: str, *, seconds: float = 2.0, mem_gb: float = 1.0) -> Callable[[Function], Function]:
    """Declare a function to be a step of a graph: see `StepRecord`.

    Parameters
    ----------
    words : str
        What it does, for people.
    seconds : float
        At 2 mm on one core of a laptop; only proportions matter, until it was measured.
    mem_gb : float
        Peak memory at 1 mm, rounded up.
    """

    def declare(function: Function) -> Function:
        STEPS[function.__name__] = StepRecord(words, seconds, mem_gb)
        return function

    return declare
