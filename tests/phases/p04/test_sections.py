"""Phase 04 at work: it tries everything apart, leaves nothing, and says by name what it could not measure."""

import os
import signal
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from bson import encode
from pymongo import WriteConcern

from ingest.vendor_records import person
from leadbook.core import connect
from leadbook.core.checks import Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError, ParameterError
from leadbook.core.journal import Journal
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.lead.ledger import Ledger
from leadbook.phases.p04 import documents, duplicates, endtoend, quality, rules, runs, speed, tryout
from leadbook.phases.p04.work import PipelineWork
from leadbook.rehearsal.sample import write_sample
from leadbook.schema import undo

IN_REDIS = {"PIPE-DUP-003", "PIPE-RDS-001", "PIPE-N8N-004", "PIPE-E2E-004", "PIPE-E2E-007"}


SMALL = {
    "profile": "production", "write_concern": "majority", "trial_records": 600, "batch_size": 100,
    "target_insert_rate": 1.0, "target_find_ms": 10_000.0, "target_duplicate_check_ms": 10_000.0,
}  # fmt: skip
"""What is tried, not how fast."""


@pytest.fixture
def book(endpoints, settings, mongo, leads, clean_redis, monkeypatch):
    """What the notebook holds, in production and on the tests' servers."""
    settings = settings.model_copy(update={**SMALL, "approve": f"benchmarks on {settings.database}"})
    monkeypatch.setattr(speed.limits, "measure", partial(speed.limits.measure, documents=200, rounds=1))
    database = mongo[settings.database]
    yield SimpleNamespace(
        settings=settings, endpoints=endpoints, mongodb=mongo, redis=clean_redis, redis_problem="", leads=leads,
        database=database, recorded=[],
    )  # fmt: skip
    Site.close()


SECTIONS = (
    rules.flow, rules.validation, rules.errors, runs.small_sample, runs.full, runs.ledger, quality.transformation,
    quality.scores, duplicates.repeat, duplicates.lookups, speed.limit, speed.queries, tryout.vendors, endtoend.way,
    documents.issues, documents.results, documents.handed_over, endtoend.removed,
)  # fmt: skip


def through(book, *, on_the_way=lambda: None):
    """All of the phase's sections in the notebook's order; their checks by id."""
    work = PipelineWork.begin(book)
    shown = [work.opening()]
    for section in SECTIONS:
        shown.append(section(work))
        attested = [SimpleNamespace(id=one) for one in shown[-1].attested]
        book.recorded += [*shown[-1].checks, *attested]
        if section is runs.full:
            on_the_way()
    work.end()
    assert all(document.markdown for one in shown for document in one.documents)
    assert sorted(one.id for one in book.recorded) == sorted(
        entry.id for entry in catalogue().values() if entry.phase == "04"
    )
    return {check.id: check for one in shown for check in one.checks}


def contents(book):
    """All that lies in the database and in Redis, but for the empty collection of undo."""
    names = sorted(set(book.database.list_collection_names()) - {undo.COLLECTION})
    held = {name: [encode(one) for one in book.database[name].find(sort=[("_id", 1)])] for name in names}
    assert book.database[undo.COLLECTION].count_documents({}) == 0
    keys = {key: (book.redis.get(key), book.redis.ttl(key)) for key in book.redis.scan_iter()}
    return held, keys


@pytest.fixture
def sprint(book, ingest, vendor_file):
    """A database in the middle of its sprint: leads and their keys, waiting records, a journal."""
    ingest(vendor_file(*[person(f"p{number}") for number in range(40)]))
    for key in book.redis.scan_iter():
        book.redis.persist(key)
    book.database[book.settings.staging_collection].insert_many(
        [{"vendor": "brightdata", "payload": person(f"q{number}")} for number in range(30)]
    )
    Journal(book.database, book.endpoints.mongodb_uri).write("stage", stage="ready", run="r", verdict="GO")


def test_a_sprint_at_work_is_not_touched_and_nothing_of_the_trial_stays(book, leads, sprint):
    leads.drop_index("idx_linkedin_url_unique")  # what decides on duplicates is the trial's own index
    before = contents(book)
    checks = through(book)
    assert contents(book) == before
    assert {one.verdict for one in checks.values()} <= {Verdict.PASS, Verdict.WARN}, checks
    assert "would be sent; a dry run" in checks["PIPE-E2E-006"].evidence


@pytest.mark.trust(
    way="phase 04 runs in production before there is any collection, index or lead", status=None,
    says=("10 collectors sent", "pass"),
    leaves="the trial's scratch collections and keys are gone; not even an empty collection of leads was made",
)  # fmt: skip
def test_on_an_empty_database_everything_is_measured(book, leads, trust):
    leads.drop()
    checks = through(book)
    assert {one.verdict for one in checks.values()} <= {Verdict.PASS, Verdict.WARN}, checks
    trust.check(None, f"{checks['PIPE-E2E-002'].evidence} {checks['PIPE-E2E-002'].verdict}")
    assert leads.name not in book.database.list_collection_names()


