"""The analysis reads only: every command on the wire is a reading one, and the reporting user may run it all."""

import pytest

from leadbook import analysis
from leadbook.core import connect
from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.settings import PROJECT

READING = {
    "find", "getMore", "aggregate", "count", "distinct", "listIndexes", "listCollections", "explain", "collStats",
    "dbStats", "connectionStatus", "validate", "serverStatus", "replSetGetConfig", "getDefaultRWConcern",
    "getCmdLineOpts", "buildInfo", "buildinfo", "saslStart", "saslContinue", "hello", "ping", "endSessions",
    "killCursors",
}  # fmt: skip


def whole_analysis(leads, admin, reporting, redis, settings, evidence, write):
    """All that notebook 09 does, with the documents handed to `write`; the checks."""
    database = leads.database
    rejected = database[settings.rejected_collection]
    seen = analysis.reporting_collection(reporting, leads)
    found = analysis.read_statistics(seen, settings)
    raw = analysis.collected(None, database[settings.staging_collection], rejected, found.total)
    fields = analysis.completeness(seen)
    outliers, anomalies = analysis.source_outliers(fields), analysis.find_anomalies(seen, settings)
    indexes, plans = analysis.index_counts(seen), analysis.plans_frame(seen)
    metrics = analysis.metrics_frame(evidence)
    staging = database[settings.staging_collection]
    places = analysis.Places(leads=seen, staging=staging, rejects=rejected, redis=redis)
    checks: list[Check] = [
        *analysis.count_checks(found, raw, settings), *analysis.quality_checks(found, settings),
        analysis.required_check(fields), analysis.validate_check(admin[database.name][leads.name], settings),
        analysis.index_check(indexes), analysis.constraint_check(seen), analysis.unique_check(indexes),
        *analysis.loss_checks(evidence, places), analysis.newest_check(seen),
        *analysis.anomaly_checks(anomalies, outliers, found.total),
        *analysis.ready_checks(plans, reporting, seen, settings), *analysis.metric_checks(evidence, metrics, settings),
        analysis.cost_check(found, settings),
    ]  # fmt: skip
    advice = analysis.recommend(found, anomalies, fields, checks, evidence, settings)
    made = analysis.Analysis(statistics=found, collected=raw, completeness=fields, outliers=outliers,
                             anomalies=anomalies, recommendations=advice, evidence=evidence, checks=checks)  # fmt: skip
    configuration = analysis.read_configuration(admin, leads, redis, settings)
    documents = analysis.publish(write, made, configuration, settings)
    return [*checks, analysis.recommendation_check(advice), *documents]


class Folder:
    """Takes documents as a phase does."""

    def __init__(self, path):
        self.path, self.audience = path, {}

    def __call__(self, slug, title, markdown, *, audience):
        self.audience[slug] = list(audience)
        path = self.path / f"{slug}.md"
        path.write_text(markdown, encoding="utf-8")
        return path


@pytest.fixture
def clients(endpoints, settings):
    """Application's, DBA's and reporting client, each with the same trace; and the trace."""
    trace = connect.CommandTrace()
    uris = (endpoints.mongodb_uri, endpoints.admin_uri, endpoints.reporting_uri)
    made = [connect.mongodb(uri, settings, listeners=[trace]) for uri in uris]
    yield (*made, trace)
    for client in made:
        client.close()


def test_the_whole_analysis_sends_reading_commands_only(ten, clients, redis_client, settings, tmp_path):
    application, admin, reporting, trace = clients
    leads, folder = application[settings.database][settings.collection], Folder(tmp_path)
    before = admin[settings.database].command("dbHash")["collections"]
    with trace:
        checks = whole_analysis(
            leads, admin, reporting, redis_client, settings, analysis.Evidence(), folder
        )  # fmt: skip
    sent = {command.name for command in trace.commands}
    assert {"aggregate", "find", "validate"} <= sent and sent <= READING, sent - READING
    assert admin[settings.database].command("dbHash")["collections"] == before
    wanted = {entry.id for entry in catalogue().values() if entry.phase == "09"}
    assert {check.id for check in checks} == wanted
    assert not [check for check in checks if check.verdict is Verdict.ERROR]


def test_the_documents_have_their_readers_and_say_what_was_not_measured(ten, clients, redis_client, settings, tmp_path):
    application, admin, reporting, _ = clients
    leads, folder = application[settings.database][settings.collection], Folder(tmp_path)
    whole_analysis(leads, admin, reporting, redis_client, settings, analysis.Evidence(), folder)
    assert len(folder.audience) == 7
    assert "Data Researcher" in folder.audience["data-quality-findings"]
    assert "Project Manager" in folder.audience["database-maintenance-guide"]
    text = {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.md")}
    assert "not measured" in text["performance-metrics"].lower()
    assert "Not measured: phase 06" in text["database-maintenance-guide"]
    assert f"database `{settings.database}`" in text["database-maintenance-guide"]
    for name, body in text.items():
        assert "@firm" not in body and "linkedin.com/in/ann" not in body, name


def test_an_empty_collection_ends_in_documents_and_honest_verdicts(leads, clients, redis_client, settings, tmp_path):
    application, admin, reporting, _ = clients
    own = application[settings.database][settings.collection]
    folder = Folder(tmp_path)
    checks = whole_analysis(own, admin, reporting, redis_client, settings, analysis.Evidence(), folder)
    passed = {check.id for check in checks if check.verdict is Verdict.PASS}
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
        "FIN-LOSS-001",
        "FIN-LOSS-002",
        "FIN-LOSS-003",
        "FIN-PERF-001",
    }
    assert len(folder.audience) == 7


def test_without_earlier_phases_performance_is_not_measured(settings):
    evidence = analysis.Evidence()
    checks = analysis.metric_checks(evidence, analysis.metrics_frame(evidence), settings)
    assert {check.verdict for check in checks} == {Verdict.NOT_MEASURED}


def test_a_filtered_query_that_scans_fails(ten, clients, settings):
    _, _, reporting, _ = clients
    ten.drop_index("idx_is_qualified")
    seen = analysis.reporting_collection(reporting, ten)
    checks = {check.id: check for check in analysis.ready_checks(analysis.plans_frame(seen), reporting, seen, settings)}
    assert checks["FIN-READY-001"].verdict is Verdict.PASS
    assert checks["FIN-READY-002"].verdict is Verdict.FAIL and "qualified leads" in checks["FIN-READY-002"].evidence
    assert checks["FIN-READY-003"].verdict is Verdict.PASS


def test_a_reporting_user_that_may_write_fails(ten, clients, settings):
    application, _, _, _ = clients
    plans = analysis.plans_frame(ten)
    checks = {check.id: check for check in analysis.ready_checks(plans, application, ten, settings)}
    assert checks["FIN-READY-003"].verdict is Verdict.FAIL and "insert" in checks["FIN-READY-003"].evidence
    none = {check.id: check for check in analysis.ready_checks(plans, None, ten, settings)}
    assert none["FIN-READY-003"].verdict is Verdict.WARN


def test_the_guide_is_package_data():
    assert "analysis/*.md" in (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
