"""What a running n8n shows, judged: an n8n on loopback, real MongoDB and Redis that see its connections."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from leadbook.cli.app import app
from leadbook.cli.main import COMMANDS
from leadbook.commands.doctor.examine import _asked, _n8n
from leadbook.core.checks import Verdict
from leadbook.core.errors import UnreachableError
from leadbook.core.provenance import collection_uuid
from leadbook.n8n import names, seen
from leadbook.phases.console.asked import by_api
from leadbook.phases.console.collectors import asked_once, judged, of_phase
from n8n_server import N8nServer

CON_MONGODB, CON_REDIS, INSERTS, LOOK_UP, TEN = (
    "N8N-CON-001", "N8N-CON-002", "PIPE-N8N-001", "PIPE-N8N-002", "LOAD-SRC-005")  # fmt: skip


@pytest.fixture
def n8n(settings, endpoints, database, monkeypatch):
    """An n8n whose ten collectors and look-up ran once, all well."""
    leads = database.create_collection(settings.collection)
    with N8nServer(settings, endpoints.mongodb_uri, endpoints.redis_url, leads=collection_uuid(leads)) as server:
        monkeypatch.setenv("N8N_API_KEY", server.key)
        server.run_all()
        yield server


@pytest.fixture
def here(settings, n8n):
    return settings.model_copy(update={"n8n_url": n8n.url})


@pytest.fixture
def told(here, endpoints):
    """Asks everything anew: verdict and evidence by id."""

    def ask(**changed):
        mine = here.model_copy(update=changed)
        return {one.id: (one.verdict, one.evidence) for one in judged(seen.look(mine, endpoints), mine)}

    return ask


def node(n8n, name, kind):
    workflow = n8n.workflows[name]
    return next(one for one in workflow["nodes"] if one["type"].endswith(kind))


def test_all_is_well(n8n, told):
    found = told()
    assert {verdict for verdict, _ in found.values()} == {Verdict.PASS}, found
    assert "it connects; MongoDB saw" in found[CON_MONGODB][1] and "ten pools of 60" in found[CON_MONGODB][1]
    assert "Redis saw 1 connection of n8n's" in found[CON_REDIS][1]
    assert "30 records told apart by ten stamps, at least 3 and at most 3 each" in found[TEN][1]
    assert n8n.requests and not any(n8n.key in one for one in n8n.requests)


def test_credentials_that_do_not_connect(n8n, told):
    n8n.uris = {"mongoDb": "mongodb://127.0.0.1:9/?connectTimeoutMS=200", "redis": "redis://127.0.0.1:9"}
    found = told()
    assert found[CON_MONGODB][0] is found[CON_REDIS][0] is Verdict.FAIL
    assert f"n8n tried '{names.MONGODB_CREDENTIAL}' just now and was not let in" in found[CON_MONGODB][1]


def test_another_mongodb_is_not_this_one(n8n, told, standalone, database, settings):
    with MongoClient(standalone) as other:
        other[settings.database].other.insert_one({})
    n8n.uris["mongoDb"] = standalone
    database[settings.staging_collection].delete_many({})
    verdict, said = told()[CON_MONGODB]
    assert verdict is Verdict.NOT_MEASURED and "saw no connection of it meanwhile; 0 of 10" in said


def test_an_older_release_does_not_try_credentials_and_what_arrived_tells(n8n, told):
    n8n.tries = False
    found = told()
    assert found[CON_MONGODB][0] is Verdict.PASS
    assert found[CON_REDIS][0] is found[LOOK_UP][0] is Verdict.NOT_MEASURED
    assert "does not try credentials; MongoDB saw 0 connections" in found[CON_MONGODB][1]
    n8n.workflows[names.LOOK_UP]["settings"]["saveDataSuccessExecution"] = "all"
    n8n.ran(names.LOOK_UP, Redis="success", MongoDB="success")
    found = told()
    assert found[CON_REDIS][0] is found[LOOK_UP][0] is Verdict.PASS
    n8n.ran(names.LOOK_UP, Redis="error", MongoDB="success")
    found = told()
    assert found[CON_REDIS][0] is Verdict.NOT_MEASURED and found[LOOK_UP][0] is Verdict.FAIL


def test_a_credential_that_is_gone(n8n, told):
    del n8n.credentials["redis"]
    assert told()[CON_REDIS] == (
        Verdict.FAIL, f"'{names.REDIS_CREDENTIAL}' is used by nodes, and n8n has no such credential")  # fmt: skip


def test_ten_pools_beyond_what_the_server_takes_warn(told):
    assert told(max_pool_size=90_000)[CON_MONGODB][0] is Verdict.WARN


def test_the_user_by_which_n8n_is_logged_in_is_seen(here, endpoints, n8n):
    with MongoClient(endpoints.mongodb_uri) as client:
        told = client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"]
    assert told and seen.look(here, endpoints).users == {one["user"] for one in told}


def test_a_collection_that_an_expression_gives_cannot_be_seen(n8n, told, database, settings):
    node(n8n, names.collector_name(4), "mongoDb")["parameters"]["collection"] = "={{ $json.into }}"
    node(n8n, names.LOOK_UP, "mongoDb")["parameters"]["collection"] = "={{ $json.leads }}"
    found = told()
    assert found[INSERTS][0] is found[LOOK_UP][0] is Verdict.WARN
    assert "30 records" in found[INSERTS][1] and "leadbook collector 04 (1 in all) an expression" in found[INSERTS][1]
    assert "write its name itself" in found[LOOK_UP][1]
    database[settings.staging_collection].delete_many({})
    assert told()[INSERTS][0] is not Verdict.PASS


def test_an_insert_that_goes_elsewhere(n8n, told, settings):
    insert = node(n8n, names.collector_name(4), "mongoDb")
    insert["parameters"]["collection"] = settings.collection
    verdict, said = told()[INSERTS]
    assert verdict is Verdict.FAIL
    assert said == f"leadbook collector 04 inserts into {settings.collection}, not into {settings.staging_collection}"
    insert["parameters"]["operation"] = "update"
    assert "leadbook collector 04 has no MongoDB node that inserts" in told()[INSERTS][1]


def test_records_that_arrive_in_no_database_of_ours(n8n, told, database, settings):
    database[settings.staging_collection].delete_many({"collector.workflow": "apollo-2"})
    found = told()
    assert "leadbook collector 04 ended well, and no record stands in leadbook_test" in found[INSERTS][1]
    assert found[TEN][1] == "leadbook collector 04 ended well, and no record bears its stamp apollo-2"


def test_collectors_that_never_ran_are_not_measured(n8n, told, database, settings):
    database[settings.staging_collection].delete_many({})
    n8n.executions.clear()
    found = told()
    assert found[INSERTS][0] is Verdict.NOT_MEASURED and found[TEN][0] is Verdict.FAIL
    assert "leadbook collector 01 has never run; leadbook collector 02 has never run" in found[TEN][1]
    assert "and 7 more" in found[TEN][1]
    assert found[LOOK_UP][0] is Verdict.PASS and "no execution of it failed" in found[LOOK_UP][1]


def test_what_is_wrong_with_one_of_the_ten(n8n, told):
    n8n.ran(names.collector_name(1), "error")
    n8n.collector(2)["active"] = False
    n8n.collector(3)["isArchived"] = True
    assert told()[TEN][1] == "n8n has no workflow 'leadbook collector 03'; leadbook n8n export writes them"
    n8n.collector(3)["isArchived"] = False
    n8n.workflows["twin"] = {**n8n.collector(5), "id": "twin"}
    said = told()[TEN][1]
    for fault in ("01 failed last", "02 is not active", "05 stands 2 times in n8n"):
        assert f"leadbook collector {fault}" in said


def test_a_failure_that_was_mended_is_no_fault(n8n, told):
    n8n.ran(names.collector_name(1), "error")
    n8n.run(1)
    verdict, said = told()[TEN]
    assert verdict is Verdict.PASS and "(1 failures in 24 hours)" in said


@pytest.mark.parametrize(("stamp", "says"), [
    ({"workflow": "somebody-1"}, "1 records bear the stamp somebody-1, of none of the ten"),
    (None, "1 records bear no stamp, of none of the ten"),
])  # fmt: skip
def test_records_of_an_unknown_workflow(told, database, settings, stamp, says, n8n):
    database[settings.staging_collection].insert_one({"vendor": "apollo", "payload": {}, "collector": stamp})
    assert told()[TEN] == (Verdict.FAIL, says)


def test_two_collectors_with_one_stamp(n8n, told):
    for assigned in node(n8n, names.collector_name(4), ".set")["parameters"]["assignments"]["assignments"]:
        if assigned["name"] == "workflow":
            assigned["value"] = "apollo-1"
    assert "leadbook collector 03 and leadbook collector 04 write the same stamp apollo-1" in told()[TEN][1]


def test_an_active_copy_of_another_name_is_no_pass(n8n, told):
    n8n.workflows["copy"] = {**n8n.collector(3), "id": "copy", "name": "leadbook collector 03\x1b[31m copy"}
    verdict, said = told()[TEN]
    assert verdict is Verdict.FAIL and "writes the stamp apollo-1" in said and said.isprintable()


def test_what_is_wrong_with_the_look_up(n8n, told, database, settings):
    n8n.ran(names.LOOK_UP, "error")
    assert "1 executions of it failed in the last 24 hours" in told()[LOOK_UP][1]
    redis = node(n8n, names.LOOK_UP, "redis")
    redis["parameters"]["key"] = "={{ 'linkedin:' + $json.canonical }}"
    assert told()[LOOK_UP][1] == "it has no Redis node that gets a key lead:linkedin:*"
    redis["parameters"] = {"operation": "set", "key": "lead:linkedin:x"}
    assert told()[LOOK_UP][1] == "its Redis node does set: leadbook alone writes keys"
    redis["parameters"] = {"operation": "get", "key": "={{ 'lead:linkedin:' + $json.canonical }}"}
    database.drop_collection(settings.collection)
    database.create_collection(settings.collection)
    assert "holds another UUID" in told()[LOOK_UP][1]
    n8n.workflows[names.LOOK_UP]["active"] = False
    assert "is not published" in told()[LOOK_UP][1]


def test_phases_measure_where_n8n_is_asked_and_else_take_attestations(here, endpoints, n8n):
    production = here.model_copy(update={"profile": "production"})

    def phase(number, mine=production):
        return by_api(of_phase(number, mine, asked_once(mine, endpoints)), mine)

    (first,) = phase("05")
    assert (first.id, first.verdict) == (TEN, Verdict.PASS)
    address, redis = phase("01")
    assert (address.id, address.verdict, redis.verdict) == (CON_MONGODB, Verdict.MANUAL, Verdict.PASS)
    assert "it connects" in address.evidence and "the address in the credential" in address.evidence
    n8n.faults["/api/v1/workflows"] = [401]
    both = phase("01")
    assert {one.verdict for one in both} == {Verdict.NOT_MEASURED}
    assert all("the key is refused (401)" in one.evidence for one in both)
    assert sum("GET /api/v1/workflows" in asked for asked in n8n.requests) == 3
    (unset,) = phase("05", production.model_copy(update={"n8n_url": ""}))
    assert unset.verdict is Verdict.MANUAL


@pytest.fixture
def run(endpoints, here, monkeypatch, settings):
    """Runs `leadbook n8n check` on the tests' servers: exit status and what it printed."""
    assert COMMANDS
    for name, value in (("MONGODB_URI", endpoints.mongodb_uri), ("MONGODB_ADMIN_URI", endpoints.admin_uri),
                        ("REDIS_URL", endpoints.redis_url)):  # fmt: skip
        monkeypatch.setenv(name, value)

    def run(*words):
        options = [f"-p{name}={value}" for name, value in
                   (("n8n_url", here.n8n_url), ("database", settings.database), ("min_pool_size", 0))]  # fmt: skip
        return CliRunner().invoke(app, ["n8n", "check", "--profile", "production", *options, *words])

    return run


