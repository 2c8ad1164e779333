"""Eight quiet hours, twenty times over, raise no alarm; judging a snapshot costs little."""

import sys
import time
from collections import Counter

import pytest
from tests.phases.live.simulated import Sprint

from leadbook.core.settings import Settings
from leadbook.phases.live.judge import HEALTHY, Judge
from leadbook.watch.history import History

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1_200)]
HOURS = 960
"""Snapshots of 8 hours at 30 s."""


def test_twenty_times_eight_quiet_hours_raise_no_alarm(capsys):
    alarms, took = Counter(), []
    for seed in range(20):
        judge, history = Judge(Settings()), History()
        for snapshot in Sprint(seed).snapshots(HOURS):
            history.add(snapshot)
            began = time.process_time()
            judge.take(snapshot, history)
            took.append(time.process_time() - began)
        alarms += Counter(finding.key for finding in [*judge.over, *judge.findings])
        if not judge.findings:
            assert judge.verdict == HEALTHY
    told = f"20 series of {HOURS:,} snapshots: {dict(alarms) or 'no alarm'}; judging one snapshot takes "
    told += f"{1000 * sum(took) / len(took):.2f} ms on average, {1000 * max(took):.1f} ms at most"
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
    assert not alarms
