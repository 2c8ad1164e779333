"""The profiler is switched on, catches a slow query, and is switched back whatever happens."""

import pytest
from pymongo.errors import OperationFailure

from leadbook.bench import profiler
from leadbook.phases.p03 import verdicts
from leadbook.phases.p03.sections import Benchmarks


def test_a_slow_query_is_caught_and_everything_is_as_before(place):
    filled = place.keep("slow", 20)
    caught = profiler.catch(place, filled)
    assert caught.profile is not None and caught.profile["millis"] >= profiler.SLOW_MS
    assert "command" not in caught.profile
    assert caught.logged is True
    assert caught.before == caught.after
    assert {check.verdict.value for check in verdicts.profiler(caught, place.settings)} == {"pass"}


def test_the_former_state_comes_back_after_an_exception(place, admin, settings):
    database = admin[settings.database]
    database.command("profile", 0, slowms=77, sampleRate=0.5)
    try:
        with pytest.raises(RuntimeError, match="boom"), profiler.profiling(place, slow_ms=5):
            assert profiler.current(database).level == 1
            assert profiler.current(database).slow_ms == 5
            raise RuntimeError("boom")
        assert profiler.current(database) == profiler.ProfilerLevel(level=0, slow_ms=77, sample_rate=0.5)
    finally:
        database.command("profile", 0, slowms=100, sampleRate=1.0)


def test_a_user_without_the_right_gives_not_measured(place):
    place.admin = place.mongodb
    bench = Benchmarks(session=place, leads=place.keep("slow", 5), filled=place.keep("slow", 5))
    taken = bench.slow_query()
    assert isinstance(bench.problems["slow query"], OperationFailure)
    assert {check.verdict.value for check in taken.checks} == {"not measured"}
    assert [check.id for check in taken.checks] == ["BCH-LOG-001", "BCH-LOG-002", "BCH-LOG-003"]
