"""The documents "Load test results" and "Optimized settings", and the facts that later phases read."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass, field
from typing import Any

from leadbook.core import write_errors
from leadbook.core.checks import Check
from leadbook.load.load import InsertLoad, Mixed, Sources
from leadbook.load.openloop import RateStep
from leadbook.load.tuning import SettingTrial
from leadbook.measure.trials import Problems
from leadbook.measure.workers import TaskOutcome
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.documents import render
from leadbook.phases.p05 import tables
from leadbook.phases.p05.advice import Advice
from leadbook.phases.section import Document

READERS = ("Technical Lead", "Project Manager")
TITLES = {"load-test-results": "Load test results", "optimized-settings": "Optimized settings"}
GROUPS = {
    "MongoDB settings": ("batch_size", "writers", "write_concern", "storage.", "index ", "rate of inserts"),
    "Redis settings": ("look-up", "redis_"),
    "Connection pool settings": ("max_pool_size", "min_pool_size"),
}


@dataclass(kw_only=True)
class Measured:
    """What phase 05 measured so far: None or empty for what could not be, and `problems` says why, by name."""

    up: Sources | None = None
    away: Sources | None = None
    sizes: tuple[InsertLoad, ...] = ()
    matrix: tuple[InsertLoad, ...] = ()
    pool: InsertLoad | None = None
    mixed: Mixed | None = None
    steps: tuple[RateStep, ...] = ()
    trials: dict[str, SettingTrial] = field(default_factory=dict)
    advice: list[Advice] = field(default_factory=list)
    problems: Problems = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)

    @property
    def runs(self) -> list[Sources]:
        """Ten collectors, with Redis and without."""
        return [run for run in (self.up, self.away) if run is not None]

    @property
    def outcomes(self) -> list[TaskOutcome]:
        """Every outcome of every load, once."""
        loads = {id(one): one for one in (*self.matrix, *self.sizes, *([self.pool] if self.pool else []))}
        mixed = self.mixed.outcomes.values() if self.mixed else ()
        found = [load.outcome for load in loads.values()] + [run.outcome for run in self.runs]
        return [*found, *mixed, *(step.outcome for step in self.steps)]


def facts(test: Measured) -> dict[str, Any]:
    """What is read later: the slowest load's documents/s (by the live rules), and the advice as rows (by `tune`)."""
    return {
        "load_insert_rate": min((load.outcome.rate for load in test.matrix), default=None),
        "advice": [asdict(one) for one in test.advice],
    }


def documents(test: Measured) -> tuple[Document, ...]:
    """Both documents, with all that was measured."""
    named = {name: found for name, found in vars(tables).items() if inspect.isfunction(found)}
    groups = [(title, [one for one in test.advice if one.parameter.startswith(keys)]) for title, keys in GROUPS.items()]
    verdicts = [
        (one.id, one.title, str(one.verdict), measured_text(one), target_text(one)) for one in test.checks.values()
    ]
    problems = [(name, write_errors.line(why)) for name, why in test.problems.items()]
    values = {"test": test, "groups": groups, "verdicts": verdicts, "problems": problems, **named}
    return tuple(Document(slug, title, render(__file__, slug, **values), READERS)
            for slug, title in TITLES.items())  # fmt: skip
