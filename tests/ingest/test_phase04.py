"""Phase 04 at work: it refuses what it could not count, and says by name what it could not measure."""

import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pymongo import WriteConcern

from ingest.vendor_records import person
from leadbook.core import connect
from leadbook.core.checks import Verdict
from leadbook.core.errors import ParameterError
from leadbook.ingest import pipeline
from leadbook.ingest.site import Site
from leadbook.phases.p04 import study as phase04
from leadbook.phases.p04.study import Study

IN_REDIS = {"PIPE-DUP-003", "PIPE-RDS-001", "PIPE-N8N-004"}


@pytest.fixture
def book(endpoints, settings, mongo, admin, leads, clean_redis):
    """What the notebook holds, in production and on the tests' servers; `said` keeps what it shows."""
    settings = settings.model_copy(update={"profile": "production", "write_concern": "majority", "batch_size": 100,
                                           "approve": f"benchmarks on {settings.database}"})  # fmt: skip
    said: list[str] = []
    database = mongo[settings.database]
    yield SimpleNamespace(
        settings=settings, endpoints=endpoints, mongodb=mongo, admin=admin, redis=clean_redis, redis_problem="",
        leads=leads, database=database, said=said, say=said.append, table=lambda *given, **named: None, facts={},
        fact=lambda name, value: None,
    )  # fmt: skip
    Site.close()


def through(book, *, on_the_way=lambda study: None):
    """All of the phase's work in the notebook's order; its checks by id."""
    study = Study.begin(book)
    study.trial()
    checks = study.trial_checks()
    study.run()
    on_the_way(study)
    checks += study.ledger_checks() + study.quality_checks()
    study.again()
    checks += study.duplicate_checks() + study.lookup_checks()
    study.limit()
    checks += study.speed_checks() + study.query_checks()
    study.ask_vendors()
    study.stage()
    checks += study.vendors.checks + study.staging_checks() + study.issue_checks()
    assert study.optimization() and study.handoff() and study.sentence() and study.truth_sentence()
    study.leave(book)
    return {check.id: check for check in checks}


def staged(book, count=30):
    records = [{"vendor": "brightdata", "payload": person(f"p{number}")} for number in range(count)]
    book.database[book.settings.staging_collection].insert_many(records)


@pytest.mark.trust(
    way="phase 04 runs in production while the unique index on linkedin_url is still pending", status=None,
    says=("not measured", "has no unique index on linkedin_url", "-p approve='apply_schema on "),
    leaves="nothing is written, what is staged stays staged; the phase ends in order, so the verdict is NO-GO",
)  # fmt: skip
@pytest.mark.parametrize("absent", [False, True])
def test_without_the_unique_index_phase_04_writes_nothing(book, leads, absent, trust):
    leads.drop() if absent else leads.drop_index("idx_linkedin_url_unique")
    staged(book)
    checks = through(book)
    needing = ("PIPE-E2E-001", "PIPE-LED-001", "PIPE-LED-002", "PIPE-DUP-001", "PIPE-N8N-003", "PIPE-ISS-001")
    trust.check(
        None, " ".join(f"{checks[name].verdict} {checks[name].evidence} {checks[name].remedy}" for name in needing)
    )
    assert {checks[name].verdict for name in needing} == {Verdict.NOT_MEASURED}
    assert not {one.id for one in checks.values() if one.verdict in (Verdict.ERROR, Verdict.FAIL)}
    assert leads.count_documents({}) == 0
    assert book.database[book.settings.staging_collection].count_documents({"pipeline": {"$exists": True}}) == 0


@pytest.mark.parametrize("profile", ["production", "rehearsal"])
def test_unacknowledged_writes_stop_phase_04_before_it_empties_or_writes_anything(book, leads, profile):
    leads.insert_one({"linkedin_url": "https://www.linkedin.com/in/ana"})
    book.settings = book.settings.model_copy(update={"profile": profile})
    book.leads = leads.with_options(write_concern=WriteConcern(w=0))
    with pytest.raises(ParameterError, match="w: 0"):
        Study.begin(book)
    assert leads.count_documents({}) == 1


