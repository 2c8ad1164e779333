"""A simulated sprint: quiet hours with the noise of real servers, and a symptom for each rule."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from leadbook.phases.live.judge import Judge
from leadbook.watch.history import History
from leadbook.watch.records import Event, LiveSnapshot

BEGIN = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
INTERVAL_S = 30.0
WORKFLOWS = [f"apollo-{n}" for n in range(1, 6)] + [f"brightdata-{n}" for n in range(1, 6)]


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """What a fault does to a snapshot. within: intervals until its rule must have told it.  lasts: how long it lasts.
    over: quiet intervals until it must be over.  ramp: quiet intervals before it."""

    readings: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[tuple[str, str], ...] = ()
    seconds: float | None = None
    away: str = ""
    within: int = 2
    lasts: int = 8
    over: int = 12
    ramp: int = 60
    freezes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


class Sprint:
    """Ten collectors, a follower and three servers, 30 s a snapshot; a busy day, and nothing is wrong."""

    def __init__(self, seed: int = 1, leads_per_hour: float = 1_000.0) -> None:
        self.random = np.random.default_rng(seed)
        self.page_s = 3600 * 15 * 0.72 * len(WORKFLOWS) / leads_per_hour
        self.due = self.random.uniform(0, self.page_s, len(WORKFLOWS))
        self.number = 0
        self.totals = dict.fromkeys(("staged", "leads", "stored", "filled", "duplicates", "rejected"), 0.0)
        self.waiting = 0.0
        self.keys = 0.0

    def snapshots(self, count: int) -> Iterator[LiveSnapshot]:
        for _ in range(count):
            yield self.next()

    def next(self, symptom: Symptom | None = None) -> LiveSnapshot:
        self.number += 1
        before = dict(self.totals)
        readings = {**self._flow(), **self._servers()}
        readings |= {f"sprint.{name}": value for name, value in self.totals.items()}
        if self.number > 1:
            readings |= {
                f"sprint.{name}_per_s": (self.totals[name] - before[name]) / INTERVAL_S
                for name in ("staged", "leads", "duplicates", "rejected")
            }
            ended = sum(self.totals[name] - before[name] for name in ("stored", "filled", "duplicates", "rejected"))
            readings["sprint.ended_per_s"] = ended / INTERVAL_S
        made = LiveSnapshot(
            at=BEGIN + timedelta(seconds=INTERVAL_S * self.number), number=self.number, watch="w",
            interval_s=INTERVAL_S, readings=readings, details={"collectors": self._collectors(), "slow": []},
        )  # fmt: skip
        return made if symptom is None else afflicted(made, symptom)

    def _flow(self) -> dict[str, float]:
        random = self.random
        pages, now = 0, self.number * INTERVAL_S
        for n in np.flatnonzero(self.due <= now):
            self.due[n], pages = now + self.page_s * random.uniform(0.6, 1.4), pages + 1
        staged = float(random.integers(5, 26, pages).sum()) if pages else 0.0
        self.totals["staged"] += staged
        take = self.waiting + staged
        self.waiting = float(random.integers(0, 20)) if take > 20 else 0.0
        ended = int(take - self.waiting)
        known = 0.10 + 0.15 * min(1.0, self.totals["leads"] / 20_000)
        kinds = random.multinomial(ended, [known, 0.05, 0.04, 1 - known - 0.09])
        for name, count in zip(("duplicates", "filled", "rejected", "stored"), kinds, strict=True):
            self.totals[name] += float(count)
        self.totals["leads"] = self.totals["stored"]
        self.keys = 1.3 * self.totals["leads"]
        return {
            "sprint.waiting": self.waiting, "sprint.claimed": 0.0, "sprint.expired": 0.0, "sprint.poison": 0.0,
            "sprint.oldest_s": float(random.uniform(1, 40)) if self.waiting else 0.0,
            "sprint.collectors_silent": 0.0, "sprint.spent_usd": 3.0, "sprint.budget_usd": 25.0,
            "redis.hit_percent": float(100 * np.clip(known + random.normal(0, 0.08) + 0.1, 0, 1)),
            "redis.keys": self.keys, "ingest.followers": 1.0, "ingest.beat_age_s": float(random.uniform(0, 62)),
            "ingest.documents_per_s": float(random.lognormal(6.5, 0.5)), "ingest.batch_size": 500.0,
            "ingest.writers": 2.0, "ingest.pool_in_use": float(random.integers(0, 3)), "ingest.pool_maximum": 100.0,
            "ingest.pool_wait_ms": float(random.lognormal(-1, 1)), "ingest.pool_waiting": 0.0,
        }  # fmt: skip

    def _servers(self) -> dict[str, float]:
        random = self.random
        spike = random.random() < 0.01
        connections = 60 + 5 * float(random.integers(0, 4))
        return {
            "probe.redis_ms": float(random.lognormal(-0.7, 0.5)) * (30 if spike else 1),
            "probe.mongodb_ms": float(random.lognormal(0.5, 0.5)) * (30 if spike else 1),
            "probe.canary_ms": 10.0, "probe.canary_waited": 0.6 if spike else float(random.uniform(0, 0.15)),
            "mongodb.cache_dirty_percent": float(random.uniform(0, 3)),
            "mongodb.cache_used_percent": min(30.0, 5 + self.number * 0.02), "mongodb.application_evictions_per_s": 0.0,
            "mongodb.tickets_waiting": 1.0 if spike else 0.0, "mongodb.lock_queue": float(random.random() < 0.02),
            "mongodb.page_faults_per_s": float(random.exponential(1)), "mongodb.connections_current": connections,
            "mongodb.connections_active": 6.0, "mongodb.connections_limit": 1500.0,
            "mongodb.connections_used_percent": 100 * connections / 1500, "mongodb.connections_rejected_per_s": 0.0,
            "mongodb.connections_created_per_s": float(random.exponential(0.2)), "mongodb.inserts_per_s": 1.0,
            "mongodb.read_ms": float(random.lognormal(-0.5, 0.7)),
            "mongodb.write_ms": float(random.lognormal(1.5, 0.7)),
            "mongodb.targeting": float(random.uniform(1, 3)), "mongodb.flow_control_lagged": 0.0,
            "mongodb.cpu_cores": 0.4, "mongodb.slow": float(random.poisson(0.3)), "mongodb.slow_scans": 0.0,
            "mongodb.longest_running_s": float(random.exponential(0.5)), "mongodb.members_down": 0.0,
            "mongodb.losing": 0.0,
            "mongodb.lag_s": float(random.integers(0, 3)), "mongodb.elections": 0.0, "mongodb.oplog_window_h": 3.0,
            "mongodb.oplog_full_percent": 20.0, "mongodb.disk_used_percent": 62.0, "mongodb.data_bytes": 5e7,
            "redis.memory_percent": 22.0, "redis.evicted_per_s": 0.0, "redis.rejected_per_s": 0.0,
            "redis.oom_errors_per_s": 0.0, "redis.slow": float(random.random() < 0.01), "redis.connected_clients": 30.0,
            "host.cpu_percent": float(random.uniform(10, 60)), "host.memory_percent": 55.0, "backup.age_h": 5.0,
        }  # fmt: skip

    def _collectors(self) -> list[dict[str, Any]]:
        share = self.totals["staged"] / len(WORKFLOWS)
        return [{"workflow": name, "vendor": name.split("-")[0], "staged": share, "in_hour": 100, "waiting": 0,
                 "last_s": 20.0, "silent": False} for name in WORKFLOWS]  # fmt: skip


def afflicted(quiet: LiveSnapshot, symptom: Symptom, frozen: Mapping[str, float] | None = None) -> LiveSnapshot:
    """A quiet snapshot with a symptom."""
    gone = f"{symptom.away}." if symptom.away else "-"
    readings = {name: value for name, value in quiet.readings.items() if not name.startswith(gone)}
    events = tuple(
        Event(at=quiet.at, kind=kind, source=source, seconds=symptom.seconds) for kind, source in symptom.events
    )
    why = {symptom.away: "it does not answer"} if symptom.away else {}
    return replace(
        quiet, readings={**readings, **symptom.readings, **(frozen or {})}, unmeasured=why, events=events,
        details={**quiet.details, **symptom.details},
    )  # fmt: skip


def silent(*names: str) -> dict[str, Any]:
    rows = Sprint()._collectors()
    return {
        "collectors": [row | {"silent": True, "last_s": 900.0} if row["workflow"] in names else row for row in rows]
    }


def play(judge: Judge, history: History, snapshots: Iterator[LiveSnapshot]) -> set[str]:
    """Judge them in turn; the keys of all findings that were told."""
    seen = set()
    for snapshot in snapshots:
        history.add(snapshot)
        seen |= {finding.key for finding in judge.take(snapshot, history)}
    return seen


SCAN = {"collection": "performance_marketers", "operation": "find", "plan": "COLLSCAN", "fields": ["company_size"],
        "count": 2, "ms": 240, "index": "{ company_size: 1 }"}  # fmt: skip
BACKLOG = {"sprint.waiting": 4_000.0, "sprint.oldest_s": 500.0}
SYMPTOMS: dict[str, Symptom] = {
    "LIVE-COL-001": Symptom(details=silent("apollo-2"), within=1),
    "LIVE-COL-002": Symptom(freezes=("sprint.staged",), within=21, lasts=24),
    "LIVE-RATE-001": Symptom(readings={"sprint.leads_per_s": 0.05}, ramp=120, within=60, lasts=80, over=130),
    "LIVE-RATE-002": Symptom(
        readings={**BACKLOG, "ingest.documents_per_s": 300.0, "ingest.documents_per_insert": 500.0}, within=3
    ),
    "LIVE-STG-001": Symptom(readings={"sprint.oldest_s": 900.0, "sprint.waiting": 50.0}),
    "LIVE-STG-002": Symptom(readings={**BACKLOG, "sprint.staged_per_s": 2.0, "sprint.ended_per_s": 0.1}),
    "LIVE-STG-003": Symptom(readings={"sprint.poison": 1.0}, within=1),
    "LIVE-STG-004": Symptom(readings={"sprint.expired": 12.0}),
    "LIVE-ING-001": Symptom(readings={"ingest.followers": 0.0, "sprint.waiting": 300.0}),
    "LIVE-ING-002": Symptom(readings={"ingest.beat_age_s": 400.0, "sprint.waiting": 300.0}),
    "LIVE-ING-003": Symptom(
        readings={"sprint.ended_per_s": 0.0, "sprint.waiting": 40.0, "sprint.oldest_s": 150.0}, within=2
    ),
    "LIVE-POOL-001": Symptom(readings={"ingest.pool_wait_ms": 400.0}),
    "LIVE-POOL-002": Symptom(readings={"ingest.pool_waiting": 6.0, "ingest.pool_in_use": 100.0}),
    "LIVE-DUP-001": Symptom(readings={"probe.redis_ms": 300.0, "probe.canary_waited": 0.0}),
    "LIVE-DUP-002": Symptom(readings={"probe.mongodb_ms": 300.0, "probe.canary_waited": 0.0}),
    "LIVE-DUP-003": Symptom(readings={"sprint.duplicates_per_s": 7.5, "sprint.ended_per_s": 8.0}, within=1, over=20),
    "LIVE-REJ-001": Symptom(readings={"sprint.rejected_per_s": 5.0, "sprint.ended_per_s": 8.0}, within=1, over=20),
    "LIVE-COST-001": Symptom(readings={"sprint.spent_usd": 21.0}, within=1),
    "LIVE-WATCH-001": Symptom(events=(("gap", "watch"),), seconds=900.0, within=1),
    "LIVE-WATCH-002": Symptom(away="sprint", within=3),
    "LIVE-MDB-001": Symptom(away="mongodb", events=(("away", "mongodb"),)),
    "LIVE-MDB-002": Symptom(events=(("restarted", "redis"),), within=1, lasts=1),
    "LIVE-REPL-001": Symptom(readings={"mongodb.lag_s": 300.0}),
    "LIVE-REPL-002": Symptom(events=(("elected", "mongodb"),), within=1, lasts=1),
    "LIVE-REPL-003": Symptom(readings={"mongodb.flow_control_lagged": 1.0}),
    "LIVE-MDB-003": Symptom(readings={"mongodb.losing": 1.0}, within=1),
    "LIVE-REPL-004": Symptom(readings={"mongodb.members_down": 1.0}),
    "LIVE-OPLOG-001": Symptom(readings={"mongodb.oplog_window_h": 6.0, "mongodb.oplog_full_percent": 99.0}),
    "LIVE-SCAN-001": Symptom(readings={"mongodb.slow_scans": 2.0}, details={"slow": [SCAN]}, within=1),
    "LIVE-SLOW-001": Symptom(readings={"mongodb.slow": 9.0, "probe.canary_waited": 0.0}, within=3),
    "LIVE-SLOW-002": Symptom(readings={"mongodb.targeting": 20_000.0}, within=3),
    "LIVE-SLOW-003": Symptom(readings={"mongodb.write_ms": 220.0, "probe.canary_waited": 0.0}, within=3),
    "LIVE-SLOW-004": Symptom(readings={"mongodb.read_ms": 90.0, "probe.canary_waited": 0.0}, within=3),
    "LIVE-OP-001": Symptom(readings={"mongodb.longest_running_s": 120.0}),
    "LIVE-CACHE-001": Symptom(readings={"mongodb.cache_dirty_percent": 8.0}),
    "LIVE-CACHE-002": Symptom(readings={"mongodb.cache_used_percent": 85.0}, within=3),
    "LIVE-CACHE-003": Symptom(readings={"mongodb.application_evictions_per_s": 40.0}, within=4),
    "LIVE-QUEUE-001": Symptom(readings={"mongodb.tickets_waiting": 5.0}, within=4),
    "LIVE-QUEUE-002": Symptom(readings={"mongodb.lock_queue": 5.0}, within=4),
    "LIVE-MEM-001": Symptom(readings={"mongodb.page_faults_per_s": 70.0}, within=3),
    "LIVE-CONN-001": Symptom(readings={"mongodb.connections_used_percent": 80.0}),
    "LIVE-CONN-002": Symptom(readings={"mongodb.connections_active": 1_200.0}),
    "LIVE-CONN-003": Symptom(readings={"mongodb.connections_rejected_per_s": 0.3}, within=1),
    "LIVE-CONN-004": Symptom(readings={"mongodb.connections_current": 160.0}),
    "LIVE-DISK-001": Symptom(readings={"mongodb.disk_used_percent": 91.0}),
    "LIVE-BKP-001": Symptom(readings={"backup.age_h": 30.0}, settings={"profile": "production"}),
    "LIVE-BKP-002": Symptom(away="backup", settings={"profile": "production"}),
    "LIVE-RDS-001": Symptom(away="redis", events=(("away", "redis"),)),
    "LIVE-RDS-002": Symptom(readings={"redis.memory_percent": 85.0}),
    "LIVE-RDS-003": Symptom(readings={"redis.evicted_per_s": 12.0}),
    "LIVE-RDS-004": Symptom(readings={"redis.oom_errors_per_s": 3.0}, within=1),
    "LIVE-RDS-005": Symptom(readings={"redis.rejected_per_s": 1.0}, within=1),
    "LIVE-RDS-006": Symptom(readings={"redis.keys": 0.0}),
    "LIVE-RDS-007": Symptom(readings={"redis.hit_percent": 0.0}, within=21, lasts=26, over=30),
    "LIVE-RDS-008": Symptom(readings={"redis.slow": 4.0, "probe.canary_waited": 0.0}, within=3),
    "LIVE-HOST-001": Symptom(readings={"host.cpu_percent": 97.0}, within=10, lasts=14, over=14,
                             settings={"profile": "production"}),
    "LIVE-HOST-002": Symptom(readings={"host.memory_percent": 90.0}, settings={"profile": "production"}),
    "LIVE-HOST-003": Symptom(readings={"probe.mongodb_ms": 300.0, "probe.canary_waited": 0.7}),
}  # fmt: skip
"""For each rule what its trouble looks like."""
