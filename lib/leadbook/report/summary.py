"""A run in a page of Markdown, and as annotations, for CI: read back from its directory, and believed only as it was
left."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadbook.core import files
from leadbook.core.checks import Check, Verdict, failed
from leadbook.core.definitions import catalogue
from leadbook.core.errors import InputFileError
from leadbook.core.redactor import Redactor
from leadbook.lead.masks import mask_people
from leadbook.page.prose import whose_data
from leadbook.report.index import heading, target_text
from leadbook.report.records import RunRecord, read_run
from leadbook.report.verdict import RunVerdict, decide, failures_first, finding

RESULTS = "checks.json"
SHOWN = 20
"""Checks that a table shows; GitHub cuts a summary at 1 MB, and nobody reads further."""
ANNOTATIONS = 10
"""GitHub shows so many errors and so many warnings of a step, and drops the rest without a word."""
_IN_CODE = re.compile(r"[`|@\\]|::|##\[")
"""What ends a code span, or has an effect in one."""
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_MARKUP = re.compile(r"(?<![^\W_])_|_(?![^\W_])|[&<>`*\[\]|~#@!$\\]|:(?=:|//)|(?<=www)\.")


@dataclass(frozen=True, kw_only=True)
class CiSummary:
    """What CI shows of a run. markdown: a page.  annotations: lines that GitHub takes for errors and warnings of the
    step.  believed: whether the run ended and lies there as it was left; never a pass where not."""

    markdown: str
    annotations: tuple[str, ...]
    believed: bool


def newest(folder: Path) -> Path:
    """The newest run in a folder of runs; a run's directory itself as it is. Raises InputFileError where there is
    none: the command was refused before a run began."""
    if (folder / files.MANIFEST).exists():
        return folder
    runs = sorted(path for path in folder.glob("*") if _RUN.fullmatch(path.name) and path.is_dir()) if folder else []
    if not runs:
        raise InputFileError(
            folder, "holds no run", hint="read what `leadbook run` said: it was refused, or never began"
        )
    return runs[-1]


def summary(folder: Path, *, link: str = "", redactor: Redactor | None = None) -> CiSummary:
    """A run, or the newest one of a folder, as CI shows it.

    link: the address of the report that CI keeps.  redactor: masks secrets; the environment's where None. A directory
    that is no run, has not ended, or was changed since is told as such, with `believed` False.
    """
    words = _Words(redactor or Redactor.from_environment())
    try:
        run, decision = _read(newest(folder))
    except InputFileError as error:
        page = ["## leadbook: no verdict", "", f"**This is no pass.** {words.prose(str(error))}.", "", *_where(link)]
        told = (words.command("error", "leadbook: no verdict", str(error)),)
        return CiSummary(markdown="\n".join(page), annotations=told, believed=False)
    lines = [*_page(run, decision, words), *_where(link)]
    return CiSummary(markdown="\n".join(lines), annotations=tuple(_annotations(run, decision, words)), believed=True)


def _read(directory: Path) -> tuple[RunRecord, RunVerdict]:
    """The run and its verdict, judged anew from its checks. Raises InputFileError where they cannot be believed."""
    manifest = files.verify(directory)
    if RESULTS not in manifest["files"]:
        problem = f"{manifest.get('verdict', 'no verdict')}: the run left no {RESULTS}"
        raise InputFileError(directory, problem, hint="read what `leadbook run` said")
    run = read_run(directory)
    decision = decide(run)
    known = (manifest.get("run"), manifest.get("verdict"))
    if known != (run.id, decision.verdict):
        problem = f"its manifest says {known[1]} of run {known[0]}, its checks {decision.verdict} of run {run.id}"
        raise InputFileError(directory, problem, hint="run again")
    return run, decision


class _Words:
    """Words as CI may show them: secrets and people masked first, then all that would have an effect is escaped."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def _masked(self, words: Any) -> str:
        return mask_people(self._redactor.text(str(words)))

    def text(self, words: Any) -> str:
        """As Markdown that shows them and nothing else: no markup, link, mention or workflow command takes effect."""
        flat = re.sub(r"\s+", " ", self._masked(words))
        return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", flat)

    def prose(self, words: str) -> str:
        """The same, `code` in backticks shown as code: unescaped, to be copied, where nothing in it has an effect."""
        parts = re.split(r"`([^`]+)`", words)
        return "".join(self._code(one) if at % 2 else self.text(one) for at, one in enumerate(parts))

    def _code(self, words: str) -> str:
        flat = re.sub(r"\s+", " ", self._masked(words)).strip()
        return f"<code>{self.text(flat)}</code>" if _IN_CODE.search(flat) or not flat else f"`{flat}`"

    def table(self, head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
        """A Markdown table, with an empty line after it."""
        names = list(head)
        lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
        return [*lines, *(f"| {' | '.join(map(self.prose, row))} |" for row in rows), ""]

    def command(self, kind: str, title: str, message: str) -> str:
        """A workflow command of GitHub's, one line: what would end it, or begin another one, is escaped."""
        name, said = _escaped(self._masked(title)), _escaped(self._masked(message).strip())
        return f"::{kind} title={name.replace(':', '%3A').replace(',', '%2C')}::{said}"


def _escaped(words: str) -> str:
    return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


# -------------------------------------------------------------------------------------------------------- Markdown


def _page(run: RunRecord, decision: RunVerdict, words: _Words) -> list[str]:
    word, sentence = whose_data(run.profile, str(run.parameters.get("lead_files", "")))
    lines = [
        f"## leadbook: {words.text(decision.told)}", "", f"**{word}.** {words.text(sentence)}", "",
        f"**Run:** {words.text(heading(run))}", "", f"**Why:** {words.prose(decision.reason)}", "",
        f"**Target:** {words.text(target_text(run))}", "",
    ]  # fmt: skip
    if run.attested or run.by_api:
        lines += [f"**Who says so:** attested by a person: {len(run.attested)}; measured by the API of Atlas or n8n "
                  f"in a person's place: {len(run.by_api)}; all else was measured on the servers.", ""]  # fmt: skip
    if len(decision.stages) > 1:
        lines += words.table(("stage", "verdict"), ((one.stage, one.told) for one in decision.stages))
    lines += _checks("What blocks" if decision.blocking else "What failed", _errors(run, decision), words)
    if decision.stage == "live":
        lines += _checks("What needs a look", failures_first(decision.attention), words)
    lines += _checks("Accepted risks", decision.accepted, words, accepted=True)
    if decision.steps:
        lines += ["### What to do next", "", *(f"1. {words.prose(step)}" for step in decision.steps), ""]
    return lines


def _where(link: str) -> list[str]:
    where = f": <{link}>" if link else " is among the artifacts of this job"
    return [f"The whole report{where}; open `index.html` in it."]


def _checks(title: str, checks: Iterable[Check], words: _Words, *, accepted: bool = False) -> list[str]:
    found = list(checks)
    if not found:
        return []
    rows = ((check.verdict.value, f"`{check.id}` {finding(check)}", check.accepted if accepted else check.remedy,
             _owner(check)) for check in found[:SHOWN])  # fmt: skip
    head = ("verdict", "check", "accepted" if accepted else "what to do", "owner")
    more = [f"And {len(found) - SHOWN} more, in the report.", ""] if len(found) > SHOWN else []
    return [f"### {title}: {len(found)}", "", *words.table(head, rows), *more]


def _owner(check: Check) -> str:
    entry = catalogue().get(check.id)
    return entry.owner if entry else "DBA"


def _errors(run: RunRecord, decision: RunVerdict) -> list[Check]:
    """What blocks, failures first; of a run that broke, what had failed before."""
    found = decision.blocking or [check for check in failed(run.checks) if not check.accepted]
    return sorted(found, key=lambda check: check.verdict is not Verdict.FAIL)


# ----------------------------------------------------------------------------------------------------- annotations


def _annotations(run: RunRecord, decision: RunVerdict, words: _Words) -> list[str]:
    errors = [_annotation("error", check, words) for check in _errors(run, decision)]
    if decision.exit_status == 2:
        errors.insert(0, words.command("error", f"leadbook {decision.verdict}", decision.reason))
    warned = [check for check in run.checks if check.verdict is Verdict.WARN or check in decision.accepted]
    warnings = [_annotation("warning", check, words) for check in warned]
    return [*_few(errors, "error", words), *_few(warnings, "warning", words)]


def _few(lines: list[str], kind: str, words: _Words) -> list[str]:
    """At most as many as GitHub shows, the last of them saying how many more there are."""
    if len(lines) <= ANNOTATIONS:
        return lines
    left = len(lines) - ANNOTATIONS + 1
    return [
        *lines[: ANNOTATIONS - 1],
        words.command(kind, "leadbook", f"{left} more, in the summary and in the report"),
    ]


def _annotation(kind: str, check: Check, words: _Words) -> str:
    do = f"Risk {check.accepted}" if check.accepted else f"{_owner(check)}: {check.remedy}" if check.remedy else ""
    return words.command(kind, check.id, f"{finding(check)}. {do}")
