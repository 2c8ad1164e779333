"""The sections of notebook 02, in its order. What one finds the later ones take (`found`)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from leadbook.core.checks import Unmeasured
from leadbook.page import palette, style
from leadbook.phases.judging import attempt
from leadbook.phases.p02 import documents, plan_verdicts, tables, verdicts
from leadbook.phases.p02.probe_verdicts import probes, recommendation
from leadbook.phases.phase import Phase
from leadbook.phases.section import Plot, Section
from leadbook.rehearsal import sample
from leadbook.schema.probes import ProbeRun
from leadbook.schema.studies import QueryStudy, study

SAMPLE = 5_000
"""Sample leads that stand for stored ones while those are too few for a realistic plan."""
Studied = QueryStudy | Unmeasured | Exception


def pending(book: Phase) -> Section:
    """2.1: what would change. Changes nothing."""
    found = verdicts.dry_run(book.leads, book.settings)
    return Section(
        says=documents.dry_run(found, book.settings), tables=(tables.pending(found),), found=found
    )  # fmt: skip


def changes(book: Phase) -> Section:
    """2.2: apply what is pending and approved, list the rest as commands, and compare the result with the design."""
    made, check = verdicts.apply_pending(book.leads, book.admin, book.settings)
    return Section(
        says=documents.by_hand(made, book.settings),
        tables=(tables.made(made),),
        checks=(check, *verdicts.structure(book.leads, book.settings)),
        found=made,
    )


def fields(book: Phase) -> Section:
    """2.3: the lead document, and whether the stored leads obey it."""
    return Section(tables=(tables.fields(),), checks=verdicts.stored(book.leads, book.settings))


def bad_leads(book: Phase) -> Section:
    """2.4: what the server really does with bad leads. found: the runs of the probes."""
    runs, checks = probes(book.leads, book.settings, book.admin)
    said = recommendation(runs, book.settings)
    return Section(says=said, tables=(tables.probes(runs),), checks=checks, found=runs)


def queries(book: Phase) -> Section:
    """2.5: what each query costs. found: the study, or why there is none."""
    leads = sample.documents(SAMPLE, seed=book.settings.sample_seed)
    studied = attempt(lambda: study(book.leads, book.admin, book.settings, leads))
    known = _known(studied)
    return Section(
        says=documents.basis(known), tables=(tables.queries(known.queries),),
        checks=plan_verdicts.queries(studied, book.settings), found=studied,
    )  # fmt: skip


def _known(studied: Studied) -> QueryStudy:
    return studied if isinstance(studied, QueryStudy) else QueryStudy()


def effort(studied: Studied) -> Section:
    """2.5: the plot of what each query examined and returned."""
    drawn = query_effort(tables.queries(_known(studied).queries).frame)
    return Section(plots=(Plot(drawn, "Work done by each query: documents examined beside documents returned"),))


def indexes(book: Phase, studied: Studied) -> Section:
    """2.6: which indexes earn their place."""
    review = _known(studied).review
    return Section(
        tables=(tables.indexes(review), tables.advice(review.advice)),
        checks=plan_verdicts.indexes(studied, book.leads.name, book.settings),
        facts={"indexes": len(review.indexes)},
    )


def handover(book: Phase, runs: Sequence[ProbeRun], studied: Studied) -> Section:
    """2.7: the schema and the index summary for the Technical Lead."""
    return Section(documents=(documents.schema(book.settings, runs), documents.index_summary(_known(studied))))


def query_effort(queries: pd.DataFrame) -> Figure:
    """Documents examined beside documents returned for each query, with the server's time written after the bars.

    `queries` has the columns `question`, `docs`, `returned` and `server ms`. Bars of equal length are ideal; a longer
    upper bar is work thrown away; no upper bar means that the index alone answered. Where nothing was
    measured, it says so.
    """
    rows = queries.reset_index(drop=True)
    height = 0.45 * len(rows) + 1.7
    figure, axes = style.figure("Work done by each query", "documents (log scale)", "", size=(8.5, height))
    if rows.empty:
        return style.nothing(figure)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=palette.GRID, linewidth=0.8)
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for offset, column, label in ((-0.19, "docs", "examined"), (0.19, "returned", "returned")):
        axes.barh(rows.index + offset, rows[column].astype(float), height=0.34, label=label)
    longest = rows[["docs", "returned"]].astype(float).max(axis=1).fillna(0.0)
    for place, (length, millis) in enumerate(zip(longest, rows["server ms"], strict=True)):
        axes.annotate(_time(millis), (length, place), xytext=(5, 0), va="center", textcoords="offset points",
                      fontsize=9, color=palette.INK)  # fmt: skip
    axes.set_yticks(range(len(rows)), rows["question"], color=palette.INK)
    axes.invert_yaxis()
    axes.set_xlim(0, max(float(longest.max()), 1.0) * 4)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=9)
    return figure


def _time(millis: float) -> str:
    if pd.isna(millis):
        return "not measured"
    return "< 1 ms" if millis < 1 else f"{millis:g} ms"
