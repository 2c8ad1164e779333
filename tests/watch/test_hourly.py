"""The hourly report: one at a time, at full hours of the sprint's clock, and its end is told."""

import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from leadbook.commands.watching.hourly import Hourly
from leadbook.commands.watching.watch import WatchOptions, _Watching
from leadbook.core import connect
from leadbook.core.errors import RefusedError
from leadbook.core.settings import Settings, load_profile
from leadbook.ingest.stops import Stop
from leadbook.rehearsal.locks import TargetLock
from leadbook.watch.clock import SprintClock
from leadbook.watch.records import LiveSnapshot
from leadbook.watch.series import Series

BEGIN = datetime(2026, 12, 1, 8, 59, tzinfo=UTC)
MADE = "print('ATTENTION: a reading is beyond its limit'); print('report: /reports/index.html')"


def at(minutes):
    return LiveSnapshot(at=BEGIN + timedelta(minutes=minutes), number=1, watch="w", interval_s=30.0)


def hourly(folder, code):
    return Hourly(folder, Settings.from_mapping({"batch_size": 77}), (sys.executable, "-c", code))


def wait(one):
    until = time.monotonic() + 10
    while one.running:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_report_at_each_full_hour(tmp_path):
    one = hourly(tmp_path, MADE)
    one.turn(at(0))
    assert not one.running and one.ended(BEGIN) is None
    one.turn(at(1))
    wait(one)
    made = one.ended(BEGIN)
    assert (made.kind, made.source, made.told["verdict"], made.told["status"]) == ("report", "watch", "ATTENTION", 0)
    assert made.told["page"] == "/reports/index.html" and one.ended(BEGIN) is None
    one.turn(at(59))
    assert not one.running
    assert load_profile(str(tmp_path / "report.yaml"))["batch_size"] == 77
    assert one.last(at(59)) and not one.last(at(59))
    wait(one)


def test_whom_a_report_keeps_out_is_told_that_it_is_the_watchs(tmp_path, settings, monkeypatch):
    monkeypatch.setenv("LEADBOOK_STATE", str(tmp_path))
    monkeypatch.delenv("MONGODB_URI", raising=False)
    code = (
        "import time; from leadbook.core.settings import Settings; from leadbook.rehearsal.locks import TargetLock\n"
        "with TargetLock(Settings.from_mapping({}), 'leadbook run --stage live', shared=True):\n"
        " print('holds', flush=True); time.sleep(60)"
    )
    one = hourly(tmp_path, code)
    one.turn(at(0))
    one.turn(at(1))
    until = time.monotonic() + 20
    while "holds" not in (tmp_path / "report.log").read_text() and time.monotonic() < until:
        time.sleep(0.05)
    try:
        with pytest.raises(RefusedError, match="the report of leadbook watch, leadbook run --stage live"):
            TargetLock(settings, "leadbook run")
    finally:
        one.abandon()


def test_one_at_a_time_and_who_was_left_out_is_counted(tmp_path):
    one = hourly(tmp_path, "import time; time.sleep(60)")
    for minutes in (0, 1, 61, 121):
        one.turn(at(minutes))
    assert one.running
    child = psutil.Process().children()
    one.abandon()
    made = one.ended(BEGIN)
    assert made.told["skipped"] == 2 and made.told["status"] != 0 and made.told["verdict"] == "BROKEN"
    assert not [process for process in child if process.is_running() and "time.sleep" in str(process.cmdline())]


@pytest.mark.parametrize("code", ["raise SystemExit(2)", "import os; os.kill(os.getpid(), 9)"])
def test_a_report_that_breaks_is_told(tmp_path, code):
    one = hourly(tmp_path, code)
    one.turn(at(0))
    one.turn(at(1))
    wait(one)
    assert one.ended(BEGIN).told["verdict"] == "BROKEN"


@pytest.mark.parametrize("signalled", [True, False])
def test_the_end_waits_for_a_report_or_a_signal_and_leaves_none_behind(tmp_path, monkeypatch, signalled):
    monkeypatch.setattr("leadbook.commands.watching.parts.judge", lambda *_: None)
    settings, notices, others = Settings.from_mapping({"batch_size": 77}), [], {*psutil.Process().children()}
    uri = "mongodb://127.0.0.1:1/"
    nowhere = connect.Endpoints(mongodb_uri=uri, admin_uri=uri, reporting_uri=None, redis_url="", source="environment",
                                redis_source="environment")  # fmt: skip
    watching = _Watching(settings, nowhere, WatchOptions(every_s=30.0), SprintClock(), None, Series(tmp_path),
                         lambda _: None, notices.append)  # fmt: skip
    code = "import time; time.sleep(60)" if signalled else "import time; time.sleep(0.5)"
    watching.heart, watching.hourly, stop = None, hourly(tmp_path, code), Stop()
    watching.hourly.turn(at(0))
    watching.hourly.turn(at(1))
    watching.history.add(at(30))
    if signalled:
        threading.Timer(0.5, lambda: setattr(stop, "reason", "stopped by SIGTERM")).start()
    first = {*psutil.Process().children()} - others
    watching.end(stop)
    watching.__exit__()
    assert "no other run may work on these servers" in notices[0] and "Ctrl-C" in notices[0]
    assert psutil.wait_procs(first | {*psutil.Process().children()} - others, timeout=5)[1] == []
    assert len([line for line in notices if line.startswith("report BROKEN")]) == (0 if signalled else 2)
