"""The same by hand: each command of the task book stands beside a check of its step, whole, filled in, and safe."""

import os
import re
import shlex
import subprocess

import pytest
from tests.made_run import check

from leadbook.core import connect
from leadbook.core.definitions import catalogue
from leadbook.core.settings import PROJECT, Settings
from leadbook.page import tables
from leadbook.page.by_hand import SCRATCH, details, snippet
from leadbook.page.offline import contained
from leadbook.schema.indexes import INDEXES
from leadbook.schema.validator import validator

NAMES = Settings().model_dump()
ODD = {**NAMES, "database": "leads-2025", "collection": "version", "staging_collection": 'raw"leads'}
IDS = [entry.id for entry in catalogue().values() if snippet(entry.id, NAMES)]
FIND = 'db.performance_marketers.find({ linkedin_url: "https://www.linkedin.com/in/test" }).explain("executionStats")'
SCRATCHED = "db.leadbook_scratch_by_hand"
INSERT_ONE = f'{SCRATCHED}.insertOne({{ linkedin_url: "https://www.linkedin.com/in/test", full_name: "Test User", '
MANY = 'insertMany(documents, { ordered: false, writeConcern: { w: "majority" } })'
LEADS = "db.performance_marketers"
GET = "GET lead:linkedin:https://www.linkedin.com/in/"