def test_the_command_prints_the_table_and_the_five_answers(run, n8n):
    n8n.ran(names.collector_name(7), "error", ago=timedelta(minutes=1))
    told = run("--json")
    found = json.loads(told.stdout)
    assert told.exit_code == 1 and found["release"] == "2.20.12" and found["good"] is False
    row = found["workflows"][6]
    assert (row["stamp"], row["active"], row["status"], row["failures_24h"], row["staged"]) == (
        "apify-1", True, "error", 1, 3)  # fmt: skip
    assert datetime.fromisoformat(row["newest"]) <= datetime.now(UTC)
    assert [one["id"] for one in found["checks"]] == [CON_MONGODB, CON_REDIS, INSERTS, LOOK_UP, TEN]
    assert n8n.key not in told.stdout and "mongodb://" not in told.stdout
    n8n.run(7)
    shown = run()
    assert shown.exit_code == 0, shown.output
    assert re.search(r"^pass +LOAD-SRC-005", shown.output, re.MULTILINE) and "apify-1" in shown.output
    assert "failed: of the executions" in shown.output and "just now" in shown.output


def test_the_command_without_an_answer_ends_in_one_line(run, n8n):
    n8n.faults["/api/v1/workflows"] = [500]
    told = run()
    assert isinstance(told.exception, UnreachableError) and "status 500" in str(told.exception)


def test_the_doctor_says_whether_n8n_answers(here, settings, n8n, monkeypatch):
    def told(asked):
        (one,) = _asked("n8n", _n8n, asked)
        return one

    assert told(settings).state == "note" and "a person must attest" in told(settings).text
    assert (told(here).state, told(here).text) == ("ok", "answers: 12 workflows; leadbook n8n check tells more")
    monkeypatch.delenv("N8N_API_KEY")
    assert told(here).state == "problem" and "make a key in n8n under Settings" in told(here).todo
