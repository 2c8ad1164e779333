"""The analysis reads only: every command on the wire is a reading one, and the reporting user may run it all."""

import pytest

from analysis_leads import whole_analysis
from leadbook.analysis.reporting import plans, reporting_collection, sizes, writes_let_through
from leadbook.core import addresses, connect, traces
from leadbook.core.checks import MEND, Inapplicable, Verdict, judge
from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import PROJECT
from leadbook.page.prose import pipe_table
from leadbook.phases import deeds
from leadbook.phases.documents import incomplete
from leadbook.phases.judging import checks_of
from leadbook.phases.p09 import checks
from leadbook.phases.p09.documents import proven
from leadbook.phases.p09.evidence import RunEvidence, metrics
from leadbook.phases.p09.sections import FinalAnalysis
from leadbook.phases.section import Document
from leadbook.provision.excess import of_reporting

READING = {
    "find", "getMore", "aggregate", "count", "distinct", "listIndexes", "listCollections", "explain", "collStats",
    "dbStats", "connectionStatus", "validate", "serverStatus", "replSetGetConfig", "getDefaultRWConcern",
    "getCmdLineOpts", "profile", "fsync", "replSetGetStatus",
    "buildInfo", "buildinfo", "saslStart", "saslContinue", "hello", "ping", "endSessions",
    "killCursors",
}  # fmt: skip

WANTED = {
    "database-performance-report": ("Database statistics", "Data quality metrics", "Performance metrics",
                                    *deeds.TITLES.values()),
    "data-quality-findings": ("Data quality metrics", "Data quality issues", "Recommendations"),
    "recommendations": ("High priority", "evidence", "impact"),
    "final-database-statistics": ("unique leads", "leads from", "e-mail", "company data"),
    "final-database-configuration": ("MongoDB", "Redis", "Connection pools", "Backup"),
    "database-maintenance-guide": (
        "Database maintenance procedures", "Regular maintenance tasks", "schedule", "Maintenance procedures",
        "Performance monitoring", "Monitoring procedures", "Performance metrics to track", "performance thresholds",
        "Backup and recovery", "Backup procedures", "Recovery procedures", "Backup verification",
        "Troubleshooting", "Common issues", "troubleshooting procedures", "Escalation procedures",
    ),
    "performance-metrics": ("Insert rates", "Duplicate checks", "Connection pool", "Trends", "Achievements"),
}  # fmt: skip
"""What the task book asks of each document, 5.1.1.5 to 5.2.1.9."""


@pytest.fixture
def clients(endpoints, settings):
    """Application's, DBA's and reporting client, each with the same trace; and the trace."""
    trace = traces.CommandTrace()
    uris = (endpoints.mongodb_uri, endpoints.admin_uri, endpoints.reporting_uri)
    made = [connect.mongodb(uri, settings, listeners=[trace]) for uri in uris]
    yield (*made, trace)
    for client in made:
        client.close()


def test_the_whole_analysis_sends_reading_commands_only(ten, clients, redis_client, settings):
    application, admin, reporting, trace = clients
    leads = application[settings.database][settings.collection]
    before = admin[settings.database].command("dbHash")["collections"]
    with trace:
        made, _ = whole_analysis(leads, admin, reporting, redis_client, settings)
    sent = {command.name for command in trace.commands}
    assert {"aggregate", "find", "validate"} <= sent and sent <= READING, sent - READING
    assert admin[settings.database].command("dbHash")["collections"] == before
    wanted = {entry.id for entry in catalogue().values() if entry.phase == "09"}
    assert {check.id for check in made} == wanted
    assert not [check for check in made if check.verdict is Verdict.ERROR]


def test_the_documents_have_their_readers_and_say_what_was_not_measured(ten, clients, redis_client, settings):
    application, admin, reporting, _ = clients
    leads = application[settings.database][settings.collection]
    made_checks, documents = whole_analysis(leads, admin, reporting, redis_client, settings)
    unmeasured = next(check for check in made_checks if check.id == "FIN-DOC-001")
    assert unmeasured.measured == 3 and "performance-metrics: a section not measured" in unmeasured.evidence
    made = {document.slug: document for document in documents}
    assert len(made) == 7
    assert "Data Researcher" in made["data-quality-findings"].audience
    assert "Project Manager" in made["database-maintenance-guide"].audience
    text = {slug: document.markdown for slug, document in made.items()}
    assert "not measured" in text["performance-metrics"].lower()
    assert "Not measured: phase 06" in text["database-maintenance-guide"]
    assert f"database `{settings.database}`" in text["database-maintenance-guide"]
    assert "| kept | no, removed after the drill |" in text["final-database-configuration"]
    assert "| asked for, days, at least | 7 |" in text["final-database-configuration"]
    for name, body in text.items():
        assert "@firm" not in body and "linkedin.com/in/ann" not in body, name
        assert not [section for section in WANTED[name] if section.lower() not in body.lower()], name


def test_what_phase_06_proved_is_told_as_it_was_measured():
    found = [judge("BKP-RST-003", 1.47, evidence="7,246 documents in 0.55 s"), judge("BKP-RST-001", 0),
             judge("BKP-ATL-001", Inapplicable("no Atlas"))]  # fmt: skip
    said = proven(found)
    assert "ended: 2 pass, 1 not applicable." in said
    assert "Recovery time for 20,000 leads: 1.47 s, extrapolated from 7,246 documents in 0.55 s." in said


