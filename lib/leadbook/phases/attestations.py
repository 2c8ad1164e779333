"""Attestations: what only a person can see, which risks somebody accepts, and when a person's word counts.

    target: lead_generation on cluster0.abcde.mongodb.net
    ATL-BCK-001:
      who: Ada Lovelace
      when: 2026-03-14
      seen: Backup Policy shows daily snapshots that are kept for 8 days, the newest of this morning
    accepted:
      MDB-HST-001:
        who: Ada Lovelace
        when: 2026-03-14
        until: 2026-03-31
        why: two cores are enough for the trial, the rates of 03 are far beyond their targets

It counts for one target, for `attestation_days`, and only with words of the person's own. One that does not count
leaves its check as it is, which blocks, with the reason; only a file that cannot be read at all is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from leadbook.core import addresses, allowed, files
from leadbook.core.checks import BLOCKING, Check, attested, manual, not_applicable
from leadbook.core.definitions import catalogue, definition
from leadbook.core.errors import InputFileError, did_you_mean
from leadbook.core.settings import Settings

EXAMPLE, EXAMPLE_DAY = "params/attestations.example.yaml", "2026-03-14"
_SEE = f"see {EXAMPLE}"
ACCEPTED = "accepted"
"""Key of the file under which the accepted risks stand."""
LONGEST_RISK_DAYS = 366
"""A risk is accepted for a year at most; a choice of this project."""
SEEN, RISK = ("who", "when", "seen"), ("who", "when", "why", "until")
"""What an attestation holds, and what the acceptance of a risk."""
EARLIEST_DAY = timedelta(hours=14)
"""How far the calendar of the easternmost time zone is ahead of UTC: today there is no day in the future."""
LEAST_WORDS, LEAST_LETTERS = 3, 12
"""Of `seen` and `why`: fewer say that somebody looked, not what was seen, or why."""
_EMPTY_WORDS = frozenset({
    "todo", "tbd", "tba", "xxx", "x", "xx", "n/a", "na", "none", "null", "who", "when", "seen", "name", "your",
    "me", "someone", "somebody", "ok", "okay", "yes", "done", "fine", "good", "checked", "test", "foo", "bar",
    "lorem", "ipsum", "fill", "fixme", "example", "placeholder", "sentence", "here", "real", "it", "is", "was",
    "the", "and", "all", "a", "in", "to", "be", "looks", "look", "looked", "everything",
})  # fmt: skip
"""Words that say nothing by themselves."""


@dataclass(frozen=True, kw_only=True)
class AttestedDatabase:
    """What is attested: a database on a cluster. hosts: as the application's address names them; none where leadbook
    started the servers itself."""

    database: str
    hosts: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, uri: str) -> AttestedDatabase:
        """The target of these settings at this address (of MongoDB)."""
        return cls(database=settings.database, hosts=addresses.parse(uri).hosts)

    def __str__(self) -> str:
        return f"{self.database} on {self.hosts[0] if self.hosts else 'servers that leadbook started'}"

    def is_named(self, text: str) -> bool:
        """Whether `DATABASE on HOST` means this target; HOST is any of its hosts, with or without the port."""
        database, _, host = (part.strip() for part in text.partition(" on "))
        names = {spelt.lower() for one in self.hosts for spelt in (one, re.sub(r":\d+$", "", one))}
        return database == self.database and host.lower() in names


@dataclass(frozen=True, kw_only=True)
class Attestations:
    """A file as read. entries: by check id, each with who, when, seen and perhaps a target of its own, all texts.
    accepted: risks by check id, with who, when, why, until. target: of the whole file. missing: why there is no file;
    empty where there is one."""

    path: str = ""
    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    accepted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    target: str = ""
    missing: str = ""


def in_force(settings: Settings) -> tuple[Attestations, AttestedDatabase]:
    """What the settings' file says, and for which database it must be said. Raises InputFileError."""
    named, uri = settings.attestations_file, os.environ.get(settings.mongodb_uri_env, "").strip()
    target = AttestedDatabase.of(settings, uri) if uri else AttestedDatabase(database=settings.database, hosts=())
    return load(files.project_path(named) if named else None, named), target


