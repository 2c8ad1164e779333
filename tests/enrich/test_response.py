"""What HTTP itself says is read one way, whoever says it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from leadbook.enrich.response import retry_after_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("120", 120.0), (" 0 ", 0.0), ("0.05", 0.05), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_a_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after_s(text) == seconds


def test_a_date_ahead_is_waited_for():
    asked = retry_after_s(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert asked is not None and 85 < asked <= 90


@pytest.mark.parametrize(
    "text",
    [None, "", "soon", "nan", "inf", "-5", "1e9", "9" * 30, ",,,", "1 1 1 1 1 1", "Wed, 21 Oct 2015 07:28:00 -0000",
     "Wed, 21 Oct 2015 07:28:00 +" + "9" * 20],
)  # fmt: skip
def test_what_is_neither_says_nothing(text):
    assert retry_after_s(text) is None
