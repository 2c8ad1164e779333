"""What is really sent under a write concern, and what it hides of ten duplicates."""

import pytest

from leadbook.bench import concerns
from leadbook.bench.concerns import CONCERNS


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
    checks = {check.id: check.verdict.value for check in concerns.checks(found, place.settings)}
    assert set(checks.values()) == {"pass"}
    assert scratches() == []
