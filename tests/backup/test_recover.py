"""Stored leads that were deleted come back, from staging, from a backup, from both; nothing else changes."""

import json
import random
import shlex
from datetime import UTC, datetime

import pytest

from ingest.vendor_records import contact, person
from leadbook.backup import missing, newest
from leadbook.backup.backup import back_up, collections_of
from leadbook.backup.folder import backups_folder
from leadbook.backup.returning import bring_back
from leadbook.commands import recover as commands
from leadbook.core.errors import InputFileError
from leadbook.core.journal import COLLECTION
from leadbook.ingest import pipeline
from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.lead.keys import linkedin_key
from leadbook.lead.suppression import SUPPRESSED, SuppressionList
from leadbook.rehearsal import sample
from leadbook.schema.state import apply
from test_cli import leadbook

COLLECTORS, DELETED = 22, 200
TIMES = ("created_at", "updated_at", "data_collected_date")


@pytest.fixture
def site(endpoints, kept, database, admin, clean_redis):
    apply(database[kept.collection], admin, kept)
    yield Site(endpoints=endpoints, settings=kept.model_copy(update={"batch_size": 100}))
    Site.close()


def stage(database, settings, records):
    database[settings.staging_collection].insert_many([
        {"vendor": vendor, "payload": payload, "collected_at": datetime.now(UTC),
         "collector": {"workflow": f"{vendor}-{number % COLLECTORS}", "execution": "1", "batch": 1 + number // 100}}
        for number, (vendor, payload) in enumerate(records)
    ])  # fmt: skip


@pytest.fixture
def sprint(site, database, kept, tmp_path):
    """A small sprint of 22 collectors and two vendors, drained in two halves, with a backup between; the backup."""
    made = sample.write_sample(tmp_path / "sample", records=1_100, seed=5)
    records = [(one.vendor, record.payload) for one in made.files
               for record in pipeline.file_source(one.path, one.vendor).records]  # fmt: skip
    random.Random(5).shuffle(records)
    stage(database, kept, records[:700])
    drain(site, workers=1)
    backup = back_up(database, collections_of(kept), backups_folder(kept), kept)
    stage(database, kept, records[700:])
    pipeline.finish(drain(site, workers=1), site)
    return backup


def told(database, settings):
    """All leads by `_id`, without times."""
    return {lead["_id"]: {key: value for key, value in lead.items() if key not in TIMES}
            for lead in database[settings.collection].find()}  # fmt: skip


def merged(database, settings):
    """URLs of leads to which later sightings gave something."""
    found = database[settings.staging_collection].find({"pipeline.outcome": "filled"})
    return {missing.url_of(missing.sighting_in(record, "")[0]) for record in found}


def delete(database, settings, *, among=None):
    """Delete 200 leads, half of them merged from several sightings; their `_id`s."""
    leads = database[settings.collection]
    wanted = {"_id": {"$in": list(among)}} if among is not None else {}
    urls = merged(database, settings)
    found = sorted(leads.find(wanted), key=lambda lead: lead["_id"])
    several = [lead["_id"] for lead in found if lead["linkedin_url"] in urls][: DELETED // 2]
    others = [lead["_id"] for lead in found if lead["_id"] not in several]
    gone = several + random.Random(6).sample(others, DELETED - len(several))
    assert len(several) > 20 and leads.delete_many({"_id": {"$in": gone}}).deleted_count == DELETED
    return set(gone)


def run(settings, source, *, approve=True, **options):
    named = {"approve": f"recover on {settings.database}"} if approve else {}
    return commands.recover(settings.model_copy(update=named), source, **options)


def test_what_was_staged_comes_back_from_staging(site, sprint, database, kept, clean_redis):
    before = told(database, kept)
    others = {lead["_id"]: lead for lead in database[kept.collection].find()}
    gone = delete(database, kept)
    clean_redis.flushdb()
    asked = run(kept, "staging", approve=False)
    assert asked["done"] is None and asked["plan"]["come_back"] == {"staging": DELETED}
    assert told(database, kept).keys() == before.keys() - gone, "a plan changes nothing"
    assert COLLECTION not in database.list_collection_names()
    done = run(kept, "staging")["done"]
    assert done == {"restored": {"staging": DELETED}, "already_there": 0, "still_missing": {}, "requests": 0,
                    "problem": ""}  # fmt: skip
    assert told(database, kept) == before
    assert {lead["_id"]: lead for lead in database[kept.collection].find({"_id": {"$nin": list(gone)}})} == {
        key: lead for key, lead in others.items() if key not in gone
    }
    url = before[next(iter(gone))]["linkedin_url"]
    assert clean_redis.exists(linkedin_key(url)), "keys follow"
    (entry,) = database[COLLECTION].find({"kind": "action"})
    assert entry["done"] == done and entry["approved"] == f"recover on {kept.database}"
    again = run(kept, "staging")
    assert again["plan"]["missing"] == 0 and again["done"]["restored"] == {}, "run twice it does nothing"
    assert database[COLLECTION].count_documents({}) == 1


def test_what_a_backup_holds_comes_back_as_it_was_then(sprint, database, kept):
    early = ids_in(sprint, kept) & {lead["_id"] for lead in database[kept.collection].find()}
    before = {lead["_id"]: lead for lead in database[kept.collection].find()}
    gone = delete(database, kept, among=early)
    done = run(kept, "backup", backup=sprint.path)["done"]
    assert done["restored"] == {"backup": DELETED} and not done["still_missing"]
    after = {lead["_id"]: lead for lead in database[kept.collection].find()}
    assert after.keys() == before.keys()
    filled = merged(database, kept)
    for lead_id in before:
        if lead_id not in gone or before[lead_id]["linkedin_url"] not in filled:
            assert strip(after[lead_id]) == strip(before[lead_id])


def ids_in(backup, settings):
    data = backup.path / f"{settings.collection}.bson.zst"
    return {document["_id"] for document in missing.documents_in(data)}


def strip(lead):
    """Without what an ingestion's end flags, which came after the backup."""
    flags = [flag for flag in lead["additional_data"].get("flags", []) if flag != "same_member"]
    return {**lead, "updated_at": None, "additional_data": {**lead["additional_data"], "flags": flags}}


def test_both_take_the_backup_first_and_from_staging_the_rest_and_what_came_later(sprint, database, kept):
    before = told(database, kept)
    delete(database, kept)
    shown = []
    result = run(kept, "both", show=shown.append)
    plan, done = result["plan"], result["done"]
    assert plan["backup"] == sprint.path.name and plan["missing_by_witness"]["staging"] == DELETED
    assert 0 < plan["missing_by_witness"]["backup"] == done["restored"]["backup"] < DELETED
    assert sum(done["restored"].values()) == DELETED and not done["still_missing"] and shown[0]["plan"] == plan
    assert told(database, kept) == before


def test_staged_records_can_be_drained_again_after_a_recovery(site, sprint, database, kept):
    before = told(database, kept)
    delete(database, kept)
    run(kept, "both")
    database[kept.staging_collection].update_many({}, {"$unset": {"pipeline": ""}})
    result = drain(site, workers=1)
    assert (result.ledger.stored, result.ledger.filled, result.ledger.failed) == (0, 0, 0)
    assert told(database, kept) == before


@pytest.mark.trust(
    way="Leads are deleted, their persons ask for erasure, and `leadbook recover` runs", status=None,
    says=("erased 3", "restored 197"), leaves="The leads of all others are back; those three stay out.",
)  # fmt: skip
@pytest.mark.parametrize("source", ["staging", "both"])
def test_who_asked_for_erasure_never_comes_back(sprint, database, kept, trust, source):
    before = told(database, kept)
    gone = sorted(delete(database, kept))
    erased = gone[:3]
    SuppressionList(database[SUPPRESSED]).add([before[one]["linkedin_url"] for one in erased])
    result = run(kept, source)
    trust.check(None, f"erased {result['plan']['erased']}, restored {sum(result['done']['restored'].values())}")
    assert told(database, kept).keys() == before.keys() - set(erased)


def test_a_request_that_only_the_backup_knows_is_back_before_any_lead(site, database, kept):
    leads = database[kept.collection]
    stage(database, kept, [("brightdata", person("ana")), ("brightdata", person("ben"))])
    drain(site, workers=1)
    url = leads.find_one({"linkedin_url": {"$regex": "ana"}})["linkedin_url"]
    SuppressionList(database[SUPPRESSED]).add([url])
    back_up(database, collections_of(kept), backups_folder(kept), kept)
    leads.delete_many({})
    database[SUPPRESSED].drop()
    done = run(kept, "both")["done"]
    assert done["requests"] == 1 and done["restored"] == {"backup": 1}
    assert done["still_missing"] == {"their persons asked for erasure": 1}
    assert [lead["linkedin_url"][-3:] for lead in leads.find()] == ["ben"]


def test_a_recovery_that_is_broken_off_is_run_again(site, sprint, database, kept, monkeypatch):
    before = told(database, kept)
    delete(database, kept)
    plan = missing.plan(database, site.settings, "both", sprint.path)
    tools, calls = site.tools(), []
    insert = tools.store.insert

    def broken(documents):
        calls.append(len(documents))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return insert(documents)

    monkeypatch.setattr(tools.store, "insert", broken)
    with pytest.raises(KeyboardInterrupt):
        bring_back(plan, site)
    monkeypatch.undo()
    assert len(told(database, kept)) == len(before) - DELETED + calls[0]
    run(kept, "both")
    assert told(database, kept) == before


def test_what_somebody_stored_meanwhile_stays_as_it_is(site, sprint, database, kept):
    leads = database[kept.collection]
    gone = delete(database, kept)
    plan = missing.plan(database, site.settings, "both", sprint.path)
    url = next(iter(plan.leads))
    leads.insert_one({"linkedin_url": url, "full_name": "Newer", "job_title": "x", "company_name": "y"})
    done = bring_back(plan, site)
    assert (done.there, done.restored.total(), +done.left) == (1, len(gone) - 1, {})
    assert leads.find_one({"linkedin_url": url})["full_name"] == "Newer"


def test_an_email_that_is_another_persons_by_now_is_kept_aside(site, database, kept):
    leads = database[kept.collection]
    stage(database, kept, [("brightdata", person("ana")), ("apollo", contact("ana", Email="a@shop.example"))])
    drain(site, workers=1)
    assert leads.find_one()["email"] == "a@shop.example"
    leads.delete_many({})
    stage(database, kept, [("apollo", contact("ben", Email="a@shop.example"))])
    drain(site, workers=1)
    assert run(kept, "staging")["done"]["restored"] == {"staging": 1}
    ana = leads.find_one({"linkedin_url": {"$regex": "ana"}})
    assert "email" not in ana and ana["additional_data"]["email_conflict"] == "a@shop.example"


def test_what_cannot_come_back_is_told_with_its_reason(site, database, kept):
    stage(database, kept, [("brightdata", person(slug)) for slug in ("ana", "ben", "cleo")])
    drain(site, workers=1)
    database[kept.collection].delete_many({})
    staged = database[kept.staging_collection]
    first, second, _ = staged.find(sort=[("_id", 1)])
    staged.update_one({"_id": first["_id"]}, {"$unset": {"payload": "", "collector": ""}})
    staged.update_one({"_id": second["_id"]}, {"$unset": {"payload.position": ""}})
    result = run(kept, "staging")
    assert result["done"]["restored"] == {"staging": 1}
    reasons = " ".join(result["done"]["still_missing"])
    assert sum(result["done"]["still_missing"].values()) == 2
    assert "every column is empty" in reasons and "no job title" in reasons


@pytest.mark.trust(
    way="`leadbook recover --from backup` where no sound backup of this database lies", status=2,
    says=("no sound backup of leadbook_test", "is unsound and not used", "--from staging"), leaves="Nothing is changed",
)  # fmt: skip
def test_without_a_sound_backup_of_this_target_nothing_is_taken(sprint, database, kept, trust):
    delete(database, kept)
    other = kept.model_copy(update={"profile": "production"})
    with pytest.raises(InputFileError, match="it is of profile rehearsal, here it is production"):
        newest.checked_backup(sprint.path, other)
    with (sprint.path / f"{kept.collection}.bson.zst").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputFileError) as caught:
        run(kept, "backup")
    trust.check(caught.value.exit_status, str(caught.value))
    assert run(kept, "both", approve=False)["plan"]["come_back"] == {"staging": DELETED}
    with pytest.raises(InputFileError, match="unsound"):
        run(kept, "both", backup=sprint.path)


@pytest.fixture
def dropped(site, database, kept, admin):
    """Two leads, one of them of a file, a backup of both, then their collection dropped and made again; the backup."""
    leads, staged = database[kept.collection], database[kept.staging_collection]
    stage(database, kept, [("brightdata", person("ana")), ("brightdata", person("ben"))])
    drain(site, workers=1)
    staged.delete_one({"payload.url": {"$regex": "ana"}})
    assert staged.count_documents({}) == 1, "nothing but the backup knows of ana"
    backup = back_up(database, collections_of(kept), backups_folder(kept), kept)
    leads.drop()
    apply(leads, admin, kept)
    return backup


def words(settings, *, approve=False):
    approval = ["-p", f"approve=recover on {settings.database}"] if approve else []
    return ["-p", f"database={settings.database}", "-p", "members=1", "-p", f"backup_dir={settings.backup_dir}",
            *approval]  # fmt: skip


@pytest.mark.trust(
    way="The leads' collection is dropped and made again, and `leadbook recover` runs, also with an approval", status=1,
    says=("Not known whether leads are lost", "are not here", "leadbook recover --profile rehearsal", "--backup"),
    leaves="Nothing comes from the backup unasked; the last line names it, and its command brings all its leads back.",
)  # fmt: skip
@pytest.mark.parametrize("source", ["both", "staging", "backup"])
def test_after_a_drop_the_last_line_names_the_backup_that_holds_what_nobody_else_knows(
    dropped, database, kept, trust, source
):
    done = leadbook("recover", "--from", source, *words(kept, approve=True))
    last = done.stdout.splitlines()[-1]
    trust.check(done.returncode, last)
    assert "No lead is missing" not in done.stdout and "linkedin.com" not in done.stdout
    named = shlex.split(last[last.index("leadbook recover") :])[1:]
    assert named[named.index("--backup") + 1] == str(dropped.path) and "approve" not in last
    asked = leadbook(*named)
    assert asked.returncode == 1 and "Nothing was changed" in asked.stdout
    leadbook(*named, "-p", f"approve=recover on {kept.database}")
    assert database[kept.collection].count_documents({}) == 2
    again = leadbook("recover", "--from", source, *words(kept))
    assert again.returncode == 0 and "No lead is missing" in again.stdout, "all it holds is here: nothing is in doubt"


def test_json_tells_the_command_too(dropped, database, kept):
    done = leadbook("recover", "--from", "both", "--json", *words(kept, approve=True))
    told = json.loads(done.stdout)
    assert done.returncode == 1 and str(dropped.path) in shlex.split(told["next"])
    (one,) = told["plan"]["dropped"]
    assert one == {"backup": str(dropped.path), "leads": 2, "missing": 2, "missing_elsewhere": 1}
    assert told["done"]["restored"] == {"staging": 1} and not told["done"]["still_missing"]


def test_a_newer_backup_of_the_collection_made_again_hides_nothing_until_it_is_named(dropped, site, database, kept):
    stage(database, kept, [("brightdata", person("cleo"))])
    drain(site, workers=1)
    newer = back_up(database, collections_of(kept), backups_folder(kept), kept)
    run(kept, "staging")
    doubted = leadbook("recover", "--from", "both", *words(kept))
    assert doubted.returncode == 1 and str(dropped.path) in doubted.stdout.splitlines()[-1]
    meant = leadbook("recover", "--from", "both", "--backup", str(newer.path), *words(kept))
    assert meant.returncode == 0 and "No lead is missing" in meant.stdout


def test_of_a_dropped_collection_the_erased_are_not_missing(dropped, database, kept):
    held = missing.documents_in(dropped.path / f"{kept.collection}.bson.zst")
    SuppressionList(database[SUPPRESSED]).add([document["linkedin_url"] for document in held])
    done = leadbook("recover", "--from", "both", *words(kept))
    assert done.returncode == 0 and "No lead is missing" in done.stdout


def test_another_approval_is_none(sprint, database, kept):
    delete(database, kept)
    left = database[kept.collection].count_documents({})
    named = kept.model_copy(update={"approve": "recover on elsewhere, restore_drill on leadbook_test"})
    assert commands.recover(named, "both")["done"] is None
    assert database[kept.collection].count_documents({}) == left


def test_the_command_shows_its_plan_and_its_ledger_and_no_person(site, database, kept):
    stage(database, kept, [("brightdata", person("ana")), ("brightdata", person("ben"))])
    drain(site, workers=1)
    database[kept.collection].delete_many({})
    database[kept.staging_collection].update_one({}, {"$unset": {"payload": "", "collector": ""}})
    words = ["recover", "--from", "both", "-p", f"database={kept.database}", "-p", "members=1", "-p",
             f"backup_dir={kept.backup_dir}"]  # fmt: skip
    approval = f"approve=recover on {kept.database}"
    asked = leadbook(*words)
    assert asked.returncode == 1 and "Nothing was changed" in asked.stdout and f"'{approval[8:]}'" in asked.stdout
    done = leadbook(*words, "-p", approval, "--json")
    assert done.returncode == 1, "one is missing still"
    assert json.loads(done.stdout)["done"]["restored"] == {"staging": 1}
    again = leadbook(*words, "-p", approval)
    assert again.returncode == 1 and database[kept.collection].count_documents({}) == 1
    for told in (asked, done, again):
        assert "linkedin.com" not in told.stdout + told.stderr and "Ana" not in told.stdout
