"""Validator and indexes on a real server: dry run, apply, findings, scratch collections, probes and advice."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from bson import json_util
from pymongo.errors import OperationFailure, WriteError
from tests.test_cli import leadbook

from leadbook.core import connect, traces
from leadbook.core.checks import BLOCKING, Check, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.errors import ParameterError, RefusedError
from leadbook.lead.fields import INDEXED
from leadbook.phases.p02 import documents, plan_verdicts, sections, tables, verdicts
from leadbook.phases.p02.probe_verdicts import probes as probe_audit
from leadbook.phases.p02.probe_verdicts import recommendation
from leadbook.rehearsal import sample
from leadbook.schema import probes
from leadbook.schema.index_advice import IndexUsage, advise, redundant, selectivity
from leadbook.schema.indexes import INDEXES, IndexSpec
from leadbook.schema.probes import probe, probe_modes, sample_lead
from leadbook.schema.scratch import SCRATCH_PREFIX, drop_scratch, scratch, scratch_name, sweep
from leadbook.schema.state import Change, actual, apply, create_like, pending
from leadbook.schema.studies import IndexReview, QueryStudy, study
from leadbook.schema.validator import validator

LENIENT_NULLS = ["data_quality_score", "crm_sync_date"]


@pytest.fixture
def leads(database, settings):
    return database[settings.collection]


@pytest.fixture
def applied(leads, admin, settings):
    apply(leads, admin, settings)
    return leads


@pytest.fixture
def strict(settings):
    return settings.model_copy(update={"validation_level": "strict", "validation_action": "error"})


def told(checks):
    return {check.id: check.verdict for check in checks}


def findings(changes):
    return [change for change in changes if change.kind == "finding"]


def test_the_validator_is_the_task_books_and_accepts_only_its_own_nulls():
    rules = validator()["$jsonSchema"]
    assert rules["required"] == ["linkedin_url", "full_name", "job_title", "company_name"]
    nullable = [name for name, rule in rules["properties"].items() if "null" in rule["bsonType"]]
    assert nullable == LENIENT_NULLS
    assert rules["properties"]["linkedin_url"]["maxLength"] == 500


def test_there_are_eleven_indexes_and_two_are_unique():
    assert len(INDEXES) == 11
    assert [(index.fields, index.sparse) for index in INDEXES if index.unique] == [
        (("linkedin_url",), False),
        (("email",), True),
    ]
    assert INDEXES[-1].keys == (("data_source", 1), ("data_collected_date", -1))
    assert [index.name for index in INDEXES[:4:3]] == ["idx_linkedin_url_unique", "idx_location_state"]


def test_each_field_that_is_indexed_has_its_index_and_no_other():
    """The table of fields says which are; the list of indexes says what for."""
    single = {index.fields[0]: {name for name in ("unique", "sparse") if getattr(index, name)} for index in INDEXES
              if len(index.keys) == 1}  # fmt: skip
    assert single == dict(INDEXED)


def test_a_dry_run_lists_everything_and_changes_nothing(leads, settings):
    changes = pending(leads, settings)
    assert [change.kind for change in changes].count("create") == 3
    assert [change.kind for change in changes].count("index") == 11 + 1  # the staging collection has one
    assert leads.database.list_collection_names() == []


def test_the_shown_command_can_be_run_as_it_is(leads, admin, settings):
    create = pending(leads, settings)[0]
    text = create.shell().removeprefix("db.runCommand(").removesuffix(")")
    admin[settings.database].command(json_util.loads(text))
    assert actual(leads).validator == validator()


def test_apply_is_idempotent(leads, admin, settings):
    first = apply(leads, admin, settings)
    assert len(first) == 15 and all(change.applied for change in first)
    before = actual(leads)
    assert apply(leads, admin, settings) == []
    assert actual(leads) == before
    assert len(before.indexes) == 11


def test_apply_with_apply_schema_false_only_shows(leads, admin, settings):
    shown = apply(leads, admin, settings.model_copy(update={"apply_schema": False}))
    assert len(shown) == 15 and not any(change.applied for change in shown)
    assert leads.database.list_collection_names() == []


def test_the_application_alone_can_create_but_not_change_a_validator(leads, settings, strict):
    apply(leads, None, settings)
    assert pending(leads, settings) == []
    with pytest.raises(OperationFailure, match="not authorized"):
        apply(leads, None, strict)
    changes, check = verdicts.apply_pending(leads, None, strict)
    assert [change.applied for change in changes] == [False] and "collMod" in documents.by_hand(changes, strict)
    assert check.verdict == Verdict.NOT_MEASURED and "MONGODB_ADMIN_URI" in check.remedy


def test_a_changed_validation_setting_is_applied(applied, admin, strict):
    (change,) = apply(applied, admin, strict)
    assert change.kind == "validator" and "validationAction" in change.line
    with pytest.raises(WriteError):
        applied.insert_one({"full_name": "Test User"})


def test_a_changed_validator_is_put_back(applied, admin, settings):
    admin[settings.database].command({"collMod": applied.name, "validator": {}, "validationAction": "warn"})
    (change,) = apply(applied, admin, settings)
    assert change.kind == "validator" and change.applied
    assert actual(applied).validator == validator()


def test_a_differing_index_is_reported_and_never_dropped(applied, admin, settings):
    applied.drop_index("idx_company_name")
    applied.create_index("company_name", name="idx_company_name", sparse=True)
    (finding,) = apply(applied, admin, settings)
    assert finding.kind == "finding" and not finding.applied
    assert "sparse is True, wanted False" in finding.line and 'dropIndex("idx_company_name")' in finding.remedy
    assert "idx_company_name" in applied.index_information()
    assert told(verdicts.structure(applied, settings))["MDB-IDX-003"] == Verdict.FAIL


@pytest.mark.parametrize(
    ("keys", "options", "word"),
    [
        ([("linkedin_url", 1)], {}, "index linkedin_url_1, in place of idx_linkedin_url_unique, differs: unique is"),
        ([("linkedin_url", -1)], {"name": "idx_linkedin_url_unique", "unique": True}, "key is"),
        ([("linkedin_url", 1)], {"name": "idx_linkedin_url_unique"}, "unique is False"),
        ([("linkedin_url", 1)], {"name": "idx_linkedin_url_unique", "unique": True,
                                 "partialFilterExpression": {"email": {"$gt": ""}}}, "partialFilterExpression"),
        ([("linkedin_url", 1)], {"name": "idx_linkedin_url_unique", "unique": True,
                                 "collation": {"locale": "en"}}, "collation"),
    ],
)  # fmt: skip
def test_every_kind_of_difference_is_a_finding(applied, settings, keys, options, word):
    applied.drop_index("idx_linkedin_url_unique")
    applied.create_index(keys, **options)
    (finding,) = pending(applied, settings)
    assert finding.kind == "finding" and word in finding.line


def test_key_order_matters(applied, settings):
    applied.drop_index("idx_location_state_job_title")
    applied.create_index([("job_title", 1), ("location_state", 1)], name="idx_location_state_job_title")
    (finding,) = pending(applied, settings)
    assert "key is" in finding.line


def test_a_hidden_index_is_a_finding_that_says_unhide(applied, admin, settings):
    admin[settings.database].command({"collMod": applied.name, "index": {"name": "idx_job_title", "hidden": True}})
    (finding,) = pending(applied, settings)
    assert "hidden" in finding.line and "unhideIndex" in finding.remedy


def test_an_unexpected_index_is_a_finding_and_a_warning(applied, admin, settings):
    applied.create_index("phone")
    (finding,) = apply(applied, admin, settings)
    assert "phone_1" in finding.line and "hide" in finding.remedy
    assert told(verdicts.structure(applied, settings))["MDB-IDX-017"] == Verdict.WARN


def test_a_unique_index_that_the_data_contradicts_is_a_finding_and_the_others_are_made(leads, admin, settings):
    leads.insert_many([{"linkedin_url": "same"}, {"linkedin_url": "same"}])
    (finding,) = findings(apply(leads, admin, settings))
    assert "duplicate values exist" in finding.line and "linkedin_url" in finding.remedy
    assert len(leads.index_information()) == 11
    assert "same" not in finding.line + finding.remedy
    changes, check = verdicts.apply_pending(leads, admin, settings)
    assert findings(changes) and check.verdict == Verdict.FAIL


def test_a_collection_made_by_its_first_insert_gets_its_validator(leads, admin, settings):
    leads.insert_one({"linkedin_url": "a"})
    kinds = [change.kind for change in apply(leads, admin, settings)]
    assert kinds.count("validator") == 1 and kinds.count("create") == 2
    assert pending(leads, settings) == []


@pytest.mark.parametrize("name", ["linkedin_url_1", "theirs"])
def test_an_index_is_known_by_what_it_is_not_by_its_name(applied, admin, settings, name):
    """mongosh names an index itself where nobody does: it is the same arbiter, and no command is needed."""
    applied.drop_index("idx_linkedin_url_unique")
    applied.create_index("linkedin_url", unique=True, name=name)
    assert apply(applied, admin, settings) == []
    checks = {check.id: check for check in verdicts.structure(applied, settings)}
    for check_id in ("MDB-IDX-001", "MDB-IDX-012", "MDB-IDX-017", "MDB-SCH-011"):
        assert checks[check_id].verdict is Verdict.PASS, checks[check_id]
    assert name in checks["MDB-IDX-001"].evidence
    shown = tables.indexes(IndexReview(indexes=actual(applied).indexes)).frame.set_index("index")
    assert shown.loc[name, "serves"].startswith("duplicate check by profile URL")


def test_a_right_index_beside_a_wrong_one_of_its_name_counts(applied, settings):
    applied.drop_index("idx_email_unique")
    applied.create_index("email", name="idx_email_unique")
    applied.create_index("email", unique=True, sparse=True)
    (finding,) = pending(applied, settings)
    assert finding.is_extra and "idx_email_unique" in finding.line
    assert told(verdicts.structure(applied, settings))["MDB-IDX-002"] == Verdict.PASS


@pytest.mark.parametrize("index", [one for one in INDEXES if one.unique], ids=lambda one: one.name)
def test_whoever_drops_a_unique_index_is_told_to_stop_the_writers_first(applied, settings, index):
    applied.drop_index(index.name)
    applied.create_index(list(index.keys), name="theirs", unique=True, collation={"locale": "en"})
    finding = next(one for one in pending(applied, settings) if "in place of" in one.line)
    assert finding.remedy.startswith("pause ingest and collectors first") and 'dropIndex("theirs")' in finding.remedy
    assert "collMod" not in finding.remedy


def test_the_remedy_of_an_index_is_the_one_command_of_2_2(applied, admin, settings, unapproved):
    """What a check says and what 2.2 lists is one decision."""
    admin[settings.database].command({"collMod": applied.name, "index": {"name": "idx_job_title", "hidden": True}})
    applied.drop_index("idx_company_name")
    changes, _ = verdicts.apply_pending(applied, admin, unapproved)
    checks = {check.id: check for check in verdicts.structure(applied, unapproved)}
    (finding,) = findings(changes)
    assert checks["MDB-IDX-005"].remedy == finding.remedy == f'db.{applied.name}.unhideIndex("idx_job_title")'
    assert checks["MDB-IDX-003"].remedy == unapproved.how_to_approve("apply_schema")
    assert "1 findings need a person" in verdicts.apply_pending(applied, admin, unapproved)[1].evidence


def test_staging_and_rejected_have_no_unique_index(applied, settings):
    assert told(verdicts.structure(applied, settings))["MDB-SCH-004"] == Verdict.PASS
    applied.database[settings.staging_collection].create_index("url", unique=True)
    assert told(verdicts.structure(applied, settings))["MDB-SCH-004"] == Verdict.FAIL


def test_missing_structure_fails_and_nothing_stored_is_not_applicable(leads, settings):
    checks = {check.id: check for check in verdicts.structure(leads, settings)}
    found = told(checks.values())
    assert (
        "does not exist yet" in checks["MDB-SCH-002"].evidence
        and checks["MDB-SCH-003"].remedy == "apply the schema first"
    )
    assert found["MDB-SCH-001"] == Verdict.FAIL and found["MDB-SCH-003"] == Verdict.NOT_MEASURED
    assert all(found[check] == Verdict.FAIL for check in ("MDB-IDX-001", "MDB-IDX-011", "MDB-IDX-012"))
    assert {check.verdict for check in verdicts.stored(leads, settings)} == {Verdict.NOT_APPLICABLE}


def test_stored_leads_that_break_the_validator_are_counted(applied, settings):
    good = sample.documents(3, seed=1)
    applied.insert_many([*good, {"linkedin_url": "x", "data_quality_score": "85"}])
    measured = {check.id: check.measured for check in verdicts.stored(applied, settings)}
    assert measured == {"MDB-SCH-006": 1, "MDB-SCH-007": 1}


def test_create_like_has_validator_and_indexes(database, settings):
    made = create_like(database, scratch_name("twin"), settings, level="strict", action="error")
    state = actual(made)
    assert state.validation_action == "error" and len(state.indexes) == 11
    made.drop()


def test_scratch_is_dropped_on_error_and_nothing_else_can_be(database, settings):
    with pytest.raises(ZeroDivisionError), scratch(database, "test", settings) as trial:
        assert trial.name in database.list_collection_names()
        raise ZeroDivisionError
    assert database.list_collection_names() == []
    with pytest.raises(RefusedError, match="not a scratch collection"):
        drop_scratch(database[settings.collection])


def owned(purpose, *, born=None, machine=None, pid=None, start=None):
    """A scratch name as another process, or machine, or at another time of the clock, would make it."""
    head, time_part, owner = scratch_name(purpose).rsplit("_", 2)
    time_part = f"{born:08x}" if born is not None else time_part
    return (
        f"{head}_{time_part}_{machine or owner[:8]}{pid or int(owner[8:16], 16):08x}{start or owner[16:24]}{owner[24:]}"
    )


def dead_pid():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_sweep_drops_what_ended_processes_left_and_nothing_else(database, settings):
    """Of this machine at once; of another one, or of an older form of name, after a day; names of others never."""
    day_ago = int(time.time()) - 90_000
    left = {
        owned("ended", pid=dead_pid()),
        owned("number_given_again", start="0" * 8),
        owned("old_elsewhere", born=day_ago, machine="0" * 8),
        f"{SCRATCH_PREFIX}older_form_{day_ago:08x}_abcdef",
    }
    kept = {
        owned("at_work"),
        owned("at_work_since_before_the_clock_stepped_forward", born=10_000),
        owned("new_elsewhere", machine="0" * 8, pid=dead_pid()),
        f"{SCRATCH_PREFIX}older_form_{int(time.time()):08x}_abcdef",
        f"{SCRATCH_PREFIX}future_7fffffff_abcdef",
        f"{SCRATCH_PREFIX}of_mine",
        f"{SCRATCH_PREFIX}2020_backup_copy",
        f"{SCRATCH_PREFIX}mine_5f000000_abc",
        settings.collection,
    }
    for name in (*left, *kept):
        database.create_collection(name)
    assert set(sweep(database)) == left
    assert set(database.list_collection_names()) == kept


@pytest.mark.trust(
    way="A kernel is killed while it works with a scratch collection", status=None, says=("leadbook_scratch_killed",),
    leaves="the scratch collection, which the next start drops at once, since its process is gone",
)  # fmt: skip
def test_what_a_killed_process_left_is_dropped_at_the_next_start(database, endpoints, settings, trust):
    code = (
        "import os, signal, sys\n"
        "from leadbook.core import connect\n"
        "from leadbook.schema.scratch import scratch\n"
        "from leadbook.core.settings import Settings\n"
        "settings = Settings(database=sys.argv[1], min_pool_size=0)\n"
        "client = connect.mongodb(os.environ['URI'], settings)\n"
        "with scratch(client[settings.database], 'killed', settings, indexes=[]):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "URI": endpoints.mongodb_uri}
    done = subprocess.run([sys.executable, "-c", code, settings.database], env=env, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(database.list_collection_names()) == 1
    trust.check(None, " ".join(sweep(database)))
    assert database.list_collection_names() == []


# --------------------------------------------------------------------------------------------- production, not approved


@pytest.fixture
def unapproved(settings):
    return settings.model_copy(update={"profile": "production"})


WRITES = {"insert", "update", "delete", "create", "createIndexes", "collMod", "drop", "dropIndexes", "findAndModify"}


@pytest.mark.parametrize("applied_before", [False, True])
@pytest.mark.trust(
    way="Notebook 02 in production, on an empty database or a filled one, with nothing approved", status=None,
    says=("createIndexes", "approve='apply_schema on leadbook_test'"),
    leaves="nothing was written; the commands that are missing are listed whole",
)  # fmt: skip
def test_unapproved_production_writes_nothing(leads, admin, endpoints, settings, unapproved, applied_before, trust):
    """Every command that 02's functions send is a reading one, and every check that needs more blocks."""
    if applied_before:
        apply(leads, admin, settings)
        leads.drop_index("idx_job_title")
    before = {name: leads.database[name].count_documents({}) for name in leads.database.list_collection_names()}
    app, dba = traces.CommandTrace(), traces.CommandTrace()
    with (
        connect.mongodb(endpoints.mongodb_uri, settings, listeners=[app]) as client,
        connect.mongodb(endpoints.admin_uri, settings, listeners=[dba]) as manager,
        app,
        dba,
    ):
        mine = client[settings.database][settings.collection]
        shown = verdicts.dry_run(mine, unapproved)
        changes, check = verdicts.apply_pending(mine, manager, unapproved)
        verdicts.structure(mine, unapproved)
        verdicts.stored(mine, unapproved)
        runs, probed = probe_audit(mine, unapproved, manager)
        found = study(mine, manager, unapproved, sample.documents(10, seed=1))
    assert not {command.name for command in (*app.commands, *dba.commands)} & WRITES
    after = {name: leads.database[name].count_documents({}) for name in leads.database.list_collection_names()}
    assert after == before and shown == changes and runs == [] and not found.queries
    assert {
        check.verdict for check in (*probed, *plan_verdicts.queries(found, unapproved)) if check.id != "MDB-SCH-009"
    } == {Verdict.NOT_MEASURED}
    asked = next(one for one in probed if one.id == "MDB-PRB-001").remedy
    assert "write probe documents into scratch collections" in asked and "that are missing" not in asked
    assert sections.query_effort(tables.queries(found.queries).frame) is not None
    assert "nothing is recommended" in documents.schema(unapproved, runs).markdown
    assert documents.index_summary(found).markdown
    trust.check(None, documents.by_hand(changes, unapproved) + check.remedy)