def load(path: Path | None, shown: str = "") -> Attestations:
    """Read a file of attestations; None, or no file, is one without entries. `shown` is how people are told of it.

    Raises InputFileError, with the line, for what is no YAML of this form and for an unknown or repeated check id.
    """
    shown = shown or str(path or "")
    if path is None:
        return Attestations(missing="no attestations file is named")
    try:
        text = allowed.text_of(path)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        values: Any = yaml.load(text, Loader=yaml.BaseLoader) or {}  # noqa: S506  it makes nothing but texts
    except FileNotFoundError:
        return Attestations(path=shown, missing=f"{shown} does not exist")
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise InputFileError(shown, f"attestations cannot be read: {problem}") from None
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "cannot be parsed"
        hint = "put a text with a colon or a hash in it into quotes"
        raise InputFileError(shown, f"not YAML: {problem}", line=mark.line + 1 if mark else None, hint=hint) from None
    if not isinstance(values, dict):
        raise InputFileError(shown, "must map check ids to who, when and seen", line=1, hint=_SEE)
    _check_ids(root, shown)
    entries = {key: entry for key, entry in values.items() if key not in ("target", ACCEPTED)}
    return Attestations(
        path=shown, entries=_entries(entries), accepted=_entries(values.get(ACCEPTED) or {}),
        target=str(values.get("target") or "").strip(),
    )  # fmt: skip


def _entries(values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        key: {name: str(text).strip() for name, text in entry.items()} if isinstance(entry, dict) else {}
        for key, entry in values.items()
    }


def _check_ids(root: yaml.Node | None, shown: str) -> None:
    """Raise InputFileError, with the line, for a key that is no check's id, or that stands twice."""
    known = catalogue()
    seen_by_people = [entry.id for entry in known.values() if entry.kind == "attestation"]
    _refuse_keys(root, (*seen_by_people, "target", ACCEPTED), "is no check that is attested", shown)
    risks = next((value for key, value in root.value if key.value == ACCEPTED), None) if root is not None else None
    if isinstance(risks, yaml.MappingNode):
        _refuse_keys(risks, tuple(known), "is no check whose risk can be accepted", shown)
    elif risks is not None and risks.value:
        line = risks.start_mark.line + 1
        raise InputFileError(shown, f"{ACCEPTED} must map check ids to {', '.join(RISK)}", line=line, hint=_SEE)


def _refuse_keys(node: yaml.Node | None, known: tuple[str, ...], fault: str, shown: str) -> None:
    seen: set[str] = set()
    for key, _ in node.value if node is not None else ():
        line = key.start_mark.line + 1
        if key.value not in known:
            hint = did_you_mean(str(key.value), known) or f"{EXAMPLE} names them all"
            raise InputFileError(shown, f"{key.value} {fault}", line=line, hint=hint)
        if key.value in seen:
            raise InputFileError(shown, f"{key.value} stands here twice", line=line, hint="keep one of the two")
        seen.add(key.value)


def attest(check_id: str, attestations: Attestations, target: AttestedDatabase, settings: Settings) -> Check:
    """What only a person can see: passes with an attestation that counts for `target`, else `manual` with the reason.

    On rehearsal a `production_only` check is `not applicable`.
    """
    entry = definition(check_id)
    if settings.is_rehearsal and entry.production_only:
        return not_applicable(check_id, "only a production cluster can show this")
    found = attestations.entries.get(check_id)
    file = attestations.path or "params/attestations.yaml"
    look = f"{entry.remedy or 'look'}; then "
    if found is None:
        why = f"nobody has attested this{': ' if attestations.missing else ''}{attestations.missing}"
        first = f"copy {EXAMPLE} to {file} and " if attestations.missing else ""
        named = "" if attestations.path else f", and name it: attestations_file: {file}"
        steps = f"{first}fill in {check_id} (who, when, seen) for target {target}{named}"
        elsewhere = f"; where there is no such thing, say so under `{ACCEPTED}`"
        return manual(check_id, why, remedy=look + (steps if first else f"{steps} in {file}") + elsewhere)
    given = (entry.title, entry.remedy)
    if problem := _problem(found, SEEN, found.get("target") or attestations.target, target, settings, given):
        remedy = f"{look}correct {check_id} in {file}: who, when, seen, for target {target}"
        return manual(check_id, f"an attestation that does not count: {problem}", remedy=remedy)
    return attested(check_id, f"attested by {found['who']} on {found['when']}: {found['seen']}")


