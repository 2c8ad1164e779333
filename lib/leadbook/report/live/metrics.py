"""A view as Prometheus metrics: a gauge for each reading of `watch.names`, in base units, and what was judged of them.

What was not read has no sample: an absent series, never a zero. Labels hold rules, limits, collectors; no person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from leadbook.phases.live.drawn import words
from leadbook.phases.live.records import LiveView
from leadbook.phases.live.view import latest
from leadbook.report.live.serve import METRICS, LoopbackServer
from leadbook.watch.names import READINGS

PREFIX = "leadbook_"
BASE = {
    "s": ("_s", "_seconds", 1.0), "ms": ("_ms", "_seconds", 1e-3), "us": ("_us", "_seconds", 1e-6),
    "h": ("_h", "_seconds", 3600.0), "%": ("_percent", "_ratio", 0.01), "share": ("", "_ratio", 1.0),
    "bytes": ("_bytes", "_bytes", 1.0), "USD": ("_usd", "_usd", 1.0),
}  # fmt: skip
"""Of a unit: how a reading's name ends, how its metric's does (Prometheus: base units, plural), and the factor.
https://prometheus.io/docs/practices/naming/"""
VERDICTS = ("HEALTHY", "ATTENTION", "CRITICAL")
MOST_COLLECTORS = 100
"""Collectors that get series of their own: more are a mistake, and each would stay in Prometheus for weeks."""
OTHERS = {
    "leadbook_verdict": "1 for the verdict in force",
    "leadbook_findings": "rules that have fired, by rule and level",
    "leadbook_rules_unknown": "rules that could not be judged",
    "leadbook_readings_unmeasured": "sources and readings that could not be read",
    "leadbook_wanted_leads": "leads wanted",
    "leadbook_forecast_leads_per_hour": "leads/hour now: median and 80 % interval",
    "leadbook_milestone_timestamp_seconds": "when a milestone comes: median and 80 % interval",
    "leadbook_milestone_probability_ratio": "probability that a milestone comes by the deadline",
    "leadbook_headroom_seconds": "until a limit is hit at this pace",
    "leadbook_collector_staged": "records staged, by collector",
    "leadbook_collector_silent": "1 where a collector fell silent",
    "leadbook_snapshot_number": "number of the newest snapshot",
    "leadbook_drawn_timestamp_seconds": "when these numbers were read, by the real clock",
}
"""Metrics beside those of the readings, and what they mean."""


def metric_of(name: str) -> tuple[str, float]:
    """A reading's metric, and the factor from the reading's unit to the metric's."""
    unit = READINGS[name][0]
    stem = PREFIX + name.replace(".", "_")
    if unit in BASE:
        ends, instead, factor = BASE[unit]
        return stem.removesuffix(ends) + instead, factor
    if stem.endswith("_per_s"):
        return stem.removesuffix("_per_s") + "_per_second", 1.0
    return stem, 1.0


def metrics_text(view: LiveView, drawn: datetime | None = None) -> str:
    """All metrics of a view in Prometheus's text format. drawn: by the real clock, UTC; now, where it is not given."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(view, drawn or datetime.now(UTC)))
    return generate_latest(registry).decode()


@contextmanager
def exporting(port: int) -> Iterator[Callable[[LiveView], None]]:
    """Serve metrics on loopback, under /metrics, while entered; gives who takes each new view. Raises UsageError."""
    with LoopbackServer(port, (METRICS,)) as server:
        yield lambda view: server.publish(METRICS, metrics_text(view))


class _Told(Collector):
    def __init__(self, view: LiveView, drawn: datetime) -> None:
        self.view, self.drawn = view, drawn

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every metric of the view."""
        view = self.view
        for name, (_, meaning) in READINGS.items():
            if (value := latest(view, name)) is not None:
                metric, factor = metric_of(name)
                yield GaugeMetricFamily(metric, meaning, value=value * factor)
        yield from self._judged()
        yield from self._expected()
        yield from self._collectors()
        yield _one("leadbook_snapshot_number", view.snapshot.number)
        yield _one("leadbook_drawn_timestamp_seconds", self.drawn.timestamp())

    def _judged(self) -> Iterator[GaugeMetricFamily]:
        view = self.view
        verdict = _labelled("leadbook_verdict", "verdict")
        for one in VERDICTS:
            verdict.add_metric([one], float(view.verdict == one))
        fired = _labelled("leadbook_findings", "rule", "level")
        for (rule, level), count in Counter((one.rule, words.level(one)) for one in view.findings).items():
            fired.add_metric([rule, level], count)
        yield from (verdict, fired)
        yield _one("leadbook_rules_unknown", len(view.unknown))
        yield _one("leadbook_readings_unmeasured", len(view.snapshot.unmeasured))
        yield _one("leadbook_wanted_leads", view.wanted)

    def _expected(self) -> Iterator[GaugeMetricFamily]:
        told = self.view.forecast
        rate = _labelled("leadbook_forecast_leads_per_hour", "percentile")
        for percentile, value in (("10", told.low), ("50", told.rate), ("90", told.high)):
            if value is not None:
                rate.add_metric([percentile], value)
        comes = _labelled("leadbook_milestone_timestamp_seconds", "leads", "percentile")
        likely = _labelled("leadbook_milestone_probability_ratio", "leads")
        for one in told.milestones:
            for percentile, at in (("10", one.early), ("50", one.reached_at or one.at), ("90", one.late)):
                if at is not None:
                    comes.add_metric([str(one.leads), percentile], at.timestamp())
            if one.probability is not None:
                likely.add_metric([str(one.leads)], one.probability)
        left = _labelled("leadbook_headroom_seconds", "limit")
        for limit in told.headroom:
            if limit.hours is not None:
                left.add_metric([limit.name], limit.hours * 3600)
        yield from (rate, comes, likely, left)

    def _collectors(self) -> Iterator[GaugeMetricFamily]:
        staged = _labelled("leadbook_collector_staged", "workflow", "vendor")
        silent = _labelled("leadbook_collector_silent", "workflow", "vendor")
        seen: set[tuple[str, str]] = set()
        for row in words.collectors(self.view)[:MOST_COLLECTORS]:
            if (who := (row.workflow, row.vendor)) not in seen:
                seen.add(who)
                silent.add_metric(who, float(row.silent))
                if row.staged != "–":
                    staged.add_metric(who, float(row.staged.replace(",", "")))
        yield from (staged, silent)


def _one(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, OTHERS[name], value=value)


def _labelled(name: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, OTHERS[name], labels=labels)
