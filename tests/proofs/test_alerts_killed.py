"""A watch that is killed at random moments loses no message, and repeats at most one for each time it is killed."""

import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pytest

from leadbook.core.settings import PROJECT
from receivers import web

pytestmark = pytest.mark.proof

KILLS, TROUBLES = 20, 60
WATCHES = """
    import sys, time
    from datetime import UTC, datetime
    from pathlib import Path
    from leadbook.alerts.dispatcher import Dispatcher
    from leadbook.alerts.records import Alert
    from leadbook.core.settings import Settings
    folder, many = Path(sys.argv[1]), int(sys.argv[2])
    one = Dispatcher(Settings(alerts=True, alert_most_an_hour=10_000), folder, heading="MADE-UP DATA")
    going = []
    for number in range(many):  # the rules find the same again after each restart
        now = datetime.now(UTC)
        going.append(Alert(key=f"K-{number:03}", level=1, title="T", lines=(), at=now))
        one.take(going, now)
        time.sleep(0.03)
    while any(one.book.state.waiting.values()) or one.book.state.unfinished():
        one.tick(datetime.now(UTC))
        one.wait(1)
    print("all told", flush=True)
"""


def test_a_watch_killed_at_twenty_random_moments_tells_every_trouble(tmp_path, monkeypatch, capsys):
    chance = random.Random(12)
    with web() as receiver:
        receiver.always = (200, {}, 0.01)
        monkeypatch.setenv("LEADBOOK_ALERTS_1", receiver.url)
        argv = [sys.executable, "-c", textwrap.dedent(WATCHES), str(tmp_path), str(TROUBLES)]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT / "lib")}
        for _ in range(KILLS):
            watch = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.4, 2.0))
            watch.send_signal(signal.SIGKILL)
            watch.wait()
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "all told\n"
    told = Counter(key for text in receiver.taken for key in set(re.findall(r"K-\d{3}", text)))
    repeated = [text for text in receiver.taken if "This may be a repetition" in text]
    twice = {key for key, times in told.items() if times > 1}
    capsys.readouterr()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{KILLS} kills: {len(told)} of {TROUBLES} troubles told in {len(receiver.taken)} messages, "
            f"{len(repeated)} marked as possible repetitions, {len(twice)} troubles told twice\n"
        )
    assert len(told) == TROUBLES
    assert twice <= {key for text in repeated for key in re.findall(r"K-\d{3}", text)} and len(repeated) <= KILLS
