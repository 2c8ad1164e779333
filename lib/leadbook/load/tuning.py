"""Before and after: one setting changed, both measured in interleaved rounds, the effect with its interval or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from pymongo import MongoClient

from leadbook.bench.pools import first_burst
from leadbook.core.checks import Check, judge, not_measured
from leadbook.core.settings import Settings
from leadbook.load.load import Loader, Mixed
from leadbook.measure.intervals import Difference, difference
from leadbook.measure.operations import Task
from leadbook.measure.rounds import interleaved
from leadbook.measure.session import BenchmarkSession, insert_all
from leadbook.measure.trials import Problems, problem
from leadbook.schema import undo

__all__ = ["COLUMNS", "Trial", "cache", "checks", "pool", "redis_lookups", "table", "writers"]

MORE_WRITERS, DOCUMENTS, BATCH = 8, 1_000, 125
LOOKUPS = 1_000
BURST = 20


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One change. parameter: the profile's key, or a server's.  better: `higher` or `lower`.  effect: of the change."""

    name: str
    parameter: str
    before: Any
    after: Any
    unit: str
    better: str
    effect: Difference

    @property
    def improved(self) -> bool:
        """A difference is shown, and it is one for the better."""
        return self.effect.shown and (self.effect.ratio.middle > 1) == (self.better == "higher")

    @property
    def measured(self) -> tuple[str, str]:
        """Before and after with their intervals."""
        sides = (self.effect.before, self.effect.after)
        before, after = (side.text(digits=0 if side.middle >= 100 else 1) for side in sides)
        return before, after


def _compared(
    place: BenchmarkSession, before: Callable[[], float], after: Callable[[], float], seed: int
) -> Difference:
    trials = {"before": before, "after": after}
    found = interleaved(trials, rounds=place.settings.bench_rounds, seed=seed, before=place.settle)
    return difference(found["before"], found["after"], seed=seed)


def writers(loader: Loader) -> Trial:
    """As many writers as the profile says, against eight; documents/s."""
    place, settings = loader.place, loader.place.settings
    with place.scratch("writers") as collection:
        target = loader.target(collection)

        def rate(threads: int) -> float:
            task = Task(
                name="insert",
                kind="insert",
                threads=threads,
                size=BATCH,
                calls=DOCUMENTS // BATCH,
                first=place.reserve(DOCUMENTS),
            )
            return loader.run(target, [task])["insert"].rate

        effect = _compared(place, partial(rate, settings.writers), partial(rate, MORE_WRITERS), seed=11)
    return Trial(
        name="writers at once",
        parameter="writers",
        before=settings.writers,
        after=MORE_WRITERS,
        unit="documents/s",
        better="higher",
        effect=effect,
    )


def redis_lookups(place: BenchmarkSession) -> Trial | None:
    """One GET a lead, against one MGET for a hundred; keys/s. None where Redis is away."""
    client = place.redis
    if client is None:
        return None
    keys = [f"leadbook_scratch:tuning:{number}" for number in range(LOOKUPS)]

    def singles() -> float:
        started = time.perf_counter()
        for key in keys:
            client.get(key)
        return LOOKUPS / (time.perf_counter() - started)

    def batches() -> float:
        started = time.perf_counter()
        for at in range(0, LOOKUPS, 100):
            client.mget(keys[at : at + 100])
        return LOOKUPS / (time.perf_counter() - started)

    return Trial(
        name="Redis look-ups: GET each, MGET for 100",
        parameter="look-up",
        before="GET",
        after="MGET 100",
        unit="keys/s",
        better="higher",
        effect=_compared(place, singles, batches, seed=12),
    )


def pool(place: BenchmarkSession) -> Trial:
    """The slowest check-out of a first burst of 20 threads: the pool filled as the profile says, or for all; ms."""
    settings = place.settings
    before, after = settings.min_pool_size, max(BURST, settings.min_pool_size)
    with place.scratch("burst", documents=10) as collection:
        found = first_burst(
            place, collection, threads=BURST, filled=(min(before, BURST), after), rounds=settings.bench_rounds
        )
    return Trial(
        name="connections open before a burst of 20",
        parameter="min_pool_size",
        before=before,
        after=after,
        unit="ms, slowest check-out",
        better="lower",
        effect=difference(*found, seed=13),
    )


