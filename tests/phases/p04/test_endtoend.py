"""The end-to-end trial's checks: whatever goes wrong on a collector's way is found."""

from dataclasses import replace

import pytest

from leadbook.backup.compare import RestoreComparison
from leadbook.core.checks import Verdict
from leadbook.core.errors import LeadbookError
from leadbook.ingest.crm import Synced
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.trials.endtoend import CollectorsTrial
from leadbook.lead.ledger import Ledger
from leadbook.phases.p04.endtoend import DryRun, checks

ENDED = Ledger.of(["stored"] * 8 + ["rejected:missing_full_name", "duplicate:redis"], read=10)
SOUND = CollectorsTrial(
    sent={"apollo-1": 10, "apollo-2": 10}, ledgers={"apollo-1": ENDED, "apollo-2": ENDED}, resent=2,
    follower=PipelineResult(ledger=ENDED + ENDED), leads=16, kept=2, strangers=0, keyless=0,
)  # fmt: skip
COPY = RestoreComparison(
    original="leads", documents_backup=16, documents_restored=16, content_equal=True, indexes_equal=True,
    options_equal=True, original_unchanged=True, valid=None, validate_says="", seconds=0.1,
)  # fmt: skip
CRM = DryRun(qualified=5, waiting=5)


def failed(collected=SOUND, copies=(COPY,), crm=CRM):
    return {check.id for check in checks(collected, copies, crm) if check.verdict is not Verdict.PASS}


def test_a_sound_way_passes():
    assert failed() == set() == failed(crm=replace(CRM, synced=Synced(sent=4, erased=1)))


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"sent": {"apollo-1": 11, "apollo-2": 10}}, {"PIPE-E2E-002", "PIPE-N8N-003"}),
        ({"follower": PipelineResult(ledger=ENDED)}, {"PIPE-E2E-002"}),
        ({"strangers": 1}, {"PIPE-E2E-003"}),
        ({"kept": 1}, {"PIPE-E2E-003"}),
        ({"keyless": 1}, {"PIPE-E2E-004"}),
        ({"keyless": None}, {"PIPE-E2E-004"}),
        ({"resent": 0}, {"PIPE-N8N-003"}),
    ],
)
def test_a_lost_record_lead_reject_or_key_is_found(changed, found):
    assert failed(replace(SOUND, **changed)) == found


@pytest.mark.parametrize("part", ["content_equal", "indexes_equal", "options_equal"])
def test_a_copy_that_differs_fails_and_one_that_failed_is_no_pass(part):
    assert failed(copies=(COPY, replace(COPY, **{part: False}))) == {"PIPE-E2E-005"}
    assert failed(copies=LeadbookError("no backup")) == {"PIPE-E2E-005"}


@pytest.mark.parametrize(
    "crm", [DryRun(qualified=0, waiting=0), replace(CRM, waiting=4), replace(CRM, synced=Synced(sent=4))]
)
def test_a_qualified_lead_that_the_crm_would_not_get_is_found(crm):
    assert failed(crm=crm) == {"PIPE-E2E-006"}
