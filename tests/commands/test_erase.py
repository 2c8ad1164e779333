"""One person's data go from everywhere, whatever form they have, and do not come back; nobody else's change."""

import subprocess
import threading
import time
from datetime import UTC, datetime

import bson
import pytest

from ingest.vendor_records import contact, person
from leadbook.analysis.sessions import read_erasures
from leadbook.backup.backup import back_up
from leadbook.backup.folder import backups_folder
from leadbook.cli import care
from leadbook.commands.erase import erase
from leadbook.core.errors import UsageError
from leadbook.core.journal import Journal
from leadbook.ingest.drain import drain
from leadbook.ingest.replay import replay
from leadbook.lead.suppression import SUPPRESSED

APPROVED = "erase on leadbook_test"
TOLD = ("ana-x", "ana.x@shop.example", "anax@gmail.com", "ana quill")
BEN = person("ben", name="Ben Other", people_also_viewed=[
    {"profile_link": "https://www.linkedin.com/in/ana-x/", "name": "Ana Quill"}, {"name": "Cleo"},
])  # fmt: skip


def staged(*payloads, vendor="brightdata"):
    collector = {"workflow": f"{vendor}-1", "execution": "1", "batch": 1, "size": len(payloads), "last": True}
    return [
        {"vendor": vendor, "payload": payload, "collected_at": datetime.now(UTC), "collector": collector}
        for payload in payloads
    ]


@pytest.fixture
def stored(site, database, settings):
    """Ana in every form: staged twice, rejected twice, a lead with e-mail, named in Ben's record and in broken text."""
    raw = database[settings.staging_collection]
    raw.insert_many(staged(person("ana-x", name="Ana Quill"), BEN, person("cleo", name="Cleo")))
    seen = [{"profile_link": f"https://www.linkedin.com/in/{slug}"} for slug in ("ana-x", "cleo")]
    raw.insert_many(staged(person("x", id=None, url=None, people_also_viewed=seen)))
    raw.insert_many(staged(
        contact("Ana-X", **{"First Name": "Ana", "Last Name": "Quill", "Email": "ana.x@shop.example"}),
        contact("nobody", **{"Person Linkedin Url": None, "Last Name": "Quill", "Email": "ana.x@shop.example"}),
        contact("ana-x", **{"Title": None, "First Name": "Ana", "Last Name": "Quill", "Email": "ana.x@shop.example"}),
        '{"First Name": "Ana Quill", "Person Linkedin Url": "http://www.linkedin.com/in/ana-x',
        vendor="apollo",
    ))  # fmt: skip
    assert not drain(site).problem
    raw.insert_many(staged(person("ana-x", name="Ana Quill", headline="again")))  # waits still
    return raw


def everything(database, redis) -> str:
    """All that the database and Redis hold, as one text."""
    held = [str(document) for name in database.list_collection_names() for document in database[name].find()]
    held += [f"{key} {redis.get(key)}" for key in redis.scan_iter()]
    return "\n".join(held).lower()


def others(database, settings) -> dict[str, bytes]:
    leads = database[settings.collection].find({"linkedin_url": {"$not": {"$regex": "ana-x|ben$"}}})
    return {lead["linkedin_url"]: bson.encode(lead) for lead in leads}


@pytest.mark.parametrize("given", ["http://de.linkedin.com/pub/ana-x/?trk=1", "ANA.X@shop.example"])
def test_erased_everywhere_and_kept_out(given, stored, site, production, database, clean_redis, settings):
    before, total = others(database, settings), stored.count_documents({})
    planned = erase(production(), given)
    assert (planned.plan.leads, planned.plan.staged, planned.plan.mentions, planned.left) == (1, 6, 3, None)
    assert "ana-x" in everything(database, clean_redis) and APPROVED in planned.next
    done = erase(production(approve=APPROVED), given)
    assert done.clean
    assert not [word for word in TOLD if word in everything(database, clean_redis)]
    assert "cleo" in everything(database, clean_redis) and others(database, settings) == before
    assert stored.count_documents({}) == total == stored.count_documents({"pipeline.state": "done"})
    assert stored.count_documents({"collector.workflow": {"$exists": True}}) == total
    (entry,) = database["sprint_journal"].find({"kind": "action"})
    assert entry["plan"]["outcomes"]["stored"] == 1
    assert entry["done"]["deleted"] == {"leads": 1, "staged": 0, "ended": 0}, "staged records are stripped"
    stored.insert_many(staged(person("ana-x", name="Ana Quill"), person("dora", name="Dora")))
    stored.insert_many(staged(contact("ana-quill-2", Email="ana.x@shop.example", **{"Last Name": "Quill"}),
                              vendor="apollo"))  # fmt: skip
    ledger = drain(site).ledger
    assert (ledger.stored, ledger.rejected) == (1, {"erasure_request": 2})
    assert not replay(site).problem
    assert not [word for word in TOLD if word in everything(database, clean_redis)]


