"""A running follower takes over what it is asked for, loses nothing and doubles nothing meanwhile."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest.background import until
from ingest.vendor_records import person
from leadbook.core.errors import ParameterError, RefusedError
from leadbook.ingest import control
from leadbook.ingest import drain as drain_module
from leadbook.ingest.control import COLLECTION, Orders
from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging

STAGED, PEOPLE = 2_400, 2_000
ASKED = ({"batch_size": 20, "writers": 1}, {"writers": 3, "pool_size": 5}, {"batch_size": 60, "writers": 2})


def test_orders_are_numbered_bounded_and_given_once(database):
    first = control.give(database, Orders(), {"batch_size": 250}, by="a test")
    assert first == Orders(version=1, batch_size=250) == control.read(database)
    second = control.give(database, first, {"writers": 4, "batch_size": None}, by="a test")
    assert second == Orders(version=2, writers=4)
    with pytest.raises(RefusedError, match="somebody else"):
        control.give(database, first, {"writers": 8}, by="a test")
    for name, value in (("batch_size", 0), ("writers", 65), ("pool_size", 501)):
        with pytest.raises(ParameterError, match=name):
            control.give(database, second, {name: value}, by="a test")
    assert control.read(database) == second


def test_what_no_bounds_allow_counts_for_nothing(database, settings):
    wrong = {"version": 3, "writers": 10_000, "batch_size": "500", "pool_size": True}
    database[COLLECTION].insert_one({"_id": "ingest", **wrong})
    assert control.read(database) == Orders(version=3)
    assert Orders(version=1, pool_size=1).obeyed(settings).max_pool_size == 1
    assert Orders(version=3).obeyed(settings) is settings


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_a_drain_that_is_changed_again_and_again_is_exact(
    leads, database, endpoints, settings, clean_redis, executor, monkeypatch
):
    monkeypatch.setattr(drain_module, "SESSION_S", 0.3)
    monkeypatch.setattr(control, "LOOK_S", 0.1)
    staged, heard, stop = database[settings.staging_collection], [], threading.Event()
    payloads = [person(f"p{n % PEOPLE}") for n in range(STAGED)]
    staged.insert_many([{"vendor": "brightdata", "payload": payload} for payload in payloads])
    now = control.give(database, Orders(), ASKED[0], by="a test")
    site = Site(endpoints=endpoints, settings=settings.model_copy(update={"executor": executor}))
    with ThreadPoolExecutor(1) as pool:
        draining = pool.submit(drain, site, follow=True, stop=stop.is_set, notice=heard.append)
        until(lambda: heard)
        while Staging(staged).left() and not draining.done():
            now = control.give(database, now, ASKED[now.version % len(ASKED)], by="a test")
            time.sleep(0.3)
        stop.set()
        result = draining.result()
    assert not result.problem and (result.ledger.read, result.ledger.stored) == (STAGED, PEOPLE), heard
    assert result.ledger.outcomes() == Staging(staged).ended() and leads.count_documents({}) == PEOPLE
    assert staged.count_documents({"pipeline.state": "done"}) == STAGED and result.staging["claimed"] == 0
    assert len(heard) >= 3 and all(line.startswith("orders ") for line in heard)
    assert result.work["writers"] == result.workers and result.work["batch_size"] in (20, 60)
