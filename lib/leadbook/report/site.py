"""A run's whole report: machine-readable results, pages, documents, index. Called once, when the chain has ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from leadbook.core.redactor import Redactor
from leadbook.core.settings import PROJECT
from leadbook.page.prose import when
from leadbook.report import html, index, junit
from leadbook.report.records import RunRecord
from leadbook.report.verdict import RunVerdict, decide


def begin(record: RunRecord, directory: Path, redactor: Redactor) -> Path:
    """The page of a run that has only begun; a killed run leaves it behind. Raises OSError."""
    reason = (
        f"This run began at {when(record.started_at)} and has no verdict yet. If nothing is running any more, it "
        "was killed or lost its machine, and ended without a verdict: nothing of it counts."
    )
    steps = ("Wait for its end. If it has been killed, run it again: `leadbook run`.",)
    decision = RunVerdict(verdict="RUNNING", reason=reason, steps=steps)
    return say(record, decision, directory, redactor)


def say(record: RunRecord, decision: RunVerdict, directory: Path, redactor: Redactor) -> Path:
    """An index of nothing but verdict, reason and way on; where it lies. Raises OSError."""
    page = html.environment().get_template("brief.html.j2").render(
        css=html.stylesheet(), run=record, decision=decision, heading=index.heading(record),
        target=index.target_text(record),
    )  # fmt: skip
    path = directory / "index.html"
    path.write_text(redactor.text(page), encoding="utf-8")
    return path


def write(record: RunRecord, directory: Path, redactor: Redactor, notebooks: Path | None = None) -> RunRecord:
    """Write the report of `record` into its run's `directory`; returns the record with what was noted meanwhile.

    A page that cannot be made is noted on the index instead of taking the report down. Raises OSError.
    """

    def put(name: str, text: str) -> None:
        (directory / name).write_text(redactor.text(text), encoding="utf-8")

    notes = list(record.warnings)
    for phase in record.phases:
        if not phase.notebook:
            continue
        try:
            put(phase.page, html.page(phase, record, directory))
        except Exception as error:  # noqa: BLE001  one page must not cost the others
            notes.append(f"the page of phase {phase.phase} could not be made: {type(error).__name__}: {error}")
            phases = tuple(replace(p, page="") if p.phase == phase.phase else p for p in record.phases)
            record = replace(record, phases=phases)
    for phase in record.phases:
        for document in phase.documents:
            try:
                put(str(Path(document.path).with_suffix(".html")), html.document_page(document, record, directory))
            except OSError as error:
                notes.append(f"document {document.slug} could not be read: {error.strerror}")
    record = replace(record, warnings=tuple(redactor.text(note) for note in notes))
    decision = decide(record)
    results = {
        **record.as_dict(), "verdict": decision.verdict, "reason": decision.reason,
        "exit_status": decision.exit_status, "stages": decision.words,
        "accepted": [check.id for check in decision.accepted],
    }  # fmt: skip
    put("checks.json", json.dumps(redactor.tree(results), indent=1, ensure_ascii=False) + "\n")
    put("junit.xml", junit.render(record))
    put("index.html", index.render(record, decision, directory, notebooks or PROJECT / "notebooks"))
    return record
