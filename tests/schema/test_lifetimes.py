"""Personal data in staging and rejects ends by TTL indexes: those that are asked for, and never of what waits."""

from datetime import UTC, datetime, timedelta

from bson import ObjectId

from leadbook.core.checks import Verdict
from leadbook.phases.p02 import verdicts
from leadbook.schema.state import apply, pending

ID = "MDB-SCH-010"


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


def test_only_what_is_done_by_us_ends_and_nothing_that_waits(database, admin, settings):
    leads, asked = database[settings.collection], settings.model_copy(update={"staging_ttl_days": 1.0})
    apply(leads, admin, asked)
    ended = {"ended_at": datetime.now(UTC) - timedelta(hours=1), "token": ObjectId()}
    raw = database[settings.staging_collection]
    raw.insert_many([
        {"is": "done", "pipeline": {"state": "done", **ended}}, {"is": "new"},
        {"is": "claimed", "pipeline": {"state": "claimed", **ended}},
        {"is": "again", "pipeline": {"state": None, **ended}},
        {"is": "foreign", "pipeline": {"state": "done", **ended, "token": "theirs"}},
    ])  # fmt: skip
    (index,) = [one for one in raw.list_indexes() if "expireAfterSeconds" in one]
    assert (index["expireAfterSeconds"], dict(index["key"])) == (86_400, {"pipeline.ended_at": 1})
    assert raw.distinct("is", index["partialFilterExpression"]) == ["done"]
