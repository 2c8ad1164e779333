"""What a series promises: no snapshot is lost that was said to be written, and what is lost is told."""

import json
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leadbook.core.errors import RefusedError
from leadbook.watch import series as module
from leadbook.watch.records import Event, LiveSnapshot
from leadbook.watch.series import Series, parsed

BEGIN = datetime(2026, 12, 1, 8, tzinfo=UTC)
WRITER = Path(__file__).parent.parent / "watch_writer.py"


def snapshot(number: int, **changed) -> LiveSnapshot:
    values = {
        "at": BEGIN + timedelta(seconds=30 * number), "number": number, "watch": "test", "interval_s": 30.0,
        "readings": {"sprint.leads": float(number)},
    }  # fmt: skip
    return LiveSnapshot(**(values | changed))


def numbers(folder: Path) -> list[int]:
    return [one.number for one in Series(folder).read()]


def fill(folder: Path, count: int) -> None:
    with Series(folder) as series:
        for _ in range(count):
            assert series.append(snapshot(series.next_number))


def test_snapshots_come_back_as_they_were_and_numbers_go_on(tmp_path):
    event = Event(at=BEGIN, kind="away", source="redis", seconds=3.0, told={"why": "refused"})
    one = snapshot(1, events=(event,), unmeasured={"redis": "away"}, details={"slow": [{"plan": "COLLSCAN"}]})
    with Series(tmp_path / "watch") as series:
        assert series.append(one)
    fill(tmp_path / "watch", 3)
    found = list(Series(tmp_path / "watch").read())
    assert found[0] == one and [each.number for each in found] == [1, 2, 3, 4]
    assert [each.number for each in Series(tmp_path / "watch").read(since=found[2].at)] == [3, 4]


def test_the_series_is_private(tmp_path):
    fill(tmp_path / "watch", 1)
    assert stat.S_IMODE((tmp_path / "watch").stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (tmp_path / "watch").glob("snapshots-*"))


def test_a_series_goes_over_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_IN_FILE", 1_000)
    fill(tmp_path, 20)
    fill(tmp_path, 20)
    assert numbers(tmp_path) == list(range(1, 41))
    assert len(list(tmp_path.glob("snapshots-*"))) > 4
    assert max(path.stat().st_size for path in tmp_path.glob("snapshots-*")) < 1_400


def test_a_huge_snapshot_keeps_its_numbers_and_loses_its_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 2_000)
    with Series(tmp_path) as series:
        assert series.append(snapshot(1, details={"clients": ["x" * 100] * 100}))
    (found,) = Series(tmp_path).read()
    assert found.readings == {"sprint.leads": 1.0} and not found.details and "bytes" in found.unmeasured["details"]


@pytest.mark.parametrize("cut", [1, 5, 40, 10_000])
def test_a_torn_line_is_set_aside_and_the_file_goes_on(tmp_path, cut):
    fill(tmp_path, 3)
    (path,) = tmp_path.glob("snapshots-*")
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole + last[: min(cut, len(last) - 1)])
    fill(tmp_path, 2)
    assert numbers(tmp_path) == [1, 2, 3, 4, 5]
    assert last[: min(cut, len(last) - 1)] in (tmp_path / "torn.jsonl").read_bytes()


def test_a_spoilt_line_is_left_out_and_counted(tmp_path):
    fill(tmp_path, 4)
    (path,) = tmp_path.glob("snapshots-*")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"2.0", b"7.0") + b"\0\xff\n" + lines[2] + lines[3])
    series = Series(tmp_path)
    assert [one.number for one in series.read()] == [1, 3, 4] and series.torn == 2


