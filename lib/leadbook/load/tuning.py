"""Before and after: one setting changed, both measured in interleaved rounds, the effect with its interval or none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from leadbook.bench.pools import first_burst
from leadbook.load.load import Loader
from leadbook.measure.inserts import insert_batches
from leadbook.measure.intervals import NEARLY_NOTHING, Difference, difference
from leadbook.measure.operations import Task
from leadbook.measure.rounds import interleaved
from leadbook.measure.session import BenchmarkSession, unwaited
from leadbook.schema import undo

MORE_WRITERS, DOCUMENTS, BATCH = 8, 1_000, 125
LOOKUPS = 1_000
BURST = 20


@dataclass(frozen=True, kw_only=True)
class SettingTrial:
    """One change. parameter: the profile's key, or a server's.  better: `higher` or `lower`.  effect: of the change.

    in_use: whether `after` is what the pipeline does already, so that `before` only shows what that is worth.
    """

    name: str
    parameter: str
    before: Any
    after: Any
    unit: str
    better: str
    effect: Difference
    in_use: bool = False

    @property
    def improved(self) -> bool:
        """A difference is shown, and it is one for the better."""
        return self.effect.shown and (self.effect.ratio.middle > 1) == (self.better == "higher")

    @property
    def measured(self) -> tuple[str, str]:
        """Before and after with their intervals, small values with three decimals."""
        sides = (self.effect.before, self.effect.after)
        before, after = (side.text(digits=0 if side.middle >= 100 else 1 if side.middle >= 1 else 3) for side in sides)
        return before, after

    @property
    def told(self) -> str:
        """The effect; where next to nothing is left of a number, both numbers: `19.3 → 0.019`."""
        before, after, ratio = self.effect.before.middle, self.effect.after.middle, self.effect.ratio.middle
        return f"{before:.3g} → {after:.2g}" if self.effect.shown and ratio < NEARLY_NOTHING else self.effect.text()


def _compared(
    place: BenchmarkSession, before: Callable[[], float], after: Callable[[], float], seed: int
) -> Difference:
    trials = {"before": before, "after": after}
    found = interleaved(trials, rounds=place.settings.bench_rounds, seed=seed, before=place.settle)
    return difference(found["before"], found["after"], seed=seed)


def writers(loader: Loader) -> SettingTrial:
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
    return SettingTrial(
        name="writers at once",
        parameter="writers",
        before=settings.writers,
        after=MORE_WRITERS,
        unit="documents/s",
        better="higher",
        effect=effect,
    )


def redis_lookups(place: BenchmarkSession) -> SettingTrial | None:
    """One GET a lead, against one MGET for a hundred; keys/s. None where Redis is away. Raises RefusedError."""
    place.begin()
    client = place.redis
    if client is None:
        return None
    keys = [f"leadbook_scratch:tuning:{number}" for number in range(LOOKUPS)]

    def rate(ask: Callable[[], object]) -> float:
        started = time.perf_counter()
        ask()
        return LOOKUPS / (time.perf_counter() - started)

    def singles() -> None:
        for key in keys:
            client.get(key)

    def batches() -> None:
        for at in range(0, LOOKUPS, 100):
            client.mget(keys[at : at + 100])

    return SettingTrial(
        name="Redis look-ups: GET each, MGET for 100",
        parameter="look-up",
        before="GET",
        after="MGET 100",
        unit="keys/s",
        better="higher",
        effect=_compared(place, partial(rate, singles), partial(rate, batches), seed=12),
        in_use=True,
    )


def pool(place: BenchmarkSession) -> SettingTrial:
    """The slowest check-out of a first burst of 20 threads: the pool filled as the profile says, or for all; ms."""
    settings = place.settings
    before, after = settings.min_pool_size, max(BURST, settings.min_pool_size)
    with place.scratch("burst", documents=10) as collection:
        found = first_burst(
            place, collection, threads=BURST, filled=(min(before, BURST), after), rounds=settings.bench_rounds
        )
    return SettingTrial(
        name="connections open before a burst of 20",
        parameter="min_pool_size",
        before=before,
        after=after,
        unit="ms, slowest check-out",
        better="lower",
        effect=difference(*found, seed=13),
    )


def cache(place: BenchmarkSession) -> SettingTrial | None:
    """The WiredTiger cache as it is, against twice as large; documents/s. It is set back at the end.

    None on production and on servers of others, where nobody changes a server's cache for a trial.
    """
    if not place.on_own_servers:
        return None
    status = place.admin.admin.command("serverStatus")
    size = int(status["wiredTiger"]["cache"]["maximum bytes configured"])
    with place.scratch("cache") as collection:

        def rate(limit: int) -> float:
            undo.set_cache(place.admin, limit, member)
            documents = place.documents(place.settings.bench_documents // 2)
            return insert_batches(unwaited(collection), documents, 1_000).rate

        with place.undo.changed("cache", {"bytes": size}, place.admin) as member:
            effect = _compared(place, partial(rate, size), partial(rate, 2 * size), seed=14)
    return SettingTrial(
        name="WiredTiger cache",
        parameter="storage.wiredTiger.engineConfig.cacheSizeGB",
        before=round(size / 2**30, 2),
        after=round(2 * size / 2**30, 2),
        unit="documents/s",
        better="higher",
        effect=effect,
    )
