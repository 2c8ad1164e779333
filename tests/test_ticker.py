"""A ticker calls at its turns, catches nothing up, and is silent once it was left."""

import time

from leadbook.core.ticker import Ticker


def test_it_calls_at_once_and_then_at_its_turns_and_not_after_it_was_left():
    calls = []
    with Ticker(lambda: calls.append(time.monotonic()), 0.05):
        started = time.monotonic()
        time.sleep(0.23)
    count = len(calls)
    assert calls[0] - started < 0.04 and 3 <= count <= 6
    time.sleep(0.12)
    assert len(calls) == count


def test_a_slow_call_delays_the_next_one_and_missed_turns_are_not_caught_up():
    calls = []

    def slow():
        calls.append(time.monotonic())
        if len(calls) == 1:
            time.sleep(0.2)

    with Ticker(slow, 0.05):
        time.sleep(0.32)
    assert len(calls) <= 4


def test_the_first_call_may_come_later():
    calls = []
    with Ticker(lambda: calls.append(1), 0.01, first_after_s=5.0):
        time.sleep(0.05)
    assert not calls
