"""A view in words: what terminal, page and Lab say alike. Plain text, nothing escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadbook.alerts.records import LEVELS
from leadbook.forecast.records import Forecast, Headroom, Milestone
from leadbook.page.prose import with_profile
from leadbook.phases.live import evidence
from leadbook.phases.live.records import Finding, LiveView
from leadbook.phases.live.view import latest
from leadbook.watch.moments import duration as duration
from leadbook.watch.names import READINGS

GOOD, ATTENTION, CRITICAL, UNKNOWN = "good", "attention", "critical", "not measurable"
"""How a part of the sprint stands."""
WORST = max(LEVELS)

PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "MongoDB": (
        ("duplicate check", "probe.mongodb_ms"), ("write", "mongodb.write_ms"), ("read", "mongodb.read_ms"),
        ("connections", "mongodb.connections_used_percent"), ("dirty cache", "mongodb.cache_dirty_percent"),
        ("slow operations", "mongodb.slow"), ("members down", "mongodb.members_down"), ("lag", "mongodb.lag_s"),
        ("oplog", "mongodb.oplog_window_h"),
    ),
    "Redis": (
        ("duplicate check", "probe.redis_ms"), ("memory", "redis.memory_percent"), ("hits", "redis.hit_percent"),
        ("evicted", "redis.evicted_per_s"), ("keys", "redis.keys"),
    ),
    "Ingester": (
        ("followers", "ingest.followers"), ("last sign", "ingest.beat_age_s"), ("inserts", "ingest.documents_per_s"),
        ("batch", "ingest.batch_size"), ("writers", "ingest.writers"), ("pool in use", "ingest.pool_in_use"),
        ("pool wait", "ingest.pool_wait_ms"),
    ),
    "Host": (
        ("CPU", "host.cpu_percent"), ("memory", "host.memory_percent"), ("canary", "probe.canary_ms"),
    ),
    "Disk": (
        ("used", "mongodb.disk_used_percent"), ("leads' database", "mongodb.data_bytes"),
        ("newest backup", "backup.age_h"),
    ),
}  # fmt: skip
"""Parts of the health strip: what each shows, and by which reading."""

_OF_READING = (
    ("mongodb.disk", "Disk"), ("mongodb.data", "Disk"), ("backup.", "Disk"), ("mongodb.", "MongoDB"),
    ("probe.mongodb", "MongoDB"), ("redis.", "Redis"), ("probe.redis", "Redis"), ("ingest.", "Ingester"),
    ("host.", "Host"), ("probe.canary", "Host"), ("sprint.", "Ingester"),
)  # fmt: skip
_OF_WORDS = (
    ("Disk", ("disk", "backup")), ("Redis", ("redis",)),
    ("Ingester", ("ingest", "follower", "pool", "claim", "poison")),
    ("Host", ("host", "cpu")), ("MongoDB", ("mongo", "oplog", "index", "scan", "lag", "primary", "member", "cache")),
)  # fmt: skip
_BY_SIZE = ("disk", "memory", "connections", "Atlas")
"""First words of the limits (`forecast.headroom`) that another tier or disk moves."""
_SHORT = {"s": "s", "ms": "ms", "us": "µs", "h": "h", "%": "%", "share": "", "0 or 1": ""}


# ---------------------------------------------------------------------------------------------------------- numbers


def moment(at: datetime, now: datetime) -> str:
    """`14:05`, of another day `2 Dec 14:05`; in the zone of `at`, which is UTC."""
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at.day} {at:%b %H:%M}"


def amount(value: float | None, unit: str = "") -> str:
    """A number with its unit, as in evidence: `1,234 ms`, `12.3 %`, `1.4 GB`; None is `not measurable`."""
    return UNKNOWN if value is None else evidence.amount(value, _SHORT.get(unit, unit))


def reading(view: LiveView, name: str) -> str:
    """What was last read of `name`, with its unit where it is not a plain count."""
    value, unit = latest(view, name), READINGS[name][0]
    counted = "/" not in unit and unit not in (*_SHORT, "bytes", "USD")
    return amount(value, "" if counted else unit)


# ------------------------------------------------------------------------------------------------------------ health


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the health strip. state: good, attention, critical or not measurable.  why: of a state that is not
    good.  facts: label and value."""

    name: str
    state: str
    why: str
    facts: Sequence[tuple[str, str]]


