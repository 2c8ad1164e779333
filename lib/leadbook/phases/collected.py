"""The rate of collecting as 07, 08 and 09 tell it: measured over an hour, or extrapolated and said so."""

from __future__ import annotations

from datetime import UTC, datetime

from leadbook.analysis.collecting import Collecting, CollectionRate
from leadbook.core.checks import Inapplicable, Unmeasured
from leadbook.core.settings import Settings
from leadbook.phases.judging import Answered
from leadbook.phases.section import Table

COLUMNS = {
    "collector": "workflow that staged the records; the vendor where they name none", "staged": "records staged",
    "first": "time of its first record, UTC", "last": "of its last", "last hour": "records staged in the last hour",
    "leads/hour": "records an hour between its first and its last one",
}  # fmt: skip


def table(found: Collecting) -> Table:
    """Staged records over time, by collector."""
    return Table(found.by_collector, "Collected over time, by collector", COLUMNS)


def in_last_hour(found: Collecting, settings: Settings) -> Answered:
    """The rate of the last hour; it does not apply while nobody collects, nor where the collectors were only tried:
    the sprint has not begun (`sprint_start`), and all that was staged is less than an hour's."""
    if not found.in_hour:
        return Answered(Inapplicable("nothing was staged in the last hour: no collector is at work"))
    start = settings.sprint_start
    begun = bool(start) and datetime.fromisoformat(start) <= datetime.now(UTC)
    if found.staged < settings.target_leads_per_hour and not begun:
        told = (
            f"{found.staged:,} records were staged in all, fewer than an hour's {settings.target_leads_per_hour:,.0f}"
        )
        return Answered(Inapplicable(f"{told}: the collectors were tried, the sprint has not begun"))
    return _told(found.hour, found.in_hour)


def in_sprint(found: Collecting) -> Answered:
    """The rate of the whole sprint."""
    if not found.staged:
        return Answered(Inapplicable("nothing was staged: leads from files have no time of collection"))
    return _told(found.sprint, found.staged)


def _told(rate: CollectionRate | None, staged: int) -> Answered:
    """An hour and more is measured. Less is extrapolated, so that the interval's lower end is judged."""
    if rate is None:
        why = f"{staged:,} records were staged within 10 seconds: too short for a rate"
        return Answered(Unmeasured(why, "collect for some minutes, an hour if possible"))
    hourly, minutes = rate.hourly, rate.seconds / 60
    told = f"{hourly.text('records/hour')}: {rate.records:,} staged in {minutes:,.1f} minutes, with the 95 % interval"
    if not rate.extrapolated:
        return Answered(round(hourly.middle), told)
    if not hourly.low:
        why = f"{told}: too short and too uneven for an hour's rate"
        return Answered(Unmeasured(why, "collect for an hour, or accept that it was shorter"))
    return Answered(round(hourly.low), f"{told}; extrapolated from less than an hour, so its lower end is judged")
