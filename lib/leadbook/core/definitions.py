"""What is checked, as data: `catalogue/*.yaml` holds each check's stable id, target, limits, owner and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from leadbook.core.errors import LeadbookError, did_you_mean
from leadbook.core.settings import Settings

OWNERS = ("Technical Lead", "DBA", "Project Manager")
"""Who has to do what a check asks for."""

APIS = {"atlas": "atlas_project", "n8n": "n8n_url"}
"""What may stand in `measured_by`, and the parameter that configures it."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda measured, target: measured >= target,
    ">": lambda measured, target: measured > target,
    "<=": lambda measured, target: measured <= target,
    "<": lambda measured, target: measured < target,
    "==": lambda measured, target: measured == target,
    "within": lambda measured, target: target[0] <= measured <= target[1],
    "true": lambda measured, target: measured is True,
}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One entry of the catalogue.

    id: stable, `AREA-TOPIC-NNN`.  phase: `01` to `09`.  steps: numbers of the task book's steps it answers.
    compare: `>=`, `>`, `<=`, `<`, `==`, `within` (both ends given) or `true`.
    target: a literal, or the name of a settings key (`target_…`).
    kind: `measured` or `attestation`.  production_only: `not applicable` on rehearsal and ci.
    critical: beyond it a check that may warn fails.  computed: how code finds the target, where the catalogue's is an
    example only.  warns: `always`, or on `rehearsal`, a value beyond the target warns instead of failing.
    may_warn: the same where code decides (a value within the target that an expert would still look at).
    may_not_apply: where, besides `production_only`, it does not apply.  timed: a yes or no about times.
    source: where the rule or threshold comes from.  remedy: what to do when it fails.
    owner: who must do it, one of OWNERS.  follows: checks that this one only follows from.  acceptable: whether
    somebody may accept the risk that it blocks; never for lost or doubled leads.
    needs: rights of the DBA's user (see `rights`) without which it cannot be measured.
    measured_by: the API by which it is measured where that is configured; else somebody attests it.
    mongosh, redis_cli: how to ask the same by hand, `{database}` and other names not filled in yet (`page.by_hand`).
    by_hand: what to know before it is pasted, and where the task book's own command is wrong.
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
    timed: bool = False
    source: str = ""
    remedy: str = ""
    owner: str = "DBA"
    acceptable: bool = True
    follows: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    measured_by: str = ""
    mongosh: str = ""
    redis_cli: str = ""
    by_hand: str = ""

    def has_api(self, settings: Settings) -> bool:
        """Whether these settings configure the API that shows what else somebody attests."""
        return bool(self.measured_by) and bool(getattr(settings, APIS[self.measured_by]))

    def limit(self, settings: Settings | None, given: Any = None) -> Any:
        """The target in force: `given` or the catalogue's, a settings key replaced by its value, `{key}` in a text too.

        Raises LeadbookError where that takes settings and there are none.
        """
        target = self.target if given is None else given
        if isinstance(target, str) and target.startswith("target_"):
            if settings is None:
                raise LeadbookError(f"check {self.id} needs settings: its target is the parameter {target}")
            return getattr(settings, target)
        if isinstance(target, str) and settings is not None:
            return re.sub(r"\{(\w+)\}", lambda name: str(getattr(settings, name[1])), target)
        return target

    def told(self, limit: Any) -> str:
        """A limit for people: `>= 1000.0 documents/s`, `yes`."""
        if self.compare == "true":
            return "yes"
        if self.compare == "within":
            return f"{limit[0]} to {limit[1]} {self.unit}".rstrip()
        return f"{self.compare} {limit}".removeprefix("== ") + f" {self.unit}".rstrip()

    def holds(self, measured: Any, limit: Any) -> bool:
        """Whether a value is within a limit. Raises TypeError where the two cannot be compared."""
        return bool(_COMPARE[self.compare](measured, limit))

    def lenient(self, measured: Any, settings: Settings | None, *ways: str) -> bool:
        """Whether a value beyond its target only warns: by `ways` (`warns`, `may_warn`), and not beyond `critical`."""
        allowed = "always" in ways or ("rehearsal" in ways and settings is not None and settings.is_rehearsal)
        return allowed and (self.critical is None or self.holds(measured, self.critical))


@cache
def catalogue() -> dict[str, Definition]:
    """All definitions by id, in the order of the files. Raises LeadbookError for a doubled id or an unknown key."""
    definitions: dict[str, Definition] = {}
    for path in sorted((Path(__file__).parent / "catalogue").glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            lists = {name: tuple(entry.get(name, ())) for name in ("steps", "follows", "needs")}
            made = Definition(**{**entry, **lists})
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


def expected(phase: str) -> list[Definition]:
    """The definitions of one phase."""
    return [entry for entry in catalogue().values() if entry.phase == phase]
