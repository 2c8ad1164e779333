"""The final push: what still waits or arrives, and how the database is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from analysis_leads import lead, whole_analysis
from leadbook.analysis.losses import BackupCount
from leadbook.analysis.push import PARTS, last_inserts, left_behind, read_drained, unlike_design
from leadbook.backup.backup import back_up
from leadbook.backup.folder import backups_folder
from leadbook.bench.profiler import current
from leadbook.core.checks import Unmeasured, Verdict, judge
from leadbook.core.definitions import definition
from leadbook.monitor.topology import Replication, read_replication
from leadbook.phases.judging import attempt, checks_of
from leadbook.phases.p09 import push
from leadbook.phases.p09.evidence import RunEvidence
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
        told = push.told(**found, backup=backup, leads=given.get("leads", 10), snapshot=given.get("snapshot"),
                         settings=given.get("settings", settings))  # fmt: skip
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


@pytest.mark.trust(
    way="Somebody's TTL index deletes waiting records during the sprint, and 09 runs", status=None,
    says=("raw_leads: index collected_at_1", "deletes after 3,600 s", 'db.raw_leads.dropIndex("collected_at_1")'),
    leaves="a check of the close that fails: what it deleted is counted by nothing else",
)  # fmt: skip
def test_what_deletes_staged_records_is_a_difference_too(judged, staging, trust):
    staging.create_index("collected_at", expireAfterSeconds=3600)
    found = judged()["FIN-PUSH-004"]
    assert (found.verdict, found.measured) == (Verdict.FAIL, 1)
    trust.check(None, found.evidence + found.remedy)


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
    def of(lag, members=3, healthy=3, arbiters=0):
        found = Replication(members=members, healthy=healthy, arbiters=arbiters, lag_s=lag)
        return judged(members=found)["FIN-PUSH-007"].verdict

    assert [of(lag) for lag in (0.0, 60.0, 700.0)] == [Verdict.PASS, Verdict.WARN, Verdict.FAIL]
    assert of(None) is Verdict.NOT_MEASURED, "there are members with data, and none tells how far it is"
    assert of(0.0, healthy=2) is Verdict.WARN, "one of three that is not healthy may lack anything"
    assert of(None, members=1, healthy=1) is of(None, members=2, healthy=2, arbiters=1) is Verdict.NOT_APPLICABLE


LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(("backup", "stored", "says"), [
    (BackupCount(leads=10, began=NOW - timedelta(days=3_000)), 10, "begun at 20"),
    (BackupCount(), 10, "left no backup of the leads"),
    (BackupCount(leads=0, began=LATER), 10, "left no backup of the leads"),
    (BackupCount(leads=9, began=LATER), 10, "backup of 9 leads was begun at"),
    (BackupCount(leads=10, began=LATER, unproven=("BKP-DMP-005",)), 10, "not proven: BKP-DMP-005"),
])  # fmt: skip
def test_a_backup_that_is_none_or_lacks_the_last_leads_warns(judged, backup, stored, says):
    check = judged(backup=backup, leads=stored)["FIN-PUSH-008"]
    assert check.verdict is Verdict.WARN and says in check.evidence
    assert "--only 06 -p approve='restore_drill on " in check.remedy


def test_a_snapshot_of_atlas_after_the_last_lead_stands_in(judged):
    check = judged(backup=BackupCount(), snapshot=LATER)["FIN-PUSH-008"]
    assert check.verdict is Verdict.PASS and "Atlas' newest completed snapshot" in check.evidence
    early = judged(backup=BackupCount(), snapshot=NOW - timedelta(days=3_000))["FIN-PUSH-008"]
    assert early.verdict is Verdict.WARN


def proofs(**changed):
    made = {name: judge(name, 0) for name in definition("FIN-PUSH-008").follows} | {
        "BKP-DMP-001": judge("BKP-DMP-001", 5)
    }
    return [*(made | {name.replace("_", "-"): check for name, check in changed.items()}).values()]


@pytest.mark.trust(
    way="The disk fills up while phase 06 dumps the leads, and the sprint is closed", status=None,
    says=("left no backup of the leads",),
    leaves="No backup. FIN-PUSH-008 fails in production: make room, run 06 once more, then close.",
)  # fmt: skip
def test_only_a_dump_that_came_to_its_end_is_a_backup(judged, trust):
    full = OSError(28, "No space left on device")
    ids = ("BKP-DMP-001", "BKP-DMP-002", "BKP-DMP-005")
    failed = RunEvidence(checks={"06": checks_of(dict.fromkeys(ids, full))})
    check = judged(backup=failed.backup)["FIN-PUSH-008"]
    assert check.verdict is Verdict.WARN
    trust.check(None, check.evidence)
    facts = {"06": {"backup": "leads-x", "backup_leads": 10, "backup_taken_at": LATER.isoformat()}}
    whole = RunEvidence(checks={"06": proofs()}, facts=facts)
    check = judged(backup=whole.backup)["FIN-PUSH-008"]
    assert check.verdict is Verdict.PASS and "no trial restore of it passed" in check.evidence
    tried = [*proofs(), judge("BKP-RST-001", 0), judge("BKP-CMP-001", 0)]
    check = judged(backup=RunEvidence(checks={"06": tried}, facts=facts).backup)["FIN-PUSH-008"]
    assert check.verdict is Verdict.PASS and "; restored as a trial, too" in check.evidence
    unsound = RunEvidence(checks={"06": proofs(BKP_DMP_002=judge("BKP-DMP-002", 1))}, facts=facts)
    assert judged(backup=unsound.backup)["FIN-PUSH-008"].verdict is Verdict.WARN


def test_what_was_stored_while_the_dump_ran_is_not_in_it(ten, database, settings, tmp_path):
    kept = settings.model_copy(update={"backup_dir": str(tmp_path)})
    late = []

    def store(_):
        if not late:
            late.append(lead("late", created_at=datetime.now(UTC)))
            ten.insert_one(late[0])

    taken = back_up(database, [ten.name], backups_folder(kept), kept, on_batch=store)
    facts = {"backup_leads": 10, "backup_taken_at": taken.manifest.taken_at}
    assert RunEvidence(facts={"06": facts}).backup.began < late[0]["created_at"], "06's checks come after it"


def test_the_last_inserts_are_told_by_time(ten):
    base = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for number, one in enumerate(ten.find({}, {"_id": 1})):
        ten.update_one(one, {"$set": {"created_at": base + timedelta(minutes=10 * number)}})
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