BOOK = [
    ("1.1.2.1", 'mongosh "mongodb+srv://…"', "db = connect(process.env.MONGODB_URI)"),
    ("1.1.2.1", "use lead_generation", "use leadbook_rehearsal"),
    ("1.1.2.1", "db.runCommand({ ping: 1 })", ""),
    ("1.1.2.2", "use lead_generation", "use leadbook_rehearsal"),
    ("1.1.2.2", 'db.createCollection("performance_marketers", {', ""),
    ("1.1.2.2", "db.getCollectionNames()", ""),
    ("1.1.2.2", f"{LEADS}.stats()", ""),
    ("1.1.2.4", f'{LEADS}.createIndex({{ linkedin_url: 1 }}, {{ unique: true, name: "idx_linkedin_url_unique" }})', ""),
    ("1.1.2.4", f"{LEADS}.getIndexes()", ""),
    ("1.1.2.4", f'{LEADS}.createIndex({{ email: 1 }}, {{ unique: true, sparse: true, name: "idx_email_unique" }})', ""),
    ("1.1.2.5", "$set: { updated_at: new Date() }", "`{ $set: { …, updated_at: new Date() } }`"),
    ("1.1.2.6", f"{LEADS}.insertOne(…test…)", INSERT_ONE),
    ("1.1.2.6", f"{LEADS}.findOne(…)", f'{SCRATCHED}.findOne({{ linkedin_url: "https://www.linkedin.com/in/test" }})'),
    ("1.1.2.6", f"{LEADS}.deleteOne(…)", f'{SCRATCHED}.deleteOne({{ linkedin_url: "https://www.linkedin.com/in/test"'),
    ("1.1.3.1", f"{LEADS}.getIndexes()", ""),
    ("1.1.3.1", FIND, ""),
    *((f"1.1.3.{n}", f'{LEADS}.createIndex({{ {field}: 1 }}, {{ name: "idx_{field}" }})', "")
      for n, field in enumerate(("company_name", "location_state", "job_title", "data_collected_date"), 2)),
    ("1.1.3.6", f'{LEADS}.createIndex({{ is_qualified: 1 }}, {{ name: "idx_is_qualified" }})', ""),
    ("1.1.3.7", f'{LEADS}.createIndex({{ crm_synced: 1 }}, {{ name: "idx_crm_synced" }})', ""),
    ("1.1.3.2", f'{LEADS}.find({{ company_name: "Test Company" }}).explain("executionStats")', ""),
    ("1.1.3.3", f'{LEADS}.find({{ location_state: "CA" }}).explain("executionStats")', ""),
    ("1.1.3.4", f'{LEADS}.find({{ job_title: "Performance Marketing Manager" }}).explain("executionStats")', ""),
    ("1.1.3.5", '$lte: new Date("2025-01-31")',
     '$gte: new Date("2025-01-01"), $lt: new Date("2025-02-01") } }).explain('),
    ("1.1.3.6", f'{LEADS}.find({{ is_qualified: true }}).explain("executionStats")', ""),
    ("1.1.3.7", f'{LEADS}.find({{ crm_synced: false }}).explain("executionStats")', ""),
    ("1.1.3.8", f'{LEADS}.createIndex({{ location_state: 1, job_title: 1 }}, '
                '{ name: "idx_location_state_job_title" })', ""),
    ("1.1.3.8", f'{LEADS}.find({{ location_state: "CA", job_title: "Performance Marketing Manager" }}).explain(', ""),
    ("1.1.3.8", f'{LEADS}.createIndex({{ company_name: 1, location_state: 1 }}, '
                '{ name: "idx_company_name_location_state" })', ""),
    ("1.1.3.8", f'{LEADS}.find({{ company_name: "Test Company", location_state: "CA" }}).explain(', ""),
    ("1.1.3.8", f'{LEADS}.createIndex({{ data_source: 1, data_collected_date: -1 }}, '
                '{ name: "idx_data_source_data_collected_date" })', ""),
    ("1.1.3.8", f'{LEADS}.find({{ data_source: "BrightData", data_collected_date: {{ $gte: new Date("2025-01-01")', ""),
    ("1.1.3.9", f"{LEADS}.getIndexes()", ""),
    ("1.1.3.10", f"{LEADS}.aggregate([{{ $indexStats: {{}} }}])", ""),
    ("1.1.4.1", 'mongosh "mongodb+srv://…"', "db = connect(process.env.MONGODB_URI)"),
    ("1.1.4.1", "db.runCommand({ ping: 1 })", ""),
    ("1.1.4.2", FIND, ""),
    ("1.1.4.2", "var startTime = new Date()", ""),
    ("1.1.4.2", f"{LEADS}.insertOne(…test…)", INSERT_ONE),
    ("1.1.4.2", f"{LEADS}.insertMany(documents, {{ ordered: false }})", f"{SCRATCHED}.{MANY}"),
    ("1.1.4.2", f"{LEADS}.deleteMany(/…test/)", f"{SCRATCHED}.drop()"),
    ("1.1.4.2", f"{LEADS}.countDocuments({{}})", ""),
    ("1.1.4.2", f'{LEADS}.find({{ company_name: "Test Company" }}).explain("executionStats")', ""),
    ("1.1.4.3", FIND, ""),
    ("1.1.4.3", f'{LEADS}.find({{ company_name: "Test Company" }}).explain("executionStats")', ""),
    ("1.1.4.3", f'{LEADS}.find({{ location_state: "CA" }}).explain("executionStats")', ""),
    ("1.1.4.3", f'{LEADS}.find({{ job_title: "Performance Marketing Manager" }}).explain("executionStats")', ""),
    ("1.1.4.4", f"{LEADS}.insertOne(…twice…)", INSERT_ONE.replace("Test User", "Test User 2")),
    ("1.1.4.4", f"{LEADS}.deleteOne(…)", f"{SCRATCHED}.deleteOne("),
    ("1.1.4.4", f"{LEADS}.insertOne({{ full_name }})", f'{SCRATCHED}.insertOne({{ full_name: "Test User" }})'),
    ("1.2.1.2", "maxmemory-policy: allkeys-lru", "CONFIG SET maxmemory-policy allkeys-lru"),
    ("1.2.1.4", "save 900 1 / 300 10 / 60 10000", 'CONFIG SET save "900 1 300 10 60 10000"'),
    ("1.2.1.4", "appendonly yes", "CONFIG SET appendonly yes"),
    ("1.2.1.5", "lead:linkedin:{linkedin_url}", "SET lead:linkedin:https://www.linkedin.com/in/test"),
    ("1.2.1.6", "lead:email:{email}", "SET lead:email:nobody@example.com"),
    ("1.2.2.1", "redis-cli -h <host> -p <port>", 'redis-cli -h "${at%:*}" -p "${at##*:}"'),
    ("1.2.2.1", "PING", ""),
    ("1.2.2.2", 'SET lead:linkedin:test_url "test_data"', 'SET lead:linkedin:test_url "test_data" EX 60 NX'),
    ("1.2.2.2", "GET lead:linkedin:test_url", ""),
    ("1.4.1.1", f"{LEADS}.aggregate([{{ $indexStats: {{}} }}])", ""),
    ("1.4.1.2", f"{LEADS}.insertMany(documents, {{ ordered: false }})", f"{SCRATCHED}.{MANY}"),
    ("1.4.1.3", "insertMany, 100, 250, 500 a batch", "for (const size of [100, 250, 500])"),
    ("1.4.1.4", '.explain("executionStats")', ""),
    ("1.4.1.4", f"{LEADS}.aggregate([{{ $indexStats: {{}} }}])", ""),
    ("1.4.1.5", "db.setProfilingLevel(1, { slowms: 1000 })", ""),
    ("1.4.1.5", "db.setProfilingLevel(2)", ""),
    ("1.4.1.5", "db.system.profile.find().sort({ ts: -1 }).limit(10)", ".sort({ ts: -1 }).limit(10)"),
    ("1.4.1.7", "GET lead:linkedin:{linkedin_url}", GET),
    ("1.4.1.7", f'{LEADS}.find({{ linkedin_url: "test" }}).explain("executionStats")', ""),
    ("2.1.2.4", "GET lead:linkedin:{linkedin_url}", GET),
    ("2.1.2.4", f'{LEADS}.find({{ linkedin_url: "test" }})', ""),
    ("2.1.2.5", '.explain("executionStats")', ""),
    ("2.1.2.5", f"{LEADS}.aggregate([{{ $indexStats: {{}} }}])", ""),
    ("2.2.1.1", "insertMany(documents, { ordered: false, w: 1, j: false })", MANY),
    ("2.2.1.1", "insertMany(documents, { ordered: true })", ""),
    ("2.2.1.2", "insertMany(documents, { ordered: false, w: 1, j: false })", MANY),
    ("2.3.1.7", "COPY", "`insertMany` in batches"),
    ("4.4.1.5", f"{LEADS}.validate()", ""),
    ("4.4.1.8", "VACUUM ANALYZE", "$collStats"),
    ("5.1.1.1", "SELECT COUNT(*)", f"{LEADS}.countDocuments({{}})"),
    ("5.1.1.1", "COUNT(DISTINCT linkedin_url)", f'{LEADS}.aggregate([{{ $group: {{ _id: "$linkedin_url" }} }}, '),
    ("5.1.1.1", "GROUP BY data_source", '{ $group: { _id: "$data_source", leads: { $sum: 1 } } }'),
    ("5.1.1.1", "GROUP BY data_quality_score", '{ $group: { _id: "$data_quality_score", leads: { $sum: 1 } } }'),
    ("5.1.1.2", "SELECT COUNT(*)", f"{LEADS}.countDocuments({{}})"),
    ("5.1.1.3", "COUNT(DISTINCT linkedin_url)", f'{LEADS}.aggregate([{{ $group: {{ _id: "$linkedin_url" }} }}, '),
    ("5.1.1.4", "SELECT AVG(data_quality_score)", '{ $avg: "$data_quality_score" }'),
    ("5.1.1.4", "WHERE email IS NOT NULL", f'{LEADS}.countDocuments({{ email: {{ $gt: "" }} }})'),
    ("5.1.1.4", "company_name … IS NOT NULL", 'company_name: { $gt: "" }, company_industry: { $gt: "" }'),
    ("5.1.1.6", "VACUUM ANALYZE", "`validate`"),
]  # fmt: skip
"""(step, the task book's command, ours where it differs): all that the task book gives in the syntax of a shell."""


