"""Where a sprint stands, from its journal and its data; in a moment, and nothing changed."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from analysis_leads import lead
from ingest.vendor_records import person
from leadbook.backup.backup import back_up
from leadbook.backup.folder import backups_folder, remove
from leadbook.commands import about, sprint
from leadbook.core.definitions import definition
from leadbook.core.errors import UnreachableError
from leadbook.core.journal import Journal
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.drain import drain
from leadbook.lead.ledger import rejected
from leadbook.rehearsal.servers import leash, owner


def backed_up(journal, name, taken_at, leads, *, proven=True):
    """Phase 06's record in the journal."""
    verdict = "pass" if proven else "error"
    checks = [{"id": proof, "verdict": verdict} for proof in definition("FIN-PUSH-008").follows]
    record = {"closed": {"at": "2026-12-01T00:00:00+00:00"}, "checks": checks,
              "facts": {"backup": name, "backup_taken_at": taken_at, "backup_leads": leads}}  # fmt: skip
    journal.write("phase", phase="06", profile="production", run="2", verdict="fail", counts={},
                  record=json.dumps(record))  # fmt: skip


def test_the_last_backup_is_one_that_was_proven_and_is_there(production, database, endpoints, tmp_path):
    settings = production(backup_dir=str(tmp_path / "backups"))
    database[settings.collection].insert_one({"_id": 1})
    kept = back_up(database, [settings.collection], backups_folder(settings), settings)
    journal = Journal(database, endpoints.mongodb_uri)
    told = (kept.path.name, kept.manifest.taken_at, 1)
    assert "no record" in sprint.status(settings).no_backup
    backed_up(journal, *told)
    assert sprint.status(settings).backup == (kept.manifest.taken_at, 1), "of the dump, not of the close"
    backed_up(journal, *told, proven=False)
    unproven = sprint.status(settings)
    assert unproven.backup is None and f"did not prove {kept.path.name}" in "\n".join(sprint.lines(unproven))
    backed_up(journal, *told)
    remove(kept.path)
    assert sprint.status(settings).backup is None


def test_a_sprint_in_ten_lines(production, site, database, settings, endpoints):
    raw = database[settings.staging_collection]
    raw.insert_many([{"vendor": "brightdata", "payload": person(f"p{number}")} for number in range(30)])
    drain(site)
    old = ObjectId.from_datetime(datetime.now(UTC) - timedelta(hours=2))
    raw.insert_one({"_id": old, "vendor": "brightdata", "payload": person("late")})
    journal = Journal(database, endpoints.mongodb_uri)
    journal.collection.delete_many({})
    journal.write("stage", stage="ready", run="1", verdict="NO-GO", reason="", exit_status=1, risks=[])
    journal.write("stage", stage="ready", run="2", verdict="GO", reason="", exit_status=0, risks=["MDB-VER-001"])
    backed_up(journal, "leads-20260101T000000Z-abcdef", "2026-01-01T00:00:00+00:00", 61)
    alive, overdue, dead, ended = (ObjectId() for _ in range(4))
    for session in (alive, overdue, dead, ended):
        journal.write("session.begun", session=session, source="staging", names=[], vendor="")
    journal.write("session.ended", session=ended, ledger={}, problem="")
    journal.collection.update_one({"session": dead}, {"$set": {"at": datetime.now(UTC) - timedelta(minutes=9)}})
    late = {"$set": {"at": datetime.now(UTC) - timedelta(seconds=90)}}
    journal.collection.update_one({"session": overdue}, late)
    before, began = journal.collection.count_documents({}), time.monotonic()
    found = sprint.status(production())
    assert time.monotonic() - began < 3 and journal.collection.count_documents({}) == before
    assert (found.leads, found.staged, found.waiting, found.last_hour) == (30, 31, 1, 30)
    assert found.stages["ready"].verdict == "GO" and found.backup is None and "does not lie in" in found.no_backup
    assert (len(found.followers.alive), len(found.followers.overdue), len(found.followers.dead)) == (1, 1, 1)
    text = list(sprint.lines(found))
    assert any("1 alive, 1 overdue, perhaps dead: " in line and "last sign 9" in line for line in text)
    assert len(text) == 10 and "1 accepted risks: MDB-VER-001" in text[1] and 7_190 < found.oldest_s < 7_400
    assert "--stage live" in text[-1]
    assert found.stages["ready"].verdict == "GO"


