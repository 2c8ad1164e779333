"""What Atlas says of its alerts: whether somebody is told of a busy CPU, a full disk, many connections, lag."""

from __future__ import annotations

from collections.abc import Mapping

from leadbook.atlas.project import AtlasProject
from leadbook.atlas.records import AlertConfig
from leadbook.phases.console.atlas import Atlas, Questions
from leadbook.phases.judging import Finding, got
from leadbook.phases.section import Table, rows_table

WANTED: Mapping[str, tuple[str, ...]] = {
    "CPU": ("NORMALIZED_SYSTEM_CPU_USER", "MAX_NORMALIZED_SYSTEM_CPU_USER"),
    "disk": ("DISK_PARTITION_SPACE_USED_DATA", "MAX_DISK_PARTITION_SPACE_USED_DATA"),
    "connections": ("CONNECTIONS_PERCENT", "CONNECTIONS"),
    "replication lag": ("OPLOG_SLAVE_LAG_MASTER_TIME", "OPLOG_REPLICATION_LAG_TIME"),
}
"""Task book 3.3.1.6: what somebody must be told of, and Atlas' metric names (metricThreshold.metricName); the first is
the one to set."""
PERCENT = ("NORMALIZED_", "_PERCENT", "DISK_PARTITION_SPACE_USED_", "DISK_PARTITION_UTILIZATION_")
"""Of metric names: their raw numbers are percent."""
COLUMNS = {
    "about": "Atlas' metric, or its event", "enabled": "whether it is on",
    "limit": "threshold with its unit, where there is one", "tells": "kinds of its notifications; none tells nobody",
}  # fmt: skip


def monitored(atlas: Atlas) -> Questions:
    """Questions that are attested where Atlas is not asked."""
    return {"GATE-MON-001": lambda: _monitored(got(atlas))}


def _meant(config: AlertConfig, cluster: str) -> bool:
    """Whether it is of this cluster: limited to nothing, or to it by name. What is limited otherwise is in doubt."""
    return all(one == ("CLUSTER_NAME", "EQUALS", cluster) or one[0] == "TYPE_NAME" for one in config.only)


def _can_come(config: AlertConfig) -> bool:
    """Whether its threshold can be passed at all: a share of more than 100 % cannot."""
    percent = any(word in config.metric for word in PERCENT) and config.units == "RAW"
    return config.threshold is None or not percent or 0 < config.threshold < 100


def _monitored(project: AtlasProject) -> Finding:
    configs, cluster = project.alert_configs(), project.cluster().name
    heard = [
        config for config in configs
        if config.enabled and config.notifies and _meant(config, cluster) and _can_come(config)
    ]  # fmt: skip
    met = {about: [config for config in heard if config.metric in metrics] for about, metrics in WANTED.items()}
    missing = [f"{about} (metric {WANTED[about][0]})" for about, found in met.items() if not found]
    silent = [config.metric or config.event for config in configs if not (config.enabled and config.notifies)]
    off = f"; off, or telling nobody: {', '.join(dict.fromkeys(silent))}" if silent else ""
    if missing:
        limited = sum(not _meant(config, cluster) for config in configs)
        off += f"; {limited} are limited to something else than cluster {cluster}" if limited else ""
        return False, f"no enabled alert with a notification for {', '.join(missing)}{off}"
    told = ", ".join(f"{about} {_limit(found[0])}".rstrip() for about, found in met.items())
    kinds = sorted({kind for config in heard for kind in config.notifies})
    return True, f"{told}; told by {', '.join(kinds)}; {len(heard)} of {len(configs)} alerts are on and tell somebody"


def _limit(config: AlertConfig) -> str:
    if config.threshold is None:
        return ""
    sign = {"GREATER_THAN": ">", "LESS_THAN": "<"}.get(config.operator, config.operator)
    raw = "%" if any(word in config.metric for word in PERCENT) else ""
    units = raw if config.units == "RAW" else config.units.lower()
    return f"{sign} {config.threshold:g} {units}".strip()


def table(project: AtlasProject) -> Table:
    """A row an alert configuration."""
    rows = [
        (config.metric or config.event, config.enabled, _limit(config) or "–", ", ".join(config.notifies) or "nobody")
        for config in project.alert_configs()
    ]
    return rows_table("Alert configurations at Atlas", COLUMNS, rows)
