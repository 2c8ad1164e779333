"""The rehearsal's live sprint: real processes, whose ledger is what was sent, and of which nothing is left."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO

import psutil
import pytest
import yaml
from rich.console import Console

from leadbook.actions.told import KEYS
from leadbook.commands import live
from leadbook.core.errors import LeadbookError, RefusedError
from leadbook.core.journal import COLLECTION, Journal
from leadbook.rehearsal import shape
from leadbook.schema.state import apply

TETHER = "leadbook.rehearsal.tether"


@pytest.fixture
def small(settings, database, admin, clean_redis):
    """Settings of a sprint of two seconds, on an empty database with its schema."""
    made = settings.model_copy(update={"live_seconds": 2.0, "sample_records": 1_000, "writers": 1})
    apply(database[made.collection], admin, made)
    return made


@pytest.fixture
def console():
    return Console(file=StringIO(), width=400)


def at_work(parent=None):
    """Processes of a live sprint that this process, or `parent`, started."""
    return [one for one in psutil.process_iter(["cmdline"]) if TETHER in (one.info["cmdline"] or [])
            and (parent is None or one.ppid() == parent)]  # fmt: skip


def test_collectors_and_a_follower_live_through_a_sprint(small, database, endpoints, console):
    with live.sprint(small, console):
        names = [" ".join(one.cmdline()) for one in at_work(os.getpid())]
        assert len(names) == 3 and not [name for name in names if "mongodb://" in name or "redis://" in name]
    facts = shape.live_plan(small.sample_records, small.sample_seed).facts()
    assert database[small.collection].count_documents({}) == facts["unique"]
    assert database[small.staging_collection].count_documents({"pipeline.state": "done"}) == facts["records"]
    assert not at_work(os.getpid())
    *drills, entry = Journal(database, endpoints.mongodb_uri).entries("action")
    silent, lost = drills
    assert silent["alarm"] == "LIVE-COL-001/apify-2" and "apify-2 sent nothing from 45 to 75 %" in silent["what"]
    assert lost["alarm"] == "LIVE-RDS-006" and lost["done"][KEYS] >= 0 and "60 % of the sprint" in lost["what"]
    assert entry["plan"]["collectors"] == facts["collectors"] and entry["done"]["stored"] == facts["unique"]
    assert f"{facts['records']:,} records of 10 collectors and 4 vendors" in console.file.getvalue()


def test_a_follower_that_dies_is_an_error_in_one_line(small, console):
    with pytest.raises(LeadbookError) as raised, live.sprint(small, console):
        follower = next(one for one in at_work(os.getpid()) if "ingest" in one.cmdline())
        os.killpg(follower.pid, signal.SIGKILL)
    assert "the follower ended with status -9" in str(raised.value) and "\n" not in str(raised.value)
    assert not at_work(os.getpid())


def test_what_ends_the_phase_ends_the_sprint_at_once(small, console):
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError), live.sprint(small.model_copy(update={"live_seconds": 60.0}), console):
        raise ZeroDivisionError
    assert time.monotonic() - began < 25 and not at_work(os.getpid())


def test_a_killed_run_leaves_neither_collectors_nor_a_follower_nor_a_watch(small, tmp_path):
    profile = tmp_path / "long.yaml"
    profile.write_text(yaml.safe_dump(small.model_copy(update={"live_seconds": 60.0}).model_dump()))
    said = (
        "import sys, time\nfrom rich.console import Console\nfrom leadbook.commands import live\n"
        "from leadbook.core.settings import Settings, load_profile\n"
        f"with live.sprint(Settings.from_mapping(load_profile({str(profile)!r})), Console()):\n"
        "    print('begun', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", said], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "begun\n"
        started = at_work(run.pid)
        assert len(started) == 3
        run.kill()
    psutil.wait_procs(started, timeout=20)
    assert not [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_a_whole_rehearsal_starts_from_nothing_with_its_journal(small, database, endpoints):
    journal = Journal(database, endpoints.mongodb_uri)
    journal.write("stage", stage="ready", verdict="GO")
    journal.spool.parent.mkdir(parents=True, exist_ok=True)
    journal.spool.write_text('{"kind": "phase"}\n')
    database[small.collection].insert_one({"linkedin_url": "https://www.linkedin.com/in/ana"})
    assert "2 documents" in live.start_from_nothing(small)
    assert database[COLLECTION].count_documents({}) == 0 and not journal.spool.exists()
    assert database[small.collection].count_documents({}) == 0


def test_neither_is_for_production(small, console):
    production = small.model_copy(update={"profile": "production"})
    with pytest.raises(RefusedError):
        live.start_from_nothing(production)
    with pytest.raises(RefusedError), live.sprint(production, console):
        pass


def test_elsewhere_only_an_adopted_database_has_a_sprint(small, database, endpoints, console, monkeypatch):
    monkeypatch.setattr(live.servers, "resolve", lambda _: replace(endpoints, source="environment",
                                                                   redis_source="environment"))  # fmt: skip
    with pytest.raises(RefusedError, match="leadbook adopt"), live.sprint(small, console):
        pass
    with pytest.raises(RefusedError, match="leadbook adopt"):
        live.start_from_nothing(small)
    assert database[small.staging_collection].count_documents({}) == 0 and not at_work(os.getpid())
