"""Enrichment and CRM, tried in the sandbox: what the notebook shows, and that nothing stays behind."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from leadbook.core.checks import Verdict
from leadbook.ingest import pipeline
from leadbook.ingest.crm import Synced
from leadbook.ingest.trials.apart import apart
from leadbook.phases.p04 import tryout
from leadbook.schema import undo


@pytest.fixture
def work(at):
    """What the section needs, in production too: nobody real is asked."""
    site = at(profile="production")
    return SimpleNamespace(settings=site.settings, apart=partial(apart, site), not_approved=None)


def test_the_tryout_passes_and_leaves_nothing_behind(work, database):
    before = set(database.list_collection_names())
    section = tryout.vendors(work)
    tried = section.found
    assert len(section.checks) == 6 and {check.verdict for check in section.checks} == {Verdict.PASS}, section.checks
    assert all("sandbox" in check.evidence for check in section.checks)
    assert set(database.list_collection_names()) - {undo.COLLECTION} == before
    shown = section.frame
    assert list(shown.columns) == list(tryout.COLUMNS) and shown["count"].sum() > 100
    assert "skipped: spending cap reached" in set(shown["outcome"]) and "SANDBOX" in tried.sentence()
    assert "@" not in tried.sentence() + shown.to_string()


def test_a_tryout_that_asked_nobody_is_not_measured(work):
    tried = tryout.run(work)
    nothing = pipeline.PipelineResult()
    nobody = replace(tried, first=nothing, second=nothing, sent=Synced(), again=Synced(), most_attempts=0)
    assert {check.verdict for check in tryout.checks(nobody)} == {Verdict.NOT_MEASURED}
