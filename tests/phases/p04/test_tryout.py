"""Enrichment and CRM, tried in the sandbox: what the notebook shows, and that nothing stays behind."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from leadbook.core.checks import Verdict
from leadbook.ingest import pipeline
from leadbook.ingest.crm import Synced
from leadbook.phases.p04 import tryout


def asked(site, result=None):
    """What section 4.10 shows."""
    return tryout.vendors(SimpleNamespace(site=site, settings=site.settings, full_run=SimpleNamespace(result=result)))


def test_the_tryout_passes_and_leaves_nothing_behind(site, database):
    before = set(database.list_collection_names())
    section = asked(site)
    tried = section.found
    found = {check.id: check for check in section.checks if check.verdict is not Verdict.NOT_APPLICABLE}
    assert len(found) == 6 and {check.verdict for check in found.values()} == {Verdict.PASS}, found
    assert all("sandbox" in check.evidence for check in found.values())
    assert set(database.list_collection_names()) == before
    shown = section.frame
    assert list(shown.columns) == list(tryout.COLUMNS) and shown["count"].sum() > 100
    assert "skipped: spending cap reached" in set(shown["outcome"]) and "SANDBOX" in tried.sentence()
    assert "@" not in tried.sentence() + shown.to_string()


def test_a_tryout_that_asked_nobody_is_not_measured(site):
    tried = tryout.run(site)
    nothing = pipeline.PipelineResult()
    nobody = replace(tried, first=nothing, second=nothing, sent=Synced(), again=Synced(), most_attempts=0)
    found = {check.verdict for check in tryout.checks(site.settings, nobody)}
    assert found == {Verdict.NOT_MEASURED, Verdict.NOT_APPLICABLE}


@pytest.fixture
def production(at):
    """A production site with nobody to ask."""
    return at(profile="production")


def test_in_production_made_leads_stay_out_and_off_is_not_applicable(production, database):
    before = set(database.list_collection_names())
    shown = asked(production, pipeline.PipelineResult())
    assert {check.verdict for check in shown.checks} == {Verdict.NOT_APPLICABLE}
    assert "SANDBOX" not in shown.tables[0].title
    assert shown.says == "Enrichment is off. The CRM is off." and len(shown.frame) == 1
    assert set(database.list_collection_names()) == before


def test_in_production_silent_vendors_and_a_stopped_crm_fail(at):
    on = at(profile="production", enrichment=True, crm=True)
    result = pipeline.PipelineResult(crm=Synced(sent=3, stopped="HubSpot: no answer (503)"))
    result.questions.update({"enriched": 90, "failed: no answer": 6, "skipped: circuit open": 4})
    verdicts = {check.id: check for check in asked(on, result).checks}
    assert verdicts["PIPE-ENR-005"].verdict is Verdict.FAIL and verdicts["PIPE-ENR-005"].measured == 10.0
    assert verdicts["PIPE-CRM-003"].verdict is Verdict.FAIL and "503" in verdicts["PIPE-CRM-003"].evidence
    result.questions = Counter({"enriched": 99, "not found": 50, "skipped: spending cap reached": 10})
    result.crm = Synced(sent=3)
    verdicts = {check.id: check.verdict for check in asked(on, result).checks}
    assert (verdicts["PIPE-ENR-005"], verdicts["PIPE-CRM-003"]) == (Verdict.PASS, Verdict.PASS)
    nothing = {check.id: check.verdict for check in asked(on, pipeline.PipelineResult()).checks}
    assert (nothing["PIPE-ENR-005"], nothing["PIPE-CRM-003"]) == (Verdict.NOT_MEASURED, Verdict.NOT_MEASURED)
