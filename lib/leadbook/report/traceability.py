"""Every step of the task book leads to checks, notebook sections and attestations; this module draws the map.

It also generates what is derived: docs/traceability.md, docs/by-hand.md, docs/trust.md,
docs/live-rules.md, docs/atlas-api.md, the attestations' form, the workflows in n8n/, the guide's table,
previous/next links.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from leadbook.core.definitions import Definition, catalogue
from leadbook.core.settings import Settings
from leadbook.n8n import workflows
from leadbook.phases.attestations import EXAMPLE_DAY, RISK
from leadbook.report.atlas_api import atlas_page
from leadbook.report.by_hand import by_hand_page
from leadbook.report.live.grafana import dashboard_json
from leadbook.report.live_rules import rules_page
from leadbook.report.trust import trust_page

_STEPS_LINE = re.compile(r"\*Task book steps?: ([0-9., ]+)\*")
_NUMBER = re.compile(r"\d+(?:\.\d+)+")
_TABLE = re.compile(r"(<!-- notebooks -->\n).*?(<!-- /notebooks -->)", re.S)
_NEXT = re.compile(r"\n*<!-- next -->.*\Z", re.S)


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading of a notebook. `notebook`: file stem; `steps`: numbers of the task book's steps its section carries."""

    notebook: str
    title: str
    steps: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TaskStep:
    """A step of the task book and what answers it."""

    number: str
    title: str
    task: str
    checks: tuple[Definition, ...] = field(default=())
    headings: tuple[Heading, ...] = field(default=())

    @property
    def covered(self) -> bool:
        """True when at least one check or attestation answers the step; a section alone is not enough."""
        return bool(self.checks)


@cache
def steps() -> dict[str, tuple[str, str]]:
    """The task book's steps: number -> (title, title of its task)."""
    tasks = yaml.safe_load((Path(__file__).parent / "tasks.yaml").read_text(encoding="utf-8"))
    return {step["id"]: (step["title"], f"{task['id']} {task['title']}") for task in tasks for step in task["steps"]}


def headings(notebooks: Path) -> list[Heading]:
    """Headings of all notebooks whose sections carry steps: in the cell's metadata, `leadbook.steps`, or on a line
    `*Task book steps: …*`."""
    found = []
    for path in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            title = re.search(r"(?m)^#{2,3} (.+)$", text)
            line = _STEPS_LINE.search(text)
            carried = (
                *cell["metadata"].get("leadbook", {}).get("steps", ()),
                *_NUMBER.findall(line[1] if line else ""),
            )
            if cell["cell_type"] == "markdown" and title and carried:
                found.append(Heading(notebook=path.stem, title=title[1], steps=carried))
    return found


def trace(notebooks: Path) -> list[TaskStep]:
    """All steps with the checks and sections that answer them."""
    definitions, carried = list(catalogue().values()), headings(notebooks)
    return [
        TaskStep(
            number=number, title=title, task=task,
            checks=tuple(d for d in definitions if number in d.steps),
            headings=tuple(s for s in carried if number in s.steps),
        )
        for number, (title, task) in steps().items()
    ]  # fmt: skip


