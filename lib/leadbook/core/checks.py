"""Checks: what was measured, against which target, with what evidence and remedy; and the gate over them.

A check's definition (its stable id, the steps of the task book it answers, its target) is data: `catalogue/*.yaml`.
"Could not measure" is never a pass: None and NaN become `not measured`, an exception becomes `error`.
"""

from __future__ import annotations

import math
import numbers
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from leadbook.core.errors import LeadbookError, did_you_mean

__all__ = [
    "BLOCKING",
    "Check",
    "Definition",
    "Doubtful",
    "Inapplicable",
    "Unmeasured",
    "Verdict",
    "attested",
    "blockers",
    "catalogue",
    "definition",
    "errored",
    "judge",
    "manual",
    "not_applicable",
    "not_measured",
    "objection",
    "plain",
    "tally",
    "unrecorded",
    "warned",
]


class Verdict(StrEnum):
    """What a check found."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    NOT_MEASURED = "not measured"
    MANUAL = "manual"
    NOT_APPLICABLE = "not applicable"


BLOCKING = frozenset({Verdict.FAIL, Verdict.ERROR, Verdict.NOT_MEASURED, Verdict.MANUAL})
"""Verdicts that forbid GO. `manual` means: a person must attest it and has not."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One entry of the catalogue.

    id: stable, `AREA-TOPIC-NNN`.  phase: `01` to `09`.  steps: numbers of the task book's steps it answers.
    compare: `>=`, `>`, `<=`, `<`, `==` or `true`.  target: a literal, or the name of a settings key (`target_…`).
    kind: `measured` or `attestation`.  production_only: `not applicable` on rehearsal and ci.
    critical: beyond it a check that may warn fails.  computed: how code finds the target, where the catalogue's is an
    example only.  warns: `always`, or on `rehearsal`, a value beyond the target warns instead of failing.
    may_warn: the same where code decides (a value within the target that an expert would still look at).
    may_not_apply: where, besides `production_only`, it does not apply.
    source: where the rule or threshold comes from.  remedy: what to do when it fails.
    owner: who must do it: DBA, Technical Lead or Project Manager.  follows: checks that this one only follows from.
    """

    id: str
    title: str
    phase: str
    steps: tuple[str, ...]
    compare: str = "true"
    target: Any = True
    unit: str = ""
    kind: str = "measured"
    production_only: bool = False
    critical: float | None = None
    computed: str = ""
    warns: str = ""
    may_warn: str = ""
    may_not_apply: str = ""
    source: str = ""
    remedy: str = ""
    owner: str = "DBA"
    follows: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding. `measured` is a plain number, text, bool or None; `target` is text for people."""

    id: str
    title: str
    phase: str
    steps: tuple[str, ...]
    verdict: Verdict
    target: str
    measured: Any
    unit: str
    evidence: str
    remedy: str
    source: str = ""
    kind: str = "measured"
    taken_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready mapping; `from_dict` is its inverse."""
        return {**asdict(self), "verdict": self.verdict.value, "steps": list(self.steps)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Check:
        """The check that `as_dict` wrote."""
        return cls(**{**values, "verdict": Verdict(values["verdict"]), "steps": tuple(values["steps"])})


@cache
def catalogue() -> dict[str, Definition]:
    """All definitions by id, in the order of the files. Raises LeadbookError for a doubled id or an unknown key."""
    definitions: dict[str, Definition] = {}
    for path in sorted((Path(__file__).parent / "catalogue").glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            made = Definition(**{**entry, "steps": tuple(entry["steps"]), "follows": tuple(entry.get("follows", ()))})
            if made.id in definitions:
                raise LeadbookError(f"{path.name}: check id {made.id} is defined twice")
            definitions[made.id] = made
    return definitions


def definition(check_id: str) -> Definition:
    """The catalogue's entry. Raises LeadbookError for an unknown id."""
    known = catalogue()
    if check_id not in known:
        raise LeadbookError(f"check {check_id!r} is not in the catalogue; {did_you_mean(check_id, known)}")
    return known[check_id]


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy scalars become Python's, NaN and infinity become None."""
    if value is None or isinstance(value, str | bool):
        return value
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda measured, target: measured >= target,
    ">": lambda measured, target: measured > target,
    "<=": lambda measured, target: measured <= target,
    "<": lambda measured, target: measured < target,
    "==": lambda measured, target: measured == target,
    "true": lambda measured, target: measured is True,
}


def _target_text(entry: Definition, target: Any) -> str:
    if entry.compare == "true":
        return "yes"
    return f"{entry.compare} {plain(target)}".removeprefix("== ") + f" {entry.unit}".rstrip()


