"""`leadbook watch`: wired on real servers, looked at by cron, ended in order."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from tests.watch.real_reader import FastClock, RealReader
from typer.testing import CliRunner

from leadbook.alerts.dispatcher import Dispatcher
from leadbook.alerts.records import Alert
from leadbook.cli.app import app
from leadbook.cli.main import COMMANDS
from leadbook.commands.ack import alerting
from leadbook.commands.watching import parts as watch_parts
from leadbook.commands.watching import watch as commands
from leadbook.core.errors import InputFileError, RefusedError, UnreachableError, UsageError
from leadbook.core.journal import COLLECTION as JOURNAL
from leadbook.phases.live.judge import Judge
from leadbook.watch import heartbeat
from leadbook.watch.heartbeat import Heart
from leadbook.watch.place import folder_of, series_of

assert COMMANDS
CLOCK, READER = watch_parts.clock, watch_parts.reader


@pytest.fixture
def place(settings, database, clean_redis, tmp_path, monkeypatch, endpoints):
    """Settings of production on real servers, with a series of its own; the reader is the monitor's own sources."""
    database["performance_marketers"].insert_one({"linkedin_url": "x"})
    monkeypatch.setattr(watch_parts, "clock", lambda settings, last: FastClock(10, last))
    monkeypatch.setattr(watch_parts, "reader", lambda settings, points, clock: RealReader(points, settings, clock))
    for name, value in (
        ("MONGODB_URI", endpoints.mongodb_uri), ("MONGODB_ADMIN_URI", endpoints.admin_uri),
        ("REDIS_URL", endpoints.redis_url),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    return settings.model_copy(update={"profile": "production", "watch_dir": str(tmp_path / "watch")})


def run(settings, turns=0, **asked):
    """What was told and noticed; SIGTERM comes with the last of so many turns."""
    told, notices = [], []

    def tell(turn):
        told.append(turn)
        if len(told) == turns:
            os.kill(os.getpid(), signal.SIGTERM)

    options = commands.WatchOptions(**({"every_s": 1.0, "reports": False} | asked))
    commands.watch(settings, options, told=tell, notice=notices.append)
    return told, notices


def test_one_snapshot_by_the_real_reader_and_everything_that_is_made_of_it(place, endpoints, monkeypatch, tmp_path):
    monkeypatch.setattr(watch_parts, "clock", CLOCK)
    monkeypatch.setattr(watch_parts, "reader", READER)
    page = tmp_path / "live.html"
    (turn,), notices = run(place, once=True, page=page)
    assert turn.on_disk and turn.verdict in ("HEALTHY", "ATTENTION", "CRITICAL") and not notices
    assert "#1:" in turn.line and json.dumps(turn.as_dict())
    assert turn.view.snapshot.readings["sprint.leads"] == 1 and "REAL DATA" in page.read_text()
    assert watch_parts.screen(turn.view) is not None
    assert [one.number for one in series_of(place, endpoints).read()] == [1]
    assert not (folder_of(place, endpoints) / heartbeat.NAME).exists()


def test_a_watch_goes_on_where_the_last_one_ended(place):
    first, _ = run(place, turns=3)
    assert len(first) == 3 and commands.check(place).status == heartbeat.STALE  # it has ended, and says so
    again, _ = run(place, turns=3)
    assert [turn.snapshot.number for turn in again] == [4, 5, 6]


def test_a_signal_ends_it_in_order(place):
    told, notices = run(place, turns=1)
    assert len(told) == 1 and any("SIGTERM" in line for line in notices)
    assert "stopped by SIGTERM" in commands.check(place).line


def test_a_second_watch_is_refused(place, endpoints):
    with series_of(place, endpoints), pytest.raises(RefusedError, match="watches this sprint already"):
        run(place, once=True)


def test_an_output_that_fails_is_told_once_and_stops_nothing(place, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise UnreachableError("page", "nowhere", "no luck")

    monkeypatch.setattr(watch_parts, "view", broken)
    told, notices = run(place, turns=3)
    assert len(told) == 3 and len([line for line in notices if "no luck" in line]) == 1


def test_what_could_not_be_judged_lets_the_heart_stand_still(place, monkeypatch, endpoints):
    class Broken(Judge):
        def take(self, snapshot, history):
            if snapshot.number > 2:
                raise ValueError("a rule broke")
            return super().take(snapshot, history)

    monkeypatch.setattr(watch_parts, "judge", lambda settings, _: Broken(settings))
    told, notices = run(place, turns=4)
    assert [bool(turn.verdict) for turn in told] == [True, True, False, False]
    assert len([line for line in notices if "a rule broke" in line]) == 1
    assert json.loads((folder_of(place, endpoints) / heartbeat.NAME).read_text())["number"] == 2


def test_a_snapshot_that_measured_nothing_lets_the_heart_stand_still(place, monkeypatch, endpoints):
    class Blind(RealReader):
        def read(self, number, interval_s):
            if number > 2:
                raise ValueError("the reader broke")
            return super().read(number, interval_s)

    monkeypatch.setattr(watch_parts, "reader", lambda settings, points, clock: Blind(points, settings, clock))
    told, _ = run(place, turns=6)
    assert [bool(turn.verdict) for turn in told] == [True, True, False, False, False, False]
    assert "NOT JUDGED" in told[-1].line and "the watch sees nothing of mongodb, of the sprint" in told[-1].line.lower()
    assert json.loads((folder_of(place, endpoints) / heartbeat.NAME).read_text())["number"] == 2


def test_without_mongodb_it_begins_all_the_same(place, monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200")
    monkeypatch.setenv("MONGODB_ADMIN_URI", "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200")
    (turn,), notices = run(place, once=True)
    assert "mongodb" in turn.snapshot.unmeasured and "mongodb away" in turn.line
    assert "watched all the same" in notices[0]


def test_a_rehearsal_does_not_look_at_somebodys_database(place):
    with pytest.raises(RefusedError):
        run(place.model_copy(update={"profile": "rehearsal"}), once=True)


# ------------------------------------------------------------------------------------------------- for cron


def pulse(folder, **later):
    return heartbeat.check(folder, datetime.now(UTC) + timedelta(**later))


def test_a_pipe_in_place_of_the_heartbeat_is_told_at_once(tmp_path):
    os.mkfifo(tmp_path / heartbeat.NAME)
    assert pulse(tmp_path).status == heartbeat.STALE and "cannot be read" in pulse(tmp_path).line


def test_what_cron_is_told(tmp_path):
    assert pulse(tmp_path).status == heartbeat.STALE and "no watch" in pulse(tmp_path).line
    heart = Heart(tmp_path, 30.0)
    heart.beat(7, "ATTENTION")
    assert pulse(tmp_path).status == heartbeat.FRESH and "ATTENTION since" in pulse(tmp_path).line
    assert pulse(tmp_path, seconds=99).status == heartbeat.FRESH
    assert pulse(tmp_path, seconds=101).status == heartbeat.STALE and "stale" in pulse(tmp_path, seconds=101).line
    assert pulse(tmp_path, hours=-1).status == heartbeat.STALE
    assert "not judged" not in pulse(tmp_path).line
    heart.beat(8, "HEALTHY", unknown=49, rules=57)
    assert pulse(tmp_path).line.endswith("; 49 of 57 rules not judged")
    heart.beat(8, "CRITICAL")
    assert pulse(tmp_path).status == heartbeat.CRITICAL
    heart.end("as asked")
    assert pulse(tmp_path).status == heartbeat.STALE and "nobody watches" in pulse(tmp_path).line
    for spoilt in ("", "{", "[]", '{"at": 3}', '{"at": "2026-01-01T00:00:00", "since": "", "interval_s": 1}'):
        (tmp_path / heartbeat.NAME).write_text(spoilt)
        assert pulse(tmp_path).status == heartbeat.STALE and "\n" not in pulse(tmp_path).line


def test_a_full_disk_is_told_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "FULL_BYTES", 2**60)
    assert "is full: make room" in pulse(tmp_path).line


def given(settings):
    profile = ["-p", f"database={settings.database}", "-p", f"watch_dir={settings.watch_dir}"]
    return ["watch", "--profile", "production", *profile]


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--every", "fast"], "no duration"), (["--until", "soon", "--once"], "no moment"),
     (["--serve", "9", "--metrics", "9"], "ports of their own"), (["--page", "/", "--once"], "is a folder")],
)  # fmt: skip
def test_wrong_words_are_one_line(place, words, said):
    result = CliRunner().invoke(app, [*given(place), *words])
    assert said in str(result.exception) and "\n" not in str(result.exception)