def test_a_document_that_holds_an_empty_table_or_an_unmeasured_section_is_counted():
    whole = Document("a", "A", "# A\n\n## Rates\n\n| x |\n| --- |\n| 1 |\n", ())
    bare = Document("b", "B", "# B\n\n## Rates\n\n" + pipe_table(["x"], []), ())
    dark = Document("c", "C", "# C\n\n## Rates\n\nNot measured: phase 03 left nothing.\n", ())
    told = incomplete([whole, bare, dark])
    assert told.answer == 2
    assert told.evidence == "b: an empty table; c: a section not measured"


def test_a_section_out_of_order_names_the_ones_to_run_first(ten, admin, redis_client, settings):
    made = FinalAnalysis(ten, admin=admin, reporting_user=None, redis=redis_client, settings=settings,
                         evidence=RunEvidence())  # fmt: skip
    with pytest.raises(LeadbookError, match=r"section 9\.2 and 9\.4 was not run: run its cell first, then this one"):
        made.odd_leads()


def test_an_empty_collection_ends_in_documents_and_honest_verdicts(leads, clients, redis_client, settings):
    application, admin, reporting, _ = clients
    own = application[settings.database][settings.collection]
    made_checks, documents = whole_analysis(own, admin, reporting, redis_client, settings)
    passed = {check.id for check in made_checks if check.verdict is Verdict.PASS}
    assert not passed & {
        "FIN-COUNT-001",
        "FIN-COUNT-002",
        "FIN-QUAL-001",
        "FIN-QUAL-002",
        "FIN-COMP-001",
        "FIN-LAST-001",
        "FIN-COUNT-003",
        "FIN-INT-001",
        "FIN-INT-002",
        "FIN-INT-003",
        *(f"FIN-LOSS-00{n}" for n in range(1, 9)),
        "FIN-RATE-001",
        "FIN-READY-004",
        "FIN-PERF-001",
    }
    assert len(documents) == 7


def test_a_collection_that_does_not_exist_has_no_lead_and_is_no_error(database, clients, clean_redis, settings):
    application, admin, reporting, _ = clients
    found, _ = whole_analysis(
        application[settings.database][settings.collection], admin, reporting, clean_redis, settings
    )
    dark = [check for check in found if check.verdict is Verdict.NOT_MEASURED]
    assert not [check.id for check in found if check.verdict is Verdict.ERROR]
    assert not [check.id for check in dark if check.remedy == MEND], "each says what to do in this state"
    found = {check.id: check for check in found}
    for check_id in ("FIN-COUNT-003", "FIN-QUAL-001", "FIN-INT-001", "FIN-READY-001", "FIN-READY-002", "FIN-READY-004"):
        check = found[check_id]
        assert check.verdict is Verdict.NOT_MEASURED and check.evidence == "no lead is stored", check_id
        assert "leadbook ingest" in check.remedy


def test_without_earlier_phases_performance_is_not_measured(settings):
    made = checks_of(checks.performance(RunEvidence(), metrics(RunEvidence())), settings)
    assert {check.verdict for check in made} == {Verdict.NOT_MEASURED}


def ready(leads, reporting, settings):
    granted = None if reporting is None else of_reporting(reporting, settings.database)
    tried = checks.NOT_TRIED if reporting is None else writes_let_through(leads)
    told = checks.ready(plans(leads), granted, sizes(leads), settings, tried)
    return {check.id: check for check in checks_of(told, settings)}


def test_a_filtered_query_that_scans_fails(ten, clients, settings):
    _, _, reporting, _ = clients
    ten.drop_index("idx_is_qualified")
    made = ready(reporting_collection(reporting, ten), reporting, settings)
    assert made["FIN-READY-001"].verdict is Verdict.PASS
    assert made["FIN-READY-002"].verdict is Verdict.FAIL and "qualified leads" in made["FIN-READY-002"].evidence
    assert made["FIN-READY-003"].verdict is Verdict.PASS and "refused each time" in made["FIN-READY-003"].evidence


def test_a_reporting_user_that_may_write_fails(ten, clients, settings):
    application, _, _, _ = clients
    made = ready(ten, application, settings)
    assert made["FIN-READY-003"].verdict is Verdict.FAIL and "insert" in made["FIN-READY-003"].evidence
    assert "let through: delete, update, findAndModify" in made["FIN-READY-003"].evidence
    assert ten.count_documents({}) == 10
    assert ready(ten, None, settings)["FIN-READY-003"].verdict is Verdict.WARN


def test_a_reporting_user_that_may_drop_the_leads_fails_though_its_writes_are_refused(
    ten, clients, settings, endpoints
):
    _, admin, _, _ = clients
    roles = [{"role": name, "db": settings.database} for name in ("read", "dbAdmin")]
    admin.admin.command("createUser", "rd_dropper", pwd="not-secret", roles=roles)
    own = addresses.parse(endpoints.admin_uri)
    uri = endpoints.admin_uri.replace(f"{own.user}:{own.password}@", "rd_dropper:not-secret@")
    try:
        with connect.mongodb(uri, settings) as dropper:
            made = ready(reporting_collection(dropper, ten), dropper, settings)["FIN-READY-003"]
    finally:
        admin.admin.command("dropUser", "rd_dropper")
    assert made.verdict is Verdict.FAIL and "dropCollection" in made.evidence and "refused each time" in made.evidence


def test_the_templates_are_package_data():
    assert "**/*.j2" in (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
