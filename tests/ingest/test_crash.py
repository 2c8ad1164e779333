"""Killed at any moment and run again, all is as if undisturbed. LEADBOOK_CRASHES asks for more moments."""

import multiprocessing
import os
import random
import signal
import threading
import time
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import forkserver

import psutil
import pytest

from ingest.background import settled
from ingest.crash_target import ingest
from ingest.vendor_records import person
from leadbook.core import connect
from leadbook.ingest import pipeline
from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.ingest.workers import processes, warm
from leadbook.rehearsal import sample, servers
from leadbook.schema.state import apply

CRASHES = int(os.environ.get("LEADBOOK_CRASHES", "3"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return sample.write_sample(tmp_path_factory.mktemp("sample"), records=2000, seed=11)


@pytest.fixture
def small(site):
    """Many small batches, so that there are many moments."""
    return replace(site, settings=site.settings.model_copy(update={"batch_size": 50}))


def files(made):
    return [(one.path, one.vendor) for one in made.files]


def sources(made):
    return [pipeline.file_source(path, vendor) for path, vendor in files(made)]


def contents(leads):
    """Stored leads without what differs between two honest runs."""
    hidden = {"_id": 0, "created_at": 0, "updated_at": 0, "data_collected_date": 0}
    return {lead["linkedin_url"]: lead for lead in leads.find({}, hidden)}


@pytest.fixture
def undisturbed(small, leads, clean_redis, made):
    """Contents and seconds of a run that nobody disturbs; everything is empty again afterwards."""
    started = time.perf_counter()
    assert pipeline.run(sources(made), small, workers=1).ledger.stored == made.unique
    seconds, there = time.perf_counter() - started, contents(leads)
    leads.delete_many({})
    clean_redis.flushdb()
    return there, seconds


@pytest.mark.trust(
    way="`ingest` killed (SIGKILL) at any moment, then run again", status=None,
    says=(), leaves="the leads of an undisturbed run, each once",
)  # fmt: skip
def test_sigkill_of_the_ingesting_process_changes_nothing(small, leads, clean_redis, made, undisturbed, trust):
    there, seconds = undisturbed
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ingest.crash_target"])
    moments = random.Random(CRASHES)
    for _ in range(CRASHES):
        process = context.Process(target=ingest, args=(files(made), small))
        process.start()
        process.join(timeout=moments.uniform(0.05, seconds))
        process.kill()
        process.join()
        settled(leads)
        cut_off = leads.count_documents({})
        again = pipeline.run(sources(made), small, workers=1)
        assert again.ledger.stored == made.unique - cut_off and again.ledger.failed == 0
        assert contents(leads) == there
        trust.check(None, again.problem)
        leads.delete_many({})
        clean_redis.flushdb()


@pytest.mark.trust(
    way="the parent of ingesting worker processes killed", status=None,
    says=(), leaves="no worker; the next run brings in the rest",
)  # fmt: skip
def test_workers_end_with_a_killed_parent(small, leads, made, trust):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=ingest, args=(files(made), small, 2))
    process.start()
    parent = psutil.Process(process.pid)
    children = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (len(children) >= 2 and leads.count_documents({}) > 0):
        children = [
            child for child in parent.children(recursive=True) if "multiprocessing" in " ".join(child.cmdline())
        ]
        time.sleep(0.02)
    process.kill()
    process.join()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert children and not alive
    trust.check(None, "")
    assert pipeline.run(sources(made), small, workers=1).ledger.failed == 0
    assert leads.count_documents({}) == made.unique


@pytest.mark.trust(
    way="one ingesting worker process killed", status=None,
    says=("a worker failed: its process died (killed, or out of memory)",),
    leaves="a balanced ledger that counts its batches as failed; the next run brings them in",
)  # fmt: skip
def test_a_killed_worker_fails_its_batches_and_the_next_run_brings_them_in(small, leads, made, trust):
    quick = replace(small, settings=small.settings.model_copy(update={"batch_size": 10}))
    with processes(2) as pool:
        wait(warm(pool, 2, quick))
        victims = list(pool._processes)

        def kill(result):
            if result.ledger.read >= 300 and victims:
                os.kill(victims.pop(), signal.SIGKILL)
                victims.clear()

        result = pipeline.run(sources(made), quick, executor=pool, workers=2, progress=kill)
    result.ledger.assert_balanced()
    assert result.ledger.failed > 0 and result.ledger.read < made.records
    trust.check(None, result.problem)
    assert pipeline.run(sources(made), small, workers=1).ledger.failed == 0
    assert leads.count_documents({}) == made.unique


@contextmanager
def nobody_forks():
    """The process that forks workers stands still, and is killed while it is asked for one."""
    pool = processes(1)
    wait(warm(pool, 1, Unready()))
    pid = forkserver._forkserver._forkserver_pid
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    killer.start()
    yield
    killer.join()
    pool.shutdown()


class Unready:
    def tools(self):
        """No client is needed to have a worker."""


@pytest.mark.parametrize("kind", ["files", "a pool of the caller's", "staged"])
def test_a_worker_killed_at_its_birth_is_one_clear_line_at_most(small, leads, database, made, kind):
    quick = replace(small, settings=small.settings.model_copy(update={"executor": "processes"}))
    staged = database[small.settings.staging_collection]
    if kind == "staged":
        staged.insert_many([{"vendor": "brightdata", "payload": person(f"p{number}")} for number in range(300)])
    lines = []
    with nobody_forks():
        if kind == "staged":
            result = drain(quick, workers=2, notice=lines.append)
        elif kind == "files":
            result = pipeline.run(sources(made), quick, workers=2)
        else:
            with processes(1) as pool:
                result = pipeline.run(sources(made), quick, executor=pool, workers=1)
    if kind == "a pool of the caller's":
        assert result.problem == "a worker failed: its process died (killed, or out of memory)"
        assert result.ledger.failed == result.in_doubt > 0
    else:
        assert (result.problem, result.ledger.failed) == ("", 0)
        assert leads.count_documents({}) == result.ledger.stored == (300 if kind == "staged" else made.unique)


@pytest.mark.trust(
    way="Ctrl-C during ingestion", status=None,
    says=(), leaves="the batches under way, settled; the next run brings in the rest",
)  # fmt: skip
def test_ctrl_c_settles_what_is_under_way_and_stops(small, leads, made, trust):
    def interrupt(result):
        if result.ledger.read >= 200:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        pipeline.run(sources(made), small, workers=1, progress=interrupt)
    assert 0 < leads.count_documents({}) < made.unique
    trust.check(None, "")
    assert pipeline.run(sources(made), small, workers=1).ledger.failed == 0
    assert leads.count_documents({}) == made.unique


@pytest.mark.trust(
    way="Redis killed (SIGKILL) during ingestion", status=None,
    says=(), leaves="every lead once",
)  # fmt: skip
def test_sigkill_of_redis_loses_nothing_and_doubles_nothing(
    small, leads, made, own_servers, undisturbed, settings, trust
):
    there, seconds = undisturbed
    moments = random.Random(CRASHES)
    state = own_servers(mongodb=False, redis=True)
    for _ in range(CRASHES):
        site = Site(endpoints=replace(small.endpoints, redis_url=state.redis_url), settings=small.settings)
        killer = threading.Timer(moments.uniform(0.0, seconds), os.kill, (state.redis.pid, signal.SIGKILL))
        killer.start()
        result = pipeline.run(sources(made), site, workers=1)
        killer.join()
        assert (result.ledger.stored, result.ledger.failed) == (made.unique, 0)
        assert contents(leads) == there
        trust.check(None, result.problem)
        Site.close()
        state = servers.up(settings, owner_pid=os.getpid(), mongodb=False, folder=state.folder)
        site = Site(endpoints=replace(small.endpoints, redis_url=state.redis_url), settings=small.settings)
        assert pipeline.run(sources(made), site, workers=1).ledger.stored == 0
        leads.delete_many({})
        Site.close()


@pytest.mark.trust(
    way="Redis out of memory, evicting keys all the time", status=None,
    says=(), leaves="every lead once; MongoDB finds what the cache forgot",
)  # fmt: skip
def test_a_cache_that_evicts_all_the_time_changes_no_outcome(small, leads, clean_redis, made, undisturbed, trust):
    there, _ = undisturbed
    limit = clean_redis.config_get("maxmemory")["maxmemory"]
    clean_redis.config_set("maxmemory", clean_redis.info("memory")["used_memory"] + 300_000)
    evicted = clean_redis.info("stats")["evicted_keys"]
    try:
        first = pipeline.run(sources(made), small, workers=1)
        second = pipeline.run(sources(made), small, workers=1)
        assert clean_redis.info("stats")["evicted_keys"] > evicted
    finally:
        clean_redis.config_set("maxmemory", limit)
    assert (first.ledger.stored, second.ledger.stored, second.ledger.filled) == (made.unique, 0, 0)
    assert second.cache.false_new > 0 and second.ledger.duplicate["mongodb"] > 0
    trust.check(None, second.problem)
    assert contents(leads) == there


@pytest.mark.slow
@pytest.mark.trust(
    way="the primary killed (SIGKILL) during ingestion", status=None,
    says=(), leaves="every lead once, on the members that live",
)  # fmt: skip
def test_a_primary_killed_in_the_middle_loses_nothing_and_doubles_nothing(own_servers, settings, made, trust):
    state = own_servers(members=3, redis=False)
    wanted = settings.model_copy(update={"members": 3, "batch_size": 50, "server_selection_timeout_ms": 20_000})
    endpoints = servers.resolve(wanted, folder=state.folder)
    site = Site(endpoints=endpoints, settings=wanted, use_cache=False)
    with connect.mongodb(endpoints.admin_uri, wanted) as admin:
        leads = admin[wanted.database][wanted.collection]
        apply(leads, admin, wanted)
        killed = []

        def kill(result):
            if result.ledger.read >= 600 and not killed:
                port = admin.primary[1]
                killed.extend(process.pid for process in state.members if process.port == port)
                os.kill(killed[0], signal.SIGKILL)

        result = pipeline.run(sources(made), site, workers=1, progress=kill)
        assert killed and (result.ledger.stored, result.ledger.failed, result.problem) == (made.unique, 0, "")
        assert leads.count_documents({}) == made.unique
        trust.check(None, result.problem)
    Site.close()
