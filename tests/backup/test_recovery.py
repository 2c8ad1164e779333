"""Phase 06's checks: a sound backup passes, and whatever could not be done is never a pass."""

import pytest

from leadbook.backup.cache import cache_facts
from leadbook.backup.folder import backups, remove
from leadbook.core.checks import Verdict, catalogue
from leadbook.core.errors import LeadbookError
from leadbook.lead.keys import email_key, linkedin_key
from leadbook.phases.p06.checks import DUMP, judged
from leadbook.schema.scratch import SCRATCH_PREFIX


def verdicts(section):
    return {check.id: check.verdict for check in section.checks}


def run(proof):
    """All sections that measure, in the notebook's order."""
    return [proof.backup(), proof.damage(), proof.restore(), proof.times(), proof.cache(), proof.procedures()]


def scratches(database):
    return [name for name in database.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


def test_the_whole_phase_passes_and_leaves_nothing(filled, prove, clean_redis, kept, tmp_path):
    sections = run(prove(filled, kept, redis=clean_redis))
    checks = [check for section in sections for check in section.checks]
    assert {check.verdict for check in checks} == {Verdict.PASS}, checks
    named = {check_id for check_id, entry in catalogue().items() if entry.phase == "06" and entry.kind == "measured"}
    assert {check.id for check in checks} == named
    assert "1,500 documents were back in" in sections[3].says
    (document,) = sections[-1].documents
    for part in ("Backup procedures", "Recovery procedures", "recovery testing", "Schedule", "Location", "snapshot"):
        assert part in document.markdown
    assert "@" not in document.markdown and str(tmp_path / "backups") in document.markdown
    assert backups(tmp_path / "backups") == [] and scratches(filled) == []
    assert sections[3].plots[0].figure.axes[0].get_xlabel()
    facts = {name: value for section in sections for name, value in section.facts.items()}
    assert facts["backup_leads"] == facts["backup_documents"] == 1_500 and facts["restore_seconds"] > 0
    tables = [table for section in sections for table in section.tables]
    assert len(tables) == 3
    for table in tables:
        assert len(table.frame) and set(table.frame.columns) == set(table.columns)


def test_a_section_can_be_shown_again_and_says_which_one_it_needs_first(filled, prove, kept, tmp_path):
    proof = prove(filled, kept)
    for ask, needs in ((proof.damage, "6.1"), (proof.times, "6.3"), (proof.procedures, "6.1")):
        with pytest.raises(LeadbookError, match=f"section {needs} has not been run"):
            ask()
    proof.backup(), proof.backup()
    assert set(verdicts(proof.damage()).values()) == set(verdicts(proof.damage()).values()) == {Verdict.PASS}
    assert set(verdicts(proof.restore()).values()) == set(verdicts(proof.restore()).values()) == {Verdict.PASS}
    proof.cache(), proof.procedures()
    assert verdicts(proof.procedures())["BKP-CLN-001"] is Verdict.PASS and backups(tmp_path / "backups") == []
    with pytest.raises(LeadbookError, match=r"6\.7 has removed the backup"):
        proof.restore()


def test_an_empty_database_is_a_failed_backup(database, prove, kept):
    proof = prove(database, kept)
    taken = verdicts(proof.backup())
    assert taken["BKP-DMP-001"] == Verdict.FAIL
    assert taken["BKP-DMP-005"] == Verdict.NOT_MEASURED
    assert Verdict.PASS not in verdicts(proof.restore()).values()
    assert proof.times().found.seconds is None
    assert "no recovery time" in proof.times().says


def test_without_a_backup_nothing_passes(database, prove, kept, settings):
    refused = database.client["not_ours"]
    proof = prove(refused, kept, dba=database.client)
    sections = run(proof)
    assert Verdict.PASS not in {check.verdict for section in sections for check in section.checks}
    assert {*verdicts(sections[1]).values(), *verdicts(sections[2]).values()} == {Verdict.NOT_MEASURED}
    assert verdicts(sections[-1])["BKP-CLN-001"] is Verdict.NOT_MEASURED
    assert "damage drills" in sections[-1].checks[0].evidence
    assert sections[-1].documents[0].markdown
    assert len(sections[0].frame) == 0


def test_a_restore_that_fails_is_an_error_and_leaves_nothing(filled, prove, kept, monkeypatch):
    def broken(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr("leadbook.backup.drill.compare", broken)
    proof = prove(filled, kept)
    proof.backup()
    assert set(verdicts(proof.restore()).values()) == {Verdict.ERROR}
    assert scratches(filled) == []


def test_without_dbadmin_validate_is_not_measured(filled, prove, kept):
    proof = prove(filled, kept, dba=filled.client)
    proof.backup()
    found = verdicts(proof.restore())
    assert found["BKP-CMP-005"] == Verdict.NOT_MEASURED
    assert found["BKP-CMP-002"] == Verdict.PASS


def test_a_backup_that_others_can_read_fails(filled, prove, kept):
    (backup, verification) = prove(filled, kept).backup().found
    (backup.path / "manifest.json").chmod(0o644)
    found = {check.id: check for check in judged((backup, verification), DUMP)}
    assert found["BKP-DMP-004"].verdict is Verdict.FAIL and "manifest.json" in found["BKP-DMP-004"].evidence


def test_production_keeps_its_backup(filled, prove, kept):
    proof = prove(filled, kept.model_copy(update={"profile": "production"}))
    (backup, _) = proof.backup().found
    proof.damage(), proof.restore(), proof.cache()
    (check,) = [check for check in proof.procedures().checks if check.id == "BKP-CLN-001"]
    assert check.verdict == Verdict.PASS and "kept as" in check.evidence and backup.path.exists()
    remove(backup.path)
    assert verdicts(proof.procedures())["BKP-CLN-001"] is Verdict.ERROR, "it did not stay"


# -------------------------------------------------------------------------------------------------------------- Redis


def test_keys_of_stored_leads_are_known_and_those_of_lost_leads_are_stale(filled, prove, clean_redis, kept):
    leads = filled[kept.collection]
    stored = list(leads.find({"email": {"$gt": ""}}).limit(5))
    for lead in stored:
        clean_redis.set(linkedin_key(lead["linkedin_url"]), "1")
        clean_redis.set(email_key(lead["email"]), "1")
    facts = cache_facts(clean_redis, leads)
    assert (facts.total, facts.known, facts.stale, facts.other) == (10, 10, 0, 0)
    clean_redis.set(linkedin_key("https://www.linkedin.com/in/lost"), "1")
    section = prove(filled, kept, redis=clean_redis).cache()
    assert section.found.stale == 1
    assert verdicts(section) == {"BKP-RDS-001": Verdict.PASS, "BKP-RDS-002": Verdict.WARN}


def test_a_key_that_mongodb_cannot_rebuild_fails(filled, prove, clean_redis, kept):
    clean_redis.set("session:42", "precious")
    section = prove(filled, kept, redis=clean_redis).cache()
    assert verdicts(section)["BKP-RDS-001"] == Verdict.FAIL
    assert "cannot rebuild" in section.says


def test_redis_away_is_not_measured(filled, prove, kept):
    section = prove(filled, kept).cache()
    assert section.found is None and set(verdicts(section).values()) == {Verdict.NOT_MEASURED}
