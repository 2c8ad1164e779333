"""The two documents of phase 08, from the templates beside, and the sentence that opens both."""

from __future__ import annotations

import pandas as pd

from leadbook.core.checks import Verdict
from leadbook.monitor.session import Observation
from leadbook.page.prose import number
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.deeds import frame, in_words
from leadbook.phases.documents import render
from leadbook.phases.p08 import hour_told, staged
from leadbook.phases.p08.decisions import BAD, topic
from leadbook.phases.p08.frames import batch_sizes_frame, decisions_frame, lookups_frame, readings_frame, slow_frame
from leadbook.phases.p08.hour import Watched
from leadbook.phases.p08.snapshot import Snapshot

TUNING = "LOAD-TUN-"
"""Checks of phase 05 that compare a setting."""


def summary(seen: Observation) -> str:
    """One paragraph: how long, what ran meanwhile, what could not be watched."""
    load = "nothing was written by this notebook (it only watches)"
    if seen.wrote:
        batches = f"in {len(seen.batches)} batches into a scratch collection"
        load = f"a writer inserted **{seen.written:,} documents** {batches}"
    absent = "".join(f" Not watched: {source} ({why})." for source, why in seen.absent.items())
    return (
        f"{len(seen.timeline.frame)} samples in {seen.seconds:.1f} s from {seen.started_at:%Y-%m-%d %H:%M:%S} UTC; "
        f"meanwhile {load}, and {len(seen.lookups):,} look-ups ran. MongoDB {seen.versions.get('mongodb', '?')}, "
        f"Redis {seen.versions.get('redis', 'away')}.{absent}"
    )


def _plain(seen: Observation) -> str:
    return summary(seen).replace("**", "")


def monitoring_log(snapshot: Snapshot) -> str:
    """The document "Monitoring log" as Markdown: readings, thresholds, pool, look-ups and issues."""
    seen, checks = snapshot.seen, snapshot.judged
    issues = [
        (check.id, check.title, check.verdict.value, measured_text(check), target_text(check), check.remedy)
        for check in checks if check.verdict in BAD | {Verdict.WARN}
    ]  # fmt: skip
    thresholds = [(check.title, measured_text(check), target_text(check), check.evidence, check.source,
               check.verdict.value)
              for check in snapshot.groups["readings"]]  # fmt: skip
    dark = [(check.id, check.title, check.verdict.value, check.evidence) for check in checks
            if check.verdict in (Verdict.NOT_MEASURED, Verdict.NOT_APPLICABLE)]  # fmt: skip
    return render(
        __file__, "monitoring-log", seen=seen, summary=_plain(seen),
        resolved=frame(snapshot.done, "resolution"), done=in_words(snapshot.done),
        staged=staged.in_words(snapshot.around.staged), collectors=staged.collectors_frame(snapshot.around.staged),
        hour=hour_told.in_words(snapshot.kept, snapshot.settings.target_collected), parts=_parts(snapshot.kept),
        thresholds=thresholds, lookups=lookups_frame(seen), issues=issues, dark=dark,
        readings={source: readings_frame(seen.timeline, source) for source in ("mongodb", "redis", "pool", "host")},
    )  # fmt: skip


def _parts(kept: hour_told.Kept) -> pd.DataFrame | None:
    return hour_told.stages_frame(kept) if isinstance(kept, Watched) else None


def advised(snapshot: Snapshot) -> str:
    """What phase 05 advises and nobody has set yet, beside what this snapshot decided; empty where it advises nothing.

    Phase 05 compared settings in rounds under more load than a snapshot sees: neither refutes the other.
    """
    open_ones = [one for one in snapshot.load if one.id.startswith(TUNING) and one.verdict is Verdict.WARN]
    if not open_ones:
        return ""
    told = "; ".join(f"{one.remedy} ({one.evidence})" for one in open_ones)
    return f"Phase 05 compared settings in rounds, under more load than this snapshot saw. Its advice is open: {told}."


def optimizations(snapshot: Snapshot) -> str:
    """The document "Optimizations and scaling" as Markdown: decisions, resources, batch sizes, actions."""
    needed = [f"{topic(one)}: {one.remedy}" for one in snapshot.decided if one.verdict is Verdict.WARN]
    resources = [
        (each.name, number(each.used, each.unit), f"{each.limit:g} {each.unit}".strip(),
         None if each.used is None else each.full, each.relief)
        for each in snapshot.resources
    ]  # fmt: skip
    return render(
        __file__, "optimizations-and-scaling", seen=snapshot.seen, summary=_plain(snapshot.seen),
        settings=snapshot.settings, resources=resources,
        decisions=decisions_frame(snapshot.decided), actions="; ".join(needed) or "by this snapshot, nothing is needed",
        advised=advised(snapshot),
        done=in_words(snapshot.done), optimisations=frame(snapshot.done, "optimisation"),
        scaling=frame(snapshot.done, "scaling"), resolved=frame(snapshot.done, "resolution"),
        sizes=batch_sizes_frame(snapshot.seen), slow=slow_frame(snapshot.seen.slow or ()),
    )  # fmt: skip
