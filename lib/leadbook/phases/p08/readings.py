"""Which reading of a snapshot answers which check; the limits themselves stand in the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadbook.core.checks import Inapplicable, Unmeasured
from leadbook.core.definitions import definition
from leadbook.monitor.loop import Timeline
from leadbook.phases.judging import Answers, Finding

HOST_CPU, HOST_MEMORY = "host.cpu_percent", "host.memory_percent"
NOWHERE: Mapping[str, Finding] = {}


@dataclass(frozen=True)
class ReadingRule:
    """What of a reading is judged by a check.

    statistic: which of the samples; the median where a peak of one sample is no finding.  since: the first server
    version that reports the field.  only_where: another reading must reach `at_least` to matter.
    """

    check: str
    reading: str
    statistic: str
    since: str = ""
    only_where: str = ""
    at_least: float = 0.0

    @property
    def source(self) -> str:
        """`mongodb`, `redis`, `pool` or `host`."""
        return self.reading.partition(".")[0]


REMEDIES = {
    "host": "give the DBA's user clusterMonitor, or look at the provider's metrics of that machine",
    "redis": "bring Redis back, then run phase 08 again",
}
"""What to do where a source was not watched."""
RULES = (
    ReadingRule("MON-CACHE-001", "mongodb.cache_dirty_percent", "max"),
    ReadingRule("MON-CACHE-002", "mongodb.cache_used_percent", "max"),
    ReadingRule("MON-CACHE-003", "mongodb.application_evictions_per_s", "median"),
    ReadingRule("MON-QUEUE-001", "mongodb.tickets_waiting", "median"),
    ReadingRule("MON-QUEUE-002", "mongodb.lock_queue", "median"),
    ReadingRule("MON-MEM-001", "mongodb.page_faults_per_s", "median"),
    ReadingRule("MON-CONN-001", "mongodb.connections_used_percent", "max"),
    ReadingRule("MON-CONN-002", "mongodb.connections_rejected_per_s", "max", since="6.3"),
    ReadingRule("MON-REPL-003", "mongodb.flow_control_lagged", "median"),
    ReadingRule("MON-QUERY-002", "mongodb.targeting", "median"),
    ReadingRule("MON-RDS-001", "redis.memory_percent", "max"),
    ReadingRule("MON-RDS-003", "redis.evicted_per_s", "max"),
    ReadingRule("MON-RDS-004", "redis.rejected_per_s", "max"),
    ReadingRule("MON-RDS-005", "redis.oom_errors_per_s", "max"),
    ReadingRule("MON-RDS-006", "redis.command_p99_us", "last", since="7.0"),
    ReadingRule("MON-RDS-007", "redis.latest_fork_us", "last"),
    ReadingRule(
        "MON-RDS-008", "redis.fragmentation_ratio", "last", only_where="redis.fragmentation_bytes", at_least=100e6
    ),
    ReadingRule("MON-HOST-001", HOST_CPU, "median"),
    ReadingRule("MON-HOST-002", HOST_MEMORY, "max"),
    ReadingRule("MON-POOL-001", "pool.used_percent", "max"),
)


def readings(
    timeline: Timeline,
    versions: Mapping[str, str],
    absent: Mapping[str, str],
    elsewhere: Mapping[str, Finding] = NOWHERE,
) -> Answers:
    """An answer for each rule: what a server does not report is not measured, which is never a pass.

    timeline: of any stretch of time.  versions: of the servers, by source.  absent: why a source was not read.
    elsewhere: readings that the provider's API told, for those that the server does not.
    """
    told = {}
    for rule in RULES:
        answer = _answer(rule, timeline, versions, absent)
        known = isinstance(answer, Unmeasured) and rule.reading in elsewhere
        told[rule.check] = elsewhere[rule.reading] if known else (answer, _evidence(rule, timeline))
    return told


def _answer(rule: ReadingRule, timeline: Timeline, versions: Mapping[str, str], absent: Mapping[str, str]) -> Any:
    value, version = timeline.statistic(rule.reading, rule.statistic), versions.get(rule.source, "")
    if value is None and rule.source in absent:
        return Unmeasured(absent[rule.source], REMEDIES.get(rule.source, ""))
    if value is None and rule.since and version and _parts(version) < _parts(rule.since):
        return Inapplicable(f"reported since {rule.since}; the server is {version}")
    if value is None:
        return Unmeasured(
            f"not measurable on this tier: the server does not report {rule.reading}", "look in the provider's console"
        )
    weight = timeline.statistic(rule.only_where, rule.statistic)
    if weight is not None and weight < rule.at_least:
        least = f"below {rule.at_least / 1e6:,.0f} MB it does not matter"
        return Inapplicable(f"{value:.3g}, of {weight / 1e6:,.0f} MB: {least}")
    return round(value, 4)


def _evidence(rule: ReadingRule, timeline: Timeline) -> str:
    entry, peak = definition(rule.check), timeline.statistic(rule.reading, "max")
    told = f"{rule.statistic} of {len(timeline.values(rule.reading))} samples"
    if peak is not None and rule.statistic != "max":
        told += f", peak {peak:.4g} {entry.unit}".rstrip()
    if entry.critical is not None:
        told += f"; critical {'≥' if entry.compare == '<' else '>'} {entry.critical:,.10g} {entry.unit}".rstrip()
    return told


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())