def coverage_rows(notebooks: Path, verdicts: dict[str, str]) -> list[dict[str, Any]]:
    """For the report: step, title, its checks with this run's verdicts (id -> verdict), sections, covered or not."""
    return [
        {
            "step": step.number, "title": step.title, "task": step.task, "covered": step.covered,
            "checks": [(d.id, d.title, verdicts.get(d.id, "not measured")) for d in step.checks],
            "sections": [(s.notebook, s.title) for s in step.headings],
        }
        for step in trace(notebooks)
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ generated


def generate(project: Path, *, write: bool) -> list[Path]:
    """Files whose generated parts are out of date; written when `write`. Paths are relative to `project`."""
    production = Settings.for_notebook({"profile": "production"})
    wanted = {
        project / "docs" / "traceability.md": _traceability_page(project / "notebooks"),
        project / "docs" / "trust.md": trust_page(project),
        project / "docs" / "by-hand.md": by_hand_page(),
        project / "docs" / "grafana-dashboard.json": dashboard_json(),
        project / "docs" / "live-rules.md": rules_page(),
        project / "docs" / "atlas-api.md": atlas_page(),
        project / "params" / "attestations.example.yaml": attestations_example(),
        **{project / "n8n" / name: text for name, text in workflows.committed(production).items()},
    }
    guide = project / "docs" / "guide.md"
    if guide.exists():
        wanted[guide] = _TABLE.sub(rf"\1{_notebook_table(project)}\2", guide.read_text(encoding="utf-8"))
    wanted |= _linked_notebooks(project / "notebooks")
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if write:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    return [path.relative_to(project) for path in stale]


RISKS = (
    "Risks that somebody accepts, any number of them: checks that block and shall not. An entry holds who accepts, "
    "when, why (a sentence in the person's own words) and until which day, with a target as above. The verdict then "
    "says how many risks were accepted, and every page shows them. Nobody can accept lost or doubled leads. An example:"
)


def attestations_example() -> str:
    """The form of an attestations file: every check that only a person can make, commented out."""
    about = (
        "What only a person can see, and who signs for it. Generated by `leadbook docs`. Copy it to "
        "params/attestations.yaml (ignored by git), take the marks away from what was really seen, and name that file "
        "in the profile: `attestations_file: params/attestations.yaml`. An entry holds who looked, when (a date, "
        f"{EXAMPLE_DAY}, at most attestation_days ago) and what was seen, a sentence in the person's own words. It "
        "counts for one target only, the database and the host of its cluster as MONGODB_URI "
        "names it; an entry with a target of its own counts for that one. What does not count is not verified, and "
        "the check says why. Nobody has seen anything yet, so everything below is commented out."
    )
    lines = [*_commented(about), "", "#target: lead_generation on cluster0.abcde.mongodb.net"]
    for entry in (entry for entry in catalogue().values() if entry.kind == "attestation"):
        said = (
            f"Phase {entry.phase}, step {', '.join(entry.steps)}: {entry.title}. Where: {entry.remedy or entry.source}."
        )
        lines += ["", *_commented(said), f"#{entry.id}:"]
        lines += ['#  who: ""', '#  when: ""', '#  seen: ""']
    lines += ["", *_commented(RISKS), "#accepted:", "#  MDB-HST-001:", *(f'#    {name}: ""' for name in RISK)]
    return "\n".join(lines) + "\n"


def _commented(text: str) -> list[str]:
    return textwrap.wrap(text, 116, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _traceability_page(notebooks: Path) -> str:
    traced = trace(notebooks)
    open_steps = [step for step in traced if not step.covered]
    covered = len(traced) - len(open_steps)
    lines = [
        "# Traceability",
        "",
        "Generated by `leadbook docs`; do not edit. Each step of the task book, and what answers it: checks",
        "(measured), attestations (what only a person can see) and the notebook sections that carry it.",
        "",
        f"**{covered} of {len(traced)} steps are answered.**"
        + (f" Not covered yet: {', '.join(step.number for step in open_steps)}." if open_steps else ""),
    ]
    task = ""
    for step in traced:
        if step.task != task:
            task = step.task
            lines += [
                "",
                f"## {task}",
                "",
                "| step | title | checks and attestations | sections |",
                "|---|---|---|---|",
            ]
        answers = "<br>".join(_answer(d) for d in step.checks) or "**not covered yet**"
        where = "<br>".join(f"[{s.notebook[:2]}](../notebooks/{s.notebook}.ipynb) {s.title}" for s in step.headings)
        lines.append(f"| {step.number} | {step.title} | {answers} | {where} |")
    return "\n".join(lines) + "\n"


def _answer(entry: Definition) -> str:
    kind = " (attestation)" if entry.kind == "attestation" else ""
    return f"`{entry.id}` {entry.title}{kind}".replace("|", "\\|")


def _notebook_table(project: Path) -> str:
    rows = ["| notebook | question | checks |", "|---|---|---|"]
    for path in sorted((project / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        title = first.splitlines()[0].lstrip("# ")
        question = re.search(r"\*\*Question[.:]?\*\*[.:]? *(.+)", first)
        count = sum(d.phase == path.stem[:2] for d in catalogue().values())
        rows.append(f"| [{title}](../notebooks/{path.name}) | {question.group(1) if question else ''} | {count} |")
    return "\n".join(rows) + "\n"


def _linked_notebooks(notebooks: Path) -> dict[Path, str]:
    """Each notebook's text with previous/next links at the end of its last markdown cell."""
    paths = sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))
    wanted = {}
    for index, path in enumerate(paths):
        book = json.loads(path.read_text(encoding="utf-8"))
        last = book["cells"][-1]
        if last["cell_type"] != "markdown":
            continue
        before = paths[index - 1].name if index else None
        after = paths[index + 1].name if index + 1 < len(paths) else None
        text = _NEXT.sub("", "".join(last["source"])) + f"\n\n<!-- next -->\n{_links(before, after)}"
        last["source"] = text.splitlines(keepends=True)
        wanted[path] = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
    return wanted


def _links(before: str | None, after: str | None) -> str:
    named: Iterable[str | None] = (
        f"Previous: [{before}]({before})" if before else None,
        f"Next: [{after}]({after})" if after else None,
    )
    return " · ".join(filter(None, named))
