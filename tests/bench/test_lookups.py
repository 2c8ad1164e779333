"""Duplicate checks are verified answer by answer; without Redis they are not measured, never passed."""

import pytest

from leadbook.bench import finds, lookups
from leadbook.phases.p03 import verdicts


@pytest.fixture(autouse=True)
def few_calls(monkeypatch):
    monkeypatch.setattr(lookups, "SINGLES_IN_ALL", (60, 1))
    monkeypatch.setattr(lookups, "BATCHES_IN_ALL", (10, 1))
    monkeypatch.setattr(finds, "FINDS_IN_ALL", (20, 1))
    monkeypatch.setattr(finds, "COUNTS_IN_ALL", (10, 1))


def test_every_answer_is_right_and_no_key_stays(place, clean_redis):
    found = lookups.measure(place, place.keep("lookups", 400))
    assert set(found.operations) >= {"Redis GET", "MongoDB find", "Redis away, then MongoDB"}
    assert all(operation.wrong == 0 for operation in found.operations.values())
    assert found.plan.indexes == ("idx_linkedin_url_unique",)
    assert clean_redis.dbsize() == 0
    assert {check.verdict.value for check in verdicts.lookups(found, place.settings)} == {"pass"}


@pytest.mark.parametrize("unique", [True, False])
def test_the_unique_index_counts_under_another_name_and_another_index_does_not(place, clean_redis, unique):
    kept = place.keep("lookups", 400)
    kept.drop_index("idx_linkedin_url_unique")
    kept.create_index("linkedin_url", unique=unique)
    checks = {check.id: check for check in verdicts.lookups(lookups.measure(place, kept), place.settings)}
    assert checks["BCH-DUP-003"].measured is unique and "linkedin_url_1" in checks["BCH-DUP-003"].evidence


def test_without_redis_its_checks_are_not_measured(place):
    place.redis = None
    found = lookups.measure(place, place.keep("lookups", 100))
    checks = {check.id: check for check in verdicts.lookups(found, place.settings)}
    assert checks["BCH-RDS-001"].verdict.value == checks["BCH-DUP-004"].verdict.value == "not measured"
    assert "Redis" in checks["BCH-RDS-001"].evidence
    assert checks["BCH-DUP-001"].measured > 0, "MongoDB is measured all the same"


def test_every_filter_uses_an_index_and_a_missing_one_is_noticed(place):
    filled = place.keep("finds", 400)
    filled.drop_index("idx_job_title")
    found = finds.measure(place, filled)
    state = finds.queries(filled)["location_state"]
    matching = {one.name: one.matching for one in found}
    assert matching["count location_state"] == filled.count_documents(state) < matching["count all"] == 400
    checks = {check.id: check for check in verdicts.finds(found, place.settings)}
    assert checks["BCH-FND-002"].verdict.value == "fail"
    assert "job_title" in checks["BCH-FND-002"].evidence
    assert checks["BCH-CNT-001"].verdict.value == "pass"