def part_of(finding: Finding) -> str:
    """Which part of PARTS a finding belongs to; empty where to none: by its reading, else by the words of its title."""
    for begin, name in _OF_READING:
        if finding.reading and finding.reading.startswith(begin):
            return "" if "collectors" in finding.reading else name
    words = f"{finding.rule} {finding.title}".lower()
    return next((name for name, known in _OF_WORDS if any(word in words for word in known)), "")


def health(view: LiveView) -> list[Part]:
    """How each part stands, by the findings; a part of which less than half was read is never good."""
    found = []
    for name, readings in PARTS.items():
        troubles = [one for one in view.findings if part_of(one) == name]
        read = [one for _, one in readings if latest(view, one) is not None]
        facts = [(label, reading(view, one)) for label, one in readings]
        reasons = [view.snapshot.why(one) for _, one in readings]
        if troubles:
            state = CRITICAL if any(one.level >= WORST for one in troubles) else ATTENTION
            why = "; ".join(headline(one) for one in troubles[:2])
        elif 2 * len(read) < len(readings):
            state, why = UNKNOWN, next(filter(None, reasons), "nothing was read")
        else:
            lacking = len(readings) - len(read)
            state, why = GOOD, f"{lacking} of {len(readings)} readings not measurable" if lacking else ""
        found.append(Part(name=name, state=state, why=why, facts=facts))
    return found


def headline(finding: Finding) -> str:
    """A finding's title, with its subject where it has one."""
    return f"{finding.title}: {finding.subject}" if finding.subject else finding.title


# ---------------------------------------------------------------------------------------------------------- progress


def leads(view: LiveView) -> int:
    """Leads stored, by the last snapshot, else by the forecast."""
    counted = latest(view, "sprint.leads")
    return view.forecast.leads if counted is None else round(counted)


def share(view: LiveView) -> float:
    """Part of the leads wanted that is stored, %, 100 at most."""
    return min(100.0, 100 * leads(view) / view.wanted) if view.wanted else 100.0


def rate(forecast: Forecast) -> str:
    """Leads an hour, now, with its interval."""
    if forecast.rate is None:
        return f"rate unknown: {forecast.unmeasured}" if forecast.unmeasured else "rate unknown"
    known = forecast.low is not None and forecast.high is not None
    interval = f" (80 %: {forecast.low:,.0f} to {forecast.high:,.0f})" if known else ""
    return f"{forecast.rate:,.0f} leads/hour{interval}"


def milestone(one: Milestone, forecast: Forecast) -> str:
    """When a milestone comes, or came, and how likely the deadline is."""
    name, now = f"{one.leads:,}", forecast.at
    if one.reached_at is not None:
        return f"{name} reached at {moment(one.reached_at, now)}"
    likely = ""
    if one.probability is not None and forecast.deadline is not None:
        likely = f"; {_percent(one.probability)} likely by the deadline, {moment(forecast.deadline, now)}"
    if one.at is None:
        earliest = f", at the earliest {moment(one.early, now)}" if one.early else ""
        told = "no forecast yet" if forecast.unmeasured else "does not come at this pace"
        return f"{name}: {told}{earliest}{likely}"
    late = moment(one.late, now) if one.late else "not in sight"
    span = f" (80 %: {moment(one.early, now)} to {late})" if one.early else ""
    return f"{name} about {moment(one.at, now)}{span}{likely}"


def _percent(probability: float) -> str:
    if 0.01 <= probability <= 0.99:
        return f"{100 * probability:.0f} %"
    return "under 1 %" if probability < 0.5 else "over 99 %"


