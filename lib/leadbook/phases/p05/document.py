"""The documents "Load test results" and "Optimized settings", and the facts that later phases read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.load import advice as advice_
from leadbook.load import openloop, tuning
from leadbook.load.load import InsertLoad, Mixed, Sources
from leadbook.measure.workers import TaskOutcome
from leadbook.page.prose import frame_table, pipe_table
from leadbook.phases.p05 import checks as load_checks

__all__ = ["LoadTest"]


@dataclass(kw_only=True)
class LoadTest:
    """Everything that phase 05 measured; None or empty for what could not be."""

    settings: Settings
    sources: tuple[Sources | None, ...]
    sizes: Sequence[InsertLoad] | None
    matrix: Sequence[InsertLoad] | None
    pool: InsertLoad | None
    mixed: Mixed | None
    steps: Sequence[openloop.Step] | None
    trials: Mapping[str, tuning.Trial | None]
    advice: Sequence[advice_.Advice]
    problems: Mapping[str, BaseException | str] = field(default_factory=dict)

    def leave(self, phase: Any) -> None:
        """Record every fact with an opened phase."""
        for name, value in self.facts().items():
            phase.fact(name, value)

    def facts(self) -> dict[str, Any]:
        """Numbers for later phases: rates in documents/s, times in ms, tables as lists of rows."""
        loads = list(self.matrix or ())
        bend = openloop.knee(self.steps or ())
        mixed = self.mixed.outcomes if self.mixed else {}
        redis, mongodb = mixed.get("duplicate check by Redis"), mixed.get("duplicate check by MongoDB")
        return {
            "load_insert_rate": min((load.outcome.rate for load in loads), default=None),
            "load_insert_rate_best": max((load.outcome.rate for load in loads), default=None),
            "knee_rate": bend.rate if bend else None,
            "load_duplicate_check_redis_ms": redis.latencies.summary().judged[1] if redis else None,
            "load_duplicate_check_mongodb_ms": mongodb.latencies.summary().judged[1] if mongodb else None,
            "load_checkout_ms": self.pool.outcome.checkouts.summary().judged[1] if self.pool else None,
            "loads": load_checks.insert_table(loads).to_dict("records"),
            "open_loop": openloop.table(self.steps).to_dict("records"),
            "advice": [one.as_dict() for one in self.advice],
        }

    def outcomes(self) -> list[TaskOutcome]:
        """Every outcome of every load, for the check on unplanned errors."""
        loads = [*(self.sizes or ()), *([self.pool] if self.pool else [])]
        loads += [load for load in self.matrix or () if load not in loads]
        found = [load.outcome for load in loads] + [run.outcome for run in self.sources if run]
        found += list(self.mixed.outcomes.values()) if self.mixed else []
        return found + [one.outcome for one in self.steps or ()]

    def results(self, checks: Iterable[Check]) -> str:
        """Markdown of "Load test results" with the sections of step 3.1.1.10."""
        problems = [[name, str(why).splitlines()[0]] for name, why in self.problems.items()]
        return "\n\n".join([
            "# Load test results",
            "Load was made by processes of their own on scratch collections with the leads' validator and indexes; "
            "after each load the documents were counted. On a rehearsal the load shares its machine with the servers, "
            "so the figures are a floor, not a forecast of a cluster.",
            "## Verdicts\n\n" + pipe_table(["check", "what", "verdict", "measured", "target"],
                                           [[c.id, c.title, str(c.verdict), c.measured, c.target] for c in checks]),
            "## 1 Database load test results",
            "### 10,000 and more records, concurrent inserts\n\n" + frame_table(load_checks.insert_table(self.matrix)),
            "### Batches of 1,000 and 5,000 records\n\n" + frame_table(load_checks.insert_table(self.sizes)),
            "### Ten collectors at once\n\n" + frame_table(load_checks.source_table(self.sources)),
            "### Duplicate checks under load, with everything else at once\n\n"
            + frame_table(load_checks.mixed_table(self.mixed)),
            "### Connection pool under load\n\n" + self._pool(),
            "## 2 Performance metrics\n\nOpen loop: arrivals at a rate, latency from the intended start.\n\n"
            + frame_table(openloop.table(self.steps)),
            "## 3 Optimization opportunities\n\n" + frame_table(advice_.table(self.advice)),
            "### Issues found\n\n" + (pipe_table(["load", "problem"], problems) if problems else "None."),
        ]) + "\n"  # fmt: skip

    def _pool(self) -> str:
        if self.pool is None:
            return "Not measured."
        told = self.pool.outcome.checkouts.summary()
        return (f"{self.pool.writers} threads of one process, {told.count:,} check-outs: median {told.p50_ms} ms, p99 "
                f"{told.p99_ms} ms, slowest {told.worst_ms} ms.")  # fmt: skip

    def optimized(self) -> str:
        """Markdown of "Optimized settings" with the sections of step 3.2.1.5."""
        groups = {
            "MongoDB settings": ("batch_size", "writers", "write_concern", "storage.", "index ", "rate of inserts"),
            "Redis settings": ("look-up", "redis_"),
            "Connection pool settings": ("max_pool_size", "min_pool_size"),
        }
        parts = [
            "# Optimized settings",
            "A value changes only where interleaved rounds showed a difference; `leadbook tune` writes the changes "
            "into a copy of the profile. The task book's PostgreSQL parameters (`shared_buffers`, "
            "`effective_cache_size`, `work_mem`, `maintenance_work_mem`) have one counterpart in MongoDB: the "
            "WiredTiger cache.",
            "## What was compared\n\n" + frame_table(tuning.table(list(self.trials.values()))),
        ]
        for number, (title, prefixes) in enumerate(groups.items(), start=1):
            mine = [one for one in self.advice if one.parameter.startswith(prefixes)]
            parts.append(f"## {number} {title}\n\n" + frame_table(advice_.table(mine)))
        return "\n\n".join(parts) + "\n"

    def effects(self) -> pd.DataFrame:
        """For the plot: change, mean, low, high (ratio after / before), shown."""
        return pd.DataFrame(
            {
                "change": one.name, "mean": one.effect.ratio.middle, "low": one.effect.ratio.low,
                "high": one.effect.ratio.high, "shown": one.effect.shown,
            }
            for one in self.trials.values() if one is not None
        )  # fmt: skip
