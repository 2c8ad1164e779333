"""One reading of one source, and what two say together: rates, or nothing where a restart lies between them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Formulas = Mapping[str, Callable[[Mapping[str, float]], float]]
"""Further numbers by name, each made of the gauges and rates of one moment."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one source said at one moment.

    at: monotonic seconds.  identity: changes when another server answers or the same one was restarted.
    uptime_s: of the server; None where it has none.  values: numbers by name; what was not reported is absent.
    counters: names in `values` that only grow, and of which the rate counts.
    """

    at: float
    identity: tuple[Any, ...] = ()
    uptime_s: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    counters: frozenset[str] = frozenset()


class ReadingSource(Protocol):
    """Something that can be read again and again. name: prefix of its readings, such as
    `mongodb`.  derived: further numbers of it, such as percentages and means."""

    name: str
    derived: Formulas

    def read(self) -> Reading:
        """Read once, without side effects on data. Raises what the driver raises."""


def rates(before: Reading, after: Reading) -> dict[str, float] | None:
    """Growth per second of each counter, named `<counter>_per_s`; None where the two cannot be compared.

    They cannot when the uptime went down, another server answered, or no time has passed. A counter that fell alone
    (it was reset) is left out.
    """
    elapsed = after.at - before.at
    if elapsed <= 0 or before.identity != after.identity:
        return None
    if before.uptime_s is not None and (after.uptime_s is None or after.uptime_s < before.uptime_s):
        return None
    growth = {}
    for name in before.counters & after.counters:
        if name in before.values and name in after.values:
            grown = after.values[name] - before.values[name]
            if grown >= 0:
                growth[f"{name}_per_s"] = grown / elapsed
    return growth


def dig(document: Mapping[str, Any], *paths: str) -> float | None:
    """The number at the first dotted path that exists; None where none does. Booleans count as 0 and 1."""
    for path in paths:
        value: Any = document
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool | int | float):
            return float(value)
    return None


def pick(document: Mapping[str, Any], paths: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Numbers of a document by name; what it lacks is absent."""
    found = {name: dig(document, *places) for name, places in paths.items()}
    return {name: value for name, value in found.items() if value is not None}


def apply(formulas: Formulas, values: Mapping[str, float]) -> dict[str, float]:
    """What each formula makes of the values; only those whose parts were all reported."""
    made = {}
    for name, formula in formulas.items():
        with contextlib.suppress(KeyError, ZeroDivisionError):
            made[name] = formula(values)
    return made
