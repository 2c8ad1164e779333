"""What an API shows is measured; what it does not show, somebody attests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from leadbook.core.checks import Check, Unmeasured, Verdict, judge
from leadbook.core.definitions import APIS, definition
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.phases.attestations import attest, in_force
from leadbook.phases.judging import Finding, attempt
from leadbook.phases.section import Section

SERVICES = {"atlas": "Atlas' API", "n8n": "n8n's API"}
"""By `measured_by` of the catalogue."""


@dataclass(frozen=True)
class AlsoAttested:
    """In place of a value: what the API shows is in order (`said`), and the rest only a person can see."""

    said: str


def by_api(questions: Mapping[str, Callable[[], Finding]], settings: Settings) -> tuple[Check, ...]:
    """A check for each id: measured where its API is configured and answers `ask()`, else attested."""
    return tuple(measured_or_attested(check_id, settings, ask) for check_id, ask in questions.items())


def with_api(section: Section, questions: Mapping[str, Callable[[], Finding]], settings: Settings) -> Section:
    """`section` with these checks: measured where their API is configured, else among what it leaves to a person."""
    asked = {check_id: ask for check_id, ask in questions.items() if definition(check_id).has_api(settings)}
    left = (check_id for check_id in questions if check_id not in asked)
    checks = (*section.checks, *by_api(asked, settings))
    return replace(section, checks=checks, attested=(*section.attested, *left))


def measured_or_attested(check_id: str, settings: Settings, ask: Callable[[], Finding]) -> Check:
    """What `ask()` finds, judged; a person's word cannot outvote it.

    Where the API is not configured (then it is not asked) it is attested. Where the API denies, is away or has no
    answer (Unmeasured, or any LeadbookError or OSError) an attestation counts; without one it is not measured.
    """
    entry = definition(check_id)
    if not entry.has_api(settings) or (settings.is_rehearsal and entry.production_only):
        return attest(check_id, *in_force(settings), settings)
    value, evidence = answered(ask, entry.measured_by)
    if isinstance(value, AlsoAttested):
        signed = attest(check_id, *in_force(settings), settings)
        return replace(signed, evidence=f"{SERVICES[entry.measured_by]}: {value.said}; the rest: {signed.evidence}")
    if isinstance(value, Unmeasured):
        return _else_attested(check_id, value, settings)
    return judge(check_id, value, settings=settings, evidence=as_told(entry.measured_by, evidence))


def as_told(api: str, evidence: str) -> str:
    """What an API (`atlas`, `n8n`) showed, and that it was the API that did."""
    return f"{SERVICES[api]}: {evidence}" if evidence else ""


def answered(ask: Callable[[], Finding], api: str) -> Finding:
    """What `ask()` finds; Unmeasured where the API (`atlas`, `n8n`) denies or is away."""
    found = attempt(ask)
    value, evidence = found if isinstance(found, tuple) else (found, "")
    if isinstance(value, LeadbookError | OSError):
        value = Unmeasured(str(value), f"mend what {SERVICES[api]} says")
    return value, evidence


def _else_attested(check_id: str, missing: Unmeasured, settings: Settings) -> Check:
    signed, service = attest(check_id, *in_force(settings), settings), SERVICES[definition(check_id).measured_by]
    if signed.verdict is Verdict.PASS:
        return replace(signed, evidence=f"{signed.evidence}; {service} does not show it: {missing.why}")
    first = f"{missing.remedy}, or " if missing.remedy else ""
    problem = "" if signed.evidence.startswith("nobody") else f"; {signed.evidence}"
    remedy = f"{first}attest it: {signed.remedy}"
    return judge(check_id, Unmeasured(f"{service}: {missing.why}{problem}", remedy), settings=settings)


def not_asked(api: str) -> str:
    """Why a check that only an API answers does not apply where that is not configured."""
    return f"{SERVICES[api]} is not asked: the parameter {APIS[api]} is empty"
