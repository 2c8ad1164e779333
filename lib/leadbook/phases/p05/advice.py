"""Advice with evidence: which parameter to set, the effect measured, or why to leave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadbook.core.settings import Settings
from leadbook.load.openloop import RateStep, knee
from leadbook.load.tuning import SettingTrial
from leadbook.measure.intervals import difference


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One parameter. proposed: None where it should stay.  effect: as measured, or `no difference shown`.

    in_profile: whether the parameter is a key of the profile, so that `tune` can set it.
    """

    parameter: str
    current: Any
    proposed: Any
    effect: str
    evidence: str
    in_profile: bool = True

    @property
    def changes(self) -> bool:
        """Whether something should be set."""
        return self.proposed is not None and self.proposed != self.current


def advise(
    settings: Settings, benchmarks: Mapping[str, Any], trials: Iterable[SettingTrial], steps: Sequence[RateStep]
) -> list[Advice]:
    """Batch size, writers, write concern, pools, indexes, cache. benchmarks: facts of phase 03, {} without it.

    A change is proposed only where a difference was shown.
    """
    found = [batch_size(settings, benchmarks), _write_concern(settings, benchmarks), *map(_of_trial, trials)]
    found += [max_pool(settings, benchmarks), _rate(steps), *_indexes(settings, benchmarks)]
    return [one for one in found if one is not None]


def batch_size(settings: Settings, benchmarks: Mapping[str, Any]) -> Advice | None:
    """Phase 03's decision on the batch size: the one source of every recommendation on it.

    None where it made none, or made it for another size than the one set.
    """
    decided: Mapping[str, Any] = benchmarks.get("batch_size_decision") or {}
    current = settings.batch_size
    if decided.get("configured") != current:
        return None
    proposed, best, effect = decided["proposed"], decided["best"], decided["effect"]
    beside = decided["measured"]
    fastest = best == beside
    compared = f"{best} is the fastest size" if fastest else f"{best} against {beside} documents a call: {effect}"
    return Advice(
        parameter="batch_size",
        current=current,
        proposed=proposed if proposed != current else None,
        effect=effect,
        evidence=f"{compared} (phase 03)",
    )


def _write_concern(settings: Settings, benchmarks: Mapping[str, Any]) -> Advice | None:
    rates: Mapping[str, list[float]] = benchmarks.get("rates_by_concern") or {}
    safe, loose = rates.get("majority"), rates.get("w: 1, j: false")
    if safe is None or loose is None:
        return None
    effect = difference(safe, loose)
    evidence = (
        f"majority {effect.before.text('documents/s')}; w: 1, j: false {effect.after.text('documents/s')}: "
        f"{effect.text()} (phase 03). Below majority a failover can undo acknowledged leads"
    )
    return Advice(
        parameter="write_concern",
        current=settings.write_concern,
        proposed=None if settings.write_concern == "majority" else "majority",
        effect=effect.text(),
        evidence=evidence,
    )


def _of_trial(trial: SettingTrial) -> Advice:
    before, after = trial.measured
    evidence = f"{trial.before}: {before} {trial.unit}; {trial.after}: {after}"
    if trial.in_use:
        evidence += f"; the pipeline asks by {trial.after} already"
    return Advice(
        parameter=trial.parameter,
        current=trial.after if trial.in_use else trial.before,
        proposed=trial.after if trial.improved and not trial.in_use else None,
        effect=f"{trial.told} {trial.unit}" if "→" in trial.told else trial.told,
        evidence=evidence,
        in_profile=trial.parameter in Settings.model_fields,
    )


def max_pool(settings: Settings, benchmarks: Mapping[str, Any]) -> Advice | None:
    """Whether the pool has a connection for every thread that phase 03 ran; None where it measured no pool."""
    pools = [one for one in benchmarks.get("pools") or () if str(one.get("pool", "")).startswith("MongoDB")]
    warm, tight = ([one for one in pools if one["pool"].endswith(state)] for state in ("warm", "saturated"))
    if not warm or not tight:
        return None
    fast, slow = (max(one["worst_ms"] for one in part) for part in (warm, tight))
    most = max(one["threads"] for one in warm)
    evidence = f"slowest check-out {fast} ms with a connection a thread, {slow} ms with a fifth as many (phase 03)"
    return Advice(
        parameter="max_pool_size",
        current=settings.max_pool_size,
        proposed=most if settings.max_pool_size < most else None,
        effect="a connection for every thread that works at once",
        evidence=evidence,
    )


def _rate(steps: Sequence[RateStep]) -> Advice | None:
    bend = knee(steps)
    if bend is None:
        return None
    return Advice(
        parameter="rate of inserts",
        current=None,
        proposed=None,
        in_profile=False,
        effect=f"kept up with {bend.rate:,.0f} documents/s offered ({bend.achieved:,.0f} done), not with the next step",
        evidence="open loop, latency from the intended start; let collectors stay below this rate",
    )


def _indexes(settings: Settings, benchmarks: Mapping[str, Any]) -> list[Advice]:
    return [
        Advice(
            parameter=f"index {one['index']}",
            current="kept",
            proposed="hide it for a sprint",
            in_profile=False,
            effect=one["effect"],
            evidence=f"its keys begin {one['covered_by']}, which answered {one['query']} while it "
            f"was hidden; shell: db.{settings.collection}.hideIndex('{one['index']}')",
        )
        for one in benchmarks.get("hidden_indexes") or ()
        if one["effect"] == "no difference shown"
    ]
