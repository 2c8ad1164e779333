"""Two runs do not share servers: the second learns who has them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from leadbook.core.errors import RefusedError
from leadbook.core.settings import PROJECT
from leadbook.phases.phase import Phase
from leadbook.rehearsal.locks import TargetLock


@pytest.fixture
def own_place(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADBOOK_STATE", str(tmp_path))
    return tmp_path


@pytest.mark.trust(
    way="a second run, bench or ingest of one checkout starts while a run is at work on the same servers",
    status=2, says=("leadbook run (process ", "wait until it has ended"), leaves="the first run goes on undisturbed",
)  # fmt: skip
def test_a_second_run_is_refused_and_told_who_works(own_place, settings, trust):
    with TargetLock(settings, "leadbook run"):
        done = subprocess.run(
            [sys.executable, "-m", "leadbook.cli", "ingest", "--staged"], capture_output=True, text=True, timeout=60,
            cwd=PROJECT, env=dict(os.environ), check=False,
        )  # fmt: skip
        trust.check(done.returncode, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1 and str(os.getpid()) in done.stderr
        assert not (own_place / "state.json").exists(), "no server was started for it"


def test_those_who_share_keep_a_run_out_and_each_other_in(own_place, settings):
    first, second = (TargetLock(settings, f"notebook 0{n}", shared=True) for n in (2, 3))
    first.release()
    with pytest.raises(RefusedError, match="notebook 03"):
        TargetLock(settings, "leadbook run")
    second.release()
    TargetLock(settings, "leadbook run").release()


@pytest.mark.trust(
    way="a notebook and `leadbook run` of production are begun at the same time on one database",
    status=2, says=("notebook 07 (process ", "wait until it has ended"), leaves="the first of the two, undisturbed",
)  # fmt: skip
def test_a_notebook_of_production_and_a_run_keep_each_other_out(endpoints, settings, tmp_path, monkeypatch, trust):
    monkeypatch.setenv("MONGODB_URI", endpoints.mongodb_uri)
    monkeypatch.setenv("REDIS_URL", endpoints.redis_url)
    monkeypatch.delenv("LEADBOOK_RUN_ID", raising=False)
    mine = settings.model_copy(update={"profile": "production", "rehearsal_servers": False, "run_dir": str(tmp_path)})
    namespace = {**mine.model_dump(), "In": []}
    with TargetLock(mine, "leadbook run"), pytest.raises(RefusedError, match="leadbook run"):
        Phase.open("07", namespace)
    book = Phase.open("07", namespace)
    with pytest.raises(RefusedError) as refused:
        TargetLock(mine, "leadbook run")
    trust.check(2, str(refused.value))
    book.release()
    TargetLock(mine, "leadbook run").release()


def test_other_databases_and_other_servers_are_free(own_place, settings, monkeypatch):
    with TargetLock(settings, "leadbook run"):
        monkeypatch.setenv("MONGODB_URI", "mongodb://u:secret@elsewhere.example:27017/?tls=true")
        with TargetLock(settings, "leadbook run") as lock:
            assert not any("elsewhere" in one.name or "secret" in one.read_text() for one in lock.paths)
            other = settings.model_copy(update={"database": "another"})
            TargetLock(other, "leadbook run").release()


@pytest.mark.parametrize("spelt", ["mongodb://h1", "mongodb://h2:27017,h1", "mongodb://app:secret@H2/?tls=true"])
def test_another_spelling_of_the_address_meets_the_holder_too(settings, monkeypatch, spelt, tmp_path):
    monkeypatch.setattr("leadbook.rehearsal.locks.PROJECT", tmp_path)
    monkeypatch.setenv("MONGODB_URI", "mongodb://h1:27017,h2:27017/")
    with TargetLock(settings, "leadbook run"):
        monkeypatch.setenv("MONGODB_URI", spelt)
        with pytest.raises(RefusedError, match="leadbook run"):
            TargetLock(settings, "leadbook run")
    TargetLock(settings, "leadbook run").release()
    monkeypatch.setenv("MONGODB_URI", "mongodb://h1:27017,h2:27017/")
    TargetLock(settings, "leadbook run").release()  # who was refused keeps nothing


def test_a_killed_holder_leaves_no_lock(own_place, settings):
    code = (
        "import time; from leadbook.rehearsal.locks import TargetLock; from leadbook.core.settings import Settings\n"
        "lock = TargetLock(Settings(), 'leadbook run'); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline().strip() == "held"
    with pytest.raises(RefusedError):
        TargetLock(settings, "leadbook run")
    holder.kill()
    holder.wait()
    TargetLock(settings, "leadbook run").release()