@pytest.mark.parametrize("forged", [
    {"at": "2026-01-01T00:00:00"}, {"number": "9"}, {"number": 1e400}, {"readings": {"sprint.leads": "x"}},
    {"readings": []}, {"interval_s": "x"}, {"unmeasured": 5}, {"details": [1]},
    {"events": [{"at": "2026-01-01T00:00:00", "kind": "gap", "source": "watch"}]},
])  # fmt: skip
def test_a_forged_line_is_left_out_though_its_checksum_is_right(forged):
    text = json.dumps(json.loads(snapshot(1).as_json()) | forged).encode()
    assert parsed(b"%08x %s\n" % (zlib.crc32(text), text)) is None


def test_a_line_that_is_nested_without_end_is_left_out():
    text = b"[" * 200_000
    assert parsed(b"%08x %s\n" % (zlib.crc32(text), text)) is None


def test_a_second_watch_is_refused_in_one_line(tmp_path):
    with (
        Series(tmp_path),
        pytest.raises(RefusedError, match=f"process {os.getpid()} watches this sprint already"),
        Series(tmp_path),
    ):
        pass
    fill(tmp_path, 1)  # and let in when the first has ended


def test_a_series_is_set_aside_though_an_earlier_one_was_removed(tmp_path):
    (tmp_path / "earlier-002").mkdir()
    with Series(tmp_path) as series:
        series.append(snapshot(1))
        assert series.set_aside() == tmp_path / "earlier-003"


def test_a_lock_with_nonsense_in_it_still_refuses_a_second_watch(tmp_path):
    with Series(tmp_path):
        (tmp_path / "lock").write_bytes(b"\xff\xfe")
        with pytest.raises(RefusedError, match="another process"), Series(tmp_path):
            pass


def test_sigkill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path):
    told: list[int] = []
    for turn in range(20):
        process = subprocess.Popen([sys.executable, str(WRITER), str(tmp_path)], stdout=subprocess.PIPE, text=True)
        first = process.stdout.readline()
        time.sleep(random.Random(turn).uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        told += map(int, [first, *process.stdout])
        process.wait()
        process.stdout.close()
    found = numbers(tmp_path)
    assert len(told) > 20 and set(told) <= set(found)
    assert found == sorted(set(found)) == list(range(1, len(found) + 1))


@pytest.fixture
def small_disk():
    """`small_disk(bytes)`: no file may grow beyond it: writes fail with a real OSError, a part may be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_snapshots_wait_and_come_later(tmp_path, small_disk):
    with Series(tmp_path) as series:
        assert series.append(snapshot(1))
        small_disk((tmp_path / "snapshots-000000001.jsonl").stat().st_size + 20)  # the next line is cut off
        assert not series.append(snapshot(2)) and not series.append(snapshot(3))
        assert (series.waiting, series.next_number) == (2, 4) and series.problem
        assert numbers(tmp_path) == [1]
        small_disk(resource.RLIM_INFINITY)
        assert series.append(snapshot(4)) and not series.problem
    found = list(Series(tmp_path).read())
    assert [one.number for one in found] == [1, 2, 3, 4] and not any(one.events for one in found)


def test_what_waits_too_long_is_lost_and_told_as_a_gap(tmp_path, small_disk, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    with Series(tmp_path) as series:
        assert series.append(snapshot(1))
        small_disk((tmp_path / "snapshots-000000001.jsonl").stat().st_size)
        assert not any(series.append(snapshot(number)) for number in range(2, 9))
        assert series.waiting == 3
        small_disk(resource.RLIM_INFINITY)
        assert series.append(snapshot(9))
    found = list(Series(tmp_path).read())
    assert [one.number for one in found] == [1, 6, 7, 8, 9]
    (gap,) = [event for one in found for event in one.events]
    assert (gap.kind, gap.source, gap.seconds, gap.told["lost"]) == ("gap", "watch", 120.0, 4)


def test_a_device_that_is_full(tmp_path):
    with Series(tmp_path) as series:
        series._file = os.open("/dev/full", os.O_RDWR | os.O_APPEND)
        assert not series.append(snapshot(1)) and series.problem == "No space left on device"
        assert series.append(snapshot(2))
    assert numbers(tmp_path) == [1, 2]
