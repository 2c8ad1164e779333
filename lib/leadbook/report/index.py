"""The index: the verdict of each stage, why, what to do next; then everything behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from leadbook.core.checks import BLOCKING, GRAVEST, Check, Verdict, blockers, tally
from leadbook.page.prose import words
from leadbook.page.tables import cell
from leadbook.report import traceability
from leadbook.report.gates import gates
from leadbook.report.html import SHOWN, environment, page_links, stylesheet
from leadbook.report.records import PHASES, PhaseRecord, RunRecord, Status
from leadbook.report.verdict import RunVerdict, is_grave, warnings_first

_SHOWN = frozenset({Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.ERROR})
"""Verdicts of a check that was answered in a run."""


@dataclass(frozen=True, kw_only=True)
class _Limit:
    verdict: str
    words: str
    caption: str
    checks: list[Check]


def render(run: RunRecord, decision: RunVerdict, directory: Path, notebooks: Path) -> str:
    """HTML of the index. `notebooks` are the sources, for the task book's map."""
    asked = [check for phase in run.phases if phase.asked for check in phase.checks]
    blocking, unseen = _blocking(run, decision.blocking if decision.stages else blockers(asked))
    return environment().get_template("index.html.j2").render(
        css=stylesheet(), run=run, decision=decision, heading=heading(run), counts=tally(asked),
        total=len(run.checks), blocking=blocking, unseen=unseen, shown=SHOWN, pages=page_links(run), gates=gates(run),
        audiences=_audiences(run), limits=_limits(run), trace=_trace(run, notebooks), servers=_servers(run),
        warnings=_warnings(asked, decision),
        target=target_text(run),
        ran=sum(phase.status is Status.RAN for phase in run.phases), log=(directory / "run.log").exists(),
    )  # fmt: skip


def _warnings(checks: Iterable[Check], decision: RunVerdict) -> list[Check]:
    """Warnings for the first screen: where nothing blocks, and those that it does not show already."""
    return [] if decision.exit_status else warnings_first(one for one in checks if one not in decision.attention)


def _blocking(run: RunRecord, checks: Iterable[Check]) -> tuple[list[Check], list[tuple[PhaseRecord, int]]]:
    """What blocks, worst first; and how many checks each phase that broke or was not run left unmeasured."""
    unseen = {phase.phase: phase for phase in run.phases if phase.asked and phase.status is not Status.RAN}
    missed = [check for check in checks if check.phase in unseen and check.verdict is Verdict.NOT_MEASURED]
    found = sorted((check for check in checks if check not in missed),
                   key=lambda check: (GRAVEST.index(check.verdict), not is_grave(check)))  # fmt: skip
    return found, [(phase, sum(check.phase == number for check in missed)) for number, phase in unseen.items()]


def heading(run: RunRecord) -> str:
    """What was asked of the run, its profile and when it began."""
    what = {
        "ready": "Ready: may the sprint begin?", "live": "Live: how does the sprint go?",
        "close": "Close: is the sprint accepted?", "": "A sprint rehearsed: made ready, lived through, closed",
    }[run.stage] if run.whole else f"Phases {', '.join(run.asked)} of {PHASES[0]} to {PHASES[-1]}"  # fmt: skip
    return f"{what} · profile {run.profile} · {run.started_at[:16].replace('T', ' ')} UTC"


def target_text(run: RunRecord) -> str:
    """On what the run worked, as its phases recorded it: `replica set rs0 at a:1, b:2; database leads, …`."""
    told = run.target
    if not told:
        return "not recorded"
    hosts = told.get("hosts") or "hosts not recorded"
    where = ", ".join(map(str, hosts)) if isinstance(hosts, list | tuple) else str(hosts)
    name = told.get("replica_set")
    uuid = f" ({told['collection_uuid']})" if told.get("collection_uuid") else ""
    collection = f"{told.get('collection') or 'not recorded'}{uuid}"
    parts = [
        f"replica set {name} at {where}" if name else f"server {where}",
        f"database {told.get('database') or 'not recorded'}, collection {collection}",
        "a Redis of the rehearsal's own"
        if told.get("redis") == "own"
        else f"Redis {told.get('redis') or 'not recorded'}",
    ]
    return "; ".join(parts)


def _audiences(run: RunRecord) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for phase in run.phases:
        for document in phase.documents:
            page = str(Path(document.path).with_suffix(".html"))
            for reader in document.audience:
                found.setdefault(reader, []).append({"title": document.title, "page": page, "phase": phase.phase})
    return dict(sorted(found.items(), key=lambda item: (item[0] != "Technical Lead", item[0])))


def _limits(run: RunRecord) -> list[_Limit]:
    wordings = (
        (Verdict.WARN, "warnings: works, but an expert would change it", "Warnings"),
        (Verdict.NOT_APPLICABLE, "not applicable here: what only another environment can show", "Not applicable"),
        (Verdict.NOT_MEASURED, "not measured: could not be seen, which is never a pass", "Not measured"),
        (Verdict.MANUAL, "not attested: only a person can see them", "Waiting for an attestation"),
    )  # fmt: skip
    groups = ((words, [c for c in run.checks if c.verdict is words[0]]) for words in wordings)
    return [
        _Limit(verdict=verdict.value, words=words, caption=caption, checks=found)
        for (verdict, words, caption), found in groups
        if found
    ]


def _servers(run: RunRecord) -> list[tuple[str, Markup]]:
    """What phase 01 left about the servers (fact `infrastructure`), and the host that ran the notebooks."""
    first = run.phase("01")
    told = (first.facts if first else {}).get("infrastructure")
    rows = list(_flat(told)) if isinstance(told, Mapping) else []
    opened = next((phase.opened for phase in run.phases if phase.opened), None) or {}
    if opened.get("servers"):
        rows.insert(0, ("servers", opened["servers"]))
    rows += [(words(name), value) for name, value in run.host.items()]
    return [(name, Markup(cell(value))) for name, value in rows]  # noqa: S704  cell escapes


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        title = f"{before}: {words(name)}" if before else words(name)
        if isinstance(value, Mapping):
            yield from _flat(value, title)
        else:
            yield title, ", ".join(map(str, value)) if isinstance(value, list) else value


def _trace(run: RunRecord, notebooks: Path) -> dict[str, Any]:
    verdicts = {check.id: check.verdict.value for check in run.checks}
    rows = traceability.coverage_rows(notebooks, verdicts)
    for row in rows:
        row["checks"] = [told for told in row["checks"] if told[0] in verdicts]
    rows = [row for row in rows if row["checks"] or not row["covered"]]
    for row in rows:
        told = {Verdict(verdict) for _, _, verdict in row["checks"]}
        row["shown"] = bool(told & _SHOWN)
        row["elsewhere"] = told == {Verdict.NOT_APPLICABLE}
        row["passed"] = row["shown"] and not told & BLOCKING
    titles = dict.fromkeys(row["task"] for row in rows)
    tasks = [{"title": title, **_counts(row for row in rows if row["task"] == title)} for title in titles]
    return {
        "rows": rows,
        "tasks": tasks,
        **_counts(rows),
        "uncovered": [row["step"] for row in rows if not row["covered"]],
    }


def _counts(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Steps in all, and those that a check answers, that this run showed, that only another environment can show, and
    that were shown with nothing that blocks."""
    found = list(rows)
    kinds = {"answered": "covered", "shown": "shown", "elsewhere": "elsewhere", "passed": "passed"}
    return {"total": len(found), **{name: sum(bool(row[kind]) for row in found) for name, kind in kinds.items()}}
