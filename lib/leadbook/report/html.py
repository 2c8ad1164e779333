"""Pages: one for each executed notebook and one for each document. Self-contained, and shut against scripts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import mistune
import nbformat
from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from leadbook.core.checks import GRAVEST, Check, Verdict, accepted, only_calls_for_a_look
from leadbook.page.cards import standing
from leadbook.page.offline import contained
from leadbook.page.prose import ticks, when, whose_data
from leadbook.page.tables import LONG_WORD, breakable, measured_text, target_text, verdict_badge
from leadbook.report.records import DocumentRecord, PhaseRecord, RunRecord, Status
from leadbook.report.verdict import RunVerdict, finding, gate_of

TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 12
"""Blocking checks that a page or the index shows in full; further ones are folded."""
LONGEST_TEXT = 20_000
"""Characters of one printed output that a page shows."""
_WHOSE = ("REAL DATA.", "MADE-UP DATA.")
_BANNERS = {"papermill-error-cell-tag", "leadbook-broken"}


# ------------------------------------------------------------------------------------------------------- templates


@cache
def environment() -> Environment:
    """Templates with every value escaped, and an error for a name that is not there."""
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters |= {
        "slug": lambda word: str(word).replace(" ", "-"), "when": when, "seconds": seconds_text, "state": state,
        "measured": measured_text, "target": target_text, "finding": finding,
        "ticks": lambda text: Markup(ticks(str(text))),  # noqa: S704  escaped by it
        "whose_data": lambda run: whose_data(run.profile, str(run.parameters.get("lead_files", ""))),
    }  # fmt: skip
    return made


@cache
def stylesheet(*, code: bool = False) -> Markup:
    """The report's styles; with those of highlighted code, light and dark, where a page shows some."""
    own = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    if code:
        light = HtmlFormatter(style="default").get_style_defs(".highlight")
        dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
        own = f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n.highlight {{ background: none }}\n{own}"
    return Markup(own)  # noqa: S704  our own files


def seconds_text(seconds: float) -> str:
    """A length of time for people: `0.4 s`, `37 s`, `2 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02d} s"


def state(phase: PhaseRecord) -> str:
    """One word for a phase: not run, broken, fail (a check blocks), warn or pass."""
    if phase.status is not Status.RAN:
        return phase.status.value
    return standing(phase.phase, phase.checks)[0].value


# ------------------------------------------------------------------------------------------------------------ pages


def page_links(run: RunRecord) -> dict[str, str]:
    """Phase number -> file of its page, for phases that have an executed notebook."""
    return {phase.phase: phase.page for phase in run.phases if phase.notebook and phase.page}


def page(phase: PhaseRecord, run: RunRecord, directory: Path) -> str:
    """The page of one phase, from its executed notebook. Raises OSError or ValueError when that cannot be read."""
    links = page_links(run)
    notebook = _prepared(nbformat.read(directory / phase.notebook, as_version=4), phase)
    names = {Path(other.notebook).name: other.page for other in run.phases if other.phase in links}
    body = contained(_exporter().from_notebook_node(notebook)[0], names)
    contents = _contents(body)
    _link_documents(body, phase)
    numbers = list(links)
    here, gate = numbers.index(phase.phase), gate_of(run, phase.phase)
    blocking = _ordered(phase.blocking)
    seen = [check for check in blocking if phase.broken is None or check.verdict is not Verdict.NOT_MEASURED]
    return environment().get_template("page.html.j2").render(
        css=stylesheet(code=True), run=run, phase=phase, body=str(body), contents=contents, blocking=seen[:SHOWN],
        folded=[check for check in blocking if check not in seen[:SHOWN]],
        warnings=[check for check in phase.checks if check.verdict is Verdict.WARN], accepted=accepted(phase.checks),
        headline=_headline(phase, gate), because=_because(phase, gate), tone=_tone(phase, gate),
        previous=run.phase(numbers[here - 1]) if here else None,
        next=run.phase(numbers[here + 1]) if here + 1 < len(numbers) else None,
    )  # fmt: skip


def _headline(phase: PhaseRecord, gate: RunVerdict | None) -> str:
    if phase.status is Status.BROKEN:
        return "BROKEN"
    return gate.told if gate else standing(phase.phase, phase.checks)[1]


def _because(phase: PhaseRecord, gate: RunVerdict | None) -> str:
    """Of what the headline was made: the stage's reason, or how many of the phase's checks block."""
    if phase.status is Status.BROKEN:
        return ""
    if gate:
        return gate.reason
    if not phase.checks:
        return "It recorded no check."
    blocking, risks = len(phase.blocking), len(accepted(phase.checks))
    apart = f", {risks} accepted as risk{'s' if risks > 1 else ''}" if risks else ""
    if blocking and only_calls_for_a_look(phase.phase, phase.blocking):
        return f"No check failed, {blocking} of {len(phase.checks)} could not be seen{apart}."
    if blocking:
        return f"{blocking} of {len(phase.checks)} checks {'blocks' if blocking == 1 else 'block'}{apart}."
    return f"None of {len(phase.checks)} checks blocks{apart}."


def _tone(phase: PhaseRecord, gate: RunVerdict | None) -> str:
    if gate:
        return gate.verdict
    return {"broken": "broken", "pass": "pass", "warn": "ATTENTION"}.get(state(phase), "NO-GO")


def _ordered(checks: list[Check]) -> list[Check]:
    """Failures before errors before what was not seen."""
    return sorted(checks, key=lambda check: GRAVEST.index(check.verdict))


class _Exporter(HTMLExporter):  # type: ignore[misc]
    """nbconvert's, with the report's own template: a body without head, styles or scripts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(template_name="notebook", extra_template_basedirs=[str(TEMPLATES)], **options)
        self.exclude_anchor_links = True


