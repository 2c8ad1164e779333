"""Two runs compared: refused where their environments differ, and judged against the noise that was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from leadbook.errors import InputFileError, UsageError
from leadbook.measure.histograms import Latencies
from leadbook.measure.intervals import unpaired

__all__ = ["COLUMNS", "Comparison", "Row", "compare", "compare_runs", "facts_of", "unlike"]

IGNORED = ("profile",)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of both runs. better: `higher` or `lower`.  verdict: better, worse or no difference shown."""

    name: str
    unit: str
    before: str
    after: str
    change: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Result of `compare`. drift: how much the canary, which touches no server, changed (ratio after / before)."""

    rows: tuple[Row, ...]
    drift: float | None

    @property
    def regressions(self) -> tuple[Row, ...]:
        """Figures that are worse beyond noise."""
        return tuple(row for row in self.rows if row.verdict == "worse")

    def frame(self) -> pd.DataFrame:
        """One row a figure; columns as in `COLUMNS`."""
        return pd.DataFrame([vars(row) for row in self.rows], columns=list(COLUMNS))


COLUMNS = {
    "name": "what was measured",
    "unit": "documents/s (more is better) or ms (less is better)",
    "before": "first run: mean, or percentile, with 95 % interval",
    "after": "second run",
    "change": "second against first",
    "verdict": "better, worse, or no difference shown: intervals overlap, or the change is within the host's own drift",
}


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
    """Compare the facts that phase 03 left in two runs.

    Raises UsageError where a run holds no benchmarks, and where the environments are unlike, naming what differs.
    """
    for name, facts in (("first", before), ("second", after)):
        if not facts.get("rates_by_round") or not facts.get("environment"):
            raise UsageError(f"the {name} run holds no benchmarks: phase 03 did not run to its end")
    differing = unlike(before["environment"], after["environment"])
    if differing:
        raise UsageError("the environments are unlike, so a comparison would say nothing: " + "; ".join(differing))
    drift = _drift(before, after)
    rows = (*_rates(before, after, drift), *_latencies(before, after, drift))
    return Comparison(rows=rows, drift=drift)


def compare_runs(first: Path, second: Path) -> Comparison:
    """`compare` for two runs' directories. Raises InputFileError where one holds no record of phase 03."""
    return compare(facts_of(first), facts_of(second))


def unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two environments, one line each."""
    names = [name for name in {**before, **after} if name not in IGNORED]
    return [
        f"{name}: {before.get(name)} and {after.get(name)}" for name in names if before.get(name) != after.get(name)
    ]


def facts_of(run: Path, phase: str = "03") -> dict[str, Any]:
    """Facts that a phase left in a run's directory. Raises InputFileError where there are none."""
    path = run / "records" / f"{phase}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputFileError(path, f"this run has no record of phase {phase}", hint="name a run's directory") from None
    except ValueError as error:
        raise InputFileError(path, f"is not a record: {error}") from None
    return dict(record.get("facts", {}))


def _drift(before: Mapping[str, Any], after: Mapping[str, Any]) -> float | None:
    first, second = before.get("canary_seconds"), after.get("canary_seconds")
    if not first or not second:
        return None
    return float((sum(second) / len(second)) / (sum(first) / len(first)))


def _within(ratio: float, drift: float | None) -> bool:
    """Whether a change is no larger than what the host alone did."""
    return drift is not None and abs(ratio - 1) <= abs(drift - 1)


def _rates(before: Mapping[str, Any], after: Mapping[str, Any], drift: float | None) -> Iterator[Row]:
    for name, first in before["rates_by_round"].items():
        second = after["rates_by_round"].get(name)
        if not second:
            continue
        found = unpaired(first, second)
        verdict = "no difference shown"
        if found.shown and not _within(found.ratio.mean, drift):
            verdict = "better" if found.ratio.mean > 1 else "worse"
        yield Row(
            name=name,
            unit="documents/s",
            before=found.before.text(),
            after=found.after.text(),
            change=f"{100 * (found.ratio.mean - 1):+.0f} %",
            verdict=verdict,
        )


def _latencies(before: Mapping[str, Any], after: Mapping[str, Any], drift: float | None) -> Iterator[Row]:
    for name, text in (before.get("histograms") or {}).items():
        other = (after.get("histograms") or {}).get(name)
        if not other:
            continue
        first, second = Latencies.decoded(text), Latencies.decoded(other)
        one, two = first.percentile_interval(50), second.percentile_interval(50)
        if one is None or two is None:
            continue
        ratio = two[1] / one[1] if one[1] else 1.0
        apart = one[2] < two[0] or two[2] < one[0]
        verdict = "no difference shown"
        if apart and not _within(ratio, drift):
            verdict = "better" if ratio < 1 else "worse"
        yield Row(
            name=f"{name}, median",
            unit="ms",
            before=_told(one),
            after=_told(two),
            change=f"{100 * (ratio - 1):+.0f} %",
            verdict=verdict,
        )


def _told(found: tuple[float, float, float]) -> str:
    return f"{found[1]:.3f} ({found[0]:.3f} to {found[2]:.3f})"
