"""Alerts told once, escalated, held back, retried, ended: against receivers on loopback that fail, hang and limit."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest

from leadbook.alerts.dispatcher import REPEATED, Dispatcher
from leadbook.alerts.records import Alert
from leadbook.core.settings import PROJECT, Settings
from receivers import mail, web

START = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
SENDS = Settings(alerts=True)
HEADING = "MADE-UP DATA: database leadbook_rehearsal"


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for name in ("1", "2", "3", "CRITICAL"):
        monkeypatch.delenv(f"LEADBOOK_ALERTS_{name}", raising=False)


@pytest.fixture
def receiver():
    with web() as kept:
        yield kept


@pytest.fixture
def dba(monkeypatch, receiver):
    monkeypatch.setenv("LEADBOOK_ALERTS_1", receiver.url)
    return receiver


def at(minutes=0.0):
    return START + timedelta(minutes=minutes)


def alert(key="LIVE-DISK-001", level=1, minutes=0.0, **told):
    return Alert(key=key, level=level, title=told.pop("title", f"Trouble {key}"), at=at(minutes),
                 lines=told.pop("lines", ("Seen: 91 % used", "To do (DBA): leadbook act")), **told)  # fmt: skip


class Watch:
    """A dispatcher, driven by hand."""

    def __init__(self, folder, settings=SENDS, **more):
        self.dispatcher = Dispatcher(settings, folder, **{"heading": HEADING} | more)

    def take(self, minutes, *alerts):
        self.dispatcher.take(alerts, at(minutes))
        assert self.dispatcher.wait(11)

    def titles(self, kind):
        return [one["title"] for one in self.dispatcher.standing() if one["kind"] == kind]


@pytest.fixture
def watch(tmp_path):
    made = []

    def make(settings=SENDS, folder=tmp_path, **more):
        made.append(Watch(folder, settings, **more))
        return made[-1]

    yield make
    for one in made:
        one.dispatcher.close()


def test_a_trouble_is_told_once_and_so_is_its_end(dba, watch):
    one = watch(heading="REAL DATA: database lead_generation at cluster.example.net")
    for minutes in (0, 0.5, 1, 1.5):
        one.take(minutes, alert())
    one.take(2)
    assert len(dba.taken) == 1
    assert dba.taken[0].splitlines() == [
        "REAL DATA: database lead_generation at cluster.example.net", "", "NEW, level 1: Trouble LIVE-DISK-001",
        "Since Tue 12:00 UTC.", "Seen: 91 % used", "To do (DBA): leadbook act",
        "To answer: leadbook ack LIVE-DISK-001 --profile rehearsal",
    ]  # fmt: skip
    for minutes in (3, 7.5, 8, 9):
        one.take(minutes)
    assert len(dba.taken) == 2
    assert "OVER, level 1: Trouble LIVE-DISK-001\nFrom Tue 12:00 UTC, for 2 min." in dba.taken[1]
    assert not one.titles("alert")


def test_what_begins_together_is_one_message(dba, watch):
    one = watch()
    one.take(0, *(alert(f"K-{number:02}", level=1 + number % 3) for number in range(12)))
    assert len(dba.taken) == 1
    text = dba.taken[0]
    assert text.count("To answer: ") == 8 and "Besides these 4:" in text
    assert text.index("level 3") < text.index("level 2") < text.index("level 1")
    assert all(f"K-{number:02}" in text for number in range(12))


def test_a_webhook_that_fails_twice_gets_one_message_in_the_end(dba, watch):
    dba.answers = [(500, {}, 0), (503, {}, 0)]
    one = watch()
    one.take(0, alert())
    assert one.titles("undeliverable")[0].endswith("answers 500 no_service, tried once, again at Tue 12:01 UTC")
    one.take(0.5, alert())
    assert len(dba.got) == 1
    one.take(1, alert())
    assert len(dba.got) == 2 and "tried 2 times, again at Tue 12:03 UTC" in one.titles("undeliverable")[0]
    for minutes in (2, 3, 4, 5, 9):
        one.take(minutes, alert())
    assert len(dba.got) == 3 and len(dba.taken) == 1
    assert "sent to webhook" in one.dispatcher.standing()[0]["state"]


def test_what_cannot_be_delivered_is_kept_and_told_and_news_wait_behind_it(dba, watch):
    dba.always = (500, {}, 0)
    one = watch()
    for minutes in range(0, 70):
        one.take(minutes, alert(), *([alert("LATER-1", minutes=5)] if minutes >= 5 else []))
    assert len(dba.got) == 7  # at 0, 1, 3, 7, 15, 31 and 63 minutes
    assert (
        one.titles("undeliverable") == [one.titles("undeliverable")[0]]
        and "tried 7 times" in one.titles("undeliverable")[0]
    )
    dba.always = (200, {}, 0)
    one.take(95, alert(), alert("LATER-1", minutes=5))
    one.take(96, alert(), alert("LATER-1", minutes=5))
    assert len(dba.taken) == 2 and "held back since Tue 12:05 UTC: this address did not answer" in dba.taken[1]
    assert not one.titles("undeliverable")


def test_a_critical_alert_waits_for_no_pause_of_a_letter_before_it(dba, watch):
    dba.always = (500, {}, 0)
    one = watch()
    for minutes in range(32):
        one.take(minutes, alert())
    assert len(dba.got) == 6  # the next one would be at 63 minutes
    dba.always = (200, {}, 0)
    for minutes in (33, 33.5):
        one.take(minutes, alert(), alert("GRAVE-1", level=4, minutes=33))
    assert len(dba.taken) == 2 and "critical" in dba.taken[1]


def test_what_holds_a_critical_alert_is_tried_once_a_minute(dba, watch):
    dba.always = (500, {}, 0)
    one = watch()
    for half_minutes in range(21):
        one.take(half_minutes / 2, alert("GRAVE-1", level=4))
    assert len(dba.got) == 11


def test_a_retry_after_is_honoured(dba, watch):
    dba.answers = [(429, {"Retry-After": "600"}, 0)]
    one = watch()
    one.take(0, alert())
    for minutes in (1, 5, 9.9):
        one.take(minutes, alert())
    assert len(dba.got) == 1
    one.take(10, alert())
    assert len(dba.taken) == 1


def test_a_receiver_that_hangs_holds_up_nobody(dba, watch, monkeypatch, receiver):
    monkeypatch.setattr("leadbook.alerts.sending.TIMEOUT_S", 0.5)
    dba.answers = [(200, {}, 1.5)]
    one = watch()
    begun = datetime.now(UTC)
    one.dispatcher.take([alert()], at(0))
    one.dispatcher.tick(at(0.1))
    assert (datetime.now(UTC) - begun).total_seconds() < 0.3
    assert one.dispatcher.wait(11)
    assert "no answer" in one.titles("undeliverable")[0]


def test_an_attempt_without_an_end_is_given_up_and_counts_if_it_arrives_after_all(dba, watch, monkeypatch):
    monkeypatch.setattr("leadbook.alerts.postman.DEADLINE_S", 0.3)
    dba.answers = [(200, {}, 0.8)]
    one = watch()
    one.take(0, alert())
    assert "no answer" in one.titles("undeliverable")[0]
    for thread in [flight.thread for flight in one.dispatcher._postman._flights]:
        thread.join(3)
    assert not one.titles("undeliverable") and len(dba.taken) == 1
    one.take(5, alert())
    assert len(dba.got) == 1


def test_a_flapping_reading_sends_two_messages_not_forty(dba, watch):
    one = watch()
    for turn in range(40):
        one.take(turn / 4, *([alert()] if turn % 2 == 0 else []))
    for minutes in range(10, 20):
        one.take(minutes)
    assert len(dba.taken) == 2
    assert "NEW" in dba.taken[0] and "OVER" in dba.taken[1] and "it came back 19 times meanwhile" in dba.taken[1]


def test_an_alert_that_nobody_answers_rises_to_level_3(watch, monkeypatch):
    with web() as first, web() as second, web() as third:
        for number, receiver in enumerate((first, second, third), start=1):
            monkeypatch.setenv(f"LEADBOOK_ALERTS_{number}", receiver.url)
        one = watch()
        for minutes in range(0, 60, 5):
            one.take(minutes, alert())
        assert [len(receiver.taken) for receiver in (first, second, third)] == [1, 1, 1]
        assert "Nobody has answered for 15 min. It is told to level 2 now." in second.taken[0]
        one.take(61)
        one.take(70)
        assert [len(receiver.taken) for receiver in (first, second, third)] == [2, 2, 2]  # all are told that it is over


def test_a_critical_alert_goes_to_everybody_at_once(watch, monkeypatch):
    with web() as first, web() as third, web() as pager:
        for name, receiver in (("1", first), ("3", third), ("CRITICAL", pager)):
            monkeypatch.setenv(f"LEADBOOK_ALERTS_{name}", receiver.url)
        watch().take(0, alert(level=4))
        assert [len(receiver.taken) for receiver in (first, third, pager)] == [1, 1, 1]


def test_a_level_without_an_address_falls_back_and_says_so(dba, watch):
    one = watch()
    one.take(0, alert())
    one.take(15, alert())
    assert "level 2 has no address (LEADBOOK_ALERTS_2 is empty): level 1 is told instead" in dba.taken[1]
    assert any("level 3 has no address" in title for title in one.titles("note"))


def test_nobody_named_is_said_and_told_later(watch, monkeypatch, receiver):
    one = watch()
    one.take(0, alert())
    assert "no alert can be sent" in one.titles("note")[0]
    one.dispatcher.close()
    monkeypatch.setenv("LEADBOOK_ALERTS_1", receiver.url)
    watch().take(1, alert())
    assert len(receiver.taken) == 1


def test_an_answer_ends_escalation_until_it_runs_out_or_the_alert_gets_graver(dba, watch):
    one = watch()
    one.take(0, alert())
    one.dispatcher.book.acknowledge("LIVE-DISK-001", by="Ada", now=at(5), until=at(65))
    for minutes in (10, 20, 30, 60):
        one.take(minutes, alert())
    assert len(dba.taken) == 1 and "answered by Ada until Tue 13:05 UTC" in one.dispatcher.standing()[0]["state"]
    one.take(66, alert())
    assert "Ada had answered, but the time that was asked for is over." in dba.taken[1]
    one.dispatcher.book.acknowledge("LIVE-DISK-001", by="Ada", now=at(67), until=None)
    one.take(68, alert(level=3))
    assert "GRAVER, level 3" in dba.taken[2] and "not answered" in one.dispatcher.standing()[0]["state"]


def test_at_most_so_many_messages_an_hour_and_the_rest_in_one(dba, watch):
    one = watch(SENDS.model_copy(update={"alert_most_an_hour": 5, "alert_answer_minutes": 1e6}))
    keys = []
    for minutes in range(20):
        keys.append(f"K-{minutes:02}")
        one.take(minutes, *map(alert, keys))
    assert len(dba.taken) == 4  # a fifth is kept for critical ones
    assert any("held back: the hourly limit is reached" in title for title in one.titles("note"))
    one.take(20, *map(alert, keys), alert("GRAVE", level=4))
    assert len(dba.taken) == 5 and "critical: Trouble GRAVE" in dba.taken[4] and "16 messages were held" in dba.taken[4]


def test_a_dry_run_sends_nothing_and_a_real_one_tells_what_goes_on(dba, watch):
    dry = watch(Settings())
    dry.take(0, alert())
    dry.take(1, alert())
    assert not dba.got and "would be sent to webhook" in dry.dispatcher.standing()[0]["state"]
    assert "dry run" in dry.titles("note")[0]
    dry.dispatcher.close()
    real = watch()
    real.take(2, alert())
    real.take(3, alert())
    assert len(dba.taken) == 1


def test_another_watch_goes_on_where_the_first_ended(dba, watch):
    first = watch()
    first.take(0, alert())
    second = watch()
    second.take(1, alert("OTHER"))  # the folder is the first one's still
    assert len(dba.taken) == 1
    first.dispatcher.close()
    second.take(2, alert())
    second.take(10)
    second.take(20)
    assert len(dba.taken) == 2 and "OVER" in dba.taken[1]


def test_an_address_that_is_named_no_more_hands_over_what_it_was_not_told(dba, watch, monkeypatch):
    dba.always = (500, {}, 0)
    first = watch()
    first.take(0, alert())
    first.dispatcher.close()
    with web() as other:
        monkeypatch.setenv("LEADBOOK_ALERTS_1", other.url)
        second = watch()
        second.take(1, alert())
        assert len(other.taken) == 1 and not second.titles("undeliverable")


def test_a_full_disk_does_not_keep_an_alert_from_being_sent(dba, watch, tmp_path):
    one = watch()
    one.take(0, alert("FIRST"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "alerts.jsonl").stat().st_size + 20, hard))
    try:
        one.take(1, alert("FIRST"), alert())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(dba.taken) == 2
    assert any("alerts cannot be recorded" in title for title in one.titles("note"))
    one.take(2, alert("FIRST"), alert(), alert("NEXT"))
    one.dispatcher.close()
    assert not one.dispatcher.book.problem
    watch().take(3, alert("FIRST"), alert(), alert("NEXT"))
    assert len(dba.taken) == 3  # what waited in memory was written


def test_torn_and_foreign_lines_are_skipped(dba, watch, tmp_path):
    first = watch()
    first.take(0, alert())
    first.dispatcher.close()
    with (tmp_path / "alerts.jsonl").open("a") as file:
        file.write(
            '{"e":"begun","at":"2026-12-01\n[]\n"x"\n{"e":"nonsense","at":"2026-12-01T12:00:00+00:00","key":"K"}\n{"e":"ov'
        )
    second = watch()
    second.take(1, alert(), alert("NEXT"))
    assert len(dba.taken) == 2 and "NEXT" in dba.taken[1]
    second.dispatcher.close()
    assert len(watch().dispatcher.book.state.troubles) in (0, 2)


def test_a_line_that_is_nested_without_end_hides_nothing_that_stands_behind_it(dba, watch, tmp_path):
    (tmp_path / "alerts.jsonl").write_text("[" * 200_000 + "\n")
    first = watch()
    first.take(0, alert())
    first.dispatcher.close()
    watch().take(1, alert())
    assert len(dba.taken) == 1  # the second knows that it was told


@pytest.mark.parametrize("forged", [
    {"level": "high"}, {"level": 9}, {"since": "2026-01-01T00:00:00"}, {"key": ["x"]}, {"lines": 5}, {"title": 7},
    {"lines": [5]}, {"at": "2026-01-01T00:00:00"},
])  # fmt: skip
def test_a_forged_entry_is_skipped_and_keeps_no_alert_back(dba, watch, tmp_path, forged):
    begun = {"e": "begun", "at": at().isoformat(), "key": "LIVE-X-001", "level": 2, "title": "t", "lines": ["x"],
             "since": at().isoformat(), "dry": False}  # fmt: skip
    (tmp_path / "alerts.jsonl").write_text(json.dumps(begun | forged) + "\n")
    one = watch()
    one.take(0, alert())
    assert len(dba.taken) == 1 and one.dispatcher.book.skipped == 1
    assert [told["key"] for told in one.dispatcher.standing() if told["kind"] == "alert"] == ["LIVE-DISK-001"]


KILLED = """
    import os, signal, sys
    from datetime import datetime
    from pathlib import Path
    from leadbook.alerts import dispatcher
    from leadbook.alerts.records import Alert
    from leadbook.core.settings import Settings
    folder, when, now = Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])
    kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    if when == "before it is sent":
        dispatcher.Postman.send = kill
    else:
        dispatcher.Dispatcher._report = kill
    one = dispatcher.Dispatcher(Settings(alerts=True), folder, heading="made")
    one.take([Alert(key="K", level=1, title="T", lines=(), at=now)], now)
    one.wait(10)
