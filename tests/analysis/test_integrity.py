"""Integrity: broken documents, lost documents and missing indexes are seen."""

from analysis_leads import lead
from leadbook import analysis
from leadbook.analysis.integrity import IndexCount
from leadbook.core.checks import Verdict


def test_a_whole_collection_passes(ten, admin, settings):
    whole = admin[settings.database][settings.collection]
    assert analysis.validate_check(whole, settings).verdict in (Verdict.PASS, Verdict.WARN)
    counts = analysis.index_counts(ten)
    assert len(counts) == 12 and all(each.whole for each in counts)
    assert next(each for each in counts if each.name == "idx_email_unique").counted == 4, "sparse: leads with an e-mail"
    assert analysis.index_check(counts).verdict is Verdict.PASS
    assert analysis.unique_check(counts).verdict is Verdict.PASS
    assert analysis.constraint_check(ten).verdict is Verdict.PASS
    assert analysis.newest_check(ten).verdict is Verdict.PASS


def test_validate_may_be_gentle_or_off(ten, admin, settings):
    whole = admin[settings.database][settings.collection]
    background = settings.model_copy(update={"validate_collection": "background"})
    assert "background" in analysis.validate_check(whole, background).evidence
    off = settings.model_copy(update={"validate_collection": "off"})
    assert analysis.validate_check(whole, off).verdict is Verdict.NOT_MEASURED


def test_the_application_may_not_validate_and_that_is_no_pass(ten, settings):
    assert analysis.validate_check(ten, settings).verdict in (Verdict.NOT_MEASURED, Verdict.PASS)


def test_documents_that_the_validator_only_warned_of_are_counted(ten):
    ten.insert_one(lead("bad", job_title=7))
    check = analysis.constraint_check(ten)
    assert check.verdict is Verdict.FAIL and check.measured == 1 and "moderate / warn" in check.evidence


def test_without_validator_or_indexes_nothing_is_measured(database):
    plain = database["plain"]
    plain.insert_one({"a": 1})
    assert analysis.constraint_check(plain).verdict is Verdict.NOT_MEASURED
    counts = analysis.index_counts(plain)
    assert analysis.index_check(counts).verdict is Verdict.NOT_MEASURED
    assert analysis.unique_check(counts).verdict is Verdict.FAIL


def test_an_index_that_lost_documents_fails():
    broken = IndexCount(name="idx", keys="a", unique=False, counted=9, expected=10)
    check = analysis.index_check([broken, broken])
    assert check.verdict is Verdict.FAIL and "9 of 10" in check.evidence


def test_a_half_done_last_insert_is_seen(ten):
    ten.insert_one(lead("late", updated_at=None))
    check = analysis.newest_check(ten)
    assert check.verdict is Verdict.FAIL and check.measured == 1


def test_where_nothing_is_stored_nothing_is_whole(leads, admin, settings):
    assert analysis.validate_check(admin[settings.database][leads.name], settings).verdict is Verdict.NOT_MEASURED
    assert analysis.index_check(analysis.index_counts(leads)).verdict is Verdict.NOT_MEASURED
    assert analysis.constraint_check(leads).verdict is Verdict.NOT_MEASURED
    assert analysis.newest_check(leads).verdict is Verdict.NOT_MEASURED