@pytest.mark.parametrize("profile", ["production", "rehearsal"])
def test_unacknowledged_writes_stop_phase_04_before_it_writes_anything(book, leads, profile):
    book.settings = book.settings.model_copy(update={"profile": profile})
    book.leads = leads.with_options(write_concern=WriteConcern(w=0))
    with pytest.raises(ParameterError, match="w: 0"):
        PipelineWork.begin(book)


@pytest.mark.trust(
    way="phase 04 runs in production without approval of its trials", status=None,
    says=("a trial in scratch collections is not approved", "approve='benchmarks on ", "not measured"),
    leaves="nothing is written, not even beside the leads; the phase ends in order, so the verdict is NO-GO",
)  # fmt: skip
def test_without_approval_nothing_is_written(book, sprint, trust):
    book.settings = book.settings.model_copy(update={"approve": ""})
    before = contents(book)
    checks = through(book)
    assert contents(book) == before
    untried = {one.id: one for one in checks.values() if one.verdict is Verdict.NOT_MEASURED}
    assert set(checks) - set(untried) == {"PIPE-MAP-001", "PIPE-VAL-001"}
    for one in untried.values():
        trust.check(None, f"{one.verdict} {one.evidence} {one.remedy}")


@pytest.mark.trust(
    way="Redis is away when phase 04 begins, or is killed while it runs", status=None,
    says=("PIPE-DUP-003 not measured", "PIPE-RDS-001 not measured", "PIPE-N8N-004 not measured", "REDIS_URL"),
    leaves="every record gets its outcome by MongoDB; only the checks that need Redis are not measured",
)  # fmt: skip
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_without_redis_only_what_needs_it_is_not_measured(book, own_servers, settings, trust, when):
    servers = own_servers(mongodb=False)
    if when == "before":
        book.redis, book.redis_problem = None, "Redis at 127.0.0.1:1: connection refused"
        os.kill(servers.redis.pid, signal.SIGKILL)
    else:
        book.redis = connect.redis(servers.redis_url, settings)
    book.endpoints = replace(book.endpoints, redis_url=servers.redis_url)
    checks = through(book, on_the_way=lambda: when == "before" or os.kill(servers.redis.pid, signal.SIGKILL))
    away = {name for name, one in checks.items() if one.verdict is Verdict.NOT_MEASURED}
    assert away == IN_REDIS
    trust.check(
        None,
        " ".join(f"{one} {checks[one].verdict} {checks[one].evidence} {checks[one].remedy}" for one in sorted(away)),
    )
    assert all(
        ("connection refused" if when == "before" else "stopped answering") in checks[one].evidence for one in away
    )
    assert not {one.id for one in checks.values() if one.verdict in (Verdict.ERROR, Verdict.FAIL)}


@pytest.fixture
def work(book):
    """The phase in production, approved."""
    work = PipelineWork.begin(book)
    yield work
    work.end()


def test_who_knew_a_duplicate_stands_in_a_column_each():
    known = {"batch": 176, "redis": 1_076, "mongodb": 113}
    run = PipelineResult(ledger=Ledger(read=1_365, duplicate=known), seconds=1.0)
    frame = duplicates._table({"first": run}).frame
    assert list(frame.loc[0, ["known in the batch", "known by Redis", "known by MongoDB"]]) == [176, 1_076, 113]


def test_a_section_out_of_order_says_which_one_comes_first(work):
    with pytest.raises(LeadbookError, match=r"section 4\.4 was not run: run its cell first, then this one"):
        runs.ledger(work)


def test_a_section_after_the_end_says_that_the_trial_is_removed(work):
    runs.full(work)
    work.end()
    with pytest.raises(LeadbookError, match=r"the trial has ended and is removed: run the cells from section 4.4"):
        runs.ledger(work)


def test_files_of_ones_own_are_tried_the_same_way(book, leads, tmp_path):
    (one, _) = write_sample(tmp_path / "mine", records=600, seed=3).files
    book.settings = book.settings.model_copy(update={"lead_files": f"{one.path}:{one.vendor}"})
    work = PipelineWork.begin(book)
    assert list(work.opening().frame["made"]) == ["no"]
    shown = [section(work) for section in (runs.full, runs.ledger, duplicates.repeat, endtoend.removed)]
    assert {check.verdict for one in shown for check in one.checks} == {Verdict.PASS}
    assert leads.count_documents({}) == 0


def test_a_full_run_that_is_run_again_before_or_after_the_end_is_a_new_trial(work):
    for again in range(3):
        for section in (runs.full, runs.ledger, quality.scores, duplicates.repeat):
            assert {check.verdict for check in section(work).checks} <= {Verdict.PASS}
        if again:
            work.end()
    assert len(undo.left_of(work.database, work.book.redis, work.keys)) == 0


def test_a_phase_that_is_begun_again_removes_what_it_began_before(work):
    again = PipelineWork.begin(work.book)
    assert not work.running and again.running
    again.end()
    assert not undo.left_of(work.database, work.book.redis, work.keys + again.keys)
