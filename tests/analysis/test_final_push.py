"""The final push: what still waits or arrives, and how the database is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from analysis_leads import whole_analysis
from leadbook.analysis.losses import BackupCount
from leadbook.analysis.push import PARTS, last_inserts, left_behind, read_drained, unlike_design
from leadbook.bench.profiler import current
from leadbook.core.checks import Unmeasured, Verdict
from leadbook.monitor.topology import Replication, read_replication
from leadbook.phases.judging import attempt, checks_of
from leadbook.phases.p09 import push
from leadbook.schema.indexes import INDEXES

NOW = datetime.now(UTC)


@pytest.fixture
def staging(database, settings):
    """The staging collection."""
    return database[settings.staging_collection]


@pytest.fixture
def judged(ten, staging, admin, settings):
    """The checks of 9.10, as the sections read them; what is given stands in place of what is read."""

    def judge(**given):
        read = {
            "drained": lambda: read_drained(staging, ten, (staging.count_documents({}), 10)),
            "inserts": lambda: last_inserts(ten),
            "unlike": lambda: unlike_design(ten, settings), "profiler": lambda: current(admin[settings.database]),
            "left": lambda: left_behind(ten.database), "members": lambda: read_replication(admin),
        }  # fmt: skip
        found = {name: given[name] if name in given else attempt(ask) for name, ask in read.items()}
        backup = given.get("backup", BackupCount(leads=10, began=NOW + timedelta(hours=1)))
        told = push.told(**found, backup=backup, settings=given.get("settings", settings))
        return {check.id: check for check in checks_of(told, settings)}

    return judge


def done(**more):
    return {"_id": ObjectId(), "pipeline": {"state": "done", "outcome": "stored", "token": ObjectId(), **more}}


def claimed(seconds):
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return {"_id": ObjectId(), "pipeline": {"state": "claimed", "token": ObjectId(), "until": until, "attempts": 1}}


def test_a_drained_sprint_in_a_database_as_designed_passes(judged, staging):
    staging.insert_many([done() for _ in range(3)])
    made = judged()
    assert made.pop("FIN-PUSH-007").verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE), "a set of one has no secondary"
    assert len(made) == 7 and {check.verdict for check in made.values()} == {Verdict.PASS}


def test_what_waits_and_what_is_claimed_fails_and_nobody_can_accept_it(judged, staging):
    staging.insert_many([done(), {"vendor": "apollo"}, {"vendor": "apollo"}, claimed(60), claimed(-60)])
    made = judged()
    waits, held = made["FIN-PUSH-001"], made["FIN-PUSH-002"]
    assert (waits.verdict, waits.measured) == (Verdict.FAIL, 2) and "2 of 5 staged records wait" in waits.evidence
    assert (held.verdict, held.measured) == (Verdict.FAIL, 2) and "1 of them by workers that died" in held.evidence
    assert "leadbook ingest --staged" in waits.remedy


def test_without_staged_records_there_is_nothing_to_drain(judged):
    made = judged()
    assert made["FIN-PUSH-001"].verdict is made["FIN-PUSH-002"].verdict is Verdict.NOT_APPLICABLE


def test_records_that_arrive_meanwhile_or_came_a_moment_ago_warn(judged, staging, ten, settings):
    staging.insert_many([done() for _ in range(7)])
    check = judged(drained=read_drained(staging, ten, (5, 9)))["FIN-PUSH-003"]
    assert (check.verdict, check.measured) == (Verdict.WARN, 3) and "3 more records and leads" in check.evidence
    assert judged()["FIN-PUSH-003"].verdict is Verdict.PASS
    soon = judged(settings=settings.model_copy(update={"profile": "production"}))["FIN-PUSH-003"]
    assert soon.verdict is Verdict.WARN and "the last was staged" in soon.evidence


def test_a_hidden_or_missing_index_fails_and_one_more_does_not(judged, ten, admin):
    ten.create_index("created_at", name="somebody_s")
    assert judged()["FIN-PUSH-004"].verdict is Verdict.PASS
    admin[ten.database.name].command("collMod", ten.name, index={"name": "idx_is_qualified", "hidden": True})
    ten.drop_index(next(one.name for one in INDEXES if one.name != "idx_is_qualified"))
    check = judged()["FIN-PUSH-004"]
    assert (check.verdict, check.measured) == (Verdict.FAIL, 2) and "unhideIndex" in check.remedy


def test_a_profiler_that_was_left_on_warns(judged, admin, mongo, settings):
    admin[settings.database].command("profile", 1, slowms=100)
    try:
        check = judged()["FIN-PUSH-005"]
    finally:
        admin[settings.database].command("profile", 0)
        admin[settings.database]["system.profile"].drop()
    assert check.verdict is Verdict.WARN and "level 1" in check.evidence and "setProfilingLevel(0)" in check.remedy
    refused = attempt(lambda: current(mongo[settings.database]))
    assert judged(profiler=refused)["FIN-PUSH-005"].verdict in (Verdict.NOT_MEASURED, Verdict.PASS)
    shared = Unmeasured("this tier does not offer it: CMD_NOT_ALLOWED")
    assert judged(profiler=shared)["FIN-PUSH-005"].verdict is Verdict.NOT_APPLICABLE


def test_what_a_dead_process_left_fails(judged, ten):
    left = "leadbook_scratch_bench_00000001_abcdef"
    ten.database[left].insert_one({})
    try:
        check = judged()["FIN-PUSH-006"]
    finally:
        ten.database[left].drop()
    assert (check.verdict, check.measured) == (Verdict.FAIL, 1) and left in check.evidence


def test_secondaries_that_lag_warn_and_far_behind_fail(judged):
    def of(lag):
        return judged(members=Replication(members=3, healthy=3, lag_s=lag))["FIN-PUSH-007"].verdict

    assert [of(lag) for lag in (0.0, 60.0, 700.0, None)] == [
        Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.NOT_APPLICABLE
    ]  # fmt: skip


def test_a_backup_that_is_older_than_the_last_lead_warns(judged):
    for backup in (BackupCount(leads=5, began=NOW - timedelta(days=3_000)), BackupCount()):
        check = judged(backup=backup)["FIN-PUSH-008"]
        assert check.verdict is Verdict.WARN and "--only 06" in check.remedy


def test_the_last_inserts_are_told_by_time(ten):
    base = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for number, lead in enumerate(ten.find({}, {"_id": 1})):
        ten.update_one(lead, {"$set": {"created_at": base + timedelta(minutes=10 * number)}})
    found = last_inserts(ten)
    assert found.last == base + timedelta(minutes=90) and len(found.parts) == PARTS
    assert found.parts["leads"].sum() == 7 and list(found.parts.iloc[0])[:2] == ["12:30:00", "12:35:00"]
    assert found.parts["leads"].iloc[-1] == 1, "the last one is in the last part"
    ten.delete_many({})
    assert last_inserts(ten).last is None and push.inserted(last_inserts(ten)) == ()


def test_each_step_of_the_task_book_stands_beside_its_checks(ten, admin, redis_client, settings):
    made, _ = whole_analysis(ten, admin, None, redis_client, settings)
    frame = push.steps({check.id: check for check in made}).frame
    assert list(frame["step"]) == [f"4.4.1.{number}" for number in range(1, 9)]
    assert (frame["checks"] > 0).all()
    ready = frame.set_index("step").loc["4.4.1.8"]
    assert ready["verdict"] == "warn" and "FIN-PUSH-008: warn" in ready["what is not well"]