@pytest.mark.parametrize("phase", ["01", "02"])
@pytest.mark.trust(
    way="The first commands in production: an empty database, no attestations file, nothing approved", status=1,
    says=("PARTIAL", "checks block"), leaves="nothing was written; every check that is missing has its remedy",
)  # fmt: skip
def test_first_commands_in_production_end_in_order(phase, database, endpoints, tmp_path, trust):
    env = {"MONGODB_URI": endpoints.mongodb_uri, "MONGODB_ADMIN_URI": endpoints.admin_uri,
           "REDIS_URL": endpoints.redis_url}  # fmt: skip
    words = ["run", "--profile", "production", "--only", phase, "--out", str(tmp_path)]
    missing = str(tmp_path / "nowhere.yaml")
    done = leadbook(*words, "-p", f"database={database.name}", "-p", f"attestations_file={missing}", env=env)
    trust.check(done.returncode, done.stdout)
    made = json.loads((tmp_path / "latest-partial" / "records" / f"{phase}.json").read_text())["checks"]
    blocking = [Check.from_dict(check) for check in made if check["verdict"] in BLOCKING]
    assert blocking and all(check.remedy for check in blocking)
    assert not [check.id for check in blocking if check.verdict is Verdict.ERROR]
    assert database.list_collection_names() == []
    assert ("nowhere.yaml does not exist" in (tmp_path / "latest-partial" / "checks.json").read_text()) == (
        phase == "01"
    )


