"""What was done writes itself into the documents of 08 and 09, from the journal and the watch's series."""

from datetime import UTC, datetime, timedelta

import pytest

from leadbook.actions.told import DRILL, KEYS, deeds, series_of
from leadbook.core.checks import Unmeasured
from leadbook.core.journal import Journal
from leadbook.phases.deeds import TITLES, frame, in_words, lost_keys, still_open, tables
from leadbook.phases.p08 import documents, sections
from leadbook.watch import place
from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot
from phases.p08.made import observation, snapshot


@pytest.fixture
def journal(database, leads, endpoints):
    """A sprint in which three things were done, one of them in vain, beside an older kind of action."""
    book = Journal(database, endpoints.mongodb_uri)
    plan = {"about": {"version": 1}, "evidence": {"own_setting": 500}, "why": "larger batches store more", "back": "x"}
    for name, kind, because, after in (
        ("batch_size", "optimisation", "", {"batch_size": 250}), ("writers", "scaling", "", {"writers": 4}),
        ("kill_operation", "resolution", "LIVE-SLOW-001", {"is_running": False}),
    ):  # fmt: skip
        book.write("action", action=name, kind_of_action=kind, who="root as dba of admin", target="leads", hash="ab12",
                   before={name: None}, after=after, approved="ab12", because=because, plan=plan,
                   done={"changed": 1})  # fmt: skip
    book.write("action", action="redis_policy", kind_of_action="optimisation", who="root", hash="cd34", before={},
               plan=plan, done={"changed": 0}, problem="Redis refused")  # fmt: skip
    book.write("action", action="recover", plan={}, done={"leads": 12, "left": {}}, approved="recover on x")
    book.write("action", action="rehearse_sprint", plan={}, done={"read": 5}, approved="")
    return book


def test_deeds_are_told_by_kind_with_evidence_and_effect(journal):
    history, now = History(), datetime.now(UTC)
    for number in range(-20, 1):
        history.add(LiveSnapshot(at=now + timedelta(seconds=30 * number - 5), number=number + 30, watch="w",
                                 interval_s=30, readings={"ingest.documents_per_s": 900.0 + number % 3}))  # fmt: skip
    told = deeds(journal, history)
    assert [one.what for one in told] == ["batch_size", "writers", "kill_operation", "redis_policy", "recover"]
    assert told[0].effect.state == "not yet measured" and told[0].evidence["own_setting"] == 500
    assert told[3].problem and told[3].effect.why == "it did not end in order"
    assert [one.is_resolution for one in told] == [False, False, True, False, True]


def test_the_effect_is_read_from_the_watchs_own_series(journal, settings, endpoints, tmp_path):
    watched = settings.model_copy(update={"watch_dir": str(tmp_path / "series")})
    assert not len(series_of(watched, endpoints))
    at = journal.entries("action")[0]["at"]
    with place.series_of(watched, endpoints) as series:
        for number in range(-20, 21):
            rate = 1_000.0 + number % 5 + 500 * (number > 0)
            moment = at + timedelta(seconds=30 * number - 1)
            series.append(LiveSnapshot(at=moment, number=number + 30, watch="w", interval_s=30,
                                       readings={"ingest.documents_per_s": rate}))  # fmt: skip
    found = deeds(journal, series_of(watched, endpoints))[0].effect
    assert found.state == "measured" and found.moved[0].text.startswith("+50 %") and found.beside == 2


def alarmed(journal, key, title, *, over=False, minutes=14):
    at = datetime.now(UTC) + timedelta(minutes=minutes)  # the sprint's clock runs ahead
    journal.write("alert", event="begun", key=key, title=title, level=1, moment=at, since=at, dry=True)
    if over:
        journal.write("alert", event="over", key=key, moment=at + timedelta(minutes=3), ended=at)


def test_a_planned_drill_is_no_incident_and_says_when_the_watch_told_it(database, leads, endpoints):
    book = Journal(database, endpoints.mongodb_uri)
    alarmed(book, "LIVE-RDS-006", "The duplicate cache was lost", over=True)
    began = datetime.now(UTC)
    book.write("action", action=DRILL, alarm="LIVE-RDS-006", began=began, plan={}, done={KEYS: 1_200},
               what="the rehearsal emptied the duplicate cache at 60 % of the sprint")  # fmt: skip
    book.write("action", action=DRILL, alarm="LIVE-COL-001/apify-2", began=began, plan={}, done={}, what="silence")
    alarmed(book, "LIVE-RDS-006", "The duplicate cache was lost", minutes=30)
    told = deeds(book)
    drills = frame([one for one in told if one.nature == "drill"], "resolution")
    assert list(drills["by"]) == ["the rehearsal"] * 2 and drills["action"][0].startswith(
        "planned drill: the rehearsal"
    )
    assert "the watch told it after 0." in drills["after"][0] and "not told by the watch" in drills["after"][1]
    assert [one.nature for one in told].count("alarm") == 1, "the alarm before the drill stands for itself"
    assert still_open(told) == "", "a drill that goes on is no open alarm"
    assert "1,200 keys" in lost_keys(told) and "60 %" in lost_keys(told)
    said = in_words(told)
    assert "Planned drills of the rehearsal among them: 2." in said and "sprint's clock" in said


def test_an_alarm_that_goes_on_is_told_as_open(database, leads, endpoints):
    book = Journal(database, endpoints.mongodb_uri)
    alarmed(book, "LIVE-DISK-001", "The disk is nearly full")
    said = still_open(deeds(book))
    assert said.startswith("1 alarm was still open") and "LIVE-DISK-001" in said and "nobody answered" in said
    alarmed(book, "LIVE-DISK-001", "The disk is nearly full", over=True, minutes=30)
    assert still_open(deeds(book)).startswith("1 alarm was")


def test_documents_write_themselves(journal):
    taken = snapshot(observation(), done=deeds(journal))
    advice, log = documents.optimizations(taken), documents.monitoring_log(taken)
    for heading in TITLES.values():
        assert f"## {heading}" in advice
    assert "batch_size not set" in advice and "writers 4" in advice and "failed: Redis refused" in advice
    assert "LIVE-SLOW-001" in log and "root as dba of admin" in log and "own_setting 500" in advice
    assert len(frame(taken.done, "optimisation")) == 2 and len(frame(taken.done, "scaling")) == 1
    assert list(frame(taken.done, "resolution")["issue"]) == ["LIVE-SLOW-001", "missing leads"]
    assert [one.title for one in tables(taken.done)] == list(TITLES.values())
    assert "5 actions" in in_words(taken.done) and "5 actions" in sections.decided(taken).sentences[0]


def test_nothing_done_and_no_journal_are_told_apart():
    assert "Nothing was done" in documents.optimizations(snapshot(observation()))
    unread = snapshot(observation(), done=Unmeasured("no right to read it"))
    assert "could not be read" in documents.monitoring_log(unread)
    assert tables(unread.done) == () and frame(unread.done, "scaling").empty
