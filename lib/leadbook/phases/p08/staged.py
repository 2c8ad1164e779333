"""What the snapshot says of the staging collection: what waits, and what each collector sends."""

from __future__ import annotations

from typing import Any

import pandas as pd

from leadbook.core.checks import Check, Inapplicable, Unmeasured, judge
from leadbook.core.settings import Settings
from leadbook.monitor.staging import StagingReading

COLUMNS = {
    "collector": "its workflow, as it stamps its records", "vendor": "whose records it stages",
    "staged in a day": "records within the last 24 hours", "staged in an hour": "records within the last hour",
    "waiting": "of those of the day, not ended yet", "last, min ago": "since its latest record",
}  # fmt: skip

Seen = StagingReading | Unmeasured | Exception


def collectors_frame(backlog: Seen) -> pd.DataFrame:
    """A row a collector of the last day."""
    rows = [
        (one.workflow or "(not stamped)", one.vendor, one.in_day, one.in_hour, one.waiting, round(one.last_s / 60, 1))
        for one in (backlog.collectors if isinstance(backlog, StagingReading) else ())
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def in_words(backlog: Seen) -> str:
    """What waits, in a sentence."""
    if not isinstance(backlog, StagingReading):
        return "What waits in the staging collection could not be read."
    oldest = "" if backlog.oldest_s is None else f", the oldest for {backlog.oldest_s:,.0f} s"
    lately = sum(one.in_hour for one in backlog.collectors)
    return (
        f"{backlog.waiting:,} staged records wait, {backlog.claimed:,} of them claimed by a worker{oldest}; "
        f"{lately:,} were staged within the last hour."
    )


def staged_check(backlog: Seen, settings: Settings) -> Check:
    """No staged record waits longer than it may."""
    answer: Any = backlog
    if isinstance(backlog, StagingReading):
        answer = round(backlog.oldest_s or 0.0, 1)
        if backlog.waiting and backlog.oldest_s is None:
            answer = Unmeasured("no waiting record tells when it was staged", "let collectors set collected_at")
        elif not backlog.waiting and not backlog.collectors:
            answer = Inapplicable("nothing waits, and nothing was staged within a day")
    evidence = in_words(backlog).rstrip(".")
    return judge("MON-STG-001", answer, target=settings.backlog_max_age_s, evidence=evidence)


def facts(backlog: Seen) -> dict[str, Any]:
    """Numbers by name."""
    if not isinstance(backlog, StagingReading):
        return {}
    return {
        "staged_waiting": backlog.waiting, "staged_claimed": backlog.claimed, "staged_oldest_s": backlog.oldest_s,
        "staged_in_an_hour": {one.workflow: one.in_hour for one in backlog.collectors},
    }  # fmt: skip