@cache
def _exporter() -> _Exporter:
    return _Exporter()


def _prepared(notebook: NotebookNode, phase: PhaseRecord) -> NotebookNode:
    """The notebook as the template wants it: no banners, no records among the outputs, each code cell labelled."""
    cells = [cell for cell in notebook.cells if not _BANNERS & set(cell.metadata.get("tags", []))]
    stopped = phase.broken.cell if phase.broken else None
    for number, cell in enumerate(cells, start=1):
        if cell.cell_type != "code":
            continue
        cell.outputs = [_shortened(output) for output in cell.outputs if _visible(output)]
        cell.metadata["lb_label"] = _label(cell)
        cell.metadata["lb_stopped"] = number == stopped
        cell.metadata["lb_unrun"] = stopped is not None and number > stopped
    notebook.cells = cells
    return notebook


def _visible(output: NotebookNode) -> bool:
    return not ("data" in output and all(kind.startswith("application/") for kind in output.data))


def _shortened(output: NotebookNode) -> NotebookNode:
    """A flood of printed text, cut in its middle; the notebook keeps it whole."""
    if output.output_type == "stream" and len(output.text) > LONGEST_TEXT:
        half, left_out = LONGEST_TEXT // 2, len(output.text) - LONGEST_TEXT
        middle = f"\n… {left_out:,} characters left out here; the executed notebook keeps them …\n"
        output.text = output.text[:half] + middle + output.text[-half:]
    return output


def _label(cell: NotebookNode) -> str:
    tags = cell.metadata.get("tags", [])
    if "injected-parameters" in tags:
        return "parameters of this run"
    kind = "parameters and their defaults" if "parameters" in tags else "code"
    return f"{kind} [{cell.execution_count}]" if cell.execution_count else f"{kind}, not run"


def _contents(body: BeautifulSoup) -> list[tuple[str, str]]:
    """Give each section an anchor; (anchor, title) of each. The title's heading goes: the page has its own."""
    first = body.find("h1")
    if first is not None:
        first.decompose()
    found = []
    for number, heading in enumerate(body.find_all("h2"), start=1):
        heading["id"] = f"s{number}"
        found.append((f"s{number}", heading.get_text().strip()))
    return found


def _link_documents(body: BeautifulSoup, phase: PhaseRecord) -> None:
    """Where the notebook names the file of a document that it wrote, a link to the document's page."""
    for document in phase.documents:
        page = str(Path(document.path).with_suffix(".html"))
        for code in body.find_all("code", string=document.path):
            link = body.new_tag("a", href=page)
            link.string = page
            code.replace_with(link)


# -------------------------------------------------------------------------------------------------------- documents


def document_body(text: str, names: Mapping[str, str] | None = None) -> BeautifulSoup:
    """A document's Markdown as the report shows it; HTML inside it is shown, not obeyed. Whose data it tells of is
    left out: the page says so itself.

    names: file name of another document -> its page.
    """
    markdown = mistune.create_markdown(escape=True, plugins=["table", "strikethrough"])
    body = contained(str(markdown(text)), names)
    first = body.find("strong")
    if first is not None and first.get_text() in _WHOSE and first.parent is not None:
        first.parent.decompose()
    for table in body.find_all("table"):
        table.wrap(body.new_tag("div", attrs={"class": "lb-table"}))
        heads = [head.get_text() for head in table.find_all("th")]
        for row in table.select("tbody tr"):
            for head, told in zip(heads, row.find_all("td"), strict=False):
                _dress(head, told)
    return body


def _dress(head: str, told: Tag) -> None:
    """One cell of a document's table as the tables of phases show theirs."""
    told["data-label"] = head
    if head.lower() == "verdict":
        told.replace_with(_parsed(f'<td data-label="{head}">{verdict_badge(told.get_text())}</td>'))
        return
    for code in told.find_all("code"):  # a pipe is escaped even there, and Markdown's reader leaves it so
        code.string = code.get_text().replace("\\|", "|")
    for long in told.find_all(string=LONG_WORD):
        long.replace_with(_parsed(breakable(long)))


def _parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def document_page(document: DocumentRecord, run: RunRecord, directory: Path) -> str:
    """The page of one Markdown document. Raises OSError."""
    text = (directory / document.path).read_text(encoding="utf-8")
    names = {Path(other.path).name: _page_name(other) for phase in run.phases for other in phase.documents}
    return (
        environment()
        .get_template("document.html.j2")
        .render(css=stylesheet(), run=run, document=document, body=str(document_body(text, names)))
    )


def _page_name(document: DocumentRecord) -> str:
    return Path(document.path).with_suffix(".html").name