@pytest.mark.parametrize("step", sorted({step for step, _, _ in BOOK}))
def test_each_command_of_the_task_book_stands_beside_a_check_of_its_step(step):
    found = [snippet(entry.id, NAMES) for entry in catalogue().values() if step in entry.steps]
    text = "\n".join("\n".join((told.mongosh, told.redis_cli, told.note)) for told in found if told)
    assert not [theirs for number, theirs, ours in BOOK if number == step and (ours or theirs) not in text]


def unquoted(script: str) -> str:
    """A script without its strings and comments."""
    return re.sub(r"`(?:\$\{[^}]*\}|[^`])*`|\"(?:\\.|[^\"\\])*\"|(?m:^\s*//.*$)", '""', script)


def balanced(script: str) -> bool:
    open_ones = []
    for sign in unquoted(script):
        if sign in "([{":
            open_ones.append({"(": ")", "[": "]", "{": "}"}[sign])
        elif sign in ")]}" and (not open_ones or open_ones.pop() != sign):
            return False
    return not open_ones


@pytest.mark.parametrize("check_id", IDS)
def test_a_snippet_is_whole_and_every_name_is_filled_in(check_id):
    for names in (NAMES, ODD):
        told = snippet(check_id, names)
        assert balanced(told.mongosh), told.mongosh
        assert not re.search(r"<[a-z]+>|(?<!\$)\{[a-z_]+\}|mongodb(\+srv)?://\w", told.mongosh + told.redis_cli)
        assert not told.mongosh or told.mongosh.startswith(f"use {names['database']}\n")
        assert told.note.count("`") % 2 == 0


