"""A simulated sprint of eight hours as a series of snapshots: gap, restart, silent collector, findings, forecast."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from leadbook.core.settings import Settings
from leadbook.forecast.records import Forecast, Headroom, Milestone
from leadbook.phases.live.records import Finding, LiveView
from leadbook.phases.live.view import make_view
from leadbook.watch.history import History
from leadbook.watch.records import Event, LiveSnapshot

BEGIN = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
EVERY = timedelta(seconds=30)
SETTINGS = Settings()
TARGET = "lead_generation on atlas-7k2 (10.0.0.1:27017, 10.0.0.2:27017, 10.0.0.3:27017)"
WORKFLOWS = ("apollo-1", "apollo-2", "brightdata-1", "brightdata-2", "hunter-1", "linkedin-1", "linkedin-2",
             "phantom-1", "phantom-2", "webform-1")  # fmt: skip
HELD = (
    "mongodb.write_ms", "mongodb.read_ms", "mongodb.cache_used_percent", "mongodb.connections_current",
    "mongodb.disk_used_bytes", "mongodb.lag_s", "redis.hit_percent", "redis.keys", "redis.evicted_per_s",
    "ingest.beat_age_s", "ingest.batch_size", "ingest.writers", "ingest.pool_maximum", "host.memory_percent",
)  # fmt: skip


@dataclass
class MadeJudge:
    """What a judge found, as it is given, in a judge's order: the gravest first."""

    findings: list[Finding] = field(default_factory=list)
    over: list[Finding] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    verdict: str = "HEALTHY"


def series(count: int = 960, *, gap: tuple[int, int] = (300, 340), away: tuple[int, int] = (600, 612)) -> History:
    """`count` snapshots; none between the two of `gap`; MongoDB does not answer between the two of `away`."""
    rng, history, leads, waiting = np.random.default_rng(12), History(), 0.0, 60.0
    pace = 0.0
    for number in range(count):
        pace = 0.9 * pace + rng.normal(0, 0.05)
        gained = max(0.0, (13.5 / 960 * 960 / 1 + 3 * np.sin(number / 90)) * (1 + pace))
        leads += gained
        waiting = max(0.0, waiting + rng.normal(0, 12) + (2.5 if number > 850 else -0.02 * waiting))
        if gap[0] <= number < gap[1]:
            continue
        events = []
        if number == gap[1]:
            events.append(Event(at=BEGIN + number * EVERY, kind="gap", source="watch", seconds=1200.0))
        if number == away[0]:
            events.append(Event(at=BEGIN + number * EVERY, kind="away", source="mongodb"))
        if number == away[1]:
            events.append(Event(at=BEGIN + number * EVERY, kind="back", source="mongodb", seconds=360.0))
        if number == 760:
            events.append(Event(at=BEGIN + number * EVERY, kind="restarted", source="redis"))
        readings = _readings(rng, number, leads, gained, waiting)
        unmeasured = {"mongodb.oplog_window_h": "needs the right clusterMonitor"}
        if away[0] <= number < away[1]:
            readings = {name: value for name, value in readings.items() if not name.startswith(("mongodb", "sprint"))}
            unmeasured["mongodb"] = "does not answer"
        history.add(LiveSnapshot(
            at=BEGIN + number * EVERY, number=number, watch="made", interval_s=30.0, readings=readings,
            unmeasured=unmeasured, details=_details(number, leads), events=events, cost_ms={"mongodb": 12.0},
        ))  # fmt: skip
    return history


def _readings(rng: np.random.Generator, number: int, leads: float, gained: float, waiting: float) -> dict[str, float]:
    busy = 1 + 0.2 * np.sin(number / 70) + abs(rng.normal(0, 0.1))
    held = dict.fromkeys(HELD, 20.0 * busy)
    held["mongodb.read_ms"] = 4.0 * busy
    return held | {
        "sprint.staged": float(round(leads * 1.35 + waiting)), "sprint.leads": float(round(leads)),
        "sprint.leads_per_s": gained / 30, "sprint.waiting": float(round(waiting)), "sprint.oldest_s": waiting / 2,
        "sprint.duplicates": float(round(leads * 0.2)), "sprint.rejected": float(round(leads * 0.05)),
        "probe.mongodb_ms": 3.2 * busy + (45.0 if number > 920 else 0), "probe.redis_ms": 0.4 * busy,
        "mongodb.connections_used_percent": 31 * busy, "mongodb.cache_dirty_percent": 1.5 * busy,
        "mongodb.slow": float(number > 920), "mongodb.members_down": 0.0, "mongodb.disk_used_percent": 71.2,
        "mongodb.data_bytes": 48e6 + leads * 1500, "redis.memory_percent": 12.1, "ingest.followers": 1.0,
        "ingest.documents_per_s": 1840 * busy, "ingest.pool_in_use": 3.0, "ingest.pool_wait_ms": 0.8,
        "host.cpu_percent": 42 * busy, "probe.canary_ms": 5.1, "watch.cost_ms": 61.0, "watch.server_ms": 22.0,
    }  # fmt: skip


def _details(number: int, leads: float) -> dict[str, object]:
    return {"collectors": [
        {"workflow": name, "vendor": name.partition("-")[0], "staged": round(leads / 7.4), "in_hour": 220 + 9 * at,
         "waiting": at % 3, "last_s": 4.0 + at if name != "phantom-2" else 2760.0, "silent": name == "phantom-2"}
        for at, name in enumerate(WORKFLOWS)
    ]}  # fmt: skip


