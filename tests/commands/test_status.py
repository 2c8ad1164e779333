"""Where a sprint stands, from its journal and its data; in a moment, and nothing changed."""

import json
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
from leadbook.ingest.drain import drain


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
