"""A missed time is measured once more, and what the host did is told apart from what the database did."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from leadbook.bench import lookups
from leadbook.core import connect
from leadbook.core.checks import Verdict, judge, warned
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.measure import canary
from leadbook.measure.session import BenchmarkSession
from leadbook.measure.workers import CLIENT_BOUND
from leadbook.phases.measuring import missed, settled, take
from leadbook.phases.p03 import verdicts
from leadbook.rehearsal import servers

SETTINGS = Settings()
BURN = "import hashlib\nwhile True: hashlib.sha256(b'x' * 1_000_000)"
EVEN, UNEVEN = [0.010, 0.0101], [0.010, 0.030]


def heard(monkeypatch, readings):
    """A canary whose readings are given, over and over: what it really takes has no part in the test."""
    turn = iter(readings * 100)
    monkeypatch.setattr(canary, "compute", lambda: next(turn))


def taken(place, values, *, check="LOAD-DUP-002"):
    """One gate measured as `values` say, one after the other."""
    left = list(values)

    def judged(value):
        return [judge(check, value, settings=SETTINGS, evidence="p95 of 1,000 calls")]

    return take(place, {}, "x", lambda: left.pop(0), judged), left


@pytest.mark.parametrize("readings", [EVEN, UNEVEN])
def test_a_value_within_its_target_passes_at_once_whatever_the_host_does(place, monkeypatch, readings):
    heard(monkeypatch, readings)
    found, left = taken(place, [99.0, 1.0])
    assert (found.checks[0].verdict, left) == (Verdict.PASS, [1.0])


def test_one_slow_moment_is_measured_once_more(place, monkeypatch):
    heard(monkeypatch, EVEN)
    found, _ = taken(place, [128.0, 4.0])
    (check,) = found.checks
    assert (check.verdict, check.measured, found.found) == (Verdict.PASS, 4.0, 4.0)
    assert "measured once more, at first 128 ms" in check.evidence


def test_missed_twice_on_a_quiet_host_fails(place, monkeypatch):
    heard(monkeypatch, EVEN)
    (check,) = taken(place, [128.0, 118.0])[0].checks
    assert (check.verdict, check.measured) == (Verdict.FAIL, 118.0)


@pytest.mark.parametrize("check", ["LOAD-DUP-002", "BCH-INS-003", "MON-POOL-002", "LOAD-OPN-002"])
def test_missed_twice_on_a_noisy_host_is_not_measured(place, monkeypatch, check):
    heard(monkeypatch, UNEVEN)
    worse = {"BCH-INS-003": [10.0, 11.0], "LOAD-OPN-002": [False, False]}.get(check, [128.0, 118.0])
    (found,) = taken(place, worse, check=check)[0].checks
    assert (found.verdict, found.measured) == (Verdict.NOT_MEASURED, None)
    assert "host busy" in found.evidence and "quiet" in found.remedy


def test_what_was_lost_or_wrong_at_first_stays_so(place, monkeypatch):
    heard(monkeypatch, UNEVEN)
    slow, lost, good = (judge("LOAD-DUP-002", 200.0, settings=SETTINGS), judge("LOAD-INS-002", 3),
                        judge("LOAD-DUP-001", 5.0, settings=SETTINGS))  # fmt: skip
    again = [judge("LOAD-DUP-002", 3.0, settings=SETTINGS), judge("LOAD-INS-002", 0),
             judge("LOAD-DUP-001", 500.0, settings=SETTINGS)]  # fmt: skip
    found = settled([slow, lost, good], again, canary.Canary())
    assert [check.verdict for check in found] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert found[1].measured == 3
    warning = warned("LOAD-DUP-001", 200.0, settings=SETTINGS, evidence="p99 beyond")
    assert missed([warning]) == []


@pytest.mark.trust(
    way="Other programs take the processors while 03 and 05 measure",
    status=None,
    says=("host busy", "for a processor", "run this phase again when the host is quiet"),
    leaves="Nothing: times beyond their target are not measured, which is no GO and no failure of the database.",
)
def test_a_host_whose_processors_are_taken_is_called_busy(place, trust):
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        time.sleep(0.5)
        (check,) = taken(place, [128.0, 118.0])[0].checks
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    assert check.verdict is Verdict.NOT_MEASURED
    trust.check(None, f"{check.evidence}; {check.remedy}")


class Stalls(CommandListener):
    """Stops the server for 150 ms at every fifth command: by count, so that no machine is fast enough to slip through
    and none so busy that the next stall comes late."""

    def __init__(self, pid: int) -> None:
        self.pid, self.on, self._seen = pid, False, 0

    def started(self, event: CommandStartedEvent) -> None:
        self._seen += self.on
        if self.on and self._seen % 5 == 0:
            os.kill(self.pid, signal.SIGSTOP)
            threading.Timer(0.15, os.kill, (self.pid, signal.SIGCONT)).start()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to do."""


@pytest.mark.trust(
    way="MongoDB stalls again and again (SIGSTOP) while 03 measures, on a quiet host",
    status=None,
    says=("calls; median", "measured once more, at first"),
    leaves="Nothing: the times fail, and are not blamed on the host.",
)
@pytest.mark.slow
def test_a_stalled_server_on_a_quiet_host_fails(own_servers, settings, monkeypatch, trust):
    heard(monkeypatch, EVEN)
    monkeypatch.setattr(lookups, "SINGLES_IN_ALL", (40, 1))
    monkeypatch.setattr(lookups, "BATCHES_IN_ALL", (4, 1))
    state = own_servers(redis=False)
    endpoints, stalls = servers.resolve(settings, folder=state.folder), Stalls(state.members[0].pid)
    small = settings.model_copy(update={"bench_rounds": 2})
    with connect.mongodb(endpoints.mongodb_uri, settings, listeners=[stalls]) as mongo:
        place = BenchmarkSession(mongodb=mongo, admin=mongo, redis=None, endpoints=endpoints, settings=small)
        filled = place.keep("stall", 200)
        stalls.on = True
        try:
            found = take(place, {}, "look-ups", lambda: lookups.measure(place, filled),
                         lambda one: verdicts.lookups(one, small))  # fmt: skip
        finally:
            stalls.on = False
            place.close()
    (check,) = [check for check in found.checks if check.id == "BCH-DUP-001"]
    assert check.verdict is Verdict.FAIL and check.measured > 100
    trust.check(None, check.evidence)


def test_the_bound_of_a_client_stands_once():
    assert {catalogue()[check].target for check in ("BCH-ENV-002", "LOAD-ENV-001")} == {CLIENT_BOUND}
