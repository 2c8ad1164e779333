"""What an action changed is told where the series shows it, and honestly where it does not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from leadbook.actions.effect import CANARY, effect
from leadbook.watch.history import History
from leadbook.watch.records import Event, LiveSnapshot

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
RATE = "ingest.documents_per_s"


def watched(*, before: float, after: float, minutes=(10, 10), noise=0.05, canary=1.0, events=(), seed=1) -> History:
    """A series of a snapshot each 30 s around AT: the rate before and after, the canary's factor after."""
    history, drawn = History(), np.random.default_rng(seed)
    for number in range(-2 * minutes[0], 2 * minutes[1] + 1):
        at = AT + timedelta(seconds=30 * number + 1)
        rate = (after if number > 0 else before) * (1 + noise * drawn.standard_normal())
        sings = 10 * (canary if number > 0 else 1.0) * (1 + 0.01 * drawn.standard_normal())
        told = tuple(one for one in events if abs((one.at - at).total_seconds()) < 15)
        history.add(LiveSnapshot(at=at, number=number + 100, watch="w", interval_s=30.0, events=told,
                                 readings={RATE: rate, CANARY: sings, "redis.evicted_per_s": 0.0}))  # fmt: skip
    return history


def found(history, others=(), readings=(RATE,)):
    return effect({"at": AT, "hash": "h"}, others, history, readings)


def test_a_change_is_told_with_its_interval_and_none_is_told_as_none():
    told = found(watched(before=1_000, after=1_500))
    assert told.state == "measured" and told.moved[0].shown and told.moved[0].text.startswith("+5")
    assert told.moved[0].snapshots[0] >= 18 and told.host == ""
    assert sum(found(watched(before=1_000, after=1_000, seed=seed)).moved[0].shown for seed in range(60)) <= 3


def test_where_the_machine_changed_too_that_is_told():
    assert found(watched(before=1_000, after=700, canary=1.4)).host.startswith("+4")


def test_too_early_is_not_yet_and_no_series_is_not_measurable():
    early = found(watched(before=1_000, after=1_500, minutes=(10, 1)))
    assert (early.state, early.moved) == ("not yet measured", ())
    assert found(History()).state == "not measurable" and "leadbook watch" in found(History()).why
    assert found(watched(before=1, after=1, minutes=(0, 10))).state == "not measurable"
    assert found(watched(before=1, after=1), readings=("mongodb.write_ms",)).state == "not measurable"


def test_the_minutes_end_where_something_else_happens():
    together = found(watched(before=1_000, after=1_500), others=[{"at": AT + timedelta(seconds=20)}])
    assert together.state == "measured" and together.beside == 1
    another = AT + timedelta(minutes=4)
    told = found(watched(before=1_000, after=1_500), others=[{"at": another}])
    assert told.minutes[1] == pytest.approx(4, abs=0.6) and told.moved[0].snapshots[1] <= 8
    restart = Event(at=AT - timedelta(minutes=3), kind="restarted", source="mongodb")
    assert found(watched(before=1_000, after=1_500, events=[restart])).minutes[0] == pytest.approx(3, abs=0.6)
    soon = found(watched(before=1_000, after=1_500), others=[{"at": AT + timedelta(seconds=90)}])
    assert soon.state == "not measurable" and "what came next" in soon.why


def test_a_reading_that_was_zero_is_compared_without_a_ratio():
    (moved,) = found(watched(before=1_000, after=1_500), readings=("redis.evicted_per_s",)).moved
    assert moved.text == "no difference shown" and (moved.before, moved.after) == (0.0, 0.0)


def test_an_accelerated_sprint_is_told_by_the_watchs_own_clock():
    acted = Event(at=AT, kind="acted", source="actions", told={"hash": "h"})
    history = watched(before=1_000, after=1_500, events=[acted])
    told = effect({"at": AT - timedelta(hours=5), "hash": "h"}, (), history, [RATE])
    assert told.state == "measured" and told.moved[0].shown


def test_the_same_plan_done_twice_is_told_apart():
    acted = [Event(at=AT - timedelta(minutes=8), kind="acted", source="actions", told={"hash": "h", "entry": "1"}),
             Event(at=AT, kind="acted", source="actions", told={"hash": "h", "entry": "2"})]  # fmt: skip
    history = watched(before=1_000, after=1_500, events=acted)
    first = {"_id": 1, "at": AT - timedelta(hours=6), "hash": "h"}
    told = effect({"_id": 2, "at": AT - timedelta(hours=5), "hash": "h"}, [first], history, [RATE])
    assert told.moved[0].shown and told.beside == 0 and told.minutes[0] == pytest.approx(8, abs=0.6)


def test_what_lasts_is_compared_from_before_it_began_to_after_it_ended():
    election = Event(at=AT - timedelta(minutes=4), kind="elected", source="mongodb")
    history = watched(before=1_000, after=1_500, minutes=(25, 10), events=[election])
    told = effect({"at": AT, "began": AT - timedelta(minutes=8), "hash": "h"}, (), history, [RATE])
    assert told.state == "measured" and told.moved[0].shown and told.minutes[0] == pytest.approx(10, abs=0.6)
    other = [{"at": AT - timedelta(minutes=5)}]
    assert effect({"at": AT, "began": AT - timedelta(minutes=8), "hash": "h"}, other, history, [RATE]).beside == 1


@pytest.mark.parametrize(("apart", "why"), [(40, "what came next"), (0, "what came next"), (-40, "before it")])
def test_a_restart_close_to_an_action_is_not_laid_to_it(apart, why):
    restart = Event(at=AT + timedelta(seconds=apart), kind="restarted", source="redis")
    told = found(watched(before=1_000, after=1_500, events=[restart]))
    assert told.state == "not measurable" and why in told.why
