"""The ledger balances by construction, or it is not made."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbook.lead.ledger import FAILED, FILLED, STORED, Ledger, UnbalancedError, duplicate, rejected

OUTCOMES = st.lists(
    st.sampled_from([STORED, FILLED, FAILED, duplicate("batch"), duplicate("redis"), duplicate("mongodb"),
                     rejected("no_name"), rejected("validation")])
)  # fmt: skip


@given(OUTCOMES, OUTCOMES)
def test_sums_of_ledgers_balance(first, second):
    total = Ledger.of(first, read=len(first)) + Ledger.of(second, read=len(second))
    assert total == Ledger.of([*first, *second], read=len(first) + len(second))
    assert total.read == total.stored + total.filled + total.duplicates + total.rejects + total.failed


def test_a_record_without_outcome_is_a_defect():
    with pytest.raises(UnbalancedError, match="no known outcome"):
        Ledger.of([STORED, None], read=2)


def test_a_lost_record_is_a_defect():
    with pytest.raises(UnbalancedError, match="read 3 records but accounted for 2"):
        Ledger.of([STORED, FILLED], read=3)


def test_an_unknown_kind_of_duplicate_is_a_defect():
    with pytest.raises(UnbalancedError):
        Ledger.of([duplicate("elsewhere")], read=1)


def test_json_has_every_outcome_even_when_nothing_was_read():
    assert json.loads(json.dumps(Ledger().as_dict())) == {
        "read": 0, "stored": 0, "filled": 0, "duplicate": {"batch": 0, "redis": 0, "mongodb": 0}, "rejected": {},
        "failed": 0,
    }  # fmt: skip


def test_from_dict_is_the_inverse_of_as_dict():
    ledger = Ledger.of([STORED, duplicate("redis"), rejected("no_name")], read=3)
    assert Ledger.from_dict({**ledger.as_dict(), "seconds": 1.5}) == ledger
