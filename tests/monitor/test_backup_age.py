"""The age of a backup is told of one that is there and was held against the live leads, and of no other."""

from datetime import UTC, datetime, timedelta

import pytest

from leadbook.core.checks import Verdict, judge, not_measured
from leadbook.phases.p08.servers import _backup

PROVEN = ("BKP-DMP-001", "BKP-DMP-002", "BKP-DMP-005", "BKP-CLN-001")


def checks(**changed):
    """Phase 06's checks of a proven backup that was kept; `changed`: other verdicts, by id with underscores."""
    made = {"BKP-DMP-001": judge("BKP-DMP-001", 5), "BKP-DMP-002": judge("BKP-DMP-002", 0),
            "BKP-DMP-005": judge("BKP-DMP-005", 0), "BKP-CLN-001": judge("BKP-CLN-001", 0),
            "BKP-COR-001": judge("BKP-COR-001", True)}  # fmt: skip
    made |= {name.replace("_", "-"): check for name, check in changed.items()}
    return [check for check in made.values() if check is not None]


@pytest.fixture
def production(settings):
    return settings.model_copy(update={"profile": "production"})


def test_a_proven_backup_has_an_age(production):
    check = _backup(checks(), production)
    assert check.verdict is Verdict.PASS and check.measured < 0.1


def test_a_rehearsals_backup_was_removed_by_phase_06(settings):
    check = _backup(checks(), settings)
    assert check.verdict is Verdict.NOT_APPLICABLE and "removes" in check.evidence


@pytest.mark.parametrize("name", PROVEN)
@pytest.mark.parametrize("made", [None, "fail", "not measured"])
def test_a_backup_that_was_not_proven_has_none(production, name, made):
    other = {None: None, "fail": judge(name, 0 if name == "BKP-DMP-001" else 1), "not measured": not_measured(name, "")}
    check = _backup(checks(**{name.replace("-", "_"): other[made]}), production)
    assert check.verdict is Verdict.NOT_MEASURED


def test_its_age_is_that_of_the_dump_not_of_the_last_drill(production):
    from dataclasses import replace

    old = (datetime.now(UTC) - timedelta(hours=60)).isoformat()
    check = _backup(checks(BKP_DMP_001=replace(judge("BKP-DMP-001", 5), taken_at=old)), production)
    assert check.verdict is Verdict.FAIL and check.measured > 59
