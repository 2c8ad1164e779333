"""Our own figures beside independent ones: a bare PyMongo loop, and redis-benchmark where it is installed."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import pandas as pd
from redis import RedisError

from leadbook.bench.inserts import insert_batches
from leadbook.core.checks import Check, judge, not_applicable, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.measure.intervals import Difference, Interval, difference, interval
from leadbook.measure.rounds import interleaved
from leadbook.measure.session import PREFIX, BenchmarkSession

__all__ = ["COLUMNS", "References", "checks", "measure", "table"]

BATCH, REQUESTS = 500, 1_000
ANY = "none"
"""What is said for a password where none is asked for."""
CLOSE_MS = 0.1
"""How far a look-up over a bare socket may be from redis-benchmark's: a thousandth of the target of 100 ms."""


@dataclass(frozen=True, kw_only=True)
class References:
    """inserts: our rate against a bare loop's, documents/s.  The medians of GET in ms: ours (redis-py), over a bare
    socket, and redis-benchmark's; None with `redis_why` where it could not run.  failed: it should have run."""

    inserts: Difference
    ours: Interval | None
    bare: Interval | None
    tool: Interval | None
    redis_why: str
    failed: bool = False


def measure(place: BenchmarkSession, *, seed: int = 6) -> References:
    """Both comparisons in interleaved rounds."""
    inserts = _inserts(place, seed)
    why = _no_tool(place)
    if why:
        away = place.redis is None
        return References(inserts=inserts, ours=None, bare=None, tool=None, redis_why=why, failed=away)
    try:
        with _one_off_user(place) as user, _bare(place, user) as bare:
            variants: dict[str, Callable[[], float]] = {
                "ours": lambda: _median(lambda: place.redis.get(_key(place))),  # type: ignore[union-attr]
                "bare": lambda: _median(bare),
                "tool": lambda: _tool(place, user),
            }
            found = interleaved(variants, rounds=place.settings.bench_rounds, seed=seed)
    except (RedisError, OSError, subprocess.SubprocessError, ValueError) as error:
        why = f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"
        return References(inserts=inserts, ours=None, bare=None, tool=None, redis_why=why, failed=True)
    return References(
        inserts=inserts,
        ours=interval(found["ours"]),
        bare=interval(found["bare"]),
        tool=interval(found["tool"]),
        redis_why="",
    )


