"""When work arrives in an open loop."""

from __future__ import annotations

import random


def poisson(rate: float, seconds: float, *, seed: int = 0) -> tuple[float, ...]:
    """Moments of arrival in seconds: a Poisson process of `rate` a second, given its number (at least one)."""
    source = random.Random(f"{rate}/{seconds}/{seed}")
    return tuple(sorted(source.random() * seconds for _ in range(max(1, round(rate * seconds)))))
