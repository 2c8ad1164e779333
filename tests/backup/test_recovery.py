"""Phase 06's checks: a sound backup passes, and whatever could not be done is never a pass."""

from leadbook.backup.cache import cache_facts
from leadbook.backup.folder import backups, remove
from leadbook.core.checks import Verdict
from leadbook.lead.keys import email_key, linkedin_key
from leadbook.phases.judging import checks_of, of_found
from leadbook.phases.p06 import checks, sections
from leadbook.schema.scratch import SCRATCH_PREFIX


def verdicts(section):
    return {check.id: check.verdict for check in section.checks}


def run(book):
    """All sections that measure, in the notebook's order."""
    taken = sections.backup(book)
    damaged, restored, cached = sections.damage(book, taken), sections.restore(book, taken), sections.cache(book)
    last = sections.procedures(book, taken, damaged, restored, cached)
    return taken, damaged, restored, sections.times(restored), cached, last


def scratches(database):
    return [name for name in database.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


def test_the_whole_phase_passes_and_leaves_nothing(filled, opened, clean_redis, kept, of_our_backups, tmp_path):
    found = run(opened(filled, kept, redis=clean_redis))
    made = [check for section in found for check in section.checks]
    trial = [check for check in made if check.id == "BKP-CLN-003"]
    assert {check.verdict for check in made if check not in trial} == {Verdict.PASS}, made
    assert [check.verdict for check in trial] == [Verdict.NOT_APPLICABLE], "the leads were there"
    assert {check.id for check in made} == of_our_backups
    assert "1,500 documents were back in" in found[3].says
    (document,) = found[-1].documents
    for part in ("Backup procedures", "Recovery procedures", "recovery testing", "Schedule", "Location", "snapshot"):
        assert part in document.markdown
    assert "@" not in document.markdown and str(tmp_path / "backups") in document.markdown
    assert backups(tmp_path / "backups") == [] and scratches(filled) == []
    assert found[3].plots[0].figure.axes[0].get_xlabel()
    made_backup = found[0].found[0]
    assert made_backup.manifest.documents == 1_500
    assert found[0].facts == {
        "backup": made_backup.path.name, "backup_taken_at": made_backup.manifest.taken_at, "backup_leads": 1_500
    }  # fmt: skip
    assert found[2].found.seconds > 0
    tables = [table for section in found for table in section.tables]
    assert len(tables) == 3
    for table in tables:
        assert len(table.frame) and set(table.frame.columns) == set(table.columns)


def test_a_section_can_be_made_again_and_no_backup_stays(filled, opened, clean_redis, kept, tmp_path):
    book = opened(filled, kept, redis=clean_redis)
    sections.backup(book)
    taken = sections.backup(book)
    for make in (sections.damage, sections.damage, sections.restore, sections.restore):
        restored = make(book, taken)
        assert set(verdicts(restored).values()) == {Verdict.PASS}
    assert len(backups(tmp_path / "backups")) == 2
    for _ in range(2):
        last = sections.procedures(book, taken, sections.damage(book, taken), restored, sections.cache(book))
        assert verdicts(last)["BKP-CLN-001"] is Verdict.PASS and backups(tmp_path / "backups") == []
    assert set(verdicts(sections.restore(book, taken)).values()) == {Verdict.ERROR}, "its backup is gone"


def test_an_empty_database_is_a_failed_backup(database, opened, kept):
    found = run(opened(database, kept))
    assert verdicts(found[0])["BKP-DMP-001"] == Verdict.FAIL
    assert verdicts(found[0])["BKP-DMP-005"] == Verdict.NOT_MEASURED
    assert set(verdicts(found[1]).values()) == {Verdict.NOT_MEASURED}, "nothing is damaged where nothing is held"
    assert set(verdicts(found[2]).values()) == {Verdict.NOT_MEASURED}
    assert not found[3].plots and "no recovery time" in found[3].says


def test_without_a_backup_nothing_passes(database, opened, kept):
    refused = database.client["not_ours"]
    found = run(opened(refused, kept, dba=database.client))
    assert Verdict.PASS not in {check.verdict for section in found for check in section.checks}
    assert {*verdicts(found[1]).values(), *verdicts(found[2]).values()} == {Verdict.NOT_MEASURED}
    assert verdicts(found[-1])["BKP-CLN-001"] is Verdict.NOT_MEASURED
    assert "damage drills" in found[-1].checks[0].evidence
    assert found[-1].documents[0].markdown
    assert len(found[0].frame) == 0


def test_a_restore_that_fails_is_an_error_and_leaves_nothing(filled, opened, kept, monkeypatch):
    def broken(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr("leadbook.backup.drill.compare_all", broken)
    book = opened(filled, kept)
    assert set(verdicts(sections.restore(book, sections.backup(book))).values()) == {Verdict.ERROR}
    assert scratches(filled) == []


def test_without_dbadmin_validate_is_not_measured(filled, opened, kept):
    book = opened(filled, kept, dba=filled.client)
    found = verdicts(sections.restore(book, sections.backup(book)))
    assert found["BKP-CMP-005"] == Verdict.NOT_MEASURED
    assert found["BKP-CMP-002"] == Verdict.PASS


def test_a_backup_that_others_can_read_fails(filled, opened, kept):
    taken = sections.backup(opened(filled, kept)).found
    (taken[0].path / "manifest.json").chmod(0o644)
    found = {check.id: check for check in checks_of(of_found(checks.of("BKP-DMP"), taken, checks.dump))}
    assert found["BKP-DMP-004"].verdict is Verdict.FAIL and "manifest.json" in found["BKP-DMP-004"].evidence


def test_production_keeps_its_backup(filled, opened, kept):
    book = opened(filled, kept.model_copy(update={"profile": "production"}))
    found = run(book)
    (backup, _) = found[0].found
    (check,) = [check for check in found[-1].checks if check.id == "BKP-CLN-001"]
    assert check.verdict == Verdict.PASS and "kept as" in check.evidence and backup.path.exists()
    remove(backup.path)
    last = sections.procedures(book, *found[:3], found[4])
    assert verdicts(last)["BKP-CLN-001"] is Verdict.ERROR, "it did not stay"


# -------------------------------------------------------------------------------------------------------------- Redis


def test_keys_of_stored_leads_are_known_and_those_of_lost_leads_are_stale(filled, opened, clean_redis, kept):
    leads = filled[kept.collection]
    stored = list(leads.find({"email": {"$gt": ""}}).limit(5))
    for lead in stored:
        clean_redis.set(linkedin_key(lead["linkedin_url"]), "1")
        clean_redis.set(email_key(lead["email"]), "1")
    facts = cache_facts(clean_redis, leads)
    assert (facts.total, facts.known, facts.stale, facts.other) == (10, 10, 0, 0)
    clean_redis.set("leadbook_scratch:deadbeef:1", "a measurement's, which a Redis that died kept")
    clean_redis.set(linkedin_key("https://www.linkedin.com/in/lost"), "1")
    section = sections.cache(opened(filled, kept, redis=clean_redis))
    assert (section.found.stale, section.found.other) == (1, 0)
    assert verdicts(section) == {"BKP-RDS-001": Verdict.PASS, "BKP-RDS-002": Verdict.WARN}


def test_a_key_that_mongodb_cannot_rebuild_fails(filled, opened, clean_redis, kept):
    clean_redis.set("session:42", "precious")
    section = sections.cache(opened(filled, kept, redis=clean_redis))
    assert verdicts(section)["BKP-RDS-001"] == Verdict.FAIL
    assert "cannot rebuild" in section.says


def test_redis_away_is_not_measured(filled, opened, kept):
    section = sections.cache(opened(filled, kept))
    assert section.found is None and set(verdicts(section).values()) == {Verdict.NOT_MEASURED}