def _inserts(place: BenchmarkSession, seed: int) -> Difference:
    count = max(place.settings.bench_documents // 2, BATCH)
    with place.scratch("reference") as collection:

        def bare() -> float:
            documents = place.documents(count)
            started = time.perf_counter()
            for at in range(0, count, BATCH):
                collection.insert_many(documents[at : at + BATCH], ordered=False)
            return count / (time.perf_counter() - started)

        def ours() -> float:
            return insert_batches(collection, place.documents(count), BATCH, ordered=False).rate

        variants = {"bare": bare, "ours": ours}
        found = interleaved(variants, rounds=place.settings.bench_rounds, seed=seed, before=place.settle)
    return difference(found["bare"], found["ours"], seed=seed)


def _no_tool(place: BenchmarkSession) -> str:
    if place.redis is None:
        return place.redis_problem
    if place.endpoints.redis_source != "rehearsal":
        return "redis-benchmark would need this server's password on its command line"
    if shutil.which("redis-benchmark") is None:
        return "redis-benchmark is not installed (Debian: redis-tools)"
    return ""


@contextlib.contextmanager
def _one_off_user(place: BenchmarkSession) -> Iterator[str]:
    """A Redis user without a password, who may read one key for some seconds and nothing else.

    redis-benchmark takes a password on its command line only, where every user of the machine reads it. CONFIG is
    left out, which would tell the server's own password.
    """
    client, name = place.redis, f"{PREFIX}{place.undo.token}"
    place.begin()
    if client is None:
        raise ValueError("Redis is away")
    client.acl_setuser(name, enabled=True, nopass=True, keys=[_key(place)], commands=["+get", "+ping"])
    try:
        client.set(_key(place), b"1", ex=600)
        yield name
    finally:
        with contextlib.suppress(RedisError):
            client.acl_deluser(name)
            client.delete(_key(place))


@contextlib.contextmanager
def _bare(place: BenchmarkSession, user: str) -> Iterator[Callable[[], bytes]]:
    """One GET over a plain socket: no client library between."""
    parts = urlsplit(place.endpoints.redis_url)
    with socket.create_connection((unquote(parts.hostname or "localhost"), parts.port or 6379), timeout=5) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(f"AUTH {user} {ANY}\r\n".encode())
        if not link.recv(64).startswith(b"+OK"):
            raise ValueError("the one-off user was refused")
        key = _key(place)
        command = f"*2\r\n$3\r\nGET\r\n${len(key)}\r\n{key}\r\n".encode()

        def get() -> bytes:
            link.sendall(command)
            return link.recv(64)

        yield get


def _key(place: BenchmarkSession) -> str:
    return f"{place.undo.keys}reference"


def _median(call: Callable[[], object]) -> float:
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1_000


def _tool(place: BenchmarkSession, user: str) -> float:
    """Median latency of redis-benchmark with one connection, ms."""
    parts = urlsplit(place.endpoints.redis_url)
    program = shutil.which("redis-benchmark") or "redis-benchmark"
    argv = [
        program,
        "-h",
        parts.hostname or "localhost",
        "-p",
        str(parts.port or 6379),
        "--user",
        user,
        "-a",
        ANY,
        "-c",
        "1",
        "-n",
        str(REQUESTS),
        "--precision",
        "3",
        "--csv",
        "GET",
        _key(place),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    rows = [row for row in csv.reader(io.StringIO(done.stdout)) if len(row) >= 5]
    names, values = rows[-2], rows[-1]
    return float(values[names.index("p50_latency_ms")])


COLUMNS = {
    "what": "what was measured",
    "ours": "this project's figure, with 95 % interval",
    "reference": "the independent figure, with 95 % interval",
    "by": "what gave it",
    "difference": "ours against it",
}


def table(references: References | None) -> pd.DataFrame:
    """One row a comparison; columns as in `COLUMNS`."""
    if references is None:
        return pd.DataFrame(columns=list(COLUMNS))
    inserts = references.inserts
    rows = [
        {
            "what": f"insert_many {BATCH} unordered",
            "ours": inserts.after.text("documents/s"),
            "reference": inserts.before.text("documents/s"),
            "by": "bare PyMongo loop, one clock around it",
            "difference": inserts.text(),
        }
    ]
    if references.tool and references.bare and references.ours:
        tool = references.tool
        for name, mine in (
            ("GET over a bare socket, median", references.bare),
            ("GET by redis-py, median", references.ours),
        ):
            rows.append(
                {
                    "what": name,
                    "ours": mine.text("ms", 3),
                    "reference": tool.text("ms", 3),
                    "by": "redis-benchmark -c 1",
                    "difference": "no difference shown"
                    if mine.overlaps(tool)
                    else f"{mine.middle - tool.middle:+.3f} ms",
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def checks(references: References, settings: Settings | None = None) -> list[Check]:
    """Our figures agree with independent ones (step 1.4.1.9); a warning where they do not."""
    inserts, evidence = references.inserts, _evidence(references)
    agree = (
        warned("BCH-REF-001", False, evidence=evidence)
        if inserts.shown
        else judge("BCH-REF-001", True, evidence=evidence)
    )
    if references.tool is None or references.bare is None or references.ours is None:
        untold = not_measured if references.failed else not_applicable
        return [agree, untold("BCH-REF-002", references.redis_why)]
    apart = abs(references.bare.middle - references.tool.middle)
    library = references.ours.middle - references.bare.middle
    evidence = (
        f"median of a GET over a bare socket {references.bare.text('ms', 3)}, redis-benchmark "
        f"{references.tool.text('ms', 3)}; redis-py adds {library:.3f} ms"
    )
    if apart > CLOSE_MS and not references.bare.overlaps(references.tool):
        return [agree, warned("BCH-REF-002", False, evidence=evidence)]
    return [agree, judge("BCH-REF-002", True, evidence=f"{apart:.3f} ms apart; {evidence}")]


def _evidence(references: References) -> str:
    found = references.inserts
    return f"ours {found.after.text('documents/s')}, bare loop {found.before.text('documents/s')}: {found.text()}"
