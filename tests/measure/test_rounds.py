"""Rounds are interleaved, shuffled and warmed up; the canary tells a noisy host."""

from leadbook.measure.canary import Canary
from leadbook.measure.rounds import interleaved, order_of


def test_every_variant_runs_once_a_round_and_the_warm_up_is_not_kept():
    ran = []
    results = interleaved({name: (lambda name=name: ran.append(name) or len(ran)) for name in "abc"}, rounds=3)
    assert [sorted(ran[at : at + 3]) for at in range(0, 12, 3)] == [["a", "b", "c"]] * 4
    assert all(len(values) == 3 for values in results.values())
    assert min(min(values) for values in results.values()) == 4, "the first round is the warm-up"


def test_the_order_changes_from_round_to_round_but_not_from_run_to_run():
    names = list("abcdef")
    orders = [order_of(names, number, 1) for number in range(6)]
    assert len({tuple(order) for order in orders}) > 1
    assert orders == [order_of(names, number, 1) for number in range(6)]


def test_the_canary_tells_a_noisy_host_from_a_quiet_one():
    quiet, noisy = iter([1.0, 1.01, 0.99, 1.0]), iter([1.0, 2.0, 0.5, 3.0])
    calm, wild = Canary(workload=lambda: next(quiet)), Canary(workload=lambda: next(noisy))
    for _ in range(4):
        calm.sing(), wild.sing()
    assert "varied" not in calm.busy and "varied" in wild.busy
    assert Canary().noise is None, "nothing measured is not quiet"


def test_each_trial_begins_with_the_call_before_it():
    calls = []
    variants = {name: lambda name=name: calls.append(name) for name in "ab"}
    interleaved(variants, rounds=2, before=lambda: calls.append("before"))
    assert calls[::2] == ["before"] * 6 and sorted(calls[1::2]) == ["a", "a", "a", "b", "b", "b"]
