"""Redundant indexes are named by their keys and properties, hidden for a trial, and never left hidden."""

import pytest

from leadbook.bench import indexes
from leadbook.phases.p03 import tables, verdicts
from leadbook.schema.index_advice import redundant
from leadbook.schema.indexes import INDEXES

NAMED = {index.name: index for index in INDEXES}


def hidden(collection):
    return [one["name"] for one in collection.list_indexes() if one.get("hidden")]


def test_hide_and_measure_finds_the_index_that_takes_over_and_unhides(place):
    filled = place.keep("hide", 300)
    short, long = NAMED["idx_company_name"], NAMED["idx_company_name_location_state"]
    found = indexes.hide_and_measure(place, filled, short, long)
    assert found.plan == long.name
    assert hidden(filled) == []


def test_it_is_unhidden_after_an_error(place, monkeypatch):
    filled = place.keep("hide", 50)

    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(indexes, "explain_query", broken)
    with pytest.raises(RuntimeError, match="boom"):
        indexes.hide_and_measure(place, filled, *redundant(INDEXES)[0])
    assert hidden(filled) == []


def test_every_index_gets_a_price(place, scratches):
    filled = place.keep("prices", 200)
    found = indexes.measure(place, filled)
    assert list(found.prices) == ["none", *[index.name for index in INDEXES], "all 11"]
    assert all(len(price.micros) == 2 * indexes.MORE_ROUNDS for price in found.prices.values())
    assert len(found.hidden) == 2
    matched = {name: one.mean_share for name, one in found.selectivity.items()}
    assert 0 < matched["idx_linkedin_url_unique"] < 0.01 < matched["idx_is_qualified"]
    assert matched["idx_email_unique"] < 0.02, "leads without e-mail are none of those that an e-mail matches"
    judged = {check.id: check.verdict.value for check in verdicts.indexes(found, place.settings)}
    assert judged == {"BCH-IDX-001": "pass", "BCH-IDX-002": "pass", "BCH-IDX-003": "warn"}
    assert all(price.cost.low is not None for price in found.prices.values()), "ten rounds tell an interval"
    shown = tables.indexes(found).frame.set_index("index")["cost_us"]
    assert shown["none"] == "" and all(" to " in text for name, text in shown.items() if name != "none")
    assert scratches() == [filled.name]
