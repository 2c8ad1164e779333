"""Personal data in staging and rejects ends by TTL indexes: those that are asked for, and never of what waits."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from leadbook.core.checks import Verdict
from leadbook.phases.p02 import verdicts
from leadbook.schema.state import apply, pending

SECOND = 1 / 86_400
ID = "MDB-SCH-010"


@pytest.fixture
def quick(admin):
    """MongoDB looks for what has ended each second."""
    before = admin.admin.command("getParameter", 1, ttlMonitorSleepSecs=1)["ttlMonitorSleepSecs"]
    admin.admin.command("setParameter", 1, ttlMonitorSleepSecs=1)
    yield
    admin.admin.command("setParameter", 1, ttlMonitorSleepSecs=before)


def judged(leads, settings):
    return {check.id: check for check in verdicts.structure(leads, settings)}[ID]


def test_off_is_a_warning_and_on_makes_the_indexes_and_passes(database, admin, settings):
    leads = database[settings.collection]
    apply(leads, admin, settings)
    assert (judged(leads, settings).verdict, pending(leads, settings)) == (Verdict.WARN, [])
    asked = settings.model_copy(update={"staging_ttl_days": 90.0, "rejected_ttl_days": 30.0})
    assert judged(leads, asked).verdict == Verdict.WARN and len(pending(leads, asked)) == 2
    apply(leads, admin, asked)
    assert (judged(leads, asked).verdict, pending(leads, asked)) == (Verdict.PASS, [])
    longer = asked.model_copy(update={"rejected_ttl_days": 60.0})
    (finding,) = pending(leads, longer)
    assert finding.kind == "finding" and '"expireAfterSeconds": 5184000' in finding.remedy
    assert judged(leads, longer).verdict == Verdict.WARN


def test_what_is_done_ends_and_what_waits_stays(database, admin, settings, quick):
    leads, asked = database[settings.collection], settings.model_copy(
        update={"staging_ttl_days": SECOND, "rejected_ttl_days": SECOND}
    )  # fmt: skip
    old = {"ended_at": datetime.now(UTC) - timedelta(days=1), "token": ObjectId()}
    raw, rejects = database[settings.staging_collection], database[settings.rejected_collection]
    raw.insert_many([
        {"is": "done", "pipeline": {"state": "done", **old}}, {"is": "new"},
        {"is": "claimed", "pipeline": {"state": "claimed", **old}}, {"is": "again", "pipeline": {"state": None, **old}},
        {"is": "foreign", "pipeline": {"state": "done", **old, "token": "theirs"}},
    ])  # fmt: skip
    rejects.insert_one({"rejected_at": old["ended_at"]})
    apply(leads, admin, asked)
    give_up = time.monotonic() + 20
    while (raw.count_documents({"is": "done"}) or rejects.count_documents({})) and time.monotonic() < give_up:
        time.sleep(0.2)
    assert sorted(raw.distinct("is")) == ["again", "claimed", "foreign", "new"]
    assert rejects.count_documents({}) == 0