def test_records_whose_own_id_names_the_person_go_whole_and_are_told(site, production, database, settings):
    (done,), (waits,) = staged(person("ana-x")), staged(person("ana-x", headline="again"))
    raw = database[settings.staging_collection]
    raw.insert_one(done | {"_id": "https://www.linkedin.com/in/ana-x"})
    drain(site)
    raw.insert_one(waits | {"_id": "https://www.linkedin.com/in/ana-x/?later"})
    assert erase(production(approve=APPROVED), "linkedin.com/in/ana-x").clean
    assert raw.count_documents({}) == 0
    (told,) = read_erasures(Journal(database, "mongodb://nowhere/"))
    assert (told.leads, told.staged, told.ended) == (1, 2, 1)


def test_an_address_of_gmail_is_found_in_any_spelling(site, production, database, clean_redis, settings):
    payload = contact("ana-x", Email="Ana.X+list@gmail.com")
    database[settings.staging_collection].insert_many(staged(payload, vendor="apollo"))
    drain(site)
    done = erase(production(approve=APPROVED), "a.n.a.x+list@GMAIL.com")
    assert (done.plan.leads, done.clean) == (1, True)
    assert "ana-x" not in everything(database, clean_redis)


def test_a_mailbox_of_two_profiles_stays_with_the_other(site, production, leads, database, settings):
    database[settings.staging_collection].insert_many(
        staged(contact("ana-x", Email="info@shop.example"), contact("ben", Email="info@shop.example"), vendor="apollo")
    )
    drain(site)
    done = erase(production(approve=APPROVED), "https://linkedin.com/in/ana-x")
    assert (done.plan.leads, done.plan.shared, done.clean) == (1, 1, True)
    assert [lead["linkedin_url"] for lead in leads.find()] == ["https://www.linkedin.com/in/ben"]


def test_a_person_does_not_come_back_by_a_follower_at_work(site, production, database, clean_redis, settings, leads):
    raw, ended = database[settings.staging_collection], threading.Event()
    worker = threading.Thread(target=lambda: drain(site, follow=True, stop=ended.is_set, workers=2))
    worker.start()
    try:
        for turn in range(30):
            some = [person(f"p-{turn}-{number}") for number in range(20)]
            raw.insert_many(staged(*some, person("ana-x", name="Ana Quill")))
            if turn == 10:
                assert erase(production(approve=APPROVED), "linkedin.com/in/ana-x").clean
            time.sleep(0.05)
        give_up = time.monotonic() + 30
        while raw.count_documents({"pipeline.state": {"$ne": "done"}}) and time.monotonic() < give_up:
            time.sleep(0.1)
    finally:
        ended.set()
        worker.join()
    assert leads.count_documents({}) == 600
    assert not [word for word in TOLD if word in everything(database, clean_redis)]


@pytest.fixture
def told(monkeypatch, capsys):
    """`told(settings)`: what `leadbook erase` says of Ana in a terminal, on one line."""

    def said(settings) -> str:
        monkeypatch.setattr(care, "settings_of", lambda *_: settings)
        care.erase("linkedin.com/in/ana-x")
        return " ".join(capsys.readouterr().out.split())

    return said


def test_the_end_tells_the_servers_from_the_backups_and_how_those_end(stored, production, database, told):
    settings = production(approve=APPROVED)
    made = back_up(database, [settings.collection], backups_folder(settings), settings)
    said = told(settings)
    assert "done: nothing of this person is left on the servers" in said and "left here" not in said
    assert "1 backups on this machine hold, or may hold, the person until they are deleted" in said
    before, _, delete = said.partition("restore_drill on leadbook_test'`, then delete these: `")
    assert "--profile production --only 06" in before
    subprocess.run(["/bin/sh", "-c", delete.partition("`")[0]], check=True)
    assert not made.path.exists()
    assert "backups" not in told(settings)


def test_what_is_no_person_is_refused_and_not_repeated(production):
    with pytest.raises(UsageError) as error:
        erase(production(), "https://example.com/ana-x")
    assert "ana-x" not in str(error.value)


def test_an_approval_is_asked_for_on_a_rehearsal_too(production, site, database):
    told = erase(production(approve=""), "linkedin.com/in/ana-x")
    assert told.left is None and database[SUPPRESSED].count_documents({}) == 0
