"""Phase 06's checks: a sound backup passes, and whatever could not be done is never a pass."""

import pytest

from leadbook.backup.archive import backups
from leadbook.backup.cache import cache_facts
from leadbook.core.checks import Verdict
from leadbook.core.definitions import catalogue
from leadbook.lead.keys import email_key, linkedin_key
from leadbook.phases.p06 import proof, recovery
from leadbook.phases.p06.figures import recovery_stages
from leadbook.rehearsal import sample
from leadbook.schema.scratch import SCRATCH_PREFIX
from leadbook.schema.state import apply


@pytest.fixture
def kept(settings, tmp_path):
    return settings.model_copy(update={"backup_dir": str(tmp_path / "backups")})


@pytest.fixture
def filled(database, admin, settings):
    leads = database[settings.collection]
    apply(leads, admin, settings)
    leads.insert_many(sample.documents(1_500, seed=13))
    return database


def verdicts(checks):
    return {check.id: check.verdict for check in checks}


def test_the_whole_phase_passes_and_leaves_nothing(filled, admin, clean_redis, kept, tmp_path):
    dba = admin[filled.name]
    swept = proof.sweep_audit(dba, kept)
    made, checks = proof.backup_audit(filled, kept)
    drills, found = proof.damage_audit(made, filled, kept)
    recovered, more = proof.recovery_audit(made, dba, kept)
    cache, last = proof.cache_audit(clean_redis, filled[kept.collection])
    checks += [*swept, *found, *more, *last]
    text = proof.procedures(kept, made, drills, recovered, cache, checks)
    checks += proof.discard(made, kept)
    assert {check.verdict for check in checks} == {Verdict.PASS}, checks
    named = {check_id for check_id, entry in catalogue().items() if entry.phase == "06" and entry.kind == "measured"}
    assert {check.id for check in checks} == named - {"BKP-DOC-001"}
    assert "1,500 documents were back in" in proof.recovery_sentence(recovered)
    for part in ("Backup procedures", "Recovery procedures", "recovery testing", "Schedule", "Location", "snapshot"):
        assert part in text
    assert "@" not in text and str(tmp_path / "backups") in text
    assert backups(tmp_path / "backups") == []
    assert not [name for name in filled.list_collection_names() if name.startswith(SCRATCH_PREFIX)]
    assert recovery_stages(proof.stage_frame(recovered)).axes[0].get_xlabel()
    for frame in (proof.backup_frame(made), proof.damage_frame(drills), proof.comparison_frame(recovered)):
        assert len(frame) and set(frame.columns) <= set(proof.COLUMNS)


def test_an_empty_database_is_a_failed_backup(database, kept):
    made, checks = proof.backup_audit(database, kept)
    assert verdicts(checks)["BKP-DMP-001"] == Verdict.FAIL
    assert verdicts(checks)["BKP-DMP-005"] == Verdict.NOT_MEASURED
    recovered, more = proof.recovery_audit(made, database, kept)
    assert recovered.seconds is None
    assert Verdict.PASS not in {check.verdict for check in more}
    assert "no recovery time" in proof.recovery_sentence(recovered)


def test_without_a_backup_nothing_passes(database, kept, settings):
    refused = database.client["not_ours"]
    made, checks = proof.backup_audit(refused, kept)
    assert made is None and {check.verdict for check in checks} == {Verdict.ERROR}
    drills, found = proof.damage_audit(made, refused, kept)
    recovered, more = proof.recovery_audit(made, refused, kept)
    assert {check.verdict for check in [*found, *more, *proof.discard(made, kept)]} == {Verdict.NOT_MEASURED}
    assert proof.procedures(kept, made, drills, recovered, None, checks)
    assert len(proof.backup_frame(None)) == 0


def test_a_restore_that_fails_is_an_error_and_leaves_nothing(filled, admin, kept, monkeypatch):
    made, _ = proof.backup_audit(filled, kept)

    def broken(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(recovery, "compare", broken)
    _, checks = proof.recovery_audit(made, admin[filled.name], kept)
    assert {check.verdict for check in checks} == {Verdict.ERROR}
    assert not [name for name in filled.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


def test_without_dbadmin_validate_is_not_measured(filled, kept):
    made, _ = proof.backup_audit(filled, kept)
    _, checks = proof.recovery_audit(made, filled, kept)
    assert verdicts(checks)["BKP-CMP-005"] == Verdict.NOT_MEASURED
    assert verdicts(checks)["BKP-CMP-002"] == Verdict.PASS


def test_a_backup_that_others_can_read_fails(filled, kept):
    made, _ = proof.backup_audit(filled, kept)
    (made.path / "manifest.json").chmod(0o644)
    assert recovery._readable_by_others(made.path) == ["manifest.json"]


def test_production_keeps_its_backup(filled, kept):
    made, _ = proof.backup_audit(filled, kept)
    (check,) = proof.discard(made, kept.model_copy(update={"profile": "production"}))
    assert check.verdict == Verdict.PASS and "kept as" in check.evidence and made.path.exists()


# -------------------------------------------------------------------------------------------------------------- Redis


def test_keys_of_stored_leads_are_known_and_those_of_lost_leads_are_stale(filled, clean_redis, kept):
    leads = filled[kept.collection]
    stored = list(leads.find({"email": {"$gt": ""}}).limit(5))
    for lead in stored:
        clean_redis.set(linkedin_key(lead["linkedin_url"]), "1")
        clean_redis.set(email_key(lead["email"]), "1")
    facts = cache_facts(clean_redis, leads)
    assert (facts.total, facts.known, facts.stale, facts.other) == (10, 10, 0, 0)
    clean_redis.set(linkedin_key("https://www.linkedin.com/in/lost"), "1")
    facts, checks = proof.cache_audit(clean_redis, leads)
    assert facts.stale == 1 and verdicts(checks) == {"BKP-RDS-001": Verdict.PASS, "BKP-RDS-002": Verdict.WARN}


def test_a_key_that_mongodb_cannot_rebuild_fails(filled, clean_redis, kept):
    clean_redis.set("session:42", "precious")
    facts, checks = proof.cache_audit(clean_redis, filled[kept.collection])
    assert verdicts(checks)["BKP-RDS-001"] == Verdict.FAIL
    assert "cannot rebuild" in proof.redis_sentence(facts)


def test_redis_away_is_not_measured(filled, kept):
    facts, checks = proof.cache_audit(None, filled[kept.collection])
    assert facts is None and {check.verdict for check in checks} == {Verdict.NOT_MEASURED}
