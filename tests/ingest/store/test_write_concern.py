"""A write that no majority holds counts as nothing but failed, and the cache never hears of it."""

import os
import re
import signal
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from bson import ObjectId
from pymongo.write_concern import WriteConcern

from ingest.vendor_records import contact
from leadbook.core import connect
from leadbook.ingest.batch import RecordBatch, process
from leadbook.ingest.site import Site
from leadbook.ingest.store.merge import Merger
from leadbook.ingest.store.patience import Patience
from leadbook.ingest.store.store import FAILED as UNKNOWN
from leadbook.ingest.store.store import KNOWN, STORED, LeadStore
from leadbook.lead import keys
from leadbook.lead.ledger import FAILED
from leadbook.lead.score import Rules
from leadbook.lead.vendors import RawRecord
from leadbook.rehearsal import servers
from leadbook.schema.state import apply

AT = datetime(2025, 1, 29, tzinfo=UTC)

NOT_MET = r"write concern not met: code (64|11602)\b.*"
"""Not in time, or cut short when the primary stepped down: whichever comes first is told by the server."""


def lead(slug, **fields):
    return {
        "_id": ObjectId(), "linkedin_url": f"https://www.linkedin.com/in/{slug}", "full_name": "Ana",
        "job_title": "Lead", "company_name": "Example", "updated_at": AT, **fields,
    }  # fmt: skip


@pytest.fixture(scope="module")
def impatient(settings):
    """Settings that wait for a write concern for less time than an election takes to begin."""
    return settings.model_copy(update={"wtimeout_ms": 250, "members": 3, "server_selection_timeout_ms": 4_000})


@pytest.fixture(scope="module")
def members(impatient, tmp_path_factory):
    """Three members, of all these tests."""
    folder = tmp_path_factory.mktemp("members")
    yield servers.up(impatient, owner_pid=os.getpid(), folder=folder)
    servers.down(folder)


@pytest.fixture
def three(members, settings, impatient):
    """The members, empty, that a test may stop for a moment; they may still be electing because of the last one."""
    with connect.mongodb(members.admin_uri, settings.model_copy(update={"members": 3})) as admin:
        Patience().retry(lambda: admin.drop_database(impatient.database))
        Patience().retry(lambda: apply(admin[impatient.database][impatient.collection], admin, impatient))
    return members


@contextmanager
def stopped(state, client, count):
    """So many secondaries stand still: they acknowledge nothing. With two of three the primary is alone for 2 s."""
    primary = client.primary[1]
    pids = [member.pid for member in state.members if member.port != primary][:count]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("patience_s", [1.0, 4.0], ids=["while it is primary", "after its step-down"])
def test_what_no_majority_holds_is_neither_filled_nor_stored_nor_known(three, impatient, patience_s):
    with connect.mongodb(three.mongodb_uri, impatient) as client:
        leads = client[impatient.database][impatient.collection]
        leads.insert_one(lead("ana"))
        store = LeadStore(leads)
        with stopped(three, client, 2):
            merger = Merger(store, Rules.of(impatient), attempts=2)
            (filled,) = merger.merge([lead("ana", email="a@b.example")], datetime.now(UTC))
        assert filled.added == () and re.fullmatch(NOT_MET, filled.problem)
    with connect.mongodb(three.mongodb_uri, impatient) as client:
        leads = client[impatient.database][impatient.collection]
        leads.insert_one(lead("cleo"))  # acknowledged, so that the primary of now knows that ana is held
        documents = [lead("ben"), lead("ana")]
        with stopped(three, client, 2):
            store = LeadStore(leads, patience_s=patience_s)
            assert [one.kind for one in store.insert(documents)] == [UNKNOWN, KNOWN]  # ana was held before
            assert re.match(NOT_MET, store.problem)
        store = LeadStore(leads.with_options(write_concern=leads.write_concern))
        assert [one.kind for one in store.insert(documents)] == [STORED, KNOWN]


