"""The truth about one phase, recomputed from the notebook as saved: nothing that papermill or the notebook claims is
believed without its evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import scrapbook
from nbformat import NotebookNode

from leadbook.core import files, write_errors
from leadbook.core.checks import Check, Verdict, blockers, plain, tally, unrecorded
from leadbook.core.errors import LeadbookError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.phases import attestations
from leadbook.report.records import Break, DocumentRecord
from leadbook.runner.objections import objection

BANNER_TAG = "papermill-error-cell-tag"
"""papermill's own tag for its banners: it removes such cells when a broken copy is executed again."""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What a notebook really did. `broken` is None only when every cell ran and the records agree."""

    broken: Break | None
    opened: Mapping[str, Any] | None = None
    checks: tuple[Check, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[DocumentRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Examiner:
    """What a record is held against: the run's settings, where its notebook was to keep its record, the secrets."""

    settings: Settings
    run_dir: str
    redactor: Redactor

    def other_parameter(self, opened: Mapping[str, Any]) -> str:
        """What the notebook says of its parameters that is not what the run gave it; empty when all is as given."""
        used = opened.get("parameters")
        if not isinstance(used, Mapping):
            return "it does not say with which parameters it worked"
        if opened.get("profile") != self.settings.profile:
            return f"it worked with profile {opened.get('profile')!r}, the run's is {self.settings.profile!r}"
        for key, wanted in plain({**self.settings.model_dump(), "run_dir": self.run_dir}).items():
            mine = self.redactor.tree(used.get(key))
            if mine != self.redactor.tree(wanted) and not (isinstance(mine, str) and Redactor.MASK in mine):
                return f"it worked with {key} = {mine!r}, the run gave it {wanted!r}"
        return ""

    def misjudged(self, checks: tuple[Check, ...]) -> str:
        """The first check that does not follow from its value and the catalogue; empty when all do."""
        try:
            attested, accepted = self._signed()
        except (OSError, LeadbookError) as error:
            return f"its attestations cannot be read ({error})"
        for check in checks:
            if why := objection(check, self.settings, attested, accepted, mask=self.redactor.text):
                return f"check {check.id} cannot be believed: {why}"
        return ""

    def _signed(self) -> tuple[set[str], dict[str, str]]:
        """Checks that somebody's word in the run's attestations file answers for this run's target, and the risks that
        it accepts there, with the words that a record must repeat."""
        found, target = attestations.in_force(self.settings)
        told = (attestations.attest(check_id, found, target, self.settings) for check_id in found.entries)
        risks = {one: attestations.acceptance(one, found, target, self.settings)[0] for one in found.accepted}
        return {check.id for check in told if check.verdict is Verdict.PASS}, risks


def examine(notebook: Path, sidecar: Path, phase: str, *, known: str = "", judge: Examiner) -> Examined:
    """Read the saved `notebook` and the phase's `sidecar`, hold them before the `judge`, and say what is true.

    `known` is a reason the runner already has (a dead kernel, a time-out); it is kept, and placed at the cell where
    execution stopped.
    """
    try:
        node = nbformat.read(notebook, as_version=4)
        record = _from_scraps(notebook, phase)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Examined(broken=Break(reason=known or f"its executed notebook cannot be read ({error})"))
    try:
        checks = tuple(Check.from_dict(check) for check in record["checks"].values())
        documents = tuple(_document(slug, entry) for slug, entry in record["documents"].items())
    except (KeyError, TypeError, ValueError) as error:
        return Examined(broken=Break(reason=known or f"it recorded something that is no check or document ({error})"))
    reason = _broken_record(record, sidecar, phase, judge.redactor) or _unbelievable(record, checks, judge)
    missing = [document.path for document in documents if not (sidecar.parents[1] / document.path).is_file()]
    if not reason and missing:
        reason = f"it recorded a document that is not there: {missing[0]}"
    at_end = Break(reason=reason, cell=len(node.cells), cells=len(node.cells)) if reason else None
    broken = _broken_cell(node, known) or at_end
    if broken is None and known:
        broken = Break(reason=known, cell=len(node.cells), cells=len(node.cells))
    return Examined(broken=broken, opened=record["opened"], checks=checks, facts=record["facts"], documents=documents)


def _document(slug: str, entry: Mapping[str, Any]) -> DocumentRecord:
    path = str(entry["path"])
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError(f"document {slug} lies outside the run's directory")
    return DocumentRecord(slug=slug, title=str(entry["title"]), audience=tuple(entry["audience"]), path=path)


def _from_scraps(path: Path, phase: str) -> dict[str, Any]:
    """The phase's record as its scraps tell it. scrapbook's reader wants its path as text."""
    record: dict[str, Any] = {"opened": None, "checks": {}, "facts": {}, "documents": {}, "closed": None, "last": ""}
    for name, scrap in scrapbook.read_notebook(str(path)).scraps.items():
        owner, _, rest = name.partition("/")
        if owner != phase:
            raise ValueError(f"scrap {name!r} does not belong to phase {phase}")
        part, _, key = rest.partition("/")
        record["last"] = rest
        if part in ("opened", "closed"):
            record[part] = scrap.data
        elif part in ("check", "fact", "document"):
            record[f"{part}s"][key] = scrap.data
    return record


def _broken_cell(node: NotebookNode, known: str) -> Break | None:
    """The first code cell that did not run to an `ok` of the kernel, or that shows an error."""
    for number, cell in enumerate(node.cells, start=1):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        errors = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        reply = cell.metadata.get("leadbook", {}).get("reply")
        if reply == "ok" and not errors:
            continue
        if errors:
            reason = _error_line(errors[0])
        elif "skip-execution" in cell.metadata.get("tags", []):
            reason = "the cell is tagged skip-execution and was not run"
        else:
            reason = "the cell was never run" if reply is None else f"the kernel replied {reply!r}"
        return Break(reason=known or reason, cell=number, cells=len(node.cells), line=_first_line(cell.source))
    return None


def _error_line(output: NotebookNode) -> str:
    if output.ename == "SystemExit":
        return f"the cell called sys.exit({output.evalue})"
    return f"{output.ename}: {write_errors.line(str(output.evalue))}".removesuffix(": ")


def _first_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return lines[0][:120] if lines else ""


def _broken_record(record: Mapping[str, Any], sidecar: Path, phase: str, redactor: Redactor) -> str:
    """All cells ran; do the records say so too? The reason why not, or an empty string."""
    if not isinstance(record["opened"], Mapping):
        return f"it recorded no {phase}/opened"
    if not isinstance(record["closed"], Mapping):
        return f"it never stated its verdict ({phase}/closed is missing): did book.close() run?"
    if record["last"] != "closed":
        return f"{phase}/{record['last']} was recorded after the closing verdict"
    if (differs := _difference(record, read_sidecar(sidecar), redactor)) is not None:
        return f"the notebook and its record file {sidecar.name} disagree about {differs}"
    return ""


def _unbelievable(record: Mapping[str, Any], checks: tuple[Check, ...], judge: Examiner) -> str:
    """The records agree; does what they say follow from the run's parameters and the catalogue?"""
    closed, blocking = record["closed"], bool(blockers(checks)) or not checks
    verdict = Verdict.FAIL if blocking or unrecorded(record["opened"].get("phase", ""), checks) else Verdict.PASS
    believed = {verdict.value, Verdict.FAIL.value if blocking else Verdict.PASS.value}  # the run adds what is missing
    if closed.get("verdict") not in believed or closed.get("counts") != tally(checks):
        told = f"{closed.get('verdict')!r} of {closed.get('counts')}"
        return f"it closed with {told}, but its checks come to {verdict.value!r} of {tally(checks)}"
    return judge.other_parameter(record["opened"]) or judge.misjudged(checks)


def _difference(record: Mapping[str, Any], sidecar: Mapping[str, Any] | None, redactor: Redactor) -> str | None:
    if sidecar is None:
        return "everything: the file is missing or unreadable"
    other = {
        "opened": sidecar.get("opened"), "closed": sidecar.get("closed"), "facts": sidecar.get("facts"),
        "checks": {check.get("id"): check for check in sidecar.get("checks", [])},
        "documents": {entry.get("slug"): {k: v for k, v in entry.items() if k != "slug"}
                      for entry in sidecar.get("documents", [])},
    }  # fmt: skip
    for part, value in other.items():
        mine = json.loads(json.dumps(record[part]))
        if redactor.tree(mine) != redactor.tree(value):
            return part
    return None


# --------------------------------------------------------------------------------------------- records of a broken run


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """The phase's record file; None when it is missing or unreadable."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def condemn_sidecar(path: Path, phase: str, broken: Break) -> None:
    """Rewrite a broken phase's record so that no later reader trusts it: not closed, and why.

    Raises OSError.
    """
    empty: dict[str, Any] = {"phase": phase, "opened": None, "checks": [], "facts": {}, "documents": []}
    at = datetime.now(UTC).isoformat(timespec="seconds")
    record = {**empty, **(read_sidecar(path) or {}), "closed": None, "broken": str(broken), "broken_at": at}
    files.write(path, json.dumps(record, indent=1))


def without_banners(notebook: NotebookNode) -> NotebookNode:
    """The same notebook, freed of the banner cells of papermill and of this runner."""
    notebook.cells = [cell for cell in notebook.cells if BANNER_TAG not in cell.metadata.get("tags", [])]
    return notebook


def mark_broken(notebook: NotebookNode, phase: str, title: str, broken: Break) -> NotebookNode:
    """Put a banner on top of the executed copy and make its marks true: the broken cell failed, later ones pending."""
    for number, cell in enumerate(without_banners(notebook).cells, start=1):
        marks = cell.metadata.setdefault("papermill", NotebookNode())
        if broken.cell is None or number > broken.cell:
            marks["status"], marks["exception"] = "pending", None
        elif number == broken.cell:
            marks["status"], marks["exception"] = "failed", True
    papermill = notebook.metadata.setdefault("papermill", NotebookNode())
    papermill["exception"] = True
    notebook.metadata["leadbook"] = {"status": "broken", "phase": phase, "cell": broken.cell, "reason": broken.reason}
    banner = nbformat.v4.new_markdown_cell(
        f"**BROKEN.** Phase {phase}, {title}, did not run to its end: {broken}.\n\n"
        "Nothing from there on was run; whatever this copy shows below is no verdict.",
        metadata={"tags": [BANNER_TAG, "leadbook-broken"]},
    )
    notebook.cells.insert(0, banner)
    return notebook
