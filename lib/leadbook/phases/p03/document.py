"""The document "Performance benchmarks", and the facts that later phases read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from leadbook.bench import concerns as concerns_
from leadbook.bench import finds as finds_
from leadbook.bench import indexes as indexes_
from leadbook.bench import inserts as inserts_
from leadbook.bench import lookups as lookups_
from leadbook.bench import pools as pools_
from leadbook.bench import references as references_
from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.measure import disclosure as disclosure_
from leadbook.page.prose import frame_table, number, pipe_table

__all__ = ["Benchmarks"]

NOT_MEASURED = "Not measured; the verdicts above say why."


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """Everything that phase 03 measured; None for what could not be."""

    settings: Settings
    disclosed: disclosure_.Disclosure
    inserted: inserts_.Inserts | None
    concerns: concerns_.Concerns | None
    lookups: lookups_.LookupTimes | None
    finds: tuple[finds_.Find, ...] | None
    pools: tuple[pools_.Pool, ...] | None
    prices: indexes_.Prices | None
    references: references_.References | None

    def leave(self, phase: Any) -> None:
        """Record every fact with an opened phase."""
        for name, value in self.facts().items():
            phase.fact(name, value)

    def facts(self) -> dict[str, Any]:
        """Numbers for later phases: rates in documents/s (insert_rate: lower end of the interval), times in ms."""
        return {
            "environment": {name: self.disclosed[name] for name in disclosure_.LIKE},
            **self._insert_facts(),
            **self._read_facts(),
            **self._pool_facts(),
            **self._price_facts(),
        }

    def _insert_facts(self) -> dict[str, Any]:
        if self.inserted is None:
            return {}
        best = self.inserted.best
        return {
            "insert_rate": best.rate.low,
            "insert_rate_mean": best.rate.middle,
            "best_batch_size": best.batch,
            "single_insert_p99_ms": self.inserted.get(1).latencies.summary().judged[1],
            "canary_seconds": self.inserted.canary.seconds,
            "rates_by_round": {one.name: one.rates for one in self.inserted.series},
            "inserts": inserts_.table(self.inserted).to_dict("records"),
        }

    def _read_facts(self) -> dict[str, Any]:
        operations = self.lookups.operations if self.lookups else {}
        told = {name: one.latencies.summary().judged[1] for name, one in operations.items()}
        return {
            "duplicate_check_redis_p99_ms": told.get("Redis GET"),
            "duplicate_check_mongodb_p99_ms": told.get("MongoDB find"),
            "find_worst_ms": max((one.latencies.worst_ms or 0 for one in self.finds or () if one.plan), default=None),
            "histograms": {name: one.latencies.encoded() for name, one in operations.items()},
            "lookups": lookups_.table(self.lookups).to_dict("records"),
        }

    def _pool_facts(self) -> dict[str, Any]:
        warm = [pool for pool in self.pools or () if (pool.service, pool.state) == ("MongoDB", "warm")]
        told = {pool.threads: pool.checkouts.summary().judged[1] for pool in warm}
        limit = self.settings.target_mongodb_checkout_ms
        client_bound = {pool.threads for pool in warm if pool.never_queued and (told[pool.threads] or 0) >= limit}
        worst = [value for threads, value in told.items() if value is not None and threads not in client_bound]
        return {"checkout_p99_ms": max(worst, default=None), "pools": pools_.table(self.pools).to_dict("records")}

    def _price_facts(self) -> dict[str, Any]:
        prices = self.concerns.prices if self.concerns else ()
        return {
            "rates_by_concern": {one.concern.name: list(one.readable) for one in prices},
            "hidden_indexes": [
                {"index": one.index, "covered_by": one.covered_by, "query": one.query, "effect": one.effect.text()}
                for one in (self.prices.hidden if self.prices else ())
            ],
            "index_prices": indexes_.bars(self.prices).to_dict("records"),
        }

    def document(self, checks: Iterable[Check], earlier: Iterable[Check] = ()) -> str:
        """Markdown with the sections of steps 1.1.4.5 and 1.4.1.9. earlier: checks of phases 01 and 02 of this run."""
        earlier = list(earlier)
        parts = [
            "# Performance benchmarks",
            "Every figure was measured in this run on scratch collections with the leads' validator and indexes, after "
            f"a warm-up, in {self.settings.bench_rounds} interleaved rounds; what was written was counted afterwards. "
            "Intervals are 95 % bootstrap intervals over rounds. Two results whose intervals overlap are reported as "
            "*no difference shown*. A p99 is told from 1,000 calls on; below that the slowest call stands for it.",
            "## What was measured on\n\n" + frame_table(disclosure_.table(self.disclosed)),
            "## Verdicts\n\n" + _verdicts(checks),
            "## 1 Bulk insert performance\n\n" + self._inserts(),
            "## 2 Query performance\n\n" + self._queries(),
            "## 3 Connection pool performance\n\n" + self._pools(),
            "## 4 Index usage and the price of each index\n\n" + self._indexes(),
            "## 5 Beside independent figures\n\n" + frame_table(references_.table(self.references)),
            "## 6 Connectivity (phase 01)\n\n" + _verdicts(one for one in earlier if one.phase == "01"),
            "## 7 Error handling (phase 02)\n\n" + _verdicts(one for one in earlier if one.phase == "02"),
        ]
        return "\n\n".join(parts) + "\n"

    def _inserts(self) -> str:
        if self.inserted is None:
            return NOT_MEASURED
        best, size = self.inserted.best, self.settings.batch_size
        proposed = self.inserted.recommended(size)
        why = "shown to be better" if proposed != size else "as it is: no better size is shown"
        single = self.inserted.get(1).latencies.summary()
        return "\n\n".join([
            f"Highest mean: **{best.name}**, {best.rate.text('documents/s')} (target "
            f"{self.settings.target_insert_rate:,.0f}). One insert: median {number(single.p50_ms, 'ms')}, "
            f"p99 {number(single.p99_ms, 'ms')}. Recommended setting: `batch_size: {proposed}` ({why}), unordered "
            "(n8n's MongoDB node inserts ordered only; it writes to the staging collection, see phase 04).",
            frame_table(inserts_.table(self.inserted)),
            "### Write concerns\n\nThe task book asks for `w: 1, j: false` and `w: 0`. Below is what each costs until "
            "its documents can be read, and what it hides of ten duplicates in a batch of 100. `w: 0` is never "
            "recommended for leads: it cannot tell a stored lead from a lost one.",
            frame_table(concerns_.prices(self.concerns)),
            frame_table(concerns_.losses(self.concerns)),
        ])  # fmt: skip

    def _queries(self) -> str:
        planned = [find for find in self.finds or () if find.plan]
        indexed = sum("COLLSCAN" not in (find.plan or {})["stages"] for find in planned)
        stored = f"{self.lookups.stored:,}" if self.lookups else "an unknown number of"
        share = 100 * indexed / len(planned) if planned else None
        return "\n\n".join([
            "### Duplicate checks\n\nRedis first; a miss, an error or no Redis means *unknown*, and MongoDB's unique "
            f"index decides: `db.{self.settings.collection}.find({{linkedin_url: url}}, {{_id: 1}}).limit(1)`. A key "
            "is written only after the insert was acknowledged.",
            frame_table(lookups_.table(self.lookups)),
            f"### Finds and counts\n\nOf {len(planned)} filters {number(share, '%')} were answered by an index, "
            f"among {stored} leads.",
            frame_table(finds_.table(self.finds)),
        ])  # fmt: skip

    def _pools(self) -> str:
        if self.pools is None:
            return NOT_MEASURED
        busiest = max((pool.threads for pool in self.pools if pool.service == "MongoDB"), default=0)
        size = self.settings.max_pool_size
        return "\n\n".join([
            f"Tested with up to {busiest} threads; maxPoolSize {size} (utilisation {number(100 * busiest / size, '%')} "
            "at the busiest). Cold pools open a TLS connection a thread, warm ones reuse theirs, saturated ones have a "
            "fifth as many connections as threads. The warm state is judged: it is the state of all but the start.",
            frame_table(pools_.table(self.pools)),
        ])  # fmt: skip

    def _indexes(self) -> str:
        if self.prices is None:
            return NOT_MEASURED
        return "\n\n".join([
            "Insert cost of each index alone and of all, against none. An index is hidden and its query timed before "
            f"anyone thinks of dropping it: `db.{self.settings.collection}.hideIndex(name)`.",
            frame_table(indexes_.table(self.prices)),
            pipe_table(["hidden index", "query", "answered then by", "effect on the query"],
                       [[one.index, one.query, one.plan, one.effect.text()] for one in self.prices.hidden]),
        ])  # fmt: skip


def _verdicts(checks: Iterable[Check]) -> str:
    rows = [[one.id, one.title, str(one.verdict), one.measured, one.target] for one in checks]
    return pipe_table(["check", "what", "verdict", "measured", "target"], rows) if rows else "Not run in this run."
