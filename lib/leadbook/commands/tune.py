"""`leadbook tune`: the advice of a finished run, written into a copy of the profile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from leadbook.core import files, write_errors
from leadbook.core.errors import InputFileError, UsageError
from leadbook.core.provenance import facts_of
from leadbook.core.settings import Settings, load_profile
from leadbook.phases.p05.advice import Advice


def from_facts(facts: Mapping[str, Any]) -> list[Advice]:
    """The advice that phase 05 of a run left among its facts. Raises UsageError where it left none."""
    rows = facts.get("advice")
    if not isinstance(rows, list):
        raise UsageError("this run holds no advice: phase 05 did not run to its end")
    return [Advice(**row) for row in rows]


def of_run(run: Path, profile: str) -> list[Advice]:
    """The advice in a run's directory, for a profile of that name: what was measured elsewhere advises nothing here.

    Raises InputFileError (no record of phase 05) or UsageError (no advice, or a run of another profile).
    """
    facts, ran = facts_of(run, "05"), str(files.verify(run).get("profile"))
    if ran != profile:
        raise UsageError(f"{run} is a run of profile {ran}: it says nothing of {profile}; name one of that profile")
    return from_facts(facts)


def tune(profile: Path, advice: Iterable[Advice], out: Path) -> list[Advice]:
    """Write a tuned copy of the profile to `out`: each changed line with a comment, every other line as it was.

    Gives the advice applied. Raises UsageError where `out` is the profile itself or exists, InputFileError where the
    profile cannot be read. The profile is never changed.
    """
    if out.resolve() == profile.resolve():
        raise UsageError(f"{out} is the profile itself; name another file")
    if out.exists():
        raise UsageError(f"{out} exists already; name another file")
    try:
        text = profile.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFileError(profile, write_errors.line(error)) from None
    values = Settings.from_mapping(load_profile(str(profile))).model_dump()
    applied = [one for one in advice if one.in_profile and one.changes and values[one.parameter] != one.proposed]
    for one in applied:
        text = _set(text, one, values[one.parameter])
    Settings.from_mapping(yaml.safe_load(text))
    out.write_text(text, encoding="utf-8")
    return applied


def _set(text: str, one: Advice, old: Any) -> str:
    line = yaml.safe_dump({one.parameter: one.proposed}).strip() + f"  # tuned: was {old}; {one.effect}; {one.evidence}"
    line = line.replace("\n", " ")
    found, count = re.subn(rf"(?m)^{re.escape(one.parameter)}:.*$", lambda _: line, text)
    return found if count else f"{text.rstrip()}\n{line}\n"
