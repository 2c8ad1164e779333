"""Enrichment and CRM, tried in the sandbox: what the notebook shows, and that nothing stays behind."""

from collections import Counter
from dataclasses import replace

from leadbook.checks import Verdict
from leadbook.leads import tryout
from leadbook.leads.crm import Synced
from leadbook.leads.ledger import Ledger


def test_the_tryout_passes_and_leaves_nothing_behind(site, database):
    before = set(database.list_collection_names())
    tried = tryout.run(site)
    found = {check.id: check for check in tryout.checks(tried)}
    assert {check.verdict for check in found.values()} == {Verdict.PASS}, found
    assert all("sandbox" in check.evidence for check in found.values())
    assert set(database.list_collection_names()) == before
    shown = tryout.table(tried)
    assert list(shown.columns) == list(tryout.COLUMNS) and shown["count"].sum() > 100
    assert "skipped: spending cap reached" in set(shown["outcome"]) and "SANDBOX" in tried.sentence()
    assert "@" not in tried.sentence() + shown.to_string()


def test_a_tryout_that_asked_nobody_is_not_measured(site):
    tried = tryout.run(site)
    nobody = replace(tried, questions=Counter(), second=Ledger(), sent=Synced(), again=Synced(), most_attempts=0)
    assert {check.verdict for check in tryout.checks(nobody)} == {Verdict.NOT_MEASURED}
