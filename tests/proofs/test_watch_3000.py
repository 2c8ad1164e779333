"""3,000 snapshots of a watch at a fast clock on real servers: memory stays flat, and the servers hardly notice."""

import gc
import os
import signal
import time

import psutil
import pytest
from tests.watch.real_reader import RealReader

from leadbook.commands.watching import parts as watch_parts
from leadbook.commands.watching import watch as commands
from leadbook.watch.clock import SprintClock
from leadbook.watch.place import folder_of
from leadbook.watch.series import Series

pytestmark = pytest.mark.proof
COUNT, FACTOR, EVERY_S = 3_000, 300.0, 30.0
MOST_GROWTH_MIB = 30.0
"""Growth of the watch's memory from snapshot 1,000 to 3,000: its history grows by 100 columns of 8 bytes a snapshot
(2 MiB), the rest is what an allocator keeps."""


@pytest.mark.timeout(6_000)
@pytest.mark.parametrize("drawn", [False, True], ids=["kept and judged", "all"])
def test_3000_snapshots(drawn, settings, database, clean_redis, tmp_path, monkeypatch, endpoints):
    database[settings.collection].insert_many([{"linkedin_url": f"made-{number}"} for number in range(1_000)])
    for name, value in (
        ("MONGODB_URI", endpoints.mongodb_uri), ("MONGODB_ADMIN_URI", endpoints.admin_uri),
        ("REDIS_URL", endpoints.redis_url),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(watch_parts, "clock", lambda settings, last: SprintClock(FACTOR, began=last))
    if not drawn:  # a quick reader, and nothing is drawn: minutes instead of an hour on a busy machine
        monkeypatch.setattr(watch_parts, "reader", lambda settings, points, clock: RealReader(points, settings, clock))
        monkeypatch.setattr(watch_parts, "view", lambda *_, **__: None)
    watched = settings.model_copy(update={"profile": "production", "watch_dir": str(tmp_path / "watch")})
    memory, cost, process, began = {}, [], psutil.Process(), time.monotonic()

    def tell(turn):
        number = turn.snapshot.number
        assert turn.on_disk
        cost.append(turn.snapshot.readings.get("watch.server_ms", 0.0))
        if number % 500 == 0:
            gc.collect()
            memory[number] = process.memory_info().rss / 2**20
        if number == COUNT:
            os.kill(os.getpid(), signal.SIGTERM)

    options = commands.WatchOptions(every_s=EVERY_S, page=tmp_path / "live.html" if drawn else None, reports=False)
    commands.watch(watched, options, told=tell, notice=lambda _: None)
    took, numbers = time.monotonic() - began, [one.number for one in Series(folder_of(watched, endpoints)).read()]
    size = sum(path.stat().st_size for path in folder_of(watched, endpoints).glob("snapshots-*"))
    what = "read, judged and drawn" if drawn else "kept and judged"
    print(  # noqa: T201
        f"\n{COUNT:,} snapshots in {took:.0f} s, {what}; RSS MiB by snapshot "
        f"{ {number: round(mib, 1) for number, mib in memory.items()} }; series {size / 2**20:.1f} MiB"
    )
    if drawn:
        work = sum(cost) / COUNT
        print(f"servers at work {work:.1f} ms a snapshot, {work / EVERY_S / 10:.3f} % of 30 s")  # noqa: T201
    assert numbers == list(range(1, COUNT + 1))
    assert memory[COUNT] - memory[1_000] < MOST_GROWTH_MIB
    assert sum(cost) / COUNT < EVERY_S * 1000 * 0.01