"""


@pytest.mark.parametrize(("when", "before"), [("before it is sent", 0), ("before it is recorded", 1)])
def test_a_killed_watch_loses_no_message_and_repeats_one_at_most(dba, watch, tmp_path, when, before):
    argv = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), when, at(0).isoformat()]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(PROJECT / "lib")}, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL and len(dba.taken) == before
    one = watch()
    for minutes in (1, 2, 3, 10):
        one.take(minutes, alert("K", title="T"))
    assert len(dba.taken) == before + 1 and dba.taken[-1].endswith(REPEATED)


def test_mail_arrives_and_says_whom_it_was_refused(watch, monkeypatch):
    with mail() as server:
        monkeypatch.setenv("LEADBOOK_ALERTS_1", server.url("dba@example.com,lead@example.com", "user:secret%21word@"))
        server.busy = True
        one = watch()
        one.take(0, alert(title="Disk\r\nBcc: all@example.com"))
        assert "the mail server answers 451" in one.titles("undeliverable")[0]
        server.busy, server.refused = False, {"lead@"}
        one.take(1, alert())
        (text,) = server.taken
        assert "Subject: [leadbook] MADE-UP DATA: new, level 1: Disk Bcc: a***@example.com" in text
        assert "To: dba@example.com, lead@example.com" in text and "\nBcc:" not in text
        letter = next(iter(one.dispatcher.book.state.letters.values()))
        assert (letter.state, letter.reason) == ("delivered", "refused for 1 of 2 recipients")
        assert "partly delivered by smtp" in one.titles("undeliverable")[0]
        assert "(refused for 1 of 2 recipients)" in one.dispatcher.standing()[0]["state"]
        server.refused = set()
        one.take(2, alert(), alert("LATER-1", minutes=2))
        assert len(server.taken) == 2 and not one.titles("undeliverable")


def test_apprise_takes_what_it_knows_and_says_honestly_what_arrived(watch, monkeypatch, receiver):
    monkeypatch.setenv("LEADBOOK_ALERTS_1", receiver.url.replace("http://", "json://"))
    monkeypatch.setenv("LEADBOOK_ALERTS_CRITICAL", "nonsense://somewhere/secretpath")
    receiver.answers = [(500, {}, 0)]
    one = watch()
    one.take(0, alert(level=4))
    told = " ".join(one.titles("undeliverable"))
    assert "was not taken, answers 500 (by apprise)" in told and "no such kind of address is known" in told
    one.take(1, alert(level=4))
    assert len(receiver.taken) == 1 and "critical: Trouble" in receiver.taken[0]


def test_the_file_is_private_and_holds_no_address(dba, watch, tmp_path):
    dba.answers = [(500, {}, 0)]
    watch().take(0, alert())
    path = tmp_path / "alerts.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert all(part not in text for part in ("SECRET", "verysecret", "http://"))
    assert {json.loads(line)["e"] for line in text.splitlines()} == {"begun", "news", "letter", "attempt", "failed"}
