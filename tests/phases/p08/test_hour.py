"""The hour that a watch has kept: told with its gaps, and judged on production instead of six seconds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.phases.p08.made import NOW, by_id, observation, snapshot

from leadbook.core.checks import Unmeasured, Verdict
from leadbook.core.connect import Endpoints
from leadbook.core.settings import Settings
from leadbook.phases.live.judge import Judge
from leadbook.phases.p08 import hour_told, sections
from leadbook.phases.p08.hour import read_hour
from leadbook.watch.periods import Period
from leadbook.watch.place import series_of
from leadbook.watch.records import Event, LiveSnapshot

STEP_S = 120
PLACE = Endpoints(mongodb_uri="mongodb://db.example/", admin_uri="mongodb://db.example/", reporting_uri=None,
                  redis_url="redis://cache.example/0", source="environment", redis_source="environment")  # fmt: skip


def made(number, at, *, more=None, **changed):
    """A snapshot of a sprint of 1,000 leads an hour, whose MongoDB slows down after its last half hour has begun."""
    hours = number * STEP_S / 3600
    slow = 4.0 if hours > 19.5 else 1.0
    readings = {
        "sprint.leads": round(1_000 * hours, 1), "sprint.waiting": 40.0 + number % 7, "sprint.oldest_s": 3.0,
        "sprint.stored": 1_000 * hours, "sprint.duplicates": 200 * hours, "probe.mongodb_ms": slow,
        "probe.redis_ms": 0.3, "mongodb.write_ms": 2.0, "mongodb.read_ms": 1.0, "ingest.documents_per_s": 2_500.0,
        "ingest.batch_size": 500.0, "ingest.documents_per_insert": 400.0,
    }  # fmt: skip
    readings |= more or {}
    collectors = [{"workflow": f"apollo-{one}", "vendor": "apollo", "staged": number * 10, "in_hour": 1_200,
                   "waiting": 4, "last_s": 12.0, "silent": one == 2} for one in (1, 2)]  # fmt: skip
    values = {"number": number, "watch": "w", "interval_s": float(STEP_S), "readings": readings,
              "details": {"collectors": collectors}}  # fmt: skip
    return LiveSnapshot(at=at, **(values | changed))


@pytest.fixture
def settings(tmp_path):
    return Settings.from_mapping({"watch_dir": str(tmp_path), "profile": "production", "database": "leads"})


def keep(settings, end, *, count=600, skip=range(0), more=None):
    """A series of `count` snapshots that ends at `end`; those whose number is in `skip` were never taken."""
    with series_of(settings, PLACE) as series:
        for number in range(count):
            if number in skip:
                continue
            at = end - timedelta(seconds=STEP_S * (count - 1 - number))
            gap = Event(at=at, kind="gap", source="watch", seconds=STEP_S * (len(skip) + 1))
            series._waiting.append(
                _waits(made(number, at, more=more, events=(gap,) if number == skip.stop and skip else ()))
            )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.fsync", lambda _: None)
            series._write_all()


def _waits(one):
    from leadbook.watch.series import _Waiting

    return _Waiting(one)


def told(settings, **changed):
    kept = read_hour(settings, PLACE, Judge(settings))
    return kept, snapshot(observation(wrote=False), settings=settings, kept=kept, **changed)


def test_a_clock_that_runs_ahead_is_named_and_open_outcomes_are_explained(settings):
    keep(settings, datetime.now(UTC) + timedelta(minutes=20), count=40)
    kept, shown = told(settings)
    text = " ".join(sections.last_hour(shown).sentences)
    assert (
        "That clock goes faster" in text and "cannot be held against" in text and "outcome is written after" not in text
    )
    late = [replace(one, readings=one.readings | {"sprint.stored": one.readings["sprint.stored"] - 114 * (one is last)})
            for last in kept.hour.snapshots[-1:] for one in kept.hour.snapshots]  # fmt: skip
    said = hour_told.in_words(replace(kept, hour=Period(late)), 20_000)
    assert "114 of the leads are not among them" in " ".join(said)


def test_the_hour_and_the_parts_of_the_sprint(settings):
    keep(settings, NOW, skip=range(585, 588))
    kept, shown = told(settings)
    section = sections.last_hour(shown)
    text = " ".join(section.sentences)
    assert "27 snapshots of 30 due, one each 120 s; nothing was read for 480 s in 1 gaps" in text
    assert "(1,000 an hour); 19,967 of 20,000 are there" in text and "The rules called the sprint" in text
    assert kept.hour.per_hour("sprint.leads") == pytest.approx(1_000, abs=2)
    assert len(kept.hour.snapshots) == 27 == sum(kept.verdicts.values())
    parts = hour_told.stages_frame(kept)
    assert list(parts["part"]) == ["launch", "sustained", "scaling", "final push"]
    assert parts["leads"].sum() == pytest.approx(19_967, abs=1) and parts["until"].iloc[-1] == "goes on"
    titles = [table.title for table in section.tables]
    assert any("Collectors" in title for title in titles) and any("launch" in title for title in titles)
    collectors = hour_told.collectors_frame(kept.hour)
    assert list(collectors["staged"]) == [290, 290] and list(collectors["silent"]) == ["no", "yes"]
    assert len(section.plots) == 1 and "nothing was read" in str(hour_told.events_frame(kept.hour))


def test_without_a_series_it_says_so_and_how_to_get_one(settings):
    kept, shown = told(settings)
    section = sections.last_hour(shown)
    assert isinstance(kept, Unmeasured) and not section.tables and not section.facts
    (sentence,) = section.sentences
    assert "leadbook watch" in sentence


def test_a_series_of_another_database_is_not_read(settings):
    keep(settings, NOW, count=20)
    other = settings.model_copy(update={"database": "others"})
    assert isinstance(read_hour(other, PLACE, Judge(settings)), Unmeasured)


def test_on_production_checks_of_duration_are_of_the_hour(settings):
    keep(settings, datetime.now(UTC))
    _, shown = told(settings)
    checks = by_id(shown.judged)
    rate, inserts, slower = (checks[name] for name in ("MON-RATE-002", "MON-RATE-001", "MON-DEG-001"))
    assert rate.measured == 1_000 and rate.verdict is Verdict.PASS and "30 snapshots of the watch" in rate.evidence
    assert inserts.measured == 2_500 and "median of 30 readings" in inserts.evidence
    assert slower.measured == 4.0 and slower.verdict is Verdict.WARN


def test_small_batches_of_what_just_arrived_are_no_capacity(settings):
    keep(settings, datetime.now(UTC), more={"ingest.documents_per_s": 90.0, "ingest.documents_per_insert": 12.0})
    _, shown = told(settings)
    inserts = by_id(shown.judged)["MON-RATE-001"]
    assert inserts.verdict is not Verdict.FAIL and "snapshots of the watch" not in inserts.evidence


@pytest.mark.parametrize("age", [timedelta(hours=2), timedelta(0)])
def test_else_they_are_of_the_snapshot(settings, age):
    keep(settings, datetime.now(UTC) - age, count=200)
    if not age:
        settings = settings.model_copy(update={"profile": "rehearsal"})
    _, shown = told(settings)
    assert shown.hour is None and "snapshots of the watch" not in by_id(shown.judged)["MON-DEG-001"].evidence


def test_a_short_series_tells_no_rate(settings):
    keep(settings, datetime.now(UTC), count=8)
    kept, shown = told(settings)
    assert "too short to tell a rate" in " ".join(sections.last_hour(shown).sentences)
    assert kept.hour.per_hour("sprint.leads") is None and kept.hour.degradation() == {}
