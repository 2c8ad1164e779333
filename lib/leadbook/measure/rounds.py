"""When what is measured runs: in interleaved rounds after a warm-up that is thrown away, or as it arrives."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Variant = TypeVar("Variant", bound=Hashable)


def order_of(names: list[Variant], round_number: int, seed: int) -> list[Variant]:
    """The order in which the variants run in that round; the same for the same seed."""
    shuffled = list(names)
    random.Random(f"{seed}/{round_number}").shuffle(shuffled)
    return shuffled


def calls_a_round(rounds: int, in_all: int, each: int) -> int:
    """Calls of one trial: `each`, and more where `rounds` are too few for `in_all`."""
    return max(each, -(-in_all // rounds))


def timed(call: Callable[[], Any], count: int) -> list[float]:
    """Seconds of each of `count` calls."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times


def interleaved(
    variants: Mapping[Variant, Callable[[], T]],
    *,
    rounds: int,
    warm_up: int = 1,
    seed: int = 0,
    before: Callable[[], None] | None = None,
) -> dict[Variant, list[T]]:
    """Results of each variant, one a round. The first `warm_up` rounds run but are not kept.
    `before` is called before each trial: what one leaves behind must not be paid by the next.

    Interleaving spreads a host's drift over all variants; the shuffled order keeps one from always running after
    the same other. Raises ValueError for fewer than one round. An exception of a variant passes through.
    """
    if rounds < 1:
        raise ValueError(f"at least one round is needed, got {rounds}")
    results: dict[Variant, list[T]] = {name: [] for name in variants}
    for number in range(-warm_up, rounds):
        for name in order_of(list(variants), number, seed):
            if before is not None:
                before()
            made = variants[name]()
            if number >= 0:
                results[name].append(made)
    return results


def poisson(rate: float, seconds: float, *, seed: int = 0) -> tuple[float, ...]:
    """Moments of arrival in an open loop, s: a Poisson process of `rate` a second, given its number (at least one)."""
    source = random.Random(f"{rate}/{seconds}/{seed}")
    return tuple(sorted(source.random() * seconds for _ in range(max(1, round(rate * seconds)))))
