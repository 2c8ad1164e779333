"""Whether a recorded check can be believed: the runner holds it against the catalogue before it counts."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from leadbook.core import definitions
from leadbook.core.checks import BLOCKING, Check, Verdict
from leadbook.core.definitions import Definition
from leadbook.core.settings import Settings

COPIED = ("title", "phase", "steps", "unit", "kind", "source")
"""What a check repeats of its definition."""
NOBODY: Mapping[str, str] = {}


def objection(
    check: Check, settings: Settings, attested: Container[str] = (), accepted: Mapping[str, str] = NOBODY, *,
    mask: Callable[[str], str] = lambda text: text,
) -> str:  # fmt: skip
    """Why a recorded check cannot be believed; empty when it can: the catalogue defines it, the verdict follows.

    `settings` are the run's own, `attested` the ids in its attestations file, `accepted` the risks there, each with the
    words that a check must repeat; `mask` is what records went through.
    """
    entry = definitions.catalogue().get(check.id)
    if entry is None:
        return "it is not in the catalogue"
    for name in COPIED:
        recorded, defined = getattr(check, name), getattr(entry, name)
        if recorded != (mask(defined) if isinstance(defined, str) else defined):
            return f"its {name} is {recorded!r}, in the catalogue {defined!r}"
    if check.accepted and (check.verdict not in BLOCKING or check.accepted != mask(accepted.get(check.id, ""))):
        return f"its risk is {check.accepted!r}, and the run's attestations file does not say so"
    if check.verdict in (Verdict.NOT_MEASURED, Verdict.ERROR, Verdict.MANUAL):
        return ""
    if check.verdict is Verdict.NOT_APPLICABLE:
        applies = not (entry.may_not_apply or (entry.production_only and settings.is_rehearsal))
        return f"it is recorded as not applicable, but applies to profile {settings.profile}" if applies else ""
    target = entry.limit(settings)
    limits = (target,) if check.verdict is Verdict.PASS else (entry.critical, target)
    known = {mask(entry.told(one)): one for one in limits if one is not None}
    if check.target not in known and not entry.computed:
        return f"its target is {check.target!r}, by the catalogue and the run's parameters {entry.told(target)!r}"
    if entry.kind == "attestation" and (check.measured == "attested" or not entry.has_api(settings)):
        seen = check.verdict is Verdict.PASS and check.measured == "attested" and check.id in attested
        return "" if seen else "only an attestation in the run's attestations file answers it"
    limit = known[check.target] if check.target in known else _told_limit(entry, check.target)
    if _follows(entry, check, limit, settings):
        return ""
    told = f"it is recorded as {check.verdict.value} with {check.measured!r} against {check.target!r}"
    return f"{told}, which fails" if check.verdict is Verdict.WARN else told


def _told_limit(entry: Definition, text: str) -> Any:
    """The target behind a check's text, where code found it."""
    text = text.removeprefix(f"{entry.compare} ").removesuffix(f" {entry.unit}" if entry.unit else "")
    try:
        return float(text)
    except ValueError:
        return text


def _follows(entry: Definition, check: Check, limit: Any, settings: Settings) -> bool:
    """Whether pass, warn or fail follows from the measured value."""
    try:
        holds = check.measured is not None and entry.holds(check.measured, limit)
    except TypeError:
        holds = False
    if check.verdict is Verdict.WARN:
        try:
            return holds or entry.lenient(check.measured, settings, entry.warns, entry.may_warn)
        except TypeError:
            return check.measured is None
    return holds is (check.verdict is Verdict.PASS)
