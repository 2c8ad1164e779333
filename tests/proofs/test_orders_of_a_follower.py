"""A follower as a DBA runs it, with 5,000 staged records and new orders each second: the ledger is exact."""

import json
import signal
import time

import pytest

from ingest.background import Command, until
from ingest.vendor_records import person
from leadbook.core.journal import Journal
from leadbook.ingest import control
from leadbook.ingest.control import Orders
from leadbook.ingest.staging import Staging
from leadbook.lead.ledger import Ledger
from leadbook.schema.state import apply

pytestmark = pytest.mark.proof
STAGED, PEOPLE = 5_000, 4_000
ASKED = ({"batch_size": 20, "writers": 1}, {"writers": 3, "pool_size": 5}, {"batch_size": 60, "writers": 2})


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_a_follower_that_is_changed_each_second_is_exact(database, admin, endpoints, settings, clean_redis, executor):
    leads, staged = database[settings.collection], database[settings.staging_collection]
    apply(leads, admin, settings)
    journal = Journal(database, endpoints.mongodb_uri)
    now = control.give(database, Orders(), ASKED[0], by="a proof")  # one that is started later obeys too
    people = [person(f"p{number % PEOPLE}") for number in range(STAGED)]
    staged.insert_many([{"vendor": "brightdata", "payload": one} for one in people])
    follower = Command(["ingest", "--staged", "--follow", "--json"], endpoints, settings, writers=2, executor=executor)
    try:
        until(lambda: journal.entries("session.begun"))
        deadline = time.monotonic() + 120
        while Staging(staged).left() and time.monotonic() < deadline:
            now = control.give(database, now, ASKED[now.version % len(ASKED)], by="a proof")
            time.sleep(1)
        until(lambda: any(one["work"]["orders"] == now.version for one in journal.entries("session.beat")), 20)
    finally:
        follower.process.send_signal(signal.SIGTERM)
    status, out, err = follower.ended()
    ledger = Ledger.from_dict(json.loads(out))
    assert status == 0 and (ledger.read, ledger.stored) == (STAGED, PEOPLE), err
    assert ledger.outcomes() == Staging(staged).ended() and leads.count_documents({}) == PEOPLE
    assert staged.count_documents({"pipeline.state": "done"}) == STAGED
    wanted = {name: value for name, value in now.values().items() if value is not None}
    assert journal.entries("session.beat")[-1]["work"].items() >= wanted.items()
    print(f"{executor}: {now.version} changes, {err.count('orders ')} obeyed")  # noqa: T201
