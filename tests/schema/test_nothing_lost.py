"""What deletes or refuses records by itself, in any of the three collections, is seen by 02 and accepted by nobody."""

import json

import pytest

from leadbook.analysis.push import unlike_design
from leadbook.core.checks import Verdict
from leadbook.core.definitions import definition
from leadbook.core.journal import Journal
from leadbook.phases.p02 import verdicts
from leadbook.schema.state import apply, losing, pending

ID, DESIGNED, EXTRA, LIFE = "MDB-SCH-011", "MDB-SCH-004", "MDB-IDX-017", "MDB-SCH-010"


@pytest.fixture
def leads(database, admin, settings):
    found = database[settings.collection]
    apply(found, admin, settings)
    return found


@pytest.fixture
def staging(leads, settings):
    return leads.database[settings.staging_collection]


@pytest.fixture
def judged(leads, settings):
    """The checks of 2.2, by id."""
    return lambda changed=None: {
        check.id: check for check in verdicts.structure(leads, settings.model_copy(update=changed or {}))
    }


def run_by_hand(admin, settings, remedy):
    """Carry out the command of a remedy, as a DBA would paste it into mongosh."""
    command, _ = json.JSONDecoder().raw_decode(remedy.partition("db.runCommand(")[2])
    admin[settings.database].command(command)


def test_nobody_can_accept_what_loses_records(judged):
    assert not definition(ID).acceptable
    found = judged()
    assert (found[ID].verdict, found[DESIGNED].verdict) == (Verdict.PASS, Verdict.PASS)


