"""What waits in staging, and who staged it: read, never changed."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from leadbook.ingest.staging import Backlog
from leadbook.monitor.staging import is_lively, read_intake


def ago(minutes):
    return datetime.now(UTC) - timedelta(minutes=minutes)


def record(workflow, minutes_ago, state=None, **changed):
    """A staged record that came so long ago."""
    made = {"_id": ObjectId.from_datetime(ago(minutes_ago)), "vendor": "apollo", "payload": {}}
    made["_id"] = ObjectId(str(made["_id"])[:8] + str(ObjectId())[8:])
    return made | {"collector": {"workflow": workflow}, "pipeline": {"state": state}} | changed


@pytest.fixture
def staging(database, settings):
    return database[settings.staging_collection]


def test_nothing_staged(staging):
    found = read_intake(staging)
    assert (found.backlog, found.collectors) == (Backlog(), ())
    assert not is_lively(staging)


def test_what_waits_and_what_each_collector_staged(staging):
    held = {"state": "claimed", "until": ago(-2)}
    staging.insert_many([
        record("apollo-1", 90, "done"), record("apollo-1", 10, pipeline=held), record("apollo-1", 5),
        record("", 3, "done", collector="by hand"), record("", 2, "done", collector=None),
        record("", 2, "done", collector={"workflow": {"odd": 1}}), record("old", 60 * 48),
    ])  # fmt: skip
    found = read_intake(staging)
    assert (found.backlog.waiting, found.backlog.claimed) == (2, 1)
    assert found.backlog.oldest_s == pytest.approx(48 * 3600, abs=60)
    by_name = {one.workflow: one for one in found.collectors}
    assert set(by_name) == {"apollo-1", "by hand", ""}, "of the last day"
    assert (by_name["apollo-1"].in_day, by_name["apollo-1"].in_hour, by_name["apollo-1"].waiting) == (3, 2, 2)
    assert by_name["apollo-1"].last_s == pytest.approx(300, abs=60) and by_name[""].in_day == 2
    assert found.first is not None and abs(found.first - ago(60 * 48)) < timedelta(minutes=1)
    assert not is_lively(staging)
    staging.insert_one(record("apollo-1", 0))
    assert is_lively(staging)


def test_a_record_with_an_id_of_its_own_is_as_old_as_it_was_collected(staging):
    staging.insert_one({"_id": "x", "payload": {}, "collected_at": ago(120)})
    found = read_intake(staging)
    assert (found.backlog.oldest_s, found.first) == (pytest.approx(7200, abs=60), None)
    staging.update_one({}, {"$unset": {"collected_at": 1}})
    assert read_intake(staging).backlog == Backlog(waiting=1)
