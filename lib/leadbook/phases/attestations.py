"""Attestations: what only a person can see, and when somebody's word for it counts.

    target: lead_generation on cluster0.abcde.mongodb.net
    ATL-BCK-001:
      who: Ada Lovelace
      when: 2026-03-14
      seen: Backup Policy shows daily snapshots that are kept for 8 days, the newest of this morning

It counts for one target, for MAX_AGE_DAYS, and only with words of the person's own. One that does not count leaves its
check `manual`, which blocks, with the reason; only a file that cannot be read at all is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from leadbook.core import addresses, allowed
from leadbook.core.checks import Check, attested, manual, not_applicable
from leadbook.core.definitions import catalogue, definition
from leadbook.core.errors import InputFileError, did_you_mean
from leadbook.core.settings import Settings

MAX_AGE_DAYS = 30
"""Days for which a person's word counts; a choice of this project: a sprint is prepared within a month, and what a
console shows may be changed there by anybody at any time."""
EXAMPLE, EXAMPLE_DAY = "params/attestations.example.yaml", "2026-03-14"
FORM = ("who", "when", "seen")
EARLIEST_DAY = timedelta(hours=14)
"""How far the calendar of the easternmost time zone is ahead of UTC: today there is no day in the future."""
LEAST_WORDS, LEAST_LETTERS = 3, 12
"""Of `seen`: fewer say that somebody looked, not what was seen."""
_EMPTY_WORDS = frozenset({
    "todo", "tbd", "tba", "xxx", "x", "xx", "n/a", "na", "none", "null", "who", "when", "seen", "name", "your",
    "me", "someone", "somebody", "ok", "okay", "yes", "done", "fine", "good", "checked", "test", "foo", "bar",
    "lorem", "ipsum", "fill", "fixme", "example", "placeholder", "sentence", "here", "real", "it", "is", "was",
    "the", "and", "all", "a", "in", "to", "be", "looks", "look", "looked", "everything",
})  # fmt: skip
"""Words that say nothing by themselves."""


@dataclass(frozen=True, kw_only=True)
class AttestedDatabase:
    """What is attested: a database on a cluster. hosts: as the application's address names them."""

    database: str
    hosts: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, uri: str) -> AttestedDatabase:
        """The target of these settings at this address (of MongoDB)."""
        return cls(database=settings.database, hosts=addresses.parse(uri).hosts)

    def __str__(self) -> str:
        return f"{self.database} on {self.hosts[0]}"

    def is_named(self, text: str) -> bool:
        """Whether `DATABASE on HOST` means this target; HOST is any of its hosts, with or without the port."""
        database, _, host = (part.strip() for part in text.partition(" on "))
        names = {spelt.lower() for one in self.hosts for spelt in (one, re.sub(r":\d+$", "", one))}
        return database == self.database and host.lower() in names


@dataclass(frozen=True, kw_only=True)
class Attestations:
    """A file as read. entries: by check id, each with who, when, seen and perhaps a target of its own, all texts.
    target: of the whole file. missing: why there is no file; empty where there is one."""

    path: str = ""
    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    target: str = ""
    missing: str = ""


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
        raise InputFileError(shown, "must map check ids to who, when and seen", line=1, hint=f"see {EXAMPLE}")
    _check_ids(root, shown)
    entries = {
        key: {name: str(text).strip() for name, text in entry.items()} if isinstance(entry, dict) else {}
        for key, entry in values.items()
        if key != "target"
    }
    return Attestations(path=shown, entries=entries, target=str(values.get("target") or "").strip())


def _check_ids(root: yaml.Node | None, shown: str) -> None:
    known = [entry.id for entry in catalogue().values() if entry.kind == "attestation"]
    seen: set[str] = set()
    for key, _ in root.value if root is not None else ():
        line = key.start_mark.line + 1
        if key.value not in (*known, "target"):
            hint = did_you_mean(str(key.value), known) or f"{EXAMPLE} names them all"
            raise InputFileError(shown, f"{key.value} is no check that is attested", line=line, hint=hint)
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
        return manual(check_id, why, remedy=look + (steps if first else f"{steps} in {file}"))
    problem = _problem(found, found.get("target") or attestations.target, target, (entry.title, entry.remedy))
    if problem:
        remedy = f"{look}correct {check_id} in {file}: who, when, seen, for target {target}"
        return manual(check_id, f"an attestation that does not count: {problem}", remedy=remedy)
    return attested(check_id, f"attested by {found['who']} on {found['when']}: {found['seen']}")


def _problem(found: Mapping[str, str], named: str, target: AttestedDatabase, given: tuple[str, ...]) -> str:
    """Why an attestation does not count; empty where it does. `given`: texts of the form, which nobody has seen."""
    lacking = [name for name in FORM if not found.get(name)]
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    if not named:
        return "it names no target, so it may be of another cluster"
    if not target.is_named(named):
        return f"it is for target {named}, and this is {target}"
    if not _own_words(found["who"]):
        return f"{found['who']!r} is nobody's name"
    words = re.findall(r"[^\W\d_]+", found["seen"])
    if found["seen"].strip(" .").casefold() in {text.strip(" .").casefold() for text in given}:
        return "seen repeats the form and does not tell what was seen"
    if len(words) < LEAST_WORDS or sum(map(len, words)) < LEAST_LETTERS or not _own_words(found["seen"]):
        return f"seen is no sentence that tells what was seen: {found['seen']!r}"
    return _date_problem(found["when"])


def _own_words(text: str) -> bool:
    return any(len(word) > 1 and word not in _EMPTY_WORDS for word in re.findall(r"[^\W\d_]+", text.casefold()))


def _date_problem(when: str) -> str:
    try:
        day = datetime.fromisoformat(when).date()
    except ValueError:
        return f"when is no date of the form {EXAMPLE_DAY}: {when!r}"
    now = datetime.now(UTC)
    if day > (now + EARLIEST_DAY).date():
        return f"when lies in the future: {when}"
    age = (now.date() - day).days
    return f"it is {age} days old, more than {MAX_AGE_DAYS}: look again" if age > MAX_AGE_DAYS else ""
