"""Tables of phase 01."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from leadbook.provision.connectivity import Latency
from leadbook.provision.server import Server

__all__ = ["LATENCY_COLUMNS", "MEMBER_COLUMNS", "latency_frame", "member_frame"]

LATENCY_COLUMNS = {
    "service": "who was asked",
    "pings": "round trips timed, after five that open the connection",
    "p50": "median, ms",
    "p99": "99th percentile, ms; of fifty that is the slowest, shown and not judged",
}
MEMBER_COLUMNS = {
    "member": "host and port",
    "state": "PRIMARY takes writes, SECONDARY copies them",
    "healthy": "answers the others' heartbeats",
    "votes": "counts in elections and for write concern majority",
    "priority": "0 never becomes primary",
    "lag": "seconds behind the primary",
}


def latency_frame(latencies: Iterable[Latency | None]) -> pd.DataFrame:
    """One row a service; columns as `LATENCY_COLUMNS`."""
    rows = [
        [each.service, len(each.samples_ms), round(each.p50_ms, 3), round(each.p99_ms, 3)]
        for each in latencies
        if each is not None
    ]
    return pd.DataFrame(rows, columns=list(LATENCY_COLUMNS))


def member_frame(server: Server) -> pd.DataFrame:
    """One row a member, as the set sees it; empty for a standalone server or where it may not be asked."""
    rows = [[m.name, m.state, m.healthy, m.votes, m.priority, m.lag_s] for m in server.members]
    return pd.DataFrame(rows, columns=list(MEMBER_COLUMNS))