def _make(entry: Definition, verdict: Verdict, measured: Any, target: Any, evidence: str, remedy: str) -> Check:
    return Check(
        id=entry.id, title=entry.title, phase=entry.phase, steps=entry.steps, verdict=verdict,
        target=_target_text(entry, target), measured=plain(measured), unit=entry.unit, evidence=evidence,
        remedy=remedy or entry.remedy, source=entry.source, kind=entry.kind,
    )  # fmt: skip


def _resolve(entry: Definition, target: Any, settings: Any) -> Any:
    if target is None:
        target = entry.target
    if isinstance(target, str) and target.startswith("target_"):
        if settings is None:
            raise LeadbookError(f"check {entry.id} needs settings: its target is the parameter {target}")
        target = getattr(settings, target)
    elif isinstance(target, str) and settings is not None:
        target = re.sub(r"\{(\w+)\}", lambda name: str(getattr(settings, name[1])), target)
    return target


@dataclass(frozen=True)
class Unmeasured:
    """In place of a value: why there is none, and what to do that there is one."""

    why: str
    remedy: str = ""


@dataclass(frozen=True)
class Inapplicable:
    """In place of a value: why the check does not apply here."""

    why: str


@dataclass(frozen=True)
class Doubtful:
    """A value that an expert would look at, within its target or not: a warning."""

    value: Any


def judge(
    check_id: str, measured: Any, *, settings: Any = None, target: Any = None, evidence: str = "", remedy: str = ""
) -> Check:
    """A check whose verdict follows from `measured` and the catalogue's rule.

    `target` overrides the catalogue's. None and NaN give `not measured`; a type that cannot be compared gives `error`.
    `measured` may also be an Unmeasured, Inapplicable or Doubtful, or the exception that measuring raised, so that a
    check is judged in one place whatever became of it.
    """
    match measured:
        case Unmeasured(why, how):
            return not_measured(check_id, why, settings=settings, remedy=how or remedy)
        case Inapplicable(why):
            return not_applicable(check_id, why, settings=settings)
        case Doubtful(value):
            return warned(check_id, value, settings=settings, target=target, evidence=evidence, remedy=remedy)
        case BaseException():
            return errored(check_id, measured, settings=settings, remedy=remedy)
    entry = definition(check_id)
    target = _resolve(entry, target, settings)
    value = plain(measured)
    if value is None:
        return _make(entry, Verdict.NOT_MEASURED, None, target, evidence or "no value was obtained", remedy)
    try:
        verdict = Verdict.PASS if _COMPARE[entry.compare](value, target) else _missed(entry, value, settings)
    except TypeError:
        verdict, evidence = Verdict.ERROR, f"{value!r} cannot be compared with {target!r}. {evidence}".strip()
    return _make(entry, verdict, value, target, evidence, remedy)


def _missed(entry: Definition, value: Any, settings: Any) -> Verdict:
    """What a value beyond its target comes to: a warning where the catalogue lets it warn and it is not critical."""
    warns = entry.warns == "always" or (entry.warns == "rehearsal" and settings is not None and settings.is_rehearsal)
    if not warns or (entry.critical is not None and not _COMPARE[entry.compare](value, entry.critical)):
        return Verdict.FAIL
    return Verdict.WARN


def warned(check_id: str, measured: Any, *, evidence: str, settings: Any = None, target: Any = None,
           remedy: str = "") -> Check:  # fmt: skip
    """Works, but an expert would change it: does not forbid GO."""
    entry = definition(check_id)
    return _make(entry, Verdict.WARN, measured, _resolve(entry, target, settings), evidence, remedy)


def not_measured(check_id: str, why: str, *, settings: Any = None, remedy: str = "") -> Check:
    """Could not be measured, and why. Never a pass."""
    entry = definition(check_id)
    return _make(entry, Verdict.NOT_MEASURED, None, _target_or_name(entry, settings), why, remedy)


def errored(check_id: str, error: BaseException, *, settings: Any = None, remedy: str = "") -> Check:
    """Measuring raised `error`."""
    entry = definition(check_id)
    first_line = (str(error).splitlines() or [""])[0]
    for quoted in (" to execute command ", ", full error:"):  # what follows may hold a document
        first_line = first_line.partition(quoted)[0]
    return _make(entry, Verdict.ERROR, None, _target_or_name(entry, settings),
                 f"{type(error).__name__}: {first_line[:300]}", remedy)  # fmt: skip


