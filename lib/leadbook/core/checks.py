"""Checks: what was measured, against which target, with what evidence and remedy; and the gate over them.

What is checked and against which limit stands in `definitions`. "Could not measure" is never a pass: None and NaN
become `not measured`, an exception becomes `error`.
"""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from leadbook.core import write_errors
from leadbook.core.definitions import Definition, definition, expected
from leadbook.core.settings import Settings

LIVE = "08"
"""The phase that looks at a sprint while it goes on."""
MEND = "mend what the evidence names, then run the section again"
"""What to do where there is no value: the catalogue's remedy is for a value beyond its target."""


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

WORST_FIRST = (
    Verdict.FAIL, Verdict.ERROR, Verdict.NOT_MEASURED, Verdict.MANUAL, Verdict.WARN, Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)  # fmt: skip
"""The order in which people are shown verdicts."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding. `measured` is a plain number, text, bool or None; `target` is text for people.

    accepted: who accepts that it blocks, when, why and until when; empty where nobody does (see `attestations`).
    """

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
    accepted: str = ""
    taken_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready mapping; `from_dict` is its inverse."""
        return {**asdict(self), "verdict": self.verdict.value, "steps": list(self.steps)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Check:
        """The check that `as_dict` wrote."""
        return cls(**{**values, "verdict": Verdict(values["verdict"]), "steps": tuple(values["steps"])})


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
    check_id: str, measured: Any, *, settings: Settings | None = None, target: Any = None, evidence: str = "",
    remedy: str = "",
) -> Check:  # fmt: skip
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
    limit, value = entry.limit(settings, target), plain(measured)
    if value is None:
        return _make(entry, Verdict.NOT_MEASURED, None, limit, evidence or "no value was obtained", remedy)
    try:
        if entry.holds(value, limit):
            verdict = Verdict.PASS
        else:
            verdict = Verdict.WARN if entry.lenient(value, settings, entry.warns) else Verdict.FAIL
    except TypeError:
        verdict, evidence = Verdict.ERROR, f"{value!r} cannot be compared with {limit!r}. {evidence}".strip()
    return _make(entry, verdict, value, limit, evidence, remedy)


def _make(entry: Definition, verdict: Verdict, measured: Any, limit: Any, evidence: str, remedy: str = "") -> Check:
    if verdict in (Verdict.NOT_MEASURED, Verdict.ERROR):
        remedy = remedy or MEND
    return Check(
        id=entry.id, title=entry.title, phase=entry.phase, steps=entry.steps, verdict=verdict,
        target=entry.told(plain(limit)), measured=plain(measured), unit=entry.unit, evidence=evidence,
        remedy=remedy or entry.remedy, source=entry.source, kind=entry.kind,
    )  # fmt: skip


def _without_value(check_id: str, verdict: Verdict, why: str, settings: Settings | None, remedy: str = "") -> Check:
    entry = definition(check_id)
    return _make(entry, verdict, None, entry.limit(settings) if settings else entry.target, why, remedy)


def warned(check_id: str, measured: Any, *, evidence: str, settings: Settings | None = None, target: Any = None,
           remedy: str = "") -> Check:  # fmt: skip
    """Works, but an expert would change it: does not forbid GO, unless the value is beyond the critical one."""
    entry, value = definition(check_id), plain(measured)
    verdict = Verdict.WARN if value is None or entry.lenient(value, settings, "always") else Verdict.FAIL
    return _make(entry, verdict, measured, entry.limit(settings, target), evidence, remedy)


def not_measured(check_id: str, why: str, *, settings: Settings | None = None, remedy: str = "") -> Check:
    """Could not be measured, and why. Never a pass."""
    return _without_value(check_id, Verdict.NOT_MEASURED, why, settings, remedy)


def errored(check_id: str, error: BaseException, *, settings: Settings | None = None, remedy: str = "") -> Check:
    """Measuring raised `error`."""
    return _without_value(check_id, Verdict.ERROR, write_errors.described(error), settings, remedy)


def not_applicable(check_id: str, why: str, *, settings: Settings | None = None) -> Check:
    """Does not apply here, and why (on rehearsal: what only a production cluster can show)."""
    return _without_value(check_id, Verdict.NOT_APPLICABLE, why, settings)


def manual(check_id: str, why: str, *, remedy: str = "") -> Check:
    """Only a person can see this, and nobody's word for it counts (see `attestations`). Never a pass."""
    return _without_value(check_id, Verdict.MANUAL, why, None, remedy)


def attested(check_id: str, evidence: str) -> Check:
    """A person has seen this, and says who, when and what."""
    return _make(definition(check_id), Verdict.PASS, "attested", True, evidence)


def unrecorded(phase: str, checks: Iterable[Check]) -> list[str]:
    """Ids of the phase's checks, by the catalogue, that are not among `checks`."""
    recorded = {check.id for check in checks}
    return [entry.id for entry in expected(phase) if entry.id not in recorded]


def tally(checks: Iterable[Check]) -> dict[str, int]:
    """How many checks have each verdict, in the enum's order, zeros left out."""
    counts = Counter(check.verdict for check in checks)
    return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}


def blockers(checks: Iterable[Check]) -> list[Check]:
    """Checks that forbid GO: those that block and that nobody has accepted."""
    return [check for check in checks if check.verdict in BLOCKING and not check.accepted]


def failed(checks: Iterable[Check]) -> list[Check]:
    """Checks whose value is beyond its target, or whose question raised an error."""
    return [check for check in checks if check.verdict in (Verdict.FAIL, Verdict.ERROR)]


def only_calls_for_a_look(phase: str, blocking: Iterable[Check]) -> bool:
    """Whether what blocks elsewhere does not here: in LIVE, what could not be seen does not stop a sprint."""
    return phase == LIVE and not failed(blocking)


def accepted(checks: Iterable[Check]) -> list[Check]:
    """Checks that would forbid GO, and whose risk somebody has accepted."""
    return [check for check in checks if check.verdict in BLOCKING and check.accepted]