@pytest.mark.trust(
    way="phase 04 runs in production while nothing is staged and no lead_files are set", status=None,
    says=("nothing is staged, and no lead_files are set", "have payloads staged, or set lead_files", "not measured"),
    leaves="the phase ends in order; its checks of the input are not measured, so the verdict is NO-GO",
)  # fmt: skip
def test_with_nothing_staged_the_phase_ends_in_order_and_says_so(book, trust):
    checks = through(book)
    unmeasured = {one.id: one for one in checks.values() if one.verdict is Verdict.NOT_MEASURED}
    trust.check(None, " ".join(f"{one.verdict} {one.evidence} {one.remedy}" for one in unmeasured.values()))
    assert not {one.id for one in checks.values() if one.verdict in (Verdict.ERROR, Verdict.FAIL)}
    assert {
        "PIPE-E2E-001",
        "PIPE-LED-002",
        "PIPE-DUP-001",
        "PIPE-DUP-004",
        "PIPE-N8N-003",
        "PIPE-ISS-001",
        *IN_REDIS,
    } <= set(unmeasured)
    assert not [one for one in unmeasured.values() if "Redis is away" in one.evidence]
    assert all(
        one.remedy == "have payloads staged, or set lead_files, and run this phase again" for one in unmeasured.values()
    )


@pytest.mark.trust(
    way="phase 04 runs in production without approval for inserts of made records", status=None,
    says=("inserts of made records are not approved", "approve='benchmarks on "),
    leaves="what is staged is brought in and judged; no made record is written, and what needs one is not measured",
)  # fmt: skip
def test_without_approval_no_made_record_is_written(book, leads, monkeypatch, trust):
    book.settings = book.settings.model_copy(update={"approve": ""})
    made = []
    for place, name in ((phase04, "scratch"), (phase04.limits, "measure"), (phase04.probes, "write_errors")):
        monkeypatch.setattr(place, name, lambda *_, **__: made.append(1))
    staged(book)
    checks = through(book)
    assert made == [] and leads.count_documents({}) == 30
    needing = ("PIPE-E2E-001", "PIPE-INS-001", "PIPE-INS-002", "PIPE-BAT-002", "PIPE-SPD-001", "PIPE-N8N-003")
    assert {checks[name].verdict for name in needing} == {Verdict.NOT_MEASURED}
    assert checks["PIPE-LED-001"].verdict is Verdict.PASS
    trust.check(None, " ".join(f"{checks[name].evidence} {checks[name].remedy}" for name in needing))


def test_with_nothing_staged_leads_stored_before_are_measured_all_the_same(book, leads, ingest, vendor_file):
    ingest(vendor_file(*[person(f"p{number}") for number in range(40)]))
    checks = through(book)
    assert {checks[name].verdict for name in ("PIPE-DUP-004", "PIPE-MAP-002", "PIPE-SCR-001", *IN_REDIS)} == {
        Verdict.PASS
    }
    assert checks["PIPE-LED-002"].verdict is Verdict.NOT_MEASURED
    assert leads.count_documents({}) == 40


@pytest.mark.trust(
    way="Redis is away when phase 04 begins, or is killed while it runs", status=None,
    says=("PIPE-DUP-003 not measured", "PIPE-RDS-001 not measured", "PIPE-N8N-004 not measured", "REDIS_URL"),
    leaves="every record gets its outcome by MongoDB; only the checks that need Redis are not measured",
)  # fmt: skip
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_without_redis_only_what_needs_it_is_not_measured(book, own_servers, settings, leads, trust, when):
    servers = own_servers(mongodb=False)
    if when == "before":
        book.redis, book.redis_problem = None, "Redis at 127.0.0.1:1: connection refused"
        os.kill(servers.redis.pid, signal.SIGKILL)
    else:
        book.redis = connect.redis(servers.redis_url, settings)
    book.endpoints = replace(book.endpoints, redis_url=servers.redis_url)
    staged(book)
    checks = through(book, on_the_way=lambda study: when == "before" or os.kill(servers.redis.pid, signal.SIGKILL))
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
    assert leads.count_documents({}) == 30


def test_nobody_is_paid_for_what_is_only_tried(book, monkeypatch):
    staged(book)
    sites = []
    monkeypatch.setattr(phase04, "drain", lambda site, **how: sites.append(site) or pipeline.PipelineResult())
    study = Study.begin(book)
    study.site = Site(endpoints=study.site.endpoints, settings=study.settings, services=SimpleNamespace(enriches=True))
    study.stage()
    study.pool.shutdown()
    assert [site.services.enriches for site in sites] == [False]