def not_applicable(check_id: str, why: str, *, settings: Any = None) -> Check:
    """Does not apply here, and why (on rehearsal: what only a production cluster can show)."""
    entry = definition(check_id)
    return _make(entry, Verdict.NOT_APPLICABLE, None, _target_or_name(entry, settings), why, "")


def _target_or_name(entry: Definition, settings: Any) -> Any:
    return entry.target if settings is None else _resolve(entry, None, settings)


def manual(check_id: str, why: str, *, remedy: str = "") -> Check:
    """Only a person can see this, and nobody's word for it counts (see `attestations`). Never a pass."""
    return _make(definition(check_id), Verdict.MANUAL, None, True, why, remedy)


def objection(
    check: Check, settings: Any, attested: Container[str] = (), *, mask: Callable[[str], str] = lambda text: text
) -> str:
    """Why a recorded check cannot be believed; empty when it can: the catalogue defines it, the verdict follows.

    `settings` are the run's own, `attested` the ids in its attestations file; `mask` is what records went through.
    """
    entry = catalogue().get(check.id)
    if entry is None:
        return "it is not in the catalogue"
    for name in ("title", "phase", "steps", "unit", "kind", "source"):
        recorded, defined = getattr(check, name), getattr(entry, name)
        if recorded != (mask(defined) if isinstance(defined, str) else defined):
            return f"its {name} is {recorded!r}, in the catalogue {defined!r}"
    target = _resolve(entry, None, settings)
    limits = (target,) if check.verdict is Verdict.PASS else (entry.critical, target)
    known = {mask(_target_text(entry, one)): one for one in limits if one is not None}
    if check.verdict in (Verdict.NOT_MEASURED, Verdict.ERROR, Verdict.MANUAL, Verdict.NOT_APPLICABLE):
        return "" if check.verdict is not Verdict.NOT_APPLICABLE else _why_it_applies(entry, settings)
    if check.target not in known and not entry.computed:
        return (
            f"its target is {check.target!r}, by the catalogue and the run's parameters {_target_text(entry, target)!r}"
        )
    if entry.kind == "attestation":
        seen = check.verdict is Verdict.PASS and check.measured == "attested" and check.id in attested
        return "" if seen else "only an attestation in the run's attestations file answers it"
    limit = known[check.target] if check.target in known else _told_limit(entry, check.target)
    return _misjudged(entry, check, limit, settings)


def _why_it_applies(entry: Definition, settings: Any) -> str:
    if entry.may_not_apply or (entry.production_only and settings.is_rehearsal):
        return ""
    return f"it is recorded as not applicable, but applies to profile {settings.profile}"


def _told_limit(entry: Definition, text: str) -> Any:
    """The target behind a check's text, where code found it."""
    text = text.removeprefix(f"{entry.compare} ").removesuffix(f" {entry.unit}" if entry.unit else "")
    try:
        return float(text)
    except ValueError:
        return text


def _misjudged(entry: Definition, check: Check, limit: Any, settings: Any) -> str:
    holds = _holds(entry, check.measured, limit)
    told = f"it is recorded as {check.verdict.value} with {check.measured!r} against {check.target!r}"
    if check.verdict is Verdict.PASS:
        return "" if holds else told
    if check.verdict is Verdict.FAIL:
        return told if holds else ""
    ways = {entry.warns, entry.may_warn}
    allowed = "always" in ways or ("rehearsal" in ways and settings.is_rehearsal)
    critical = entry.critical is not None and check.measured is not None
    if holds or (allowed and not (critical and not _holds(entry, check.measured, entry.critical))):
        return ""
    return f"{told}, which fails"


def _holds(entry: Definition, measured: Any, limit: Any) -> bool:
    try:
        return measured is not None and bool(_COMPARE[entry.compare](measured, limit))
    except TypeError:
        return False


def attested(check_id: str, evidence: str) -> Check:
    """A person has seen this, and says who, when and what."""
    return _make(definition(check_id), Verdict.PASS, "attested", True, evidence, "")


def unrecorded(phase: str, checks: Iterable[Check]) -> list[str]:
    """Ids of the phase's checks, by the catalogue, that are not among `checks`."""
    recorded = {check.id for check in checks}
    return [entry.id for entry in catalogue().values() if entry.phase == phase and entry.id not in recorded]


def tally(checks: Iterable[Check]) -> dict[str, int]:
    """How many checks have each verdict, in the enum's order, zeros left out."""
    counts = Counter(check.verdict for check in checks)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}


def blockers(checks: Iterable[Check]) -> list[Check]:
    """Checks that forbid GO."""
    return [check for check in checks if check.verdict in BLOCKING]
