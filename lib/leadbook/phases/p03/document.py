"""The document "Performance benchmarks", and the words for the decision on the batch size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leadbook.bench.inserts import BatchSize
from leadbook.bench.inserts import batch_size as decide
from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.measure.disclosure import Disclosure
from leadbook.page.prose import pipe_table
from leadbook.page.tables import target_text
from leadbook.phases.documents import render
from leadbook.phases.p03 import tables

READERS = ("Technical Lead", "Project Manager")


def batch_size(decided: BatchSize) -> str:
    """The decision in words, for every document that names a batch size."""
    kept = decided.proposed == decided.configured
    return f"`batch_size: {decided.proposed}` ({'as it is: no better size is shown' if kept else 'shown to be better'})"


def performance(
    settings: Settings, disclosed: Disclosure, found: Mapping[str, Any], checks: Iterable[Check],
    earlier: Iterable[Check],
) -> str:  # fmt: skip
    """Markdown with the sections of steps 1.1.4.5 and 1.4.1.9.

    found: measurements by name, None for what could not be made.  earlier: checks of phases 01 and 02 of this run.
    """
    earlier, inserted = list(earlier), found["inserts"]
    return render(
        __file__, "performance-benchmarks", tables=tables, verdicts=_verdicts, settings=settings,
        disclosed=disclosed, checks=checks, inserted=inserted,
        decided=batch_size(decide(inserted, settings.batch_size)) if inserted else "",
        concerns=found["write concerns"], lookups=found["look-ups"], finds=found["finds"] or (),
        pools=found["connections"] or (), prices=found["index prices"], references=found["references"],
        connectivity=[one for one in earlier if one.phase == "01"],
        errors=[one for one in earlier if one.phase == "02"],
    )  # fmt: skip


def _verdicts(checks: Iterable[Check]) -> str:
    rows = [[one.id, one.title, str(one.verdict), one.measured, target_text(one)] for one in checks]
    return pipe_table(["check", "what", "verdict", "measured", "target"], rows) if rows else "Not run in this run."