def accuracy(forecast: Forecast) -> str:
    """How often such an 80 % interval held where it could be tried; empty where that is not known."""
    known = forecast.accuracy
    if known is None:
        return ""
    return (
        f"How far to trust these times: of {known.sprints:,} simulated sprints the true time lay within its "
        f"80 % interval in {amount(known.held_percent, '%')} of the cases."
    )


def backlog(view: LiveView) -> str:
    """Records that wait, and how long the oldest has."""
    waiting, oldest = latest(view, "sprint.waiting"), latest(view, "sprint.oldest_s")
    if waiting is None:
        return UNKNOWN
    told = f"{waiting:,.0f} waiting"
    return f"{told}, oldest {duration(oldest)}" if waiting and oldest is not None else told


def headroom(one: Headroom, view: LiveView | None = None) -> tuple[str, str]:
    """How much of a limit is used, and when it is hit; of one that a larger cluster moves, how that is planned."""
    used, hit = _limit(one)
    moves = view is not None and view.atlas and one.hours is not None and one.name.split()[0] in _BY_SIZE
    return used, f"{hit}; {_larger(view.profile)}" if view is not None and moves else hit


def _larger(profile: str) -> str:
    command = with_profile("`leadbook act atlas-scale`", profile).strip("`")
    return f"a larger one: {command}"


def _limit(one: Headroom) -> tuple[str, str]:
    if one.unmeasured:
        return UNKNOWN, one.unmeasured
    known = one.used is not None and one.capacity
    first = amount(one.used, one.unit if one.unit == "bytes" else "")
    used = f"{first} of {amount(one.capacity, one.unit)}" if known else amount(one.used, one.unit)
    if known and one.unit.startswith("%"):
        used = f"{amount(one.used, one.unit)}, limit {amount(one.capacity, '%')}"
    if one.hours is None:
        return used, f"from {_hours(one.early_h)}" if one.early_h is not None else "not at this pace"
    span = f" (80 %: {_hours(one.early_h)} to {_hours(one.late_h)})" if one.early_h is not None else ""
    return used, f"in {_hours(one.hours)}{span}"


def _hours(hours: float | None) -> str:
    return "never" if hours is None else duration(hours * 3600)


# ---------------------------------------------------------------------------------------------------------- findings


def level(finding: Finding) -> str:
    """`critical`, `level 2`."""
    return LEVELS.get(finding.level, f"level {finding.level}")


def since(finding: Finding, now: datetime) -> str:
    """`since 14:05, for 12 min`; of one that ended `14:05 to 14:17`."""
    begun, ended = moment(finding.since, now), finding.until
    length = duration(((ended or now) - finding.since).total_seconds())
    return f"{begun} to {moment(ended, now)}, {length}" if ended else f"since {begun}, for {length}"


def answered(view: LiveView, finding: Finding) -> str:
    """`answered by Ada until Tue 14:02 UTC`; empty where nobody has answered the finding's alert."""
    return next((str(one.get("answered") or "") for one in view.alerts if one.get("key") == finding.key), "")


def seen(finding: Finding) -> str:
    """The value and its limit, and the evidence; that alone where any at all is too much (a limit of 0)."""
    if finding.value is None or (finding.limit == 0 and finding.evidence):
        return finding.evidence
    limit = f", limit {amount(finding.limit, finding.unit)}" if finding.limit is not None else ""
    told = f"{amount(finding.value, finding.unit)}{limit}"
    if told in finding.evidence:
        return finding.evidence
    return f"{told}; {finding.evidence}" if finding.evidence else told


def commands(remedy: str) -> list[str]:
    """The commands of a remedy, to be pasted: what stands in backquotes and begins with a program's name."""
    quoted = remedy.split("`")[1::2]
    return [
        one.strip() for one in quoted if one.strip().startswith(("leadbook ", ".venv/bin/", "mongosh", "redis-cli"))
    ]


def summary(view: LiveView) -> str:
    """The verdict's reason in one sentence."""
    if not view.findings:
        judged = "no rule has fired"
        return f"{judged}; {len(view.unknown)} could not be judged" if view.unknown else judged
    first, more = headline(view.findings[0]), len(view.findings) - 1
    return f"{first}, and {more} more" if more else first


