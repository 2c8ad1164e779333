"""Whatever befalls a drain, each staged record ends once, and the ledger is what the database holds."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bson import Code, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure

from ingest.crash_target import DEADLY, drain_or_die
from ingest.vendor_records import person
from leadbook.ingest import batch as batch_module
from leadbook.ingest import drain as drain_module
from leadbook.ingest import isolate
from leadbook.ingest import staging as staging_module
from leadbook.ingest.batches import RecordBatch
from leadbook.ingest.drain import drain
from leadbook.ingest.isolate import MAX_ATTEMPTS, POISON
from leadbook.ingest.replay import replay
from leadbook.ingest.staging import Staging
from leadbook.ingest.store import rejects
from leadbook.ingest.workers import Inline
from leadbook.lead.ledger import STORED, rejected
from leadbook.lead.vendors import RawRecord
from leadbook.schema.state import apply

POISONED = rejected(POISON)


@pytest.fixture
def staged(leads, database, settings):
    """The staging collection, empty, with its index."""
    return database[settings.staging_collection]


@pytest.fixture
def kept(leads, database, settings):
    """The rejected records."""
    return database[settings.rejected_collection]


def stage(staged, *payloads, vendor="brightdata", ids=None):
    records = [{"vendor": vendor, "payload": payload, "collected_at": datetime.now(UTC)} for payload in payloads]
    for record, record_id in zip(records, ids or [], strict=False):
        record["_id"] = record_id
    return staged.insert_many(records).inserted_ids


def holds(result, staged, leads, kept, *, stored=None):
    """The ledger of a run over all that was staged is what can be counted in the database."""
    ledger = result.ledger
    ledger.assert_balanced()
    ended = Staging(staged).ended()
    assert ended == ledger.outcomes()
    assert ledger.read == staged.count_documents({"pipeline.state": "done"})
    assert leads.count_documents({}) == (ledger.stored if stored is None else stored)
    assert kept.count_documents({}) == ledger.rejects


# ------------------------------------------------------------------------------------------------- abandoned claims


@pytest.mark.trust(
    way="leadbook ingest --staged is killed (SIGKILL) in the middle, and started again", status=None,
    says=("2 records of raw_leads are claimed by a worker that is gone, or still at work", "when its claim expires"),
    leaves="nothing: the second run says who holds them until when, waits, and takes them",
)  # fmt: skip
def test_a_drain_waits_for_claims_of_a_worker_that_is_gone(site, staged, leads, kept, trust):
    stage(staged, person("ana"), person("ben"))
    Staging(staged, lease_s=3.0).claim(10)  # ... and dies here
    stage(staged, person("cleo"))
    lines = []
    result = drain(site, workers=1, notice=lines.append)
    assert result.ledger.stored == 3 and result.staging == {"waiting": 0, "claimed": 0, "taken_over": 2}
    holds(result, staged, leads, kept)
    assert len(lines) == 1
    trust.check(None, lines[0])


def test_a_follower_takes_expired_claims_though_nothing_is_staged(site, staged, leads, monkeypatch):
    monkeypatch.setattr(drain_module, "SESSION_S", 0.5)
    stage(staged, person("ana"), person("ben"))
    Staging(staged, lease_s=2.0).claim(10)
    deadline = time.monotonic() + 30
    result = drain(site, follow=True, workers=1, executor=ThreadPoolExecutor(1),
                   stop=lambda: leads.count_documents({}) == 2 or time.monotonic() > deadline)  # fmt: skip
    assert result.ledger.stored == 2


def test_expired_claims_are_taken_though_new_records_never_end(site, staged, leads, monkeypatch):
    monkeypatch.setattr(drain_module, "SESSION_S", 0.3)
    (first,) = stage(staged, person("ana"))
    Staging(staged, lease_s=0.1).claim(10)
    number = iter(range(100_000))
    deadline = time.monotonic() + 20

    def more(_):
        stage(staged, person(f"p{next(number)}"))

    stage(staged, person("ben"))
    drain(site, workers=1, executor=ThreadPoolExecutor(1), progress=more,
          stop=lambda: leads.find_one({"_id": first}) is not None or time.monotonic() > deadline)  # fmt: skip
    assert leads.find_one({"_id": first}) is not None


# --------------------------------------------------------------------------------------------------- `_id`s used again


@pytest.mark.trust(
    way="collectors with _ids of their own use one again, after the staging collection was emptied", status=None,
    says=("stored 1",), leaves="the second lead is stored under another _id; the ledger is what the database holds",
)  # fmt: skip
@pytest.mark.parametrize("use_cache", [True, False])
def test_an_id_that_is_used_again_hides_no_lead(site, staged, leads, kept, trust, use_cache):
    site, same = replace(site, use_cache=use_cache), ObjectId()
    stage(staged, person("ana"), ids=[same])
    assert drain(site, workers=1).ledger.stored == 1
    staged.delete_many({})
    stage(staged, person("ben"), person("cleo"), ids=[same])
    result = drain(site, workers=1)
    assert {lead["linkedin_url"].rpartition("/")[2] for lead in leads.find()} == {"ana", "ben", "cleo"}
    holds(result, staged, leads, kept, stored=3)
    staged.delete_many({})
    stage(staged, person("dora"), ids=[same])
    trust.check(None, f"stored {drain(site, workers=1).ledger.stored}")
    assert leads.count_documents({}) == 4


@pytest.mark.parametrize("use_cache", [True, False])
def test_the_same_lead_under_the_same_id_is_a_duplicate_and_not_stored_twice(site, staged, leads, kept, use_cache):
    site, same = replace(site, use_cache=use_cache), [ObjectId(), "a text"]
    for stored in (2, 0):
        staged.delete_many({})
        stage(staged, person("ana"), person("ben"), ids=same)
        result = drain(site, workers=1)
        assert (result.ledger.stored, result.ledger.duplicates) == (stored, 2 - stored)
        holds(result, staged, leads, kept, stored=2)


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_worker_that_died_after_it_stored_under_another_id_is_seen(site, staged, leads, use_cache, monkeypatch):
    site, same = replace(site, own_ids=True, use_cache=use_cache), ObjectId()
    stage(staged, person("ana"), ids=[same])
    drain(site, workers=1)
    staged.delete_many({})
    stage(staged, person("ben"), person("cleo"), ids=[same, "a text"])

    with monkeypatch.context() as dying:
        dying.setattr(Staging, "end", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            drain(site, workers=1)
    assert leads.count_documents({}) == 3
    result = drain(site, workers=1)
    assert (result.ledger.stored, result.ledger.duplicates) == (2, 0)
    assert leads.count_documents({}) == 3


# ------------------------------------------------------------------------------------------------------------- poison


DEEP = "[" * 100_000


@pytest.mark.trust(
    way="a staged record holds text that no parser can read to its end (100,000 opening brackets)", status=None,
    says=("broken_json 1", "stored 3"), leaves="it is rejected; its batch goes on",
)  # fmt: skip
def test_text_too_deep_to_parse_is_rejected_like_any_broken_text(site, staged, leads, kept, trust):
    stage(staged, person("ana"), DEEP, person("ben"), '{"a":' * 50_000, {"deep": 1}, person("cleo"))
    staged.delete_one({"payload": {"deep": 1}})
    staged.delete_one({"payload": {"$regex": "^{"}})
    result = drain(site, workers=1)
    holds(result, staged, leads, kept)
    trust.check(None, f"stored {result.ledger.stored}, broken_json {result.ledger.rejected['broken_json']}")


ODD_IDS = [{"shop": 1, "id": "x"}, float("nan"), True, 1, "text", b"bytes", datetime(2025, 1, 1, tzinfo=UTC), Code("x")]


def test_whatever_a_collector_uses_as_id_its_record_ends(site, staged, leads, kept):
    stage(staged, *[person(f"p{number}") for number in range(len(ODD_IDS))], ids=ODD_IDS)
    stage(staged, person("p0", name=None), ids=[{"rejected": True}])
    result = drain(site, workers=1)
    assert (result.ledger.read, result.ledger.stored) == (len(ODD_IDS) + 1, len(ODD_IDS))
    holds(result, staged, leads, kept)


ALIKE_IDS = [1, "1", True, "True", *ODD_IDS[:2], ODD_IDS[6]]


def test_rejects_that_differ_in_the_type_of_their_id_only_are_all_kept(site, staged, leads, kept):
    stage(staged, *[person("p0", name=None)] * len(ALIKE_IDS), ids=ALIKE_IDS)
    holds(drain(site, workers=1), staged, leads, kept)
    assert kept.count_documents({"staged_id": {"$in": ALIKE_IDS}}) == len(ALIKE_IDS)


def test_a_record_whose_payload_cannot_be_kept_is_known_by_its_own_id(site, kept, monkeypatch):
    def text(payload):
        return made(payload) if "not_kept" in payload else 1 / 0

    made = rejects.payload_text
    monkeypatch.setattr(rejects, "payload_text", text)
    records = [RawRecord(0, person("ana"), None) for _ in ODD_IDS]
    batch = RecordBatch(source="raw", vendor="brightdata", records=records, ids=ODD_IDS)
    isolate.set_aside(batch, site.tools(), "it raises")
    for one in ODD_IDS:
        assert kept.count_documents({"staged_id": one}) == 1, one


@pytest.mark.parametrize(
    "fields",
    [{"collected_at": datetime(1970, 1, 1), "pipeline": 7}, {"pipeline": [{"a": 1}]}, {"pipeline": {"attempts": "x"}},
     {"pipeline": {"since": "x"}}, {"vendor": {"$x": 1}}, {"vendor": ["brightdata", 7]}, {"pipeline": {"state": 5}},
     {"pipeline": {"state": "open", "attempts": 1.5}}, {"pipeline": {"state": {"a": "done"}}}, {"pipeline": "done"},
     {"pipeline": [{"state": "done"}]}, {"pipeline": {"state": ["done"]}}, {"pipeline": {"state": "done"}},
     {"pipeline": {"state": "claimed"}}, {"pipeline": {"state": "claimed", "until": "tomorrow", "attempts": 1}},
     {"pipeline": {"state": "claimed", "until": Timestamp(1, 1), "attempts": 1}},
     {"pipeline": {"state": "claimed", "until": datetime(1970, 1, 1), "attempts": 1.5}}],
    ids=str,
)  # fmt: skip
def test_fields_of_a_collector_that_collide_with_ours_stop_nothing(site, staged, leads, kept, fields):
    staged.insert_one({"vendor": "brightdata", "payload": person("ana"), **fields})
    stage(staged, person("ben"))
    result = drain(site, workers=1)
    assert result.ledger.read == 2 and not result.problem
    holds(result, staged, leads, kept)


def test_a_follower_takes_what_a_collector_calls_open_and_tells_of_what_it_calls_done(site, staged, leads):
    stopping = threading.Event()

    def come(result):
        if result.ledger.read == 1:
            staged.insert_many([
                {"vendor": "brightdata", "payload": person(state), "pipeline": {"state": state}}
                for state in ("open", "claimed", "done")
            ])  # fmt: skip
        elif result.ledger.read == 2:
            stopping.set()

    stage(staged, person("ana"))
    result = drain(site, follow=True, workers=1, progress=come, stop=stopping.is_set)
    assert (result.ledger.stored, result.staging["waiting"], result.problem) == (2, 2, "")
    assert drain(site, workers=1).ledger.stored == 2


def test_the_look_for_free_records_is_answered_by_the_index(staged, admin, settings):
    staged.insert_many([{"pipeline": {"state": "done", "token": ObjectId()}} for _ in range(1_000)])
    apply(admin[settings.database][settings.collection], admin, settings)
    found = staged.find(staging_module._FREE, {"_id": 1}).limit(10).explain()["executionStats"]
    assert found["totalDocsExamined"] == 0 and found["totalKeysExamined"] <= 2


def test_values_that_python_cannot_hold_stop_nothing(site, staged, leads, kept):
    # a date in the year 300,000 and text that is no UTF-8, as other drivers may send them
    date = b"\x09collected_at\x00" + (10**16 - 1).to_bytes(8, "little", signed=True)
    text = b"\x02note\x00" + (3).to_bytes(4, "little") + b"\xff\xfe\x00"
    vendor = b"\x02vendor\x00" + (11).to_bytes(4, "little") + b"brightdata\x00"
    body = b"\x07_id\x00" + ObjectId().binary + date + text + vendor
    raw = (len(body) + 5).to_bytes(4, "little") + body + b"\x00"
    staged.insert_one(RawBSONDocument(raw))
    stage(staged, person("ben"))
    result = drain(site, workers=1)
    assert (result.ledger.read, result.ledger.stored) == (2, 1) and not result.problem
    holds(result, staged, leads, kept)


@pytest.mark.parametrize("error", [RecursionError, MemoryError, TypeError, KeyError])
def test_a_record_that_raises_is_set_aside_and_can_be_replayed(site, staged, leads, kept, monkeypatch, error):
    clean = batch_module.clean

    def poisoned(payload, vendor, *more):
        if payload.get("name") == "Poison":
            raise error("what the record holds must not be told")
        return clean(payload, vendor, *more)

    people = [person(f"p{number}") for number in range(30)]
    with monkeypatch.context() as patched:
        patched.setattr(batch_module, "clean", poisoned)
        stage(staged, *people[:17], person("bad", name="Poison"), *people[17:])
        result = drain(site, workers=1, executor=Inline())
        assert not result.problem
        assert (result.ledger.stored, result.ledger.rejected) == (30, {POISON: 1})
        holds(result, staged, leads, kept)
        reject = kept.find_one()
        assert (reject["detail"], reject["vendor"]) == (error.__name__, "brightdata") and "Poison" in reject["payload"]
        assert staged.find_one({"pipeline.outcome": POISONED})["pipeline"]["attempts"] == MAX_ATTEMPTS
        assert replay(site).ledger.rejected == {POISON: 1}
    assert replay(site).ledger.stored == 1 and kept.count_documents({}) == 0


def test_a_file_goes_on_without_a_record_that_raises(site, leads, kept, ingest, vendor_file, monkeypatch):
    clean = batch_module.clean
    monkeypatch.setattr(
        batch_module, "clean", lambda payload, *how: clean(payload, *how) if "bad" not in payload["url"] else 1 / 0
    )
    result = ingest(vendor_file(person("ana"), person("bad"), person("ben")))
    assert (result.ledger.stored, result.ledger.rejected, result.problem) == (2, {POISON: 1}, "")
    assert kept.count_documents({"reason": POISON, "detail": "ZeroDivisionError"}) == 1


def test_trouble_of_the_machine_is_no_records_fault(site, staged, leads, kept, monkeypatch):
    def full(*_):
        raise OSError(24, "Too many open files")

    stage(staged, person("ana"), person("ben"))
    with monkeypatch.context() as patched:
        patched.setattr(isolate, "process", full)
        result = drain(site, workers=1)
    assert "Too many open files" in result.problem
    assert (result.ledger.failed, result.staging["waiting"], kept.count_documents({})) == (2, 2, 0)
    assert {record["pipeline"]["attempts"] for record in staged.find()} == {0}
    assert drain(site, workers=1).ledger.stored == 2


@pytest.mark.slow
@pytest.mark.trust(
    way="a staged record kills the worker process that takes it, each time", status=None,
    says=("a worker process died (killed, or out of memory)", "one that ends its worker each time is set aside"),
    leaves="all other leads are stored; the record is kept among the rejects as poison_record",
)  # fmt: skip
def test_a_record_that_kills_its_worker_is_set_aside_alone(site, staged, leads, kept, monkeypatch, trust):
    monkeypatch.setattr(drain_module, "drain_some", drain_or_die)
    busy = replace(site, settings=site.settings.model_copy(update={"batch_size": 60, "executor": "processes"}))
    people = [person(f"p{number}") for number in range(300)]
    stage(staged, *people[:100], person("bad", name=DEADLY), *people[100:])
    lines = []
    with monkeypatch.context() as patched:
        patched.setattr(drain_module, "started", lambda _, workers, __: drain_module.processes(workers))
        result = drain(busy, workers=2, notice=lines.append)
    assert not result.problem
    assert (result.ledger.stored, result.ledger.rejected) == (300, {POISON: 1})
    holds(result, staged, leads, kept)
    assert "5 times" in kept.find_one()["detail"]
    trust.check(None, " ".join(lines))


# ---------------------------------------------------------------------------------------------------------- elections


class Electing:
    """A collection whose calls, each first time, are lost in an election: carried out, or not."""

    def __init__(self, collection, *, carried_out, lost=("update_many", "find", "count_documents", "aggregate")):
        self.collection, self.carried_out, self.lost = collection, carried_out, set(lost)

    def __getattr__(self, name):
        call = getattr(self.collection, name)
        if name not in self.lost:
            return call

        def once(*words, **options):
            self.lost.discard(name)
            if self.carried_out:
                call(*words, **options)
            raise NotPrimaryError("not primary") if name == "find" else AutoReconnect("connection closed")

        return once


@pytest.mark.parametrize("carried_out", [True, False])
def test_an_election_ends_no_drain_and_loses_no_count(site, staged, leads, kept, monkeypatch, carried_out):
    stage(staged, person("ana"), person("ben"), person("ana"), person("cleo", name=None))
    made = Staging.__init__

    def electing(self, collection, **options):
        made(self, collection, **options)
        self.collection = Electing(self.collection, carried_out=carried_out)

    monkeypatch.setattr(Staging, "__init__", electing)
    result = drain(site, workers=1)
    monkeypatch.undo()
    assert not result.problem
    assert (result.ledger.read, result.ledger.stored) == (4, 2)
    holds(result, staged, leads, kept)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_records_ended_by_half_of_an_end_are_counted(site, staged, leads, kept, monkeypatch, after):
    stage(staged, person("ana"), person("ana"), person("ben"), person("cleo", name=None))
    end, calls = Staging._end, []

    def half(self, *words):
        calls.append(words)
        if len(calls) > after:
            raise OperationFailure("not authorized", 13)
        end(self, *words)

    with monkeypatch.context() as patched:
        patched.setattr(Staging, "_end", half)
        first = drain(site, workers=1)
    assert first.problem
    second = drain(site, workers=1) if Staging(staged).left() else None
    ended = sum(Staging(staged).ended().values())
    counted = first.ledger.read - first.ledger.failed + (second.ledger.read if second else 0)
    assert counted == ended == 4
    assert first.ledger.stored + (second.ledger.stored if second else 0) == leads.count_documents({}) == 2


def test_a_drain_that_loses_a_worker_of_a_foreign_executor_says_so(site, staged, leads):
    class Dying(ThreadPoolExecutor):
        def submit(self, *_, **__):
            raise RuntimeError("the cluster is gone")

    stage(staged, person("ana"))
    result = drain(site, executor=Dying(1), workers=1)
    assert "the cluster is gone" in result.problem and result.staging["waiting"] == 1
    assert drain(site, workers=1).ledger.stored == 1


def test_many_drains_at_once_end_each_record_once(site, staged, leads, kept):
    stage(staged, *[person(f"p{number}") for number in range(200)])
    Staging(staged, lease_s=1.0).claim(50)
    small = replace(site, settings=site.settings.model_copy(update={"batch_size": 10}))
    results = []
    threads = [threading.Thread(target=lambda: results.append(drain(small, workers=1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(result.ledger.stored for result in results) == leads.count_documents({}) == 200
    assert Staging(staged).ended() == {STORED: 200}
    assert staging_module.MAX_ATTEMPTS == MAX_ATTEMPTS