def findings(now: datetime) -> list[Finding]:
    """Three troubles: one critical, two that call for a look."""
    return [
        Finding(
            rule="LIVE-COL-001", title="a collector fell silent", level=1, subject="phantom-2", owner="n8n owner",
            since=now - timedelta(minutes=46), seen=now, cause="the workflow stopped, or its vendor refuses it",
            remedy="open the workflow phantom-2 in n8n, look at its last execution and start it again",
            evidence="46 min without a record while 9 others sent 2,214", value=2760, limit=300, unit="s",
        ),
        Finding(
            rule="LIVE-DISK-001", title="the disk of the database is nearly full", level=4, owner="Technical Lead",
            since=now - timedelta(minutes=3), seen=now, cause="dumps or logs beside the data, or the tier is too small",
            remedy="free space or enlarge the volume; `leadbook act profiler level=0` stops its writes",
            evidence="4.1 GB free, growing 1.2 GB an hour", value=96.1, limit=95, unit="%",
            reading="mongodb.disk_used_percent",
        ),
        Finding(
            rule="LIVE-SLOW-001", title="queries scan the whole collection", level=2, since=now - timedelta(minutes=18),
            seen=now, cause="no index answers them", evidence="34 scans, filter on company_size and country",
            remedy="run notebook 02, or `leadbook run --only 02 -p approve='apply_schema on lead_generation'`",
            notebook="02", reading="mongodb.slow_scans", value=34, limit=0, unit="operations",
        ),
    ]  # fmt: skip


def forecast(now: datetime, leads: int, rate: float = 1620.0) -> Forecast:
    """One that says when 20,000 come; 10,000 are reached. leads: so far."""
    left = max(0, 20_000 - leads) / rate
    return Forecast(
        at=now, leads=leads, rate=rate, low=rate * 0.87, high=rate * 1.12, deadline=BEGIN + timedelta(hours=14),
        milestones=(
            Milestone(leads=10_000, reached_at=BEGIN + timedelta(hours=5, minutes=52)) if leads >= 10_000 else
            Milestone(leads=10_000, early=now + timedelta(hours=0.5), at=now + timedelta(hours=1),
                      late=now + timedelta(hours=2), probability=0.999),
            Milestone(leads=20_000, early=now + timedelta(hours=left * 0.89), at=now + timedelta(hours=left),
                      late=now + timedelta(hours=left * 1.18), probability=0.93),
        ),
        headroom=(
            Headroom(name="disk", used=96.1e9, capacity=100e9, unit="bytes", per_h=1.2e9, early_h=2.1, hours=3.3,
                     late_h=5.2),
            Headroom(name="enrichment budget", used=14.2, capacity=25, unit="USD", per_h=1.1, early_h=8, hours=9.8,
                     late_h=13),
            Headroom(name="connections", used=310, capacity=1000, unit="connections", per_h=2),
            Headroom(name="Atlas tier", unmeasured="the tier is not known to the servers"),
        ),
    )  # fmt: skip


ACTIONS = (
    {"at": (BEGIN + timedelta(hours=4)).isoformat(), "action": "batch_size", "before": {"batch_size": 200},
     "after": {"batch_size": 500}, "who": "dba", "effect": "inserts +22 % (80 %: 14 to 31)"},
)  # fmt: skip
ALERTS = (
    {"kind": "alert", "key": "LIVE-DISK-001", "title": "the disk of the database is nearly full", "level": 4,
     "state": "told to 1 of 2, not answered", "at": (BEGIN + timedelta(hours=7, minutes=57)).isoformat()},
    {"kind": "undeliverable", "channel": "slack 1", "level": 4, "state": "answered 500", "tries": 3,
     "title": "not delivered by slack 1: answered 500, tried 3 times, again at 16:04",
     "at": (BEGIN + timedelta(hours=7, minutes=57)).isoformat()},
    {"kind": "note", "title": "level 2 has no address: level 1 is told", "state": ""},
)  # fmt: skip


def made_view(judge: MadeJudge | None = None, history: History | None = None, **changes: object) -> LiveView:
    """A view of such a series: CRITICAL with three findings, unless a judge is given. changes: of the view."""
    history = history or series()
    last = history.last
    assert last is not None
    now = last.at
    gravest_first = sorted(findings(now), key=lambda found: -found.level)
    troubled = MadeJudge(
        gravest_first, [ended(now)], {"LIVE-OPLOG-001": "needs the right clusterMonitor"}, "CRITICAL"
    )  # fmt: skip
    view = make_view(
        SETTINGS, history, judge or troubled, forecast(now, round(last.readings.get("sprint.leads", 0))),
        target=TARGET, whose="MADE-UP DATA", actions=ACTIONS, alerts=ALERTS,
    )  # fmt: skip
    return view if not changes else type(view)(**{**view.__dict__, **changes})


def ended(now: datetime) -> Finding:
    """A trouble that is over."""
    return Finding(
        rule="LIVE-AWAY-001", title="MongoDB does not answer", level=4, since=BEGIN + timedelta(hours=5),
        seen=BEGIN + timedelta(hours=5, minutes=6), until=BEGIN + timedelta(hours=5, minutes=6), cause="an election",
        remedy="wait for the new primary", evidence="12 readings in a row",
    )  # fmt: skip
