"""Tables of the final analysis, and what their columns mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from leadbook.actions.told import DRILL
from leadbook.analysis.anomalies import Anomaly
from leadbook.analysis.integrity import IndexCount
from leadbook.analysis.queries import COUNTERPARTS, Stage, queries
from leadbook.analysis.sessions import ENDED, IngestSession, SessionDifference
from leadbook.analysis.statistics import Statistics
from leadbook.analysis.totals import Totals
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.phases.p09.checks import STRETCH
from leadbook.phases.p09.recommendations import Recommendation
from leadbook.phases.section import Table

COLUMNS = {
    "vendor": "as in params/vendors", "collector": "workflow that staged the records, or the files",
    "read": "records in all = all outcomes together", "stored": "became new leads", "filled": "added fields to a lead",
    "duplicate": "known already", "rejected": "no valid lead, kept with a reason", "failed": "to be brought in again",
    "waiting": "staged, and nobody has ended it", "claimed": "staged, and somebody works on it or died over it",
    "session": "end of its id", "brought in from": "staging or files", "began": "UTC",
    "end": "ended, dead (it gave no sign), or none told yet", "told as ended": "records, by its ledger in the journal",
    "ended by the data": "staged records that carry its id", "difference": "why the two differ",
    "what": "the number", "value": "measured now", "% of leads": "share of all stored leads",
    "target": "what is asked for",
    "task book (SQL)": "as the task book writes it", "run here (MongoDB)": "the pipeline or command that was run",
    "remark": "what it counts, or why it differs",
    "field": "field of a lead", "present": "leads that have it, not null and not blank", "percent": "share of leads",
    "required": "a lead without it is not valid", "source": "data_source", "leads": "leads concerned",
    "all sources": "the share over all sources",
    "index": "name of the index", "fields": "its keys", "unique": "refuses a second equal value",
    "through the index": "documents counted through it", "by a scan": "documents it should know",
    "whole": "both agree; or why it cannot be counted",
    "anomaly": "the rule", "kind": "possible duplicate, shared line, contradiction, or suspicion",
    "groups": "sets of leads that belong together", "example": "masked", "what it means": "why it matters",
    "what to do": "advice",
    "query": "query of the report", "filtered": "selects by a field, so an index should help",
    "plan": "how the server finds the documents; metadata = it need not look at any", "ms": "time of one run",
    "problem": "why it did not run", "area": "what it tells of", "metric": "what was measured",
    "measured": "the number",
    "unit": "of the number", "verdict": "of the phase that measured it", "phase": "number of the notebook",
    "check": "its check",
    "reading": "of the monitoring snapshot", "first third": "mean", "last third": "mean",
    "change %": "last to first",
    "priority": "high: a target is missed", "topic": "what it is about", "action": "what to do",
    "evidence": "the measurement it rests on", "impact": "estimate of the effect",
}  # fmt: skip
"""By column name."""


def table(frame: pd.DataFrame, title: str) -> Table:
    """A table whose columns are explained."""
    return Table(frame, title, {name: COLUMNS[name] for name in frame.columns if name in COLUMNS})


def counterparts() -> Table:
    """Statements of the task book: PostgreSQL, MongoDB, and a remark."""
    rows: list[Sequence[str]] = [
        (each.sql, _shown(each.pipeline), f"{each.name}{'; by index' if each.filtered else ''}") for each in queries()
    ]
    frame = pd.DataFrame([*rows, *COUNTERPARTS], columns=["task book (SQL)", "run here (MongoDB)", "remark"])
    return table(frame, "The task book's SQL and its counterpart")


def _shown(pipeline: Sequence[Stage]) -> str:
    """As mongosh takes it."""
    return f"aggregate({_short(list(pipeline))})"


def _short(body: Any) -> str:
    if isinstance(body, dict):
        return "{" + ", ".join(f"{key}: {_short(value)}" for key, value in body.items()) + "}"
    if isinstance(body, list):
        return "[" + ", ".join(map(_short, body)) + "]"
    return f'ISODate("{body:%Y-%m-%dT%H:%M:%SZ}")' if isinstance(body, datetime) else json.dumps(body)


def statistics(found: Statistics, totals: Totals, settings: Settings) -> Table:
    """Final numbers: what, value, share of leads, target."""
    email, company = settings.target_email_percent, settings.target_company_percent
    rows: list[Sequence[Any]] = [
        ("leads collected (raw records)", totals.records, None, f"≥ {settings.target_collected:,}"),
        ("unique leads stored", found.unique, None, f"≥ {settings.target_unique:,}"),
        ("unique leads, stretch goal", found.unique, None, f"≥ {definition(STRETCH).target:,}"),
        ("mean quality score", found.mean_score, None, f"> {settings.target_quality_score:g}"),
        (f"mean quality points of {found.max_points}", found.mean_points, found.points_percent,
         "none: shown to tell more"),
        ("leads with an e-mail", found.email, found.percent(found.email), f"> {email:g} %"),
        ("leads with company data", found.company, found.percent(found.company), f"> {company:g} %"),
        ("qualified leads", found.qualified, found.percent(found.qualified), "none"),
    ]  # fmt: skip
    rows += [(f"leads from {source or 'no source'}", count, found.percent(count), "none")
             for source, count in found.by_source.items()]  # fmt: skip
    return table(pd.DataFrame(rows, columns=["what", "value", "% of leads", "target"]), "Final database statistics")


def brought(totals: Totals) -> tuple[Table, Table]:
    """What became of all that was brought in, by vendor and by collector."""
    return (
        table(totals.table("vendor"), "What was brought in and what became of it, by vendor"),
        table(totals.table("collector"), "What was brought in and what became of it, by collector"),
    )


def sessions(known: Iterable[IngestSession], totals: Totals, unlike: Iterable[SessionDifference]) -> Table:
    """Ingest sessions: what each told the journal, beside what the data says that it ended."""
    differ = {one.session: one for one in unlike}
    mine = {one.id: one for one in known}
    rows = [_session_row(mine.get(name), name, totals, differ.get(name)) for name in dict.fromkeys([*mine, *differ])]
    columns = ["session", "brought in from", "began", "end", "read", "told as ended", "ended by the data", "difference"]
    return table(pd.DataFrame(rows, columns=columns), "Ingest sessions: the journal beside the data")


def _session_row(
    known: IngestSession | None, name: str, totals: Totals, unlike: SessionDifference | None
) -> Sequence[Any]:
    data = _ended(totals.ended[name]) if name in totals.ended else None
    why = "none" if unlike is None else unlike.why or "nothing explains it"
    if known is None:
        return (name[-6:], "", "", "not in the journal", None, None, data, why)
    began, end = f"{known.begun:%Y-%m-%d %H:%M:%S}", known.cut or known.end
    return (name[-6:], known.source, began, end, known.told["read"], _ended(known.told), data, why)


def _ended(counts: Mapping[str, int]) -> int:
    return sum(counts.get(kind, 0) for kind in ENDED)


def indexes(counts: Iterable[IndexCount]) -> Table:
    """Indexes: documents through each, and by a scan."""
    columns = ["index", "fields", "unique", "through the index", "by a scan", "whole"]
    rows = [
        (each.name, each.keys, each.unique, each.counted, each.expected, each.skipped or each.whole) for each in counts
    ]
    frame = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:5], "Int64"))
    return table(frame, "Every index against a scan")


def anomalies(found: Iterable[Anomaly]) -> Table:
    """Rules, those that found something first; examples are masked."""
    columns = ["anomaly", "kind", "leads", "groups", "example", "what it means", "what to do"]
    rows = [
        (each.rule.name, each.rule.kind, each.leads, each.groups, "; ".join(each.examples) or "–", each.rule.meaning,
         each.rule.advice)
        for each in sorted(found, key=lambda each: -each.leads)
    ]  # fmt: skip
    return table(pd.DataFrame(rows, columns=columns), "Anomalies, rule by rule")


def recommendations(made: Iterable[Recommendation]) -> Table:
    """Recommendations in their order."""
    frame = pd.DataFrame([vars(each) for each in made], columns=["priority", "topic", "action", "evidence", "impact"])
    return table(frame, "Recommendations, the most pressing first")


STORY = {
    "at": "when it ended, UTC", "what": "a stage of the sprint, or what somebody had done",
    "outcome": "the verdict, or what came of it", "accepted risks": "checks whose risk somebody had accepted",
}  # fmt: skip


def story(entries: Sequence[Mapping[str, Any]]) -> Table:
    """What the journal tells of the sprint: verdicts of its stages, and actions such as a recovery or an erasure."""
    rows = [
        (f"{one['at']:%Y-%m-%d %H:%M}", _named(one),
         one.get("verdict") or _counts(one.get("done")), ", ".join(one.get("risks", ())))
        for one in entries
    ]  # fmt: skip
    return Table(pd.DataFrame(rows, columns=list(STORY)), "The sprint, by its journal", STORY)


def _named(entry: Mapping[str, Any]) -> str:
    """A stage, what an action is called, or what a drill did."""
    name = str(entry.get("stage") or entry.get("action"))
    if name == DRILL:
        return f"planned drill: {entry.get('what')}"
    return {"rehearse_sprint": "the rehearsal's sprint"}.get(name, name.replace("_", " "))


def _counts(done: Any) -> str:
    counts = done.items() if isinstance(done, Mapping) else ()
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts if type(count) is int)