# ---------------------------------------------------------------------------------------------------------- tables


@dataclass(frozen=True, kw_only=True)
class CollectorRow:
    """A collector as it is shown. last: how long ago it sent."""

    workflow: str
    vendor: str
    staged: str
    in_hour: str
    waiting: str
    last: str
    silent: bool


def collectors(view: LiveView) -> list[CollectorRow]:
    """Rows of the snapshot's `collectors`, those that fell silent first."""
    told = view.snapshot.details.get("collectors") or ()
    found = [_collector(row) for row in told if isinstance(row, Mapping)]
    return sorted(found, key=lambda row: (not row.silent, row.workflow))


def _collector(row: Mapping[str, Any]) -> CollectorRow:
    counts = {name: _count(row.get(name)) for name in ("staged", "in_hour", "waiting")}
    last = row.get("last_s")
    return CollectorRow(
        workflow=str(row.get("workflow") or "unnamed"), vendor=str(row.get("vendor") or "–"), **counts,
        last=f"{duration(last)} ago" if isinstance(last, int | float) else "–", silent=bool(row.get("silent")),
    )  # fmt: skip


def _count(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "–"


def action(entry: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """An action of the journal as (moment, text): what was changed from what to what, by whom, what went wrong."""
    before, after, done = (_mapping(entry.get(name)) for name in ("before", "after", "done"))
    pairs = {key: (_flat(before.get(key)), _flat(value)) for key, value in after.items()}
    changed = [f"{key} {was} → {now_}" for key, (was, now_) in pairs.items() if was != now_]
    counts = [f"{key} {_flat(value)}" for key, value in done.items()] if not changed else []
    who, problem = entry.get("who") or entry.get("by"), entry.get("problem")
    parts = [", ".join([*changed, *counts]), f"by {who}" if who else "", f"failed: {problem}" if problem else ""]
    effect = entry.get("effect")
    parts.append(_flat(effect) if effect else "")
    return _clock(entry, now), "; ".join(filter(None, [str(entry.get("action") or "action"), *parts]))


def alert(entry: Mapping[str, Any], now: datetime, profile: str) -> tuple[str, str]:
    """An alert that is open, or what cannot be delivered, as (moment, text). While nobody has answered, the answer can
    be pasted: whoever stages records chose a part of the key."""
    level = LEVELS.get(entry.get("level", 0), "") if entry.get("kind") != "note" else ""
    parts = [level, str(entry.get("title") or entry.get("key") or "alert")]
    if entry.get("kind") != "undeliverable":
        parts.append(str(entry.get("state") or ""))
    key = str(entry.get("key") or "")
    answer = with_profile(f"`leadbook ack {shlex.quote(key)}`", profile).strip("`")
    waits = key and not entry.get("answered")
    return _clock(entry, now), "; ".join(filter(None, [*parts, f"answer: {answer}" if waits else ""]))


def undelivered(view: LiveView) -> list[Mapping[str, Any]]:
    """Alerts that did not reach anybody."""
    return [one for one in view.alerts if "undeliverable" in (one.get("kind"), one.get("state"))]


def _clock(entry: Mapping[str, Any], now: datetime) -> str:
    at = entry.get("at")
    try:
        when = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        return ""
    return moment(when, now) if isinstance(when, datetime) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _flat(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, Mapping):
        empty: tuple[Any, ...] = ([], (), {})
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items() if item not in empty) or "nothing"
    if isinstance(value, list | tuple):
        return ", ".join(map(_flat, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return amount(value) if isinstance(value, int | float) else str(value)


def event(kind: str) -> str:
    """An event's kind, for people."""
    return {"begun": "the watch began", "gap": "nothing was read", "restarted": "restarted", "elected": "new primary",
            "away": "does not answer", "back": "answers again", "acted": "somebody acted",
            "report": "hourly report"}.get(kind, kind)  # fmt: skip