def test_what_deletes_records_by_itself_is_named_in_a_line(production, leads):
    settings = production()
    assert not sprint.status(settings).losing
    leads.database[settings.staging_collection].create_index("collected_at", expireAfterSeconds=60)
    (line,) = [one for one in sprint.lines(sprint.status(settings)) if "deleted or refused" in one]
    assert f"{settings.staging_collection}: index collected_at_1" in line
    assert line.endswith("leadbook doctor --profile production")


def test_before_anything_ran_the_next_thing_are_the_collections_then_to_get_ready(production, database, request):
    how = "leadbook run --profile production --only 02 -p approve='apply_schema on leadbook_test'"
    assert sprint.status(production()).next == f"make the collections: {how}"
    request.getfixturevalue("leads")
    assert sprint.status(production()).next == "leadbook run --stage ready --profile production"


def test_leads_without_a_backup_are_backed_up_first(production, leads, database, endpoints):
    settings = production()
    journal = Journal(database, endpoints.mongodb_uri)
    journal.collection.delete_many({})
    journal.write("stage", stage="ready", run="1", verdict="GO", reason="", exit_status=0, risks=[])
    assert sprint.status(settings).next.startswith("let the collectors go on"), "nothing is stored that could be lost"
    leads.insert_one(lead("One"))
    how = "leadbook run --profile production --only 06 -p approve='restore_drill on leadbook_test'"
    told = sprint.status(settings).next
    assert told.startswith(f"make a backup: {how}") and "let the collectors go on" in told
    kept = back_up(database, [settings.collection], backups_folder(settings), settings)
    backed_up(journal, kept.path.name, kept.manifest.taken_at, 1)
    assert sprint.status(settings).next.startswith("let the collectors go on")


def test_nobody_answers(production, monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/")
    with pytest.raises(UnreachableError):
        sprint.status(production())


def test_versions_of_leadbook_and_its_servers(production, leads):
    told = about.versions() | about.of_servers(production())
    assert {"leadbook", "code", "Python", "pymongo", "Redis"} <= told.keys()
    assert any(name.startswith("MongoDB at") for name in told)


def test_fewer_leads_than_staged_records_say_are_stored_name_recover(production, site, database, settings):
    leads, raw = database[settings.collection], database[settings.staging_collection]
    raw.insert_many([{"vendor": "brightdata", "payload": person(f"p{number}")} for number in range(5)])
    drain(site)
    leads.insert_one({"linkedin_url": "https://www.linkedin.com/in/of-a-file", "full_name": "A", "job_title": "x",
                      "company_name": "y"})  # fmt: skip
    assert "recover" not in sprint.status(production()).next, "leads of files are more, and no alarm"
    leads.drop()
    gone = sprint.status(production())
    assert (gone.stored, gone.leads) == (5, 0)
    assert any("5 staged records are recorded as stored, and 0 leads are there" in line for line in sprint.lines(gone))
    assert gone.next.endswith("leadbook recover --from both --profile production")
    raw.update_many({}, {"$set": {"pipeline.outcome": rejected(ERASED)}})
    assert "recover" not in sprint.status(production()).next, "their persons asked for it"


def test_a_follower_that_was_killed_on_this_machine_is_dead_at_once(production, leads, database, settings, endpoints):
    journal = Journal(database, endpoints.mongodb_uri)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark = owner.me() | {"pid": process.pid, "born": leash.created_at(process.pid)}
        for source, executor, where in (
            ("staging", "threads", {}), ("files", "processes", {}), ("staging", "dask", {}),
            ("staging", "threads", {"machine": "00000000"}),
        ):  # fmt: skip
            journal.write("session.begun", session=ObjectId(), source=source, executor=executor, mark=mark | where)
        lives = sprint.followers(journal)
        assert (len(lives.alive), len(lives.dead), len(lives.reading)) == (3, 0, 1)
        process.kill()
    found = sprint.followers(journal)
    assert (len(found.alive), len(found.dead), found.reading) == (2, 1, ()), "of others only their beats tell"
    assert "its process has ended" in found.dead[0]
    journal.collection.delete_many({"$or": [{"executor": "dask"}, {"mark.machine": "00000000"}]})
    database[settings.staging_collection].insert_one({"vendor": "brightdata", "payload": person("waits")})
    assert "no follower is alive: leadbook ingest --staged --follow" in sprint.status(production()).next
    database[settings.staging_collection].delete_many({})
    journal.write("stage", stage="ready", run="2", verdict="GO", reason="", exit_status=0, risks=[])
    assert "start a follower (leadbook ingest --staged --follow" in sprint.status(production()).next