def test_a_majority_is_enough_where_more_members_were_asked_for(three, impatient):
    everybody = impatient.model_copy(update={"write_concern": "3"})
    with connect.mongodb(three.mongodb_uri, everybody) as client:
        leads = client[impatient.database][impatient.collection]
        caught_up = WriteConcern(w=3, wtimeout=20_000)  # the members that an earlier test stopped, too
        leads.with_options(write_concern=caught_up).insert_many([lead("ana"), lead("ben")])
        store = LeadStore(leads, patience_s=3.0)
        with stopped(three, client, 1):
            merger = Merger(store, Rules.of(impatient), attempts=3)
            filled = merger.merge([lead("ana", email="a@b.example")], datetime.now(UTC))
            assert [(one.added, one.problem) for one in filled] == [(("email",), "")]
            assert [one.kind for one in store.insert([lead("cleo"), lead("ben")])] == [STORED, KNOWN]


@pytest.mark.trust(
    way="two of three members stop acknowledging while known leads are filled and new ones are stored", status=None,
    says=("stored 0, filled 0, duplicate 0, failed 2", "write concern not met"),
    leaves="both records failed, by name; Redis knows of neither; the same source again counts them once",
)  # fmt: skip
def test_unacknowledged_fills_and_inserts_fail_and_the_cache_never_hears_of_them(three, impatient, trust):
    endpoints = connect.Endpoints(
        mongodb_uri=three.mongodb_uri, admin_uri=three.admin_uri, reporting_uri=None, redis_url=three.redis_url,
        source="rehearsal", redis_source="rehearsal",
    )  # fmt: skip
    site = Site(endpoints=endpoints, settings=impatient)
    tools = site.tools()
    tools.store.attempts, tools.store.patience = 2, Patience(1.0)

    def batch(*records):
        raw = [RawRecord(number, record, None) for number, record in enumerate(records)]
        return RecordBatch(source="test", vendor="apollo", records=raw)

    ana, ben = contact("ana"), contact("ben", Email="ben@shop.example")
    redis = connect.redis(three.redis_url, impatient)
    assert process(batch({**ana, "Email": ""}), tools).ledger.stored == 1
    before = {key: redis.get(key) for key in redis.keys("lead:*")}
    tools.known_share = 1.0  # one look first, so that both kinds of write meet the stop
    with stopped(three, tools.store.collection.database.client, 2):
        report = process(batch(ana, ben), tools)
    ledger = report.ledger
    assert report.outcomes == (FAILED, FAILED)
    trust.check(None, f"stored {ledger.stored}, filled {ledger.filled}, duplicate {ledger.duplicates}, "
                      f"failed {ledger.failed}; {report.problem}")  # fmt: skip
    assert {key: redis.get(key) for key in redis.keys("lead:*")} == before
    assert redis.get(keys.email_key("ben@shop.example")) is None
    tools.store.attempts, tools.store.patience = 8, Patience()
    again = process(batch(ana, ben), tools).ledger
    assert (again.failed, again.stored + again.filled + again.duplicates) == (0, 2)
    Site.close()
    redis.close()


class Racing:
    """A real collection in which somebody else changes every lead just before each update arrives."""

    def __init__(self, collection):
        self.collection, self.changes = collection, 0

    def bulk_write(self, updates, **how):
        self.changes += 1
        self.collection.update_many({}, {"$set": {"updated_at": datetime.fromtimestamp(self.changes, UTC)}})
        return self.collection.bulk_write(updates, **how)

    def __getattr__(self, name):
        return getattr(self.collection, name)


def test_attempts_that_are_used_up_are_a_failure_and_no_duplicate(leads, settings):
    leads.insert_one(lead("ana"))
    racing = Racing(leads)
    merger = Merger(LeadStore(racing), Rules.of(settings), attempts=3)
    (filled,) = merger.merge([lead("ana", email="a@b.example")], datetime.now(UTC))
    assert (filled.added, filled.problem) == ((), "a lead could not be filled in 3 attempts")
    assert racing.changes == 3 and "email" not in leads.find_one({})