@pytest.mark.parametrize("check_id", IDS)
def test_nothing_is_taken_from_the_leads(check_id):
    """Removing, and inserting, is done in the scratch collection that the same snippet makes and drops."""
    script = snippet(check_id, NAMES).mongosh
    for target, method in re.findall(
        r"(db(?:\.\w+)?)\.(drop\w*|delete\w*|remove|update\w*|insert\w*|replaceOne)\(", script
    ):
        assert target == f"db.{SCRATCH}", (target, method)
    if SCRATCH in script:
        assert script.splitlines()[-2:] == ["// Removes the scratch collection that this made, and nothing else.",
                                            f"db.{SCRATCH}.drop()"]  # fmt: skip
    assert not re.search(r"\b(FLUSH\w+|DEL|UNLINK|KEYS|SHUTDOWN)\b", snippet(check_id, NAMES).redis_cli)
    assert all(" EX " in line and " NX" in line for line in snippet(check_id, NAMES).redis_cli.splitlines()
               if line.startswith("SET"))  # fmt: skip


@pytest.mark.parametrize("check_id", IDS)
def test_a_line_is_never_taken_for_the_end_of_the_one_before(check_id):
    """Without semicolons, a line that begins so is a call, an index or a template of what stands above it."""
    assert not re.search(r"(?m)^[(\[`+/-](?!/)", snippet(check_id, NAMES).mongosh)


def test_names_that_mongosh_would_take_for_methods_are_written_out():
    told = snippet("FIN-COUNT-001", ODD).mongosh
    assert told == 'use leads-2025\ndb.getCollection("raw\\"leads").countDocuments({})\n' \
                   'db.getCollection("version").countDocuments({})'  # fmt: skip


def test_the_collection_and_indexes_are_the_very_ones_that_leadbook_makes():
    script = snippet("MDB-SCH-001", NAMES).mongosh
    for name, rule in validator()["$jsonSchema"]["properties"].items():
        assert re.search(rf"\b{name}: \{{\s+bsonType: ", script), name
        assert all(f"{key}: {value}" in script for key, value in rule.items() if isinstance(value, int))
    assert 'validationLevel: "moderate"' in script and 'validationAction: "warn"' in script
    for number, index in enumerate(INDEXES, 1):
        assert f'name: "{index.name}"' in snippet(f"MDB-IDX-{number:03d}", NAMES).mongosh


def test_a_table_of_checks_folds_it_under_its_check_and_stays_safe():
    html = tables.checks_table([check(id="MDB-CON-001", title="a <i> b")], names=ODD)
    assert "&lt;i&gt;" in html and "<i>" not in html and "<summary" in html and "db.runCommand({ ping: 1 })" in html
    assert "<details" not in tables.checks_table([check(id="MDB-CON-001")])
    assert details("TST-03-001", NAMES) == ""
    evil = details("MDB-SCH-001", {**NAMES, "collection": "</pre><script>x</script>"})
    assert "<script" not in evil and contained(evil).find("details") is not None


def test_the_document_holds_every_snippet_and_no_secret():
    text = (PROJECT / "docs" / "by-hand.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^### (\S+):", text) == IDS


def test_what_redis_is_asked_it_answers_and_nothing_stays_for_longer_than_a_minute(own_servers):
    """Each line, split as redis-cli splits it; no wheel brings redis-cli itself."""
    state = own_servers(mongodb=False)
    with connect.redis(state.redis_url, Settings()) as client:
        answers = {
            (entry.id, line): client.execute_command(*shlex.split(line))
            for entry in catalogue().values()
            for line in entry.redis_cli.splitlines()
        }
        keys = list(client.scan_iter())
        assert len(keys) == 3 and all(0 < client.ttl(key) <= 60 for key in keys)
    assert answers["RDS-CON-001", "PING"] and answers["RDS-MEM-002", "CONFIG GET maxmemory"]
    assert answers["BCH-RDS-001", "GET lead:linkedin:test_url"] in ("test_data", b"test_data")


@pytest.mark.parametrize(
    ("url", "argv"),
    [("rediss://:p%40ss@cache.example.com:6380/0", "-h cache.example.com -p 6380 --askpass"),
     ("redis://user:secret@10.0.0.5:6379", "-h 10.0.0.5 -p 6379 --askpass"),
     ("redis://localhost:6379/1", "-h localhost -p 6379 --askpass")],
)  # fmt: skip
def test_redis_cli_is_opened_without_a_password_on_its_command_line(tmp_path, url, argv):
    (line,) = re.findall(r"`(at=[^`]*)`", snippet("RDS-CON-001", NAMES).note)
    stub = tmp_path / "redis-cli"
    stub.write_text('#!/bin/sh\necho "$@"\n')
    stub.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", line], env={"PATH": path, "REDIS_URL": url}, capture_output=True, text=True)
    assert done.stdout.strip() == argv