def test_every_check_of_02_is_made_on_an_empty_database(leads, admin, unapproved):
    """What is left out would be called missing, whatever the reason was."""
    made = {verdicts.apply_pending(leads, admin, unapproved)[1].id}
    made |= {check.id for check in verdicts.structure(leads, unapproved) + verdicts.stored(leads, unapproved)}
    made |= {check.id for check in probe_audit(leads, unapproved, admin)[1]}
    found = study(leads, admin, unapproved, [])
    made |= {check.id for check in plan_verdicts.queries(found, unapproved)}
    made |= {check.id for check in plan_verdicts.indexes(found, leads.name, unapproved)}
    assert made == {one.id for one in catalogue().values() if one.phase == "02"}


def test_commands_to_paste_are_whole_and_make_the_schema(leads, admin, settings):
    """Each line of the script is run as it stands; then nothing is pending."""
    text = documents.dry_run(pending(leads, settings), settings)
    assert "15 commands are pending.** 2.2 runs them" in text
    assert "```" + text.split("```")[1] == "```" + documents.by_hand(pending(leads, settings), settings).split("```")[1]
    script = text.split("```javascript\n")[1].removesuffix("\n```").splitlines()
    assert script[0] == f'db = db.getSiblingDB("{settings.database}");' and len(script) == 16
    for line in script[1:]:
        admin[settings.database].command(json_util.loads(line.removeprefix("db.runCommand(").removesuffix(");")))
    assert pending(leads, settings) == []
    assert documents.dry_run([], settings) == "No command is pending."


