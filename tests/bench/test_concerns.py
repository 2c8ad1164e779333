"""What is really sent under a write concern, and what it hides of ten duplicates."""

import dataclasses

import pytest

from leadbook.bench import concerns
from leadbook.bench.concerns import CONCERNS
from leadbook.core import connect
from leadbook.core.checks import Verdict
from leadbook.phases.p03 import verdicts


@pytest.fixture
def loss(place):
    def send(name):
        with place.scratch("loss") as collection:
            return concerns.loss(place, collection, next(one for one in CONCERNS if one.name == name))

    return send


def test_w0_unordered_is_really_sent_and_hides_ten_duplicates(loss):
    found = loss("w: 0, unordered")
    assert found.wire == {"w": 0}
    assert not found.acknowledged
    assert (found.sent, found.claimed, found.stored, found.reported, found.unreported) == (100, 100, 90, 0, 10)


def test_w0_ordered_is_sent_acknowledged_without_a_write_concern_and_loses_what_follows(loss):
    found = loss("w: 0, ordered")
    assert found.wire is None
    assert found.acknowledged
    assert (found.claimed, found.stored, found.reported, found.unreported) == (100, 9, 0, 91)


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("w: 1, j: false", {"w": 1, "j": False}),
        ("w: 1, j: true", {"w": 1, "j": True}),
        ("majority", {"w": "majority"}),
    ],
)
def test_acknowledged_concerns_report_every_duplicate(loss, name, wire):
    found = loss(name)
    assert dict(found.wire) == wire
    assert (found.claimed, found.stored, found.reported, found.unreported) == (90, 90, 10, 0)


def test_prices_are_read_back_and_the_configured_concern_is_what_goes_over_the_wire(place, scratches):
    found = concerns.measure(place)
    assert [price.missing for price in found.prices] == [0] * 5
    assert dict(found.configured.wire) == dict(place.mongodb.write_concern.document)
    checks = {check.id: check.verdict.value for check in verdicts.concerns(found, place.settings)}
    assert set(checks.values()) == {"pass"}
    assert scratches() == []


def test_what_goes_over_the_wire_is_judged_and_not_what_the_profile_says(place):
    found = concerns.measure(place)
    loose = dataclasses.replace(
        found, configured=next(one for one in found.losses if one.concern.name == "w: 1, j: false")
    )
    told = {
        profile: verdicts.concerns(loose, place.settings.model_copy(update={"profile": profile}))[-1]
        for profile in ("rehearsal", "production")
    }
    assert (place.settings.write_concern, told["production"].id) == ("majority", "BCH-WC-005")
    assert [told[one].verdict for one in ("rehearsal", "production")] == [Verdict.WARN, Verdict.FAIL]
    assert "w: 1" in told["production"].evidence


@pytest.mark.parametrize(("option", "wire"), [("w=1", "w: 1,"), ("w=majority&journal=false", "j: false")])
def test_an_option_of_the_address_that_weakens_the_writes_fails_though_the_profile_asks_for_majority(
    place, option, wire
):
    endpoints = dataclasses.replace(place.endpoints, mongodb_uri=f"{place.endpoints.mongodb_uri}&{option}")
    with connect.mongodb(endpoints.mongodb_uri, place.settings) as client:
        weak = dataclasses.replace(place, mongodb=client, endpoints=endpoints)
        found = concerns.measure(weak)
        weak.close()
    production = place.settings.model_copy(update={"profile": "production"})
    checks = {check.id: check for check in verdicts.concerns(found, production)}
    for check_id in ("BCH-WC-001", "BCH-WC-005"):
        assert checks[check_id].verdict is Verdict.FAIL and wire in checks[check_id].evidence
    assert "the profile asks for w: majority" in checks["BCH-WC-001"].evidence
    mild = {check.id: check.verdict.value for check in verdicts.concerns(found, place.settings)}
    assert (mild["BCH-WC-001"], mild["BCH-WC-005"]) == ("fail", "warn")


def test_documents_that_never_became_readable_fail_the_price(place):
    found = concerns.measure(place)
    lost = dataclasses.replace(found, prices=(dataclasses.replace(found.prices[0], missing=3), *found.prices[1:]))
    check = verdicts.concerns(lost, place.settings)[2]
    assert (check.id, check.verdict, check.measured) == ("BCH-WC-003", Verdict.FAIL, 4)