@pytest.mark.parametrize("forged", [
    {"interval_s": float("inf")}, {"interval_s": float("nan")}, {"interval_s": 1e99}, {"interval_s": -1},
    {"number": float("inf")}, {"verdict": "All is well"}, {"verdict": ""}, {"at": "2026-01-01"},
])  # fmt: skip
def test_a_forged_heartbeat_is_not_believed(tmp_path, forged):
    Heart(tmp_path, 30).beat(7, "HEALTHY")
    told = json.loads((tmp_path / heartbeat.NAME).read_text())
    (tmp_path / heartbeat.NAME).write_text(json.dumps(told | forged))
    assert pulse(tmp_path).status == heartbeat.STALE and "cannot be read" in pulse(tmp_path).line


def test_a_heartbeat_that_is_nested_without_end(tmp_path):
    (tmp_path / heartbeat.NAME).write_text("[" * 200_000)
    assert pulse(tmp_path).status == heartbeat.STALE


def test_two_targets_of_one_watch_dir_share_neither_series_nor_heartbeat_nor_alerts(place, endpoints):
    other = place.model_copy(update={"database": "somebody_elses"})
    run(other, once=True)
    now = datetime.now(UTC)
    with Dispatcher(other, folder_of(other, endpoints), heading="REAL DATA") as watch:
        watch.take([Alert(key="LIVE-DISK-001", level=1, title="Disk", lines=(), at=now)], now)
    Heart(folder_of(other, endpoints), 30).beat(7, "HEALTHY")
    assert commands.check(other).status == heartbeat.FRESH
    assert commands.check(place).status == heartbeat.STALE and all(
        one["kind"] == "note" for one in alerting(place).entries
    )
    assert [one["key"] for one in alerting(other).entries if one["kind"] == "alert"] == ["LIVE-DISK-001"]
    run(place, once=True)
    assert [len(list(series_of(one, endpoints).read())) for one in (place, other)] == [1, 1]


def test_a_page_never_takes_the_place_of_a_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputFileError, match="is no file"):
        commands._writable(tmp_path / "pipe")
    assert not (tmp_path / "pipe").is_file()


def test_an_action_without_a_moment_hides_no_other(place, endpoints, database, tmp_path):
    begun = datetime(2026, 12, 1, tzinfo=UTC)
    database[JOURNAL].insert_many([
        {"kind": "action", "at": "yesterday"}, {"kind": "action"}, {"kind": "action", "at": begun, "action": "writers"},
    ])  # fmt: skip
    with watch_parts.Alerts(place, endpoints, tmp_path) as alerts:
        assert [one["action"] for one in alerts.acted()] == ["writers"]


def test_check_on_the_command_line(place):
    result = CliRunner().invoke(app, [*given(place), "--check"])
    assert result.exit_code == 2 and "no watch has told anything" in result.output


def test_check_takes_no_option_that_it_would_not_heed(place):
    result = CliRunner().invoke(app, [*given(place), "--check", "--page", "live.html"])
    assert isinstance(result.exception, UsageError) and "leave --page out" in str(result.exception)
