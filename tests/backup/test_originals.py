"""A backup is held against the live database, and brings no erased person back."""

import json
import threading
from dataclasses import replace
from itertools import islice

import pytest
from pymongo import MongoClient

from leadbook.backup import backup as backup_module
from leadbook.backup import drill
from leadbook.backup.archive import ContentHash, documents_in
from leadbook.backup.backup import back_up, collections_of
from leadbook.backup.folder import backups_folder
from leadbook.backup.verify import verify
from leadbook.core.checks import Verdict
from leadbook.enrich.limits import SPENDING
from leadbook.lead.clock import now_ms
from leadbook.lead.suppression import SUPPRESSED, SuppressionList
from leadbook.phases.judging import checks_of, of_found
from leadbook.phases.p06 import checks, sections
from leadbook.rehearsal import sample


def by_id(section):
    return {check.id: check for check in section.checks}


def against_originals(made):
    found = checks_of(of_found(checks.of("BKP-DMP"), (made, verify(made.path)), checks.dump))
    return next(check for check in found if check.id == "BKP-DMP-005")


def half(monkeypatch, name):
    """From now on a dump of collection `name` sees every other document only; all else is as it was."""
    documents = backup_module._documents

    def lame(database, dumped, session):
        return islice(documents(database, dumped, session), 0, None, 2 if dumped == name else 1)

    monkeypatch.setattr(backup_module, "_documents", lame)


@pytest.mark.trust(
    way="The dump reads only half of the leads, and agrees with itself", status=None,
    says=("performance_marketers: 750 of 1,500 documents",),
    leaves="The backup, failed by BKP-DMP-005: it is not called proven anywhere.",
)  # fmt: skip
def test_a_dump_of_half_the_leads_fails(filled, opened, kept, monkeypatch, trust):
    half(monkeypatch, kept.collection)
    section = sections.backup(opened(filled, kept))
    (made, _), found = section.found, by_id(section)
    assert verify(made.path).sound and found["BKP-DMP-002"].verdict is Verdict.PASS, "true to itself"
    assert found["BKP-DMP-005"].verdict is Verdict.FAIL
    trust.check(None, found["BKP-DMP-005"].evidence)


def test_leads_that_arrive_during_the_dump_are_no_difference(filled, opened, kept):
    over = threading.Event()
    extra = sample.documents(400, seed=20)

    def writer():
        while not over.is_set() and extra:
            filled[kept.collection].insert_one(extra.pop())

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        section = sections.backup(opened(filled, kept))
    finally:
        over.set()
        thread.join()
    assert by_id(section)["BKP-DMP-005"].verdict is Verdict.PASS
    assert "one point in time" in by_id(section)["BKP-DMP-005"].evidence


def test_a_changed_document_is_a_difference_though_the_count_agrees(filled, kept):
    made = back_up(filled, collections_of(kept), _folder(kept), kept)
    original = made.originals[kept.collection]
    changed = ContentHash()
    documents = list(documents_in(made.path / f"{kept.collection}.bson.zst"))
    for raw in [documents[0].raw[:-2] + b"x\x00", *(one.raw for one in documents[1:])]:
        changed.add(raw)
    assert changed.documents == original.documents
    forged = {**made.originals, kept.collection: changed}
    assert against_originals(made).verdict is Verdict.PASS
    assert against_originals(replace(made, originals=forged)).verdict is Verdict.FAIL
    assert against_originals(replace(made, originals={})).verdict is Verdict.NOT_MEASURED


def test_a_standalone_server_is_compared_when_it_was_quiet(standalone, opened, kept):
    with MongoClient(standalone) as client:
        database = client["standalone"]
        database[kept.collection].insert_many([{"n": n} for n in range(1_200)])
        section = sections.backup(opened(database, kept, dba=client))
        assert by_id(section)["BKP-DMP-005"].verdict is Verdict.PASS

        def meddle(_):
            database[kept.collection].update_one({"n": 0}, {"$set": {"late": True}})

        made = back_up(database, [kept.collection], _folder(kept), kept, on_batch=meddle)
        check = against_originals(made)
    assert check.verdict is Verdict.NOT_MEASURED and "written to during the dump" in check.evidence


def _folder(kept):
    return backups_folder(kept)


# ----------------------------------------------------------------------------------------------------------- erasures


def test_requests_and_spending_are_part_of_the_backup_and_marks_are_not(filled, opened, kept):
    SuppressionList(filled[SUPPRESSED]).add(["https://www.linkedin.com/in/gone"])
    filled[SPENDING].insert_one({"_id": "2025-05", "spent": 1})
    filled["leadbook_rehearsal_marker"].insert_one({"_id": "rehearsal"})
    filled["sprint_journal"].insert_one({"kind": "stage"})
    (made, _) = sections.backup(opened(filled, kept)).found
    names = [entry.name for entry in made.manifest.collections]
    assert names[0] == SUPPRESSED, "the list of requests is restored before any lead"
    assert {SPENDING, "sprint_journal"} <= set(names)
    assert "leadbook_rehearsal_marker" not in names


@pytest.mark.trust(
    way="A lead is erased after the backup was taken, and the backup is restored", status=None,
    says=("1 erasure requests", "were erased again", "_id"),
    leaves="The copy without the person: leads, staged and rejected records of theirs are deleted from it.",
)  # fmt: skip
def test_a_lead_erased_after_the_dump_does_not_come_back(filled, opened, kept, monkeypatch, trust):
    leads = filled[kept.collection]
    gone = leads.find_one({}, sort=[("_id", 1)])
    payload = {"linkedin_url": gone["linkedin_url"], "url": gone["linkedin_url"]}
    filled[kept.staging_collection].insert_many([
        {"_id": gone["_id"], "vendor": "brightdata", "payload": payload}, {"vendor": "brightdata", "payload": {}},
    ])  # fmt: skip
    filled[kept.rejected_collection].insert_one(
        {"_id": "r", "vendor": "brightdata", "payload": json.dumps(payload), "rejected_at": now_ms()}
    )
    book = opened(filled, kept)
    taken = sections.backup(book)
    leads.delete_one({"_id": gone["_id"]})
    SuppressionList(filled[SUPPRESSED]).add([gone["linkedin_url"]])
    seen = {}
    drop = drill.drop_restored
    monkeypatch.setattr(drill, "drop_restored", lambda database, names: (seen.update(_left(database, names, gone)),
                                                                             drop(database, names)))  # fmt: skip
    section = sections.restore(book, taken)
    found = by_id(section)
    assert found["BKP-CMP-002"].verdict is Verdict.PASS, "the copy was compared before anything was erased from it"
    assert found["BKP-ERA-001"].verdict is Verdict.PASS and str(gone["_id"]) in found["BKP-ERA-001"].evidence
    trust.check(None, found["BKP-ERA-001"].evidence)
    assert seen == {kept.collection: 0, kept.staging_collection: 0, kept.rejected_collection: 0}
    assert gone["linkedin_url"] not in str(section.checks)
    assert leads.count_documents({}) == 1_499, "the live leads are not touched"


def _left(database, names, gone):
    """Documents about the person in each restored copy."""
    about = {"$or": [{"linkedin_url": gone["linkedin_url"]}, {"payload.linkedin_url": gone["linkedin_url"]},
                     {"_id": {"$in": [gone["_id"], "r"]}}]}  # fmt: skip
    kinds = ("performance_marketers", "raw_leads", "rejected_leads")
    return {kind: database[name].count_documents(about) for name in names for kind in kinds if f"_{kind}_" in name}
