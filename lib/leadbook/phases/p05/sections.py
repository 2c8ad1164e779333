"""Notebook 05, section by section: each measures, judges and shows; its cell can be run again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from leadbook.core import write_errors
from leadbook.core.checks import Check, Unmeasured
from leadbook.load import tuning
from leadbook.load.load import InsertLoad, Loader
from leadbook.load.openloop import steps
from leadbook.load.tuning import SettingTrial
from leadbook.measure import trials
from leadbook.measure.session import BenchmarkSession
from leadbook.phases.console.asked import with_api
from leadbook.phases.console.collectors import asked_once, of_phase
from leadbook.phases.documents import incomplete
from leadbook.phases.judging import Tell, checks_of, of_each
from leadbook.phases.measuring import Judged, take, why_not
from leadbook.phases.p03 import figures as benchmarks
from leadbook.phases.p05 import checks, documents, figures, tables
from leadbook.phases.p05.advice import advise
from leadbook.phases.section import Plot, Section, section

T = TypeVar("T")


def _by_writers(loads: Sequence[InsertLoad]) -> str:
    """What the largest load told of few and of many writers; empty where it had only one number of them."""
    most = max((load.records for load in loads), default=0)
    ordered = sorted((load for load in loads if load.records == most), key=lambda load: load.writers)
    if len({load.writers for load in ordered}) < 2:
        return ""
    told = " and ".join(f"{load.outcome.rate:,.0f}/s by {load.writers} writers" for load in (ordered[0], ordered[-1]))
    return f"; of {most:,} documents {told}, one run each. Section 5.6 compares numbers of writers in rounds"


class LoadTest:
    """The load test at one place. benchmarks: facts of phase 03, {} without it.  found: what was measured so far."""

    def __init__(self, place: BenchmarkSession, benchmarks: Mapping[str, Any]) -> None:
        self.place, self.loader, self.benchmarks = place, Loader(place=place), benchmarks
        self.settings = place.settings
        self.found = documents.Measured()

    @classmethod
    def of(cls, book: Any) -> LoadTest:
        """The load test of an opened phase."""
        return cls(BenchmarkSession.of(book, "load_test"), book.facts("03"))

    def close(self) -> None:
        """End the load's processes and drop what is left of its scratch collections."""
        self.loader.close()
        self.place.close()

    # ------------------------------------------------------------------------------------------------- the sections

    @section("5.1")
    def collectors(self) -> Section:
        """5.1: ten collectors at once, with Redis up and with Redis away."""
        without = partial(self.loader.sources, redis=False)
        up = self._take("sources", self.loader.sources, checks.SOURCES)
        away = self._take("sources without Redis", without, checks.WITHOUT_REDIS)
        self.found.up, self.found.away = up.found, away.found
        table = tables.sources(self.found.runs)
        measured = Section(tables=(table,), checks=(*up.checks, *away.checks))
        n8n = asked_once(self.settings, self.place.endpoints)
        return with_api(measured, of_phase("05", self.settings, n8n), self.settings)

    @section("5.2")
    def capacity(self) -> Section:
        """5.2: writers that never wait."""
        matrix = self._take("matrix", self.loader.matrix, checks.MATRIX)
        sizes = self._take("sizes", lambda: self.loader.sizes(matrix.found), checks.SIZED)
        self.found.matrix, self.found.sizes = matrix.found or (), sizes.found or ()
        control = self._measure("control", self.loader.control)
        bound = self._judged(checks.bound(control), "matrix", matrix.found)
        table = tables.inserts([*self.found.sizes, *self.found.matrix])
        plot = Plot(
            figures.capacity(table.frame, target=self.settings.target_insert_rate),
            f"Documents/s stored by number of documents and writers{_by_writers(self.found.matrix)}",
        )
        return Section(tables=(table,), plots=(plot,), checks=(*sizes.checks, *matrix.checks, *bound))

    @section("5.3")
    def one_pool(self) -> Section:
        """5.3: fifty threads on one pool."""
        taken = self._take("pool", self.loader.pool, checks.POOL)
        self.found.pool = taken.found
        return Section(checks=tuple(taken.checks))

    @section("5.4")
    def everything(self) -> Section:
        """5.4: everything at once, at the rates that are asked for."""
        taken = self._take("everything", self.loader.mixed, checks.everything(self.settings))
        self.found.mixed = found = taken.found
        curves = {name: one.latencies.curve() for name, one in found.outcomes.items()} if found else {}
        target = self.settings.target_duplicate_check_ms
        plots = (
            Plot(
                figures.timeline(found),
                "Rates, slowest calls and server readings over the same seconds: a spike above should have its cause "
                "below",
            ),
            Plot(
                benchmarks.percentiles(curves, "Latency by percentile under load", target=target),
                "Latency from the intended start by percentile, as far as the samples carry",
            ),
        )
        return Section(tables=(tables.mixed(found),), plots=plots, checks=tuple(taken.checks))

    @section("5.5", "5.2")
    def rates(self) -> Section:
        """5.5: latency against rate, and the knee."""
        taken = self._take("open loop", lambda: steps(self.loader, self.found.matrix), checks.rates(self.settings))
        self.found.steps = taken.found or ()
        plot = Plot(
            figures.latency_by_rate(self.found.steps, target=self.settings.target_insert_rate),
            f"Latency of a batch of 50 against the offered rate{figures.hidden(self.found.steps)}",
        )
        return Section(tables=(tables.rates(self.found.steps),), plots=(plot,), checks=tuple(taken.checks))

    @section("5.6", "5.4")
    def before_and_after(self) -> Section:
        """5.6: one setting changed at a time; a trial that failed is not measured."""
        calls: dict[str, Callable[[], SettingTrial | None]] = {
            "writers": partial(tuning.writers, self.loader),
            "redis": partial(tuning.redis_lookups, self.place),
            "pool settings": partial(tuning.pool, self.place),
            "cache": partial(tuning.cache, self.place),
        }
        tried = {name: self._measure(name, call) for name, call in calls.items()}
        self.found.trials = {name: trial for name, trial in tried.items() if trial is not None}
        made: list[Check] = []
        for check_id, (name, tell) in checks.TRIALS.items():
            made += self._judged({check_id: tell}, name, tried[name] or self._untried(name))
        cache = tried["cache"] or (self._untried("cache") if "cache" in self.found.problems else None)
        made += self._judged(checks.memory(cache), "everything", self.found.mixed)
        return Section(tables=(tables.trials(self.found.trials.values()),), checks=tuple(made))

    @section("5.7", "5.5", "5.6")
    def advice(self) -> Section:
        """5.7: which parameter to set, with the effect that was measured."""
        self.found.advice = advise(self.settings, self.benchmarks, self.found.trials.values(), self.found.steps)
        return Section(tables=(tables.advice(self.found.advice),))

    @section("5.8", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6")
    def issues(self) -> Section:
        """5.8: errors that nobody planned, and what each change did."""
        problems = self.found.problems
        made = self._judged(checks.issues(problems), next(iter(problems), ""), self.found.outcomes or None)
        caption = "How many times better each change made it, with its 95 % interval; grey ones show no difference"
        return Section(plots=(Plot(figures.effects(self.found.trials.values()), caption),), checks=made)

    @section("documents", "5.7", "5.8")
    def documents(self) -> Section:
        """5.8: both documents, and the facts for later phases."""
        made = documents.documents(self.found)
        written = checks_of({"LOAD-DOC-001": incomplete(made)}, self.settings)
        return Section(documents=made, checks=written, facts=documents.facts(self.found))

    # ------------------------------------------------------------------------------------------------------- measuring

    def _measure(self, name: str, call: Callable[[], T]) -> T | None:
        """`call()`, or None with the reason kept in `problems`. Raises UnreachableError: no MongoDB."""
        return trials.attempt(self.place, self.found.problems, name, call)

    def _take(self, name: str, call: Callable[[], T], tells: Mapping[str, Tell[T]]) -> Judged[T]:
        """`_measure`, judged; a missed time is measured once more (see `canary`)."""
        taken = take(self.place, self.found.problems, name, call, partial(self._judged, tells, name))
        self._keep(taken.checks)
        return taken

    def _judged(self, tells: Mapping[str, Tell[T]], name: str, found: T | Unmeasured | None) -> tuple[Check, ...]:
        """A check for each of `tells`; where nothing was found, with the reason that the measurement `name` left."""
        reason = why_not(self.place, self.found.problems, name) if found is None else found
        made = checks_of(of_each(tells, reason), self.settings)
        self._keep(made)
        return made

    def _keep(self, made: Iterable[Check]) -> None:
        self.found.checks |= {check.id: check for check in made}

    def _untried(self, name: str) -> Unmeasured:
        """Why a trial left nothing: it failed, it was refused, or Redis is away."""
        if name not in self.found.problems:
            return Unmeasured(self.place.redis_problem, "make Redis reachable, then run phase 05 again")
        reason = why_not(self.place, self.found.problems, name)
        return reason if isinstance(reason, Unmeasured) else Unmeasured(write_errors.line(reason))
