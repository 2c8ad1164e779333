"""Runs compared: refused where environments or the speed of their hosts differ, judged against noise between runs.

The host's speed is told by the canary of each run, constant work that touches no server.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadbook.core.errors import UsageError
from leadbook.measure.canary import NOISY
from leadbook.measure.histograms import Latencies
from leadbook.measure.intervals import interval, student

IGNORED = ("profile",)
RUN_TO_RUN = 1.5
"""Factor between runs that says nothing: the widest between medians or mean rates of six runs of the same code on the
same quiet two-core host. Rounds and calls of one run share its moment: their intervals are too narrow for two runs."""
SAME_HOST = 1 + NOISY
"""Factor between the canaries of two runs within which the host counts as the same: what it may vary within one run."""
ENOUGH = 3
"""Earlier runs from which the noise between runs is measured instead."""

Figure = tuple[float, float, float]
"""Low end of the 95 % interval within the run, value, high end."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. verdict: better, worse or no difference shown."""

    name: str
    unit: str
    before: str
    after: str
    change: str
    noise: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Result of `compare`. earlier: runs that the last one was compared with."""

    rows: tuple[Row, ...]
    earlier: int = 1

    @property
    def regressions(self) -> tuple[Row, ...]:
        """Figures that are worse beyond noise."""
        return tuple(row for row in self.rows if row.verdict == "worse")

    @property
    def method(self) -> str:
        """How the noise between runs is known."""
        if self.earlier >= ENOUGH:
            return f"noise: a 95 % prediction interval from {self.earlier} earlier runs"
        return (
            f"noise: a factor of {RUN_TO_RUN:g}, seen between runs of the same code; name {ENOUGH} or more earlier "
            "runs and it is measured"
        )


COLUMNS = {
    "name": "what was measured",
    "unit": "documents/s (more is better) or ms (less is better)",
    "before": "earlier run: mean, or median, with 95 % interval; of several runs their geometric mean and range",
    "after": "last run",
    "change": "last against earlier",
    "noise": "changes up to this say nothing",
    "verdict": "better, worse, or no difference shown: intervals overlap, or the change is within the noise or the "
    "host's own drift",
}


def compare(*runs: Mapping[str, Any]) -> RunComparison:
    """Compare the facts that phase 03 left in the last of `runs` with those of the earlier ones.

    Raises UsageError where a run holds no benchmarks, where the environments are unlike, naming what differs, and where
    the host was faster or slower by more than SAME_HOST, naming the factor: nobody can tell then what the change is of.
    """
    if len(runs) < 2:
        raise UsageError("a comparison takes two runs or more")
    for number, facts in enumerate(runs, 1):
        if not facts.get("rates_by_round") or not facts.get("environment"):
            raise UsageError(
                f"run {number} holds no benchmarks: its phase 03 tells why, such as that nobody approved them"
            )
    *earlier, last = runs
    for facts in earlier:
        differing = unlike(facts["environment"], last["environment"])
        if differing:
            raise UsageError("the environments are unlike, so a comparison would say nothing: " + "; ".join(differing))
    for number, facts in enumerate(earlier, 1):
        _refuse_unlike_hosts(f"run {number}" if len(earlier) > 1 else "the earlier run", _drift([facts], last))
    drift = _drift(earlier, last)
    figures = [_figures(facts) for facts in runs]
    rows = [
        _row(name, unit, [one[name, unit] for one in figures[:-1]], figures[-1][name, unit], drift)
        for name, unit in figures[-1]
        if all((name, unit) in one for one in figures)
    ]
    return RunComparison(rows=tuple(rows), earlier=len(earlier))


def unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two environments, one line each."""
    names = [name for name in {**before, **after} if name not in IGNORED]
    return [
        f"{name}: {before.get(name)} and {after.get(name)}" for name in names if before.get(name) != after.get(name)
    ]


def _drift(earlier: Sequence[Mapping[str, Any]], last: Mapping[str, Any]) -> float | None:
    before = [second for facts in earlier for second in facts.get("canary_seconds") or ()]
    after = last.get("canary_seconds")
    return statistics.mean(after) / statistics.mean(before) if before and after else None


def _refuse_unlike_hosts(which: str, drift: float | None) -> None:
    if drift is None or 1 / SAME_HOST <= drift <= SAME_HOST:
        return
    factor, word = (drift, "slower") if drift > 1 else (1 / drift, "faster")
    raise UsageError(
        f"not comparable: the host was {factor:.1f} times {word} than in {which}, by constant work that touches no "
        f"server (limit {SAME_HOST:g}); run again when the host is as quiet as it was"
    )


def _figures(facts: Mapping[str, Any]) -> dict[tuple[str, str], Figure]:
    """Every figure of a run by name and unit."""
    found: dict[tuple[str, str], Figure] = {}
    for name, rates in facts["rates_by_round"].items():
        rate = interval(rates)
        if rate.low is not None and rate.high is not None and rate.middle > 0:
            found[name, "documents/s"] = (rate.low, rate.middle, rate.high)
    for name, text in (facts.get("histograms") or {}).items():
        median = Latencies.decoded(text).percentile_interval(50)
        if median is not None and median[1] > 0:
            found[f"{name}, median", "ms"] = median
    return found


def _row(name: str, unit: str, earlier: Sequence[Figure], last: Figure, drift: float | None) -> Row:
    logs = [math.log(value) for _, value, _ in earlier]
    ratio = last[1] / math.exp(statistics.mean(logs))
    noise = _noise(logs)
    apart = len(earlier) >= ENOUGH or all(last[0] > one[2] or last[2] < one[0] for one in earlier)
    beyond = abs(math.log(ratio)) > math.log(noise) and not _within(ratio, drift)
    better = (ratio > 1) == (unit == "documents/s")
    digits = 0 if unit == "documents/s" else 3
    return Row(
        name=name, unit=unit, before=_before(earlier, digits), after=_told(last, digits),
        change=f"{100 * (ratio - 1):+.0f} %", noise=f"{100 * (1 / noise - 1):+.0f} to {100 * (noise - 1):+.0f} %",
        verdict="no difference shown" if not (apart and beyond) else "better" if better else "worse",
    )  # fmt: skip


def _noise(logs: Sequence[float]) -> float:
    """Factor within which 95 % of further runs of the same would lie, around the geometric mean of the earlier ones."""
    count = len(logs)
    if count < ENOUGH:
        return RUN_TO_RUN
    return math.exp(student(count) * statistics.stdev(logs) * (1 + 1 / count) ** 0.5)


def _within(ratio: float, drift: float | None) -> bool:
    """Whether a change is no larger than what the host alone did."""
    return drift is not None and abs(math.log(ratio)) <= abs(math.log(drift))


def _before(earlier: Sequence[Figure], digits: int) -> str:
    if len(earlier) == 1:
        return _told(earlier[0], digits)
    values = [value for _, value, _ in earlier]
    return _told((min(values), statistics.geometric_mean(values), max(values)), digits)


def _told(found: Figure, digits: int) -> str:
    return f"{found[1]:,.{digits}f} ({found[0]:,.{digits}f} to {found[2]:,.{digits}f})"