def accept(check: Check, attestations: Attestations, target: AttestedDatabase, settings: Settings) -> Check:
    """`check` as accepted where it blocks and somebody's word for its risk counts; else why that does not count."""
    if check.verdict not in BLOCKING or check.id not in attestations.accepted:
        return check
    text, problem = acceptance(check.id, attestations, target, settings)
    if not problem:
        return replace(check, accepted=text)
    evidence = f"{check.evidence.rstrip('. ')}; an acceptance that does not count: {problem}"
    return replace(check, evidence=evidence.removeprefix("; "))


def acceptance(
    check_id: str, attestations: Attestations, target: AttestedDatabase, settings: Settings
) -> tuple[str, str]:
    """Who accepts the risk of a check that the file names, since when, until when and why; or why that does not
    count."""
    found, entry = attestations.accepted[check_id], definition(check_id)
    if not entry.acceptable:
        return "", "nobody can accept this one"
    given = (entry.title, entry.remedy)
    problem = _problem(found, RISK, found.get("target") or attestations.target, target, settings, given)
    if problem or (problem := _ended(found["until"])):
        return "", problem
    return f"accepted by {found['who']} on {found['when']} until {found['until']}: {found['why']}", ""


def _problem(
    found: Mapping[str, str], form: tuple[str, ...], named: str, target: AttestedDatabase, settings: Settings,
    given: tuple[str, ...],
) -> str:  # fmt: skip
    """Why a person's word does not count; empty where it does. `given`: texts of ours, which are nobody's own words."""
    lacking = [name for name in form if not found.get(name)]
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    if not named:
        return "it names no target, so it may be of another cluster"
    if not target.is_named(named):
        return f"it is for target {named}, and this is {target}"
    if not _own_words(found["who"]):
        return f"{found['who']!r} is nobody's name"
    key, what = form[2], "what was seen" if form == SEEN else "why"
    said = found[key]
    words = re.findall(r"[^\W\d_]+", said)
    if said.strip(" .").casefold() in {text.strip(" .").casefold() for text in given}:
        return f"{key} repeats the form and does not tell {what}"
    if len(words) < LEAST_WORDS or sum(map(len, words)) < LEAST_LETTERS or not _own_words(said):
        return f"{key} is no sentence that tells {what}: {said!r}"
    return _date_problem(found["when"], settings.attestation_days)


def _own_words(text: str) -> bool:
    return any(len(word) > 1 and word not in _EMPTY_WORDS for word in re.findall(r"[^\W\d_]+", text.casefold()))


def _date_problem(when: str, days: int) -> str:
    day = _day(when)
    if day is None:
        return f"when is no date of the form {EXAMPLE_DAY}: {when!r}"
    now = datetime.now(UTC)
    if day > (now + EARLIEST_DAY).date():
        return f"when lies in the future: {when}"
    age = (now.date() - day).days
    return f"it is {age} days old, more than {days}: look again" if age > days else ""


def _ended(until: str) -> str:
    day = _day(until)
    if day is None:
        return f"until is no date of the form {EXAMPLE_DAY}: {until!r}"
    left = (day - datetime.now(UTC).date()).days
    if left > LONGEST_RISK_DAYS:
        return f"until lies {left:,} days ahead, more than {LONGEST_RISK_DAYS}: nobody can say so far ahead"
    return f"it ended on {until}" if left < 0 else ""


def _day(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
