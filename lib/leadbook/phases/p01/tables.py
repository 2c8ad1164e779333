"""Tables of phase 01."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from leadbook.phases.p01.verdicts import shown
from leadbook.phases.section import Table
from leadbook.provision.connectivity import Latency
from leadbook.provision.pools import Held
from leadbook.provision.server import Server

LATENCY_COLUMNS = {
    "service": "who was asked",
    "pings": "round trips timed, after five that open the connection",
    "p50": "median, ms",
    "slowest": "the slowest, ms; shown and not judged",
}
MEMBER_COLUMNS = {
    "member": "host and port",
    "state": "PRIMARY takes writes, SECONDARY copies them",
    "healthy": "answers the others' heartbeats",
    "votes": "counts in elections and for write concern majority",
    "priority": "0 never becomes primary",
    "lag": "seconds behind the primary",
}
POOL_COLUMNS = {
    "service": "whose pool",
    "setting": "name in the address or in redis-py",
    "profile": "what the profile asks for",
    "held": "what the client really holds; an option in the address wins over the profile",
    "unit": "unit of both",
}


def latencies(found: Iterable[Latency]) -> Table:
    """One row a service that answered."""
    rows = [[each.service, len(each.samples_ms), round(each.p50_ms, 3), round(each.slowest_ms, 3)] for each in found]
    return Table(pd.DataFrame(rows, columns=list(LATENCY_COLUMNS)), "Round trips", LATENCY_COLUMNS)


def members(server: Server) -> Table:
    """One row a member, as the set sees it; empty for a standalone server or where it may not be asked."""
    rows = [[m.name, m.state, m.healthy, m.votes, m.priority, m.lag_s] for m in server.members]
    return Table(pd.DataFrame(rows, columns=list(MEMBER_COLUMNS)), "Members of the replica set", MEMBER_COLUMNS)


def pools(held: Sequence[Held]) -> Table:
    """One row a setting."""
    rows = [[row.service, row.setting, shown(row.asked), shown(row.value), row.unit] for row in held]
    frame = pd.DataFrame(rows, columns=list(POOL_COLUMNS))
    return Table(frame, "Pool settings asked for and really held", POOL_COLUMNS)