def cache(place: BenchmarkSession) -> Trial | None:
    """The WiredTiger cache as it is, against twice as large; documents/s. It is set back at the end.

    None on production and on servers of others, where nobody changes a server's cache for a trial.
    """
    if not place.on_own_servers:
        return None
    size = _cache_bytes(place.admin)
    with place.scratch("cache") as collection:

        def rate(limit: int) -> float:
            undo.set_cache(place.admin, limit, member)
            documents = place.documents(place.settings.bench_documents // 2)
            started = time.perf_counter()
            insert_all(collection, documents)
            return len(documents) / (time.perf_counter() - started)

        with place.undo.changed("cache", {"bytes": size}, place.admin) as member:
            effect = _compared(place, partial(rate, size), partial(rate, 2 * size), seed=14)
    return Trial(
        name="WiredTiger cache",
        parameter="storage.wiredTiger.engineConfig.cacheSizeGB",
        before=round(size / 2**30, 2),
        after=round(2 * size / 2**30, 2),
        unit="documents/s",
        better="higher",
        effect=effect,
    )


def _cache_bytes(admin: MongoClient[dict[str, Any]]) -> int:
    return int(admin.admin.command("serverStatus")["wiredTiger"]["cache"]["maximum bytes configured"])


COLUMNS = {
    "change": "what was changed, and nothing else",
    "before": "value before",
    "after": "value after",
    "unit": "what is measured",
    "before_measured": "mean over interleaved rounds with 95 % interval",
    "after_measured": "the same after the change",
    "effect": "after against before; overlapping intervals show no difference",
}


def table(trials: Sequence[Trial | None]) -> pd.DataFrame:
    """One row a change; columns as in `COLUMNS`."""
    return pd.DataFrame(
        [
            {
                "change": one.name,
                "before": str(one.before),
                "after": str(one.after),
                "unit": one.unit,
                "before_measured": one.measured[0],
                "after_measured": one.measured[1],
                "effect": one.effect.text(),
            }
            for one in trials
            if one is not None
        ],
        columns=list(COLUMNS),
    )


def checks(trials: dict[str, Trial | None], mixed: Mixed | None, problems: Problems, settings: Settings) -> list[Check]:
    """Steps 3.2.1.1 to 3.2.1.4: each optimisation measured before and after; an effect is not demanded, evidence is."""
    found = []
    for check_id, name in (("LOAD-TUN-001", "writers"), ("LOAD-TUN-002", "redis"), ("LOAD-TUN-003", "pool settings")):
        trial = trials.get(name)
        if trial is None:
            found.append(problem(check_id, {"redis": "Redis does not answer", **problems}, name, settings))
            continue
        found.append(judge(check_id, True, evidence=_evidence(trial)))
    return [*found, _cache_check(trials.get("cache"), mixed, problems, settings)]


def _evidence(trial: Trial) -> str:
    return f"{trial.parameter}: {trial.before} to {trial.after}: {trial.effect.text()} ({trial.unit})"


def _cache_check(trial: Trial | None, mixed: Mixed | None, problems: Problems, settings: Settings) -> Check:
    """Assessed by the readings under load, and by a trial where one is allowed; one that failed leaves it open."""
    if mixed is None:
        return not_measured(
            "LOAD-TUN-004",
            "no load was run",
            settings=settings,
            remedy=settings.how_to_approve("load_test"),
        )
    used, evicted = mixed.readings["cache_percent"].max(), mixed.readings["evicted_by_application"]
    if pd.isna(used):
        return not_measured("LOAD-TUN-004", "serverStatus does not tell the cache", settings=settings)
    pages = evicted.max() - evicted.min()
    told = 0 if pd.isna(pages) else pages
    text = f"cache {used:.0f} % used under load, {told:.0f} pages evicted by application threads"
    if trial is None and "cache" in problems:
        why = (str(problems["cache"]).splitlines() or [""])[0][:200]
        return not_measured("LOAD-TUN-004", f"{text}; the trial with a larger cache failed: {why}", settings=settings)
    tried = _evidence(trial) if trial else "no trial: the server is not a rehearsal server"
    return judge("LOAD-TUN-004", True, evidence=f"{text}; {tried}")