@pytest.mark.trust(
    way="Somebody's TTL index deletes staged records, and a validator refuses new ones, when 02 runs", status=None,
    says=("staged_at_1", "deletes after 3,600 s", 'dropIndex("staged_at_1")', "has a validator", "collMod"),
    leaves="a check that fails and that nobody can accept; each cause with its command",
)  # fmt: skip
def test_a_staging_collection_that_deletes_or_refuses_fails(judged, staging, admin, settings, leads, trust):
    staging.create_index("staged_at", expireAfterSeconds=3600)
    strict = {"$jsonSchema": {"required": ["nothing_has_this"]}}
    admin[settings.database].command({"collMod": staging.name, "validator": strict})
    admin[settings.database].command({"collMod": staging.name, "index": {"name": "idx_pipeline_state", "hidden": True}})
    found = judged()
    assert (found[ID].verdict, found[DESIGNED].verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert f'db.{staging.name}.unhideIndex("idx_pipeline_state")' in found[DESIGNED].remedy
    assert "unhide" not in found[ID].remedy, "a hidden index is slow, and loses nothing"
    assert found[LIFE].verdict is Verdict.WARN
    assert f"{staging.name}: MongoDB deletes them 3,600 s after staged_at (staged_at_1);" in found[LIFE].evidence
    assert f"{staging.name}: {staging.name} " not in found[ID].evidence
    trust.check(None, found[ID].evidence + found[ID].remedy)
    staging.drop_index("staged_at_1")
    run_by_hand(admin, settings, found[ID].remedy)
    assert judged()[ID].verdict is Verdict.PASS and len(pending(leads, settings)) == 1


def test_a_validator_that_only_warns_is_no_design_and_loses_nothing(judged, staging, admin, settings):
    quiet = {"validator": {"never": 1}, "validationAction": "warn"}
    admin[settings.database].command({"collMod": staging.name, **quiet})
    found = judged()
    assert (found[ID].verdict, found[DESIGNED].verdict) == (Verdict.PASS, Verdict.FAIL)
    assert "strict / warn" in found[DESIGNED].evidence


@pytest.mark.parametrize("side", ["staging_collection", "rejected_collection"])
def test_a_capped_collection_fails_and_its_remedy_keeps_every_record(judged, leads, admin, settings, side):
    name, database = getattr(settings, side), admin[settings.database]
    database.drop_collection(name)
    database.create_collection(name, capped=True, size=4096)
    database[name].insert_one({"is": "kept"})
    found = judged()
    assert found[ID].verdict is Verdict.FAIL and f"{name} is capped" in found[ID].evidence
    assert "capped" in found[LIFE].evidence
    database[name].rename(f"{name}_capped")
    apply(leads, admin, settings)
    database[f"{name}_capped"].aggregate([{"$merge": name}])
    assert judged()[ID].verdict is Verdict.PASS and database[name].distinct("is") == ["kept"]
    assert f'renameCollection("{name}_capped")' in found[ID].remedy and f'$merge: "{name}"' in found[ID].remedy


@pytest.mark.parametrize("of", ["collection", "staging_collection", "rejected_collection"])
@pytest.mark.parametrize(
    ("made", "kind"),
    [({"viewOn": "elsewhere", "pipeline": []}, "view"), ({"timeseries": {"timeField": "at"}}, "timeseries")],
    ids=["view", "timeseries"],
)
def test_what_is_no_collection_fails_and_stops_no_other_check(judged, leads, admin, settings, of, made, kind):
    name, database = getattr(settings, of), admin[settings.database]
    database.drop_collection(name)
    database.command({"create": name, **made})
    found = judged()
    assert found[ID].verdict is Verdict.FAIL and f"{name} is a {kind}" in found[ID].evidence
    assert not [check.id for check in found.values() if check.verdict in (Verdict.ERROR, Verdict.NOT_MEASURED)]
    assert (found["MDB-SCH-001"].verdict is Verdict.FAIL) == (of == "collection")
    assert verdicts.apply_pending(leads, admin, settings)[1].verdict is Verdict.PASS, "a person decides; nothing is run"
    database.drop_collection(name)


@pytest.mark.parametrize("of", ["collection", "staging_collection"])
def test_a_clustered_collection_with_a_life_of_its_own_fails(judged, admin, settings, of):
    name, database = getattr(settings, of), admin[settings.database]
    database.drop_collection(name)
    database.command({"create": name, "clusteredIndex": {"key": {"_id": 1}, "unique": True}, "expireAfterSeconds": 60})
    found = judged()
    assert found[ID].verdict is Verdict.FAIL and "60 s after the time in their _id" in found[ID].evidence
    run_by_hand(admin, settings, found[ID].remedy)
    assert judged()[ID].verdict is Verdict.PASS


@pytest.mark.parametrize("made", [{"expireAfterSeconds": 3600}, {"unique": True}], ids=str)
def test_an_index_that_deletes_or_refuses_entries_of_the_journal_fails(judged, leads, settings, made):
    """What files became is known from there only."""
    entries = Journal(leads.database, "mongodb://127.0.0.1").collection
    entries.create_index("at", **made)
    found = judged()[ID]
    assert found.verdict is Verdict.FAIL and "sprint_journal: index at_1" in found.evidence
    assert 'db.sprint_journal.dropIndex("at_1")' in found.remedy and "ttl_days" not in found.remedy
    assert [one.collection for one in unlike_design(leads, settings)] == ["sprint_journal"]
    entries.drop_index("at_1")
    assert losing(leads, settings) == []


# ------------------------------------------------------------------------------------------------------- the leads


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.trust(
    way="Somebody's TTL index deletes leads, hidden or not, when 02 runs", status=None,
    says=("deletes after 60 s", 'now: db.performance_marketers.dropIndex("created_at_1")', "hidden or not"),
    leaves="a check that fails and that nobody can accept, with the command that stops it; nothing says hide it first",
)  # fmt: skip
def test_a_ttl_index_of_the_leads_fails_and_is_dropped_not_hidden(judged, leads, settings, hidden, trust):
    leads.create_index("created_at", expireAfterSeconds=60, hidden=hidden)
    found = judged()
    assert found[ID].verdict is Verdict.FAIL and "hideIndex" not in found[ID].remedy
    assert [one.line for one in unlike_design(leads, settings)], "the close sees it too"
    trust.check(None, found[ID].evidence + found[ID].remedy)


def test_an_index_of_ours_that_also_deletes_fails_both_checks(judged, leads, admin, settings):
    life = {"name": "idx_data_collected_date", "expireAfterSeconds": 60}
    admin[settings.database].command({"collMod": leads.name, "index": life})
    found = judged()
    assert (found[ID].verdict, found["MDB-IDX-006"].verdict, found[EXTRA].measured) == (Verdict.FAIL, Verdict.FAIL, 0)
    assert 'dropIndex("idx_data_collected_date")' in found[ID].remedy


def test_other_extra_indexes_only_warn(judged, leads, settings):
    leads.create_index("created_at")
    leads.create_index([("linkedin_url", 1), ("phone", 1)], unique=True)
    leads.create_index("crm_id", unique=True, sparse=True)
    found = judged()
    assert (found[ID].verdict, found[EXTRA].verdict, found[EXTRA].measured) == (Verdict.PASS, Verdict.WARN, 3)
    assert unlike_design(leads, settings) == []


@pytest.mark.parametrize("options", [{}, {"hidden": True}, {"sparse": True}], ids=str)
def test_a_unique_index_on_another_field_refuses_leads_and_fails(judged, leads, options):
    """The ingester would count such a lead as a duplicate of one that is not there."""
    leads.create_index("phone", unique=True, **options)
    found = judged()[ID]
    assert found.verdict is Verdict.FAIL and 'dropIndex("phone_1"); hidden or not, it refuses' in found.remedy


def test_a_unique_index_that_is_hidden_or_partial_refuses_no_more_than_ours(judged, leads):
    leads.drop_index("idx_email_unique")
    leads.create_index("email", name="idx_email_unique", unique=True, sparse=True, hidden=True)
    assert judged()[ID].verdict is Verdict.PASS
    leads.drop_index("idx_email_unique")
    leads.create_index("email", name="idx_email_unique", unique=True)
    assert judged()[ID].verdict is Verdict.FAIL, "a second lead without e-mail is refused"


# ---------------------------------------------------------------------------------------------------- asked lifetimes


def test_only_the_life_that_is_asked_for_passes(judged, leads, staging, admin, settings):
    asked = {"staging_ttl_days": 90.0, "rejected_ttl_days": 30.0}
    apply(leads, admin, settings.model_copy(update=asked))
    assert [judged(asked)[check].verdict for check in (ID, DESIGNED, LIFE)] == [Verdict.PASS] * 3
    longer = judged({**asked, "rejected_ttl_days": 60.0})
    assert longer[ID].verdict is Verdict.FAIL and '"expireAfterSeconds": 5184000' in longer[ID].remedy
    assert "60 days, and no index does it; MongoDB deletes them 2,592,000 s after rejected_at" in longer[LIFE].evidence
    nothing = judged()
    assert nothing[ID].verdict is Verdict.FAIL and "set staging_ttl_days or rejected_ttl_days" in nothing[ID].remedy
    staging.create_index("staged_at", expireAfterSeconds=7_776_000)
    found = judged(asked)
    assert found[ID].verdict is Verdict.FAIL and found[LIFE].verdict is Verdict.WARN


def test_the_asked_life_counts_under_another_name(judged, leads, admin, settings):
    leads.database[settings.rejected_collection].create_index("rejected_at", expireAfterSeconds=2_592_000)
    asked = {"rejected_ttl_days": 30.0}
    assert [judged(asked)[check].verdict for check in (ID, DESIGNED)] == [Verdict.PASS] * 2
    assert pending(leads, settings.model_copy(update=asked)) == []
