"""The headroom clock: which limit the sprint hits first, and when, if it grows as it did lately."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from leadbook.forecast.records import Headroom
from leadbook.forecast.slopes import FEWEST, Slope, slope
from leadbook.watch.history import History

LATELY_S = 6 * 3_600.0
"""How far back growth is looked at: what came before says little of what comes."""
FURTHEST_H = 30 * 24.0
"""Beyond a month a limit is not hit at this pace."""
FULL_PERCENT = 95.0
"""An oplog is full from here on, and its window tells something (health table of MON-OPLOG-001)."""
RESUME_H = 1.0
"""A follower or a member that was away for less must still find its place in the oplog (critical of MON-OPLOG-001)."""
CACHE_PERCENT = 80.0
"""WiredTiger evicts to keep its cache below this share (eviction_target): the data do not fit in memory any more."""
TIERS: dict[int, tuple[str, float]] = {
    500: ("M0", 0.5e9), 1_500: ("M10", 0.5e9), 3_000: ("M20 or M30", 1e9), 6_000: ("M40", 8e9), 16_000: ("M50", 16e9),
    32_000: ("M60", 32e9), 96_000: ("M80", 64e9),
}  # fmt: skip
"""Connections that a tier of Atlas allows ("Atlas Service Limits"), the tier, and bytes of data and indexes that it
bears: its storage (M0), else WiredTiger's cache (a quarter of the memory below M40, half from there on)."""
RESERVED = 20
"""Connections that Atlas keeps for itself, at most."""

OPLOG, TIER = "oplog window", "Atlas tier"
GROWING: tuple[tuple[str, str, str | float, str], ...] = (
    ("disk", "mongodb.disk_used_bytes", "mongodb.disk_total_bytes", "bytes"),
    ("memory", "mongodb.cache_used_percent", CACHE_PERCENT, "% of the cache"),
    ("connections", "mongodb.connections_current", "mongodb.connections_limit", "connections"),
    ("Redis memory", "redis.memory_used_bytes", "redis.memory_limit_bytes", "bytes"),
    ("vendor budget", "sprint.spent_usd", "sprint.budget_usd", "USD"),
)
"""Name, what grows, its limit (a reading, or a number), unit."""


def headroom(history: History) -> tuple[Headroom, ...]:
    """Every limit, the one that is hit first first; then those that are never hit at this pace, then the unknown."""
    found = [_read(history, *one) for one in GROWING]
    return tuple(sorted([*found, _oplog(history), _tier(history)], key=_soon))


def _soon(one: Headroom) -> tuple[bool, float, float]:
    return (bool(one.unmeasured), inf if one.hours is None else one.hours, inf if one.early_h is None else one.early_h)


def _read(history: History, name: str, reading: str, limit: str | float, unit: str) -> Headroom:
    """A reading that grows to a limit: a constant, or the newest value of a reading of its own."""
    capacity = history.newest(limit) if isinstance(limit, str) else limit
    if capacity is None:
        return Headroom(name=name, unit=unit, unmeasured=_why(history, str(limit)))
    if capacity <= 0:
        return Headroom(name=name, unit=unit, unmeasured="no limit is set")
    seconds, values = _lately(history, reading)
    if not len(values):
        return Headroom(name=name, capacity=capacity, unit=unit, unmeasured=_why(history, reading))
    used, grown = float(values[-1]), slope(seconds, values)
    if grown is None:
        why = f"{len(values)} readings that can be compared, {FEWEST} are needed"
        return Headroom(name=name, used=used, capacity=capacity, unit=unit, unmeasured=why)
    return _until(name, used, capacity, unit, grown)


def _until(name: str, used: float, capacity: float, unit: str, grown: Slope) -> Headroom:
    """Hours until used reaches capacity. `hours` and `late_h` are told only where growth is beyond doubt, its 10th
    percentile above 0; else `early_h` alone says how soon it might be."""
    early, hours, late = (_hours(capacity - used, rate) for rate in (grown.high, grown.middle, grown.low))
    shown = grown.low > 0 or used >= capacity
    return Headroom(
        name=name, used=used, capacity=capacity, unit=unit, per_h=3_600.0 * grown.middle, early_h=early,
        hours=hours if shown else None, late_h=late if shown else None,
    )  # fmt: skip


def _hours(left: float, per_s: float) -> float | None:
    if left <= 0:
        return 0.0
    hours = left / per_s / 3_600.0 if per_s > 0 else inf
    return hours if hours <= FURTHEST_H else None


def _oplog(history: History) -> Headroom:
    """Until the oplog spans less than who resumes needs. While it is not full nothing is lost from it, and its span
    once it is full follows from how full it is."""
    window, full = history.newest("mongodb.oplog_window_h"), history.newest("mongodb.oplog_full_percent")
    if window is None or full is None:
        absent = "mongodb.oplog_window_h" if window is None else "mongodb.oplog_full_percent"
        return Headroom(name=OPLOG, used=window, capacity=RESUME_H, unit="h", unmeasured=_why(history, absent))
    told = Headroom(name=OPLOG, used=window, capacity=RESUME_H, unit="h")
    if full < FULL_PERCENT:
        filling = _read(history, OPLOG, "mongodb.oplog_full_percent", 100.0, "%")
        short = full > 0 and 100.0 * window / full < RESUME_H
        return replace(told, early_h=filling.early_h, hours=filling.hours, late_h=filling.late_h) if short else told
    seconds, windows = _lately(history, "mongodb.oplog_window_h")
    shrinks = slope(seconds, -windows)
    if shrinks is None:
        return replace(told, unmeasured=f"{len(windows)} readings that can be compared, {FEWEST} are needed")
    lost = _until(OPLOG, -window, -RESUME_H, "h", shrinks)
    return replace(
        told, per_h=-lost.per_h if lost.per_h else 0.0, early_h=lost.early_h, hours=lost.hours, late_h=lost.late_h
    )


def _tier(history: History) -> Headroom:
    """Until data and indexes outgrow the tier of Atlas that this seems to be."""
    allowed = history.newest("mongodb.connections_limit")
    if allowed is None:
        return Headroom(name=TIER, unit="bytes", unmeasured=_why(history, "mongodb.connections_limit"))
    limit = next((one for one in TIERS if abs(one - allowed) <= RESERVED), 0)
    if not limit:
        return Headroom(name=TIER, unit="bytes", unmeasured=f"{allowed:,.0f} connections allowed: no tier of Atlas")
    tier, bears = TIERS[limit]
    return _read(history, f"{TIER} {tier}", "mongodb.data_bytes", bears, "bytes")


def _lately(history: History, reading: str) -> tuple[np.ndarray, np.ndarray]:
    """What was read in the last hours, since the server last restarted: a cache that was emptied did not shrink."""
    values, seconds = history.column(reading), history.seconds
    source = reading.partition(".")[0]
    restarts = [one.at.timestamp() for one in history.events if one.kind == "restarted" and one.source == source]
    since = max([*restarts, seconds[-1] - LATELY_S]) if len(seconds) else 0.0
    known = np.isfinite(values) & (seconds >= since)
    return seconds[known], values[known]


def _why(history: History, reading: str) -> str:
    """What the last snapshot says of a reading that is missing, or of its source."""
    return (history.last.why(reading) if history.last else "") or f"{reading} was not read"
