"""A rehearsal sprint in small: real servers, processes, faults and watch; the ledger is exact and nothing is left."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest
from typer.testing import CliRunner

from leadbook.cli import main as cli
from leadbook.cli.app import app
from leadbook.commands.rehearse.wanted import Wanted
from leadbook.core import connect
from leadbook.core.errors import RefusedError, UsageError
from leadbook.rehearsal import servers

TETHER = "leadbook.rehearsal.tether"


def at_work(run):
    """Processes that a rehearsal has started."""
    return [one for one in psutil.Process(run.pid).children() if TETHER in one.cmdline()]


@pytest.fixture
def ground(own_servers, monkeypatch):
    """Servers of its own that stay when the rehearsal ends, so that a test can look at them."""
    state = own_servers()
    monkeypatch.setenv("LEADBOOK_STATE", str(state.folder))
    monkeypatch.setenv("NO_COLOR", "1")
    return state


def until(condition, seconds=30.0):
    over = time.monotonic() + seconds
    while not condition() and time.monotonic() < over:
        time.sleep(0.05)
    assert condition()


def rehearse(*arguments, **more):
    argv = [sys.executable, "-m", "leadbook.cli", "rehearse", "--members", "1", *arguments]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_a_sprint_with_faults_ends_with_an_exact_ledger_and_nothing_left(ground, settings):
    with rehearse(
        "--hours", "1", "--clock", "720", "--every", "6m", "--json", "--fault", "evictions@12m+12m",
        "--fault", "duplicate-storm@16m+12m", "--fault", "silent-collector@20m+16m",
    ) as run:  # fmt: skip
        until(lambda: len(at_work(run)) == 2)
        started = at_work(run)
        out, err = run.communicate(timeout=90)
    assert run.returncode in (0, 1), err
    told = json.loads(out)
    sent, ledger = told["sent"], told["ledger"]
    assert ledger["read"] == sent["records"] > Wanted(hours=1).records and ledger["stored"] == sent["unique"]
    assert sum(ledger["rejected"].values()) == sum(sent["rejected"].values())
    assert [one["fault"] for one in told["faults"]] == ["evictions", "duplicate-storm", "silent-collector"]
    assert not [one["problem"] for one in told["faults"] if one["problem"]] and told["snapshots"] >= 8
    redis = connect.redis(ground.redis_url, settings)
    assert int(redis.config_get("maxmemory")["maxmemory"]) > 10**9
    redis.close()
    assert not [one for one in started if one.is_running()] and "fault evictions is over" in err


def test_a_killed_rehearsal_leaves_no_process_and_the_next_one_puts_back_what_it_changed(ground, settings):
    with rehearse("--hours", "1", "--clock", "60", "--fault", "evictions@1s+30m") as run:
        for line in run.stderr:
            if "fault evictions" in line:
                break
        redis = connect.redis(ground.redis_url, settings)
        until(lambda: int(redis.config_get("maxmemory")["maxmemory"]) < 10**9)
        started = at_work(run)
        assert len(started) == 2
        run.kill()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    with rehearse("--hours", "1", "--clock", "360") as run:
        told = next((line for line in run.stderr if "of a rehearsal that was killed: Redis's maxmemory is" in line), "")
        run.terminate()
        run.communicate(timeout=60)
    assert told and int(redis.config_get("maxmemory")["maxmemory"]) > 10**9
    redis.close()


@pytest.mark.parametrize(("wrong", "says"), [
    ({"faults": ["cache-los@1m"]}, "did you mean 'cache-loss'"), ({"faults": ["cache-loss"]}, "is not NAME@WHEN"),
    ({"faults": ["cache-loss@9h"]}, "would end after"), ({"hours": 0.0}, "--hours must be a number from 0.1"),
    ({"hours": float("nan")}, "--hours"), ({"clock": 5_000.0}, "--clock must be a number from 1 to 1000"),
    ({"every_s": 1.0}, "give --every 30s or more"), ({"hours": 0.1, "every_s": 300.0}, "fewer than four intervals"),
    ({"faults": ["cache-loss@1m"], "all_faults": True}, "not both"),
])  # fmt: skip
def test_what_cannot_be_is_told_in_one_line(wrong, says):
    with pytest.raises(UsageError, match=says) as raised:
        Wanted(**wrong).refuse()
    assert "\n" not in str(raised.value)


def test_never_in_production_and_nothing_starts_for_a_wrong_word(monkeypatch):
    monkeypatch.setattr(servers, "up", lambda *_, **__: pytest.fail("a server was started"))
    assert cli.COMMANDS
    result = CliRunner().invoke(app, ["rehearse", "--profile", "production"])
    assert isinstance(result.exception, RefusedError)
    result = CliRunner().invoke(app, ["rehearse", "--faults", "some"])
    assert isinstance(result.exception, UsageError) and "takes 'all'" in str(result.exception)
    assert os.environ.get("LEADBOOK_STATE")