def test_commands_that_are_not_approved_are_shown_once(leads, unapproved):
    waiting = pending(leads, unapproved)
    assert documents.dry_run(waiting, unapproved).startswith("**15 commands are pending.** Nothing runs them here")
    assert "```" not in documents.dry_run(waiting, unapproved)
    assert documents.by_hand(waiting, unapproved).count("db.runCommand(") == 15


def test_nothing_is_left_to_do_by_hand_where_nothing_is_pending(settings):
    assert documents.by_hand([], settings) == "No change is left to be applied by hand."


def test_approval_for_another_database_is_refused(leads, unapproved):
    other = unapproved.model_copy(update={"approve": "apply_schema on elsewhere"})
    with pytest.raises(ParameterError, match="but the database is leadbook_test"):
        probe_audit(leads, other)


def test_approved_production_probes_and_studies_on_scratch_collections(applied, admin, unapproved):
    approved = unapproved.model_copy(update={"approve": "apply_schema on leadbook_test"})
    _, checks = probe_audit(applied, approved, admin)
    assert set(told(checks).values()) <= {Verdict.PASS, Verdict.WARN}
    found = study(applied, admin, approved, sample.documents(1_200, seed=1))
    assert found.subject.startswith(SCRATCH_PREFIX) and len(found.queries) == 15
    assert applied.count_documents({}) == 0
    assert not [name for name in applied.database.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


def test_an_account_that_may_not_look_is_told_what_it_needs(leads, endpoints, settings):
    """The reporting user of another database: a finding and errors with a remedy, never a stopped notebook."""
    with connect.mongodb(endpoints.mongodb_uri, settings) as client:
        foreign = client["nobody_granted_this"][settings.collection]
        (finding,) = verdicts.dry_run(foreign, settings)
        changes, check = verdicts.apply_pending(foreign, client, settings)
    assert "not authorised" in finding.line and "dbAdmin" in finding.remedy and changes == [finding]
    assert check.verdict == Verdict.NOT_MEASURED and "MONGODB_ADMIN_URI" in check.remedy


# ------------------------------------------------------------------------------------------------------------- probes


def test_probes_find_what_warn_lets_in_and_error_refuses(applied, settings):
    runs, checks = probe_audit(applied, settings)
    assert [run.mode for run in runs] == ["moderate / warn", "strict / error"]
    assert all(result.as_expected for run in runs for result in run.results)
    warn, error = runs
    assert warn.outcome("missing field").outcome == "stored"
    assert "(121)" in error.outcome("missing field").detail
    assert "E11000" in warn.outcome("null e-mail twice").detail
    assert told(checks)["MDB-SCH-009"] == Verdict.WARN
    assert set(told(checks).values()) == {Verdict.PASS, Verdict.WARN}
    assert applied.count_documents({}) == 0
    assert not [name for name in applied.database.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


def test_a_warning_validator_puts_whole_leads_into_the_servers_log(applied, admin, settings):
    _, checks = probe_audit(applied, settings, admin)
    (check,) = [check for check in checks if check.id == "MDB-SCH-009"]
    assert "its log holds" in check.evidence
    run = probe(applied, "moderate", "warn")
    assert probes.logged_documents(admin, run) >= 2
    assert probes.logged_documents(None, run) is None
    assert probes.logged_documents(applied.database.client, run) is None


def test_under_strict_error_the_recommendation_is_to_keep_it(applied, admin, strict):
    apply(applied, admin, strict)
    runs, checks = probe_audit(applied, strict)
    assert told(checks)["MDB-SCH-009"] == Verdict.PASS
    assert "Keep it" in recommendation(runs, strict)
    assert "strict" in recommendation([], strict) or "nothing is recommended" in recommendation([], strict)


def test_in_production_probes_never_touch_the_leads(applied, settings):
    production = settings.model_copy(update={"profile": "production"})
    runs = probe_modes(applied, production)
    assert len(runs) == 2 and all(run.subject.startswith(SCRATCH_PREFIX) for run in runs)


def test_probes_do_not_make_the_leads_collection(leads, settings):
    """With apply_schema false on an empty database, an insert would make it, without its validator."""
    shown = settings.model_copy(update={"apply_schema": False})
    runs, _ = probe_audit(leads, shown)
    assert runs and all(run.subject.startswith(SCRATCH_PREFIX) for run in runs)
    assert leads.database.list_collection_names() == []


def test_probes_clean_up_after_an_exception(applied, monkeypatch):
    inserted = []

    def dies(collection, lead):
        collection.insert_one(lead)
        inserted.append(lead)
        raise KeyboardInterrupt

    monkeypatch.setattr(probes, "_insert", dies)
    with pytest.raises(KeyboardInterrupt):
        probe(applied, "moderate", "warn")
    assert inserted and applied.count_documents({}) == 0


def test_leftovers_of_a_killed_run_are_removed_and_leads_are_not(applied):
    applied.insert_many([sample_lead(), *sample.documents(2, seed=3)])
    run = probe(applied, "moderate", "warn")
    assert run.remaining == 0 and applied.count_documents({}) == 2


def test_without_its_unique_index_the_duplicate_probe_fails(applied, settings):
    applied.drop_index("idx_linkedin_url_unique")
    _, checks = probe_audit(applied, settings)
    assert told(checks)["MDB-PRB-002"] == Verdict.FAIL


def test_a_partial_index_in_place_of_the_sparse_one_lets_two_nulls_in(applied):
    applied.drop_index("idx_email_unique")
    applied.create_index("email", unique=True, partialFilterExpression={"email": {"$gt": ""}}, name="idx_email_unique")
    run = probe(applied, "moderate", "warn")
    assert run.outcome("null e-mail twice").outcome == "stored" and not run.outcome("null e-mail twice").as_expected


# ------------------------------------------------------------------------------------------------------------- advice


def index(name, *keys, **options):
    unique = options.pop("unique", False)
    return IndexSpec(name=name, keys=keys, unique=unique, options=options or None)


@pytest.mark.parametrize(
    ("short", "long", "expected"),
    [
        (index("a", ("x", 1)), index("b", ("x", 1), ("y", 1)), True),
        (index("a", ("x", 1)), index("b", ("x", -1), ("y", 1)), True),
        (index("a", ("x", 1), ("y", 1)), index("b", ("x", -1), ("y", -1), ("z", 1)), True),
        (index("a", ("x", 1), ("y", 1)), index("b", ("x", 1), ("y", -1), ("z", 1)), False),
        (index("a", ("y", 1)), index("b", ("x", 1), ("y", 1)), False),
        (index("a", ("x", 1), unique=True), index("b", ("x", 1), ("y", 1)), False),
        (index("a", ("x", 1)), index("b", ("x", 1), ("y", 1), partialFilterExpression={"y": 1}), False),
        (index("a", ("x", 1), expireAfterSeconds=9), index("b", ("x", 1), ("y", 1)), False),
        (index("a", ("x", 1)), index("b", ("x", 1), ("y", 1), collation={"locale": "en"}), False),
        (index("a", ("x", "hashed")), index("b", ("x", 1), ("y", 1)), False),
        (index("a", ("x", 1)), index("b", ("x", 1), ("y", 1), hidden=True), False),
        (index("a", ("x", 1), hidden=True), index("b", ("x", 1), ("y", 1)), True),
    ],
)
def test_redundant_prefixes(short, long, expected):
    assert bool(redundant([short, long])) is expected


def test_the_task_books_own_redundant_prefixes_are_named():
    assert [(short.name, long.name) for short, long in redundant(INDEXES)] == [
        ("idx_company_name", "idx_company_name_location_state"),
        ("idx_location_state", "idx_location_state_job_title"),
    ]


def test_unused_is_said_only_after_a_day_and_never_of_a_unique_index():
    def used(name, hours):
        return IndexUsage(name=name, host="h", ops=0, since=datetime.now(UTC), window_hours=hours)

    usage = [used("idx_job_title", 48.0), used("idx_is_qualified", 1.0), used("idx_linkedin_url_unique", 48.0)]
    unused = [one.index for one in advise(INDEXES, usage=usage) if one.kind == "not used"]
    assert unused == ["idx_job_title"]


def test_a_hidden_index_is_not_called_unused_and_is_not_hidden_again():
    short, long = index("a", ("x", 1), hidden=True), index("b", ("x", 1), ("y", 1))
    usage = [IndexUsage(name="a", host="h", ops=0, since=datetime.now(UTC), window_hours=48.0)]
    (one,) = advise([short, long], usage=usage)
    assert one.kind == "redundant prefix" and one.advice.startswith("it is hidden: watch")


def test_selectivity_ignores_leads_without_the_field(applied):
    applied.insert_many(
        [{"linkedin_url": str(n), "is_qualified": n % 4 == 0, **({"job_title": "a"} if n else {})} for n in range(40)]
    )
    found = {one.index: one for one in selectivity(applied, INDEXES, size=1_000)}
    qualified = found["idx_is_qualified"]
    assert (qualified.distinct, qualified.commonest_share, qualified.mean_share) == (2, 0.75, 0.625)
    assert found["idx_job_title"].sampled == 39 and "idx_company_name" not in found
    assert selectivity(applied.database["nothing"], INDEXES) == []


def test_indexes_of_others_on_nested_and_all_fields_do_not_stop_the_review(applied, admin, settings):
    applied.create_index("meta.origin")
    applied.create_index({"$**": 1})
    applied.insert_one({"linkedin_url": "a", "meta": {"origin": "x"}})
    found = {one.index: one for one in selectivity(applied, actual(applied).indexes)}
    assert found["meta.origin_1"].commonest_share == 1.0 and "$**_1" not in found


def test_index_use_needs_rights_and_a_day(applied, admin, settings):
    """Without the right it is not measured; counted for seconds it says nothing yet."""

    def judged(reader):
        found = study(applied, reader, settings, sample.documents(1_200, seed=5))
        return found, told(plan_verdicts.indexes(found, applied.name, settings))

    assert judged(None)[1]["MDB-IDX-013"] == Verdict.NOT_MEASURED
    found, verdict = judged(admin)
    assert verdict["MDB-IDX-013"] == Verdict.NOT_APPLICABLE and len(found.review.usage) == 12
    assert (verdict["MDB-IDX-014"], verdict["MDB-IDX-015"]) == (Verdict.WARN, Verdict.WARN)


@pytest.mark.parametrize(("ops", "verdict"), [(0, Verdict.WARN), (3, Verdict.PASS)])
def test_an_index_that_no_query_used_for_a_day_is_a_warning(settings, ops, verdict):
    usage = [IndexUsage(name="idx_job_title", host="h", ops=ops, since=datetime.now(UTC), window_hours=48.0)]
    review = IndexReview(indexes=INDEXES, usage=tuple(usage), sampled=1, advice=tuple(advise(INDEXES, usage=usage)))
    checks = {check.id: check for check in plan_verdicts.indexes(QueryStudy(review=review), "leads", settings)}
    assert checks["MDB-IDX-013"].verdict == verdict and checks["MDB-IDX-013"].measured == (ops == 0)


def test_a_remedy_is_a_column_only_where_a_person_should_do_something(leads, settings):
    found = pending(leads, settings)
    assert list(tables.pending(found).frame) == ["change", "kind"]
    assert list(tables.made(found).frame) == ["change", "kind", "applied"]
    finding = Change(kind="finding", collection=leads.name, line="an index differs", remedy="look")
    assert tables.pending([*found, finding]).frame["remedy"].iloc[-1] == "look"
