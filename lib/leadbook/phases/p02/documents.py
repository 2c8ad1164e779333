"""The documents that phase 02 hands to the Technical Lead, and the commands that a person is to run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leadbook.core.settings import Settings
from leadbook.phases.documents import render
from leadbook.phases.p02 import tables
from leadbook.phases.p02.probe_verdicts import recommendation
from leadbook.phases.section import Document
from leadbook.schema.probes import ProbeRun
from leadbook.schema.state import Change
from leadbook.schema.studies import QueryStudy


def by_hand(changes: Iterable[Change], settings: Settings) -> str:
    """Markdown: the commands of all changes that were not applied, whole, to be pasted into mongosh."""
    commands = [f"{change.shell()};" for change in changes if change.command and not change.applied]
    if not commands:
        return "No change is left to be applied by hand."
    shown_only = settings.apply_schema and not settings.approves("apply_schema")
    way = settings.how_to_approve("apply_schema") if shown_only else "let it apply them with apply_schema: true"
    return (
        f"**{_counted(commands)} left.** Paste into `mongosh`, logged in with `dbAdmin` on "
        f"`{settings.database}`, and run this notebook again; or, {way}.\n\n{_script(commands, settings)}"
    )


def dry_run(changes: Iterable[Change], settings: Settings) -> str:
    """Markdown: how many changes are pending, and their commands, whole, where 2.2 runs them; else 2.2 has them."""
    commands = [f"{change.shell()};" for change in changes if change.command]
    if not commands:
        return "No command is pending."
    if not (settings.apply_schema and settings.approves("apply_schema")):
        return f"**{_counted(commands)} pending.** Nothing runs them here: 2.2 lists them, to be pasted."
    return f"**{_counted(commands)} pending.** 2.2 runs them, as `mongosh` would:\n\n{_script(commands, settings)}"


def _counted(commands: Sequence[str]) -> str:
    return "1 command is" if len(commands) == 1 else f"{len(commands)} commands are"


def _script(commands: Sequence[str], settings: Settings) -> str:
    lines = "\n".join([f'db = db.getSiblingDB("{settings.database}");', *commands])
    return f"```javascript\n{lines}\n```"


def basis(study: QueryStudy) -> str:
    """A sentence saying on what the queries were measured."""
    what = "sample leads in a scratch collection, since dropped" if study.on_sample else "stored leads"
    return f"Measured on **{study.documents:,} {what}** (`{study.subject}`)." if study.subject else "Nothing measured."


def schema(settings: Settings, runs: Sequence[ProbeRun]) -> Document:
    """Fields, defaults, timestamps, validation and what it really does."""
    text = render(
        __file__, "schema", settings=settings, fields=tables.fields().frame, advice=recommendation(runs, settings)
    )
    return Document("schema", "Schema of the leads", text, ("Technical Lead",))


def index_summary(study: QueryStudy) -> Document:
    """The indexes with size and use, the measured queries, and advice."""
    text = render(
        __file__, "index-summary", basis=basis(study), indexes=tables.indexes(study.review).frame,
        queries=tables.queries(study.queries).frame, advice=tables.advice(study.review.advice).frame,
        on_sample=study.on_sample,
    )  # fmt: skip
    return Document("index-summary", "Index summary", text, ("Technical Lead",))
