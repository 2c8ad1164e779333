"""What the snapshot says of the staging collection: what waits, and what each collector sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from leadbook.core.checks import Inapplicable, Unmeasured
from leadbook.core.settings import Settings
from leadbook.monitor.staging import Intake
from leadbook.phases.judging import Answered, Answers, of_each
from leadbook.schema.state import Change

COLUMNS = {
    "collector": "its workflow, as it stamps its records", "vendor": "whose records it stages",
    "staged in a day": "records within the last 24 hours", "staged in an hour": "records within the last hour",
    "waiting": "of those of the day, not ended yet", "last, min ago": "since its latest record",
}  # fmt: skip

Seen = Intake | Unmeasured | Exception


def collectors_frame(intake: Seen) -> pd.DataFrame:
    """A row a collector of the last day."""
    rows = [
        (one.workflow or "(not stamped)", one.vendor, one.in_day, one.in_hour, one.waiting, round(one.last_s / 60, 1))
        for one in (intake.collectors if isinstance(intake, Intake) else ())
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def in_words(intake: Seen) -> str:
    """What waits, in a sentence."""
    if not isinstance(intake, Intake):
        return "What waits in the staging collection could not be read."
    left = intake.backlog
    oldest = "" if left.oldest_s is None else f", the oldest for {left.oldest_s:,.0f} s"
    return (
        f"{left.left:,} staged records wait, {left.claimed:,} of them claimed by a worker{oldest}; "
        f"{intake.in_hour:,} were staged within the last hour."
    )


def losing(found: Sequence[Change] | Unmeasured | Exception) -> Answers:
    """Nothing deletes records by itself, or refuses them."""
    return of_each({"MON-STG-002": _losing}, found)


def _losing(found: Sequence[Change]) -> Answered:
    said = "; ".join(f"{one.collection}: {one.line}" for one in found)
    remedy = "; ".join(dict.fromkeys(one.remedy for one in found))
    return Answered(len(found), said or "listCollections and listIndexes of all three and the journal", remedy)


def waiting(intake: Seen, settings: Settings) -> Answers:
    """No staged record waits longer than it may."""
    answer: Any = intake
    if isinstance(intake, Intake):
        left = intake.backlog
        answer = round(left.oldest_s or 0.0, 1)
        if left.left and left.oldest_s is None:
            answer = Unmeasured("no waiting record tells when it was staged", "let collectors set collected_at")
        elif not left.left and not intake.collectors:
            answer = Inapplicable("nothing waits, and nothing was staged within a day")
    return {"MON-STG-001": Answered(answer, in_words(intake).rstrip("."), target=settings.backlog_max_age_s)}
