"""Which limit is hit first, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from leadbook.forecast.headroom import FURTHEST_H, headroom
from leadbook.forecast.slopes import block_length, slope
from leadbook.watch.history import History
from leadbook.watch.records import Event, LiveSnapshot

BEGAN = datetime(2026, 12, 1, 8, tzinfo=UTC)
HOURS = 4
ABSENT = {"mongodb.cache_used_percent": "this tier does not tell it", "sprint": "not authorised on lead_generation"}


def watched(make, *, minutes: int = 60 * HOURS, events=()):
    """A history of readings that `make` gives for each hour, a snapshot a minute."""
    history = History()
    for minute in range(minutes):
        history.add(LiveSnapshot(
            at=BEGAN + timedelta(minutes=minute), number=minute, watch="made", interval_s=60.0,
            readings=make(minute / 60), unmeasured=ABSENT, events=events if minute == minutes - 1 else (),
        ))  # fmt: skip
    return history


def clock(history):
    return {one.name: one for one in headroom(history)}


def test_the_first_limit_stands_first_and_the_unknown_last_with_the_reason():
    rng = np.random.default_rng(2)

    def make(hour):
        return {
            "mongodb.disk_used_bytes": 40e9 + 1.5e9 * hour + rng.normal() * 1e7, "mongodb.disk_total_bytes": 50e9,
            "redis.memory_used_bytes": 1e9 + 1e8 * hour, "redis.memory_limit_bytes": 2e9,
            "mongodb.connections_current": 300 + rng.integers(0, 40), "mongodb.connections_limit": 819.0,
        }  # fmt: skip

    found = headroom(watched(make))
    assert [one.name for one in found[:3]] == ["disk", "Redis memory", "connections"]
    disk, redis, connections = found[:3]
    assert disk.hours == pytest.approx(4 / 1.5, abs=0.1) and disk.early_h < disk.hours < disk.late_h
    assert redis.hours == pytest.approx(6, abs=0.1) and redis.per_h == pytest.approx(1e8, rel=0.01)
    assert connections.hours is None and connections.capacity == 819, "it does not grow"
    why = {one.name: one.unmeasured for one in found if one.unmeasured}
    assert why["memory"] == ABSENT["mongodb.cache_used_percent"]
    assert why["vendor budget"] == ABSENT["sprint"]
    assert why["oplog window"] == "mongodb.oplog_window_h was not read"
    assert why["Atlas tier"] == "819 connections allowed: no tier of Atlas"
    assert all(one.unmeasured for one in found[3:])


def test_no_limit_and_a_limit_that_is_hit_already():
    found = clock(watched(lambda hour: {
        "redis.memory_used_bytes": 1e9 * hour, "redis.memory_limit_bytes": 0.0,
        "sprint.spent_usd": 25.0 + hour, "sprint.budget_usd": 25.0,
    }))  # fmt: skip
    assert found["Redis memory"].unmeasured == "no limit is set"
    assert found["vendor budget"].hours == 0.0


def test_a_cache_that_a_restart_emptied_did_not_shrink():
    restarted = Event(at=BEGAN + timedelta(hours=2), kind="restarted", source="mongodb")

    def make(hour):
        return {"mongodb.cache_used_percent": 70 + hour if hour < 2 else 10 + 10 * (hour - 2)}

    told = clock(watched(make, events=[restarted]))["memory"]
    assert told.per_h == pytest.approx(10, rel=0.02) and told.hours == pytest.approx((80 - 29.8) / 10, rel=0.03)
    late = replace(restarted, at=BEGAN + timedelta(hours=HOURS) - timedelta(minutes=3))
    assert "10 are needed" in clock(watched(make, events=[late]))["memory"].unmeasured


def test_an_oplog_that_is_not_full_loses_nothing_until_it_is():
    def filling(window_at_full):
        return lambda hour: {"mongodb.oplog_window_h": hour, "mongodb.oplog_full_percent": 100 * hour / window_at_full}

    far = clock(watched(filling(40)))["oplog window"]
    assert far.hours is None and not far.unmeasured and far.capacity == 1
    short = clock(watched(lambda hour: {
        "mongodb.oplog_window_h": 0.2 + 0.1 * hour, "mongodb.oplog_full_percent": 40 + 10 * hour
    }))["oplog window"]  # fmt: skip
    assert short.hours == pytest.approx(2, abs=0.2), "full in two hours, and it spans less than an hour then"
    full = clock(watched(lambda hour: {"mongodb.oplog_window_h": 9 - hour, "mongodb.oplog_full_percent": 99.0}))
    assert full["oplog window"].hours == pytest.approx(4, abs=0.1)
    assert full["oplog window"].per_h == pytest.approx(-1)
    steady = clock(watched(lambda hour: {"mongodb.oplog_window_h": 30.0, "mongodb.oplog_full_percent": 99.0}))
    assert steady["oplog window"].hours is None and steady["oplog window"].used == 30


def test_a_tier_of_atlas_is_known_by_its_connections():
    told = clock(watched(lambda hour: {"mongodb.connections_limit": 1_490.0, "mongodb.data_bytes": 1e8 * hour}))
    assert told["Atlas tier M10"].capacity == 0.5e9
    assert told["Atlas tier M10"].hours == pytest.approx((0.5e9 - 4e8) / 1e8, abs=0.1)


def test_wild_readings_do_not_move_a_slope_and_neighbours_widen_its_interval():
    rng = np.random.default_rng(3)
    seconds = np.arange(0, 7_200, 30.0)
    wild = 0.01 * seconds + np.where(rng.random(len(seconds)) < 0.1, 1_000.0, 0.0)
    assert slope(seconds, wild).middle == pytest.approx(0.01, rel=0.05)
    alone = rng.normal(size=len(seconds))
    alike = np.convolve(rng.normal(size=len(seconds) + 30), np.ones(30) / np.sqrt(30), "valid")[: len(seconds)]
    narrow, wide = slope(seconds, alone), slope(seconds, alike)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert block_length(alike) > 4 * block_length(alone)
    assert slope(seconds[:5], alone[:5]) is None and slope(np.zeros(20), np.ones(20)) is None
    assert block_length(np.ones(50)) == 1 and FURTHEST_H == 720


def test_an_empty_history_knows_nothing():
    assert all(one.unmeasured for one in headroom(History()))
