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

from redis import RedisError

from leadbook.core import write_errors
from leadbook.measure.inserts import insert_batches
from leadbook.measure.intervals import Difference, Interval, difference, interval
from leadbook.measure.rounds import interleaved, timed
from leadbook.measure.session import PREFIX, BenchmarkSession

BATCH, REQUESTS = 500, 1_000
ANY = "none"
"""What is said for a password where none is asked for."""
CLOSE_MS = 0.1
"""How far a look-up over a bare socket may be from redis-benchmark's: a thousandth of the target of 100 ms."""


@dataclass(frozen=True, kw_only=True)
class RedisMedians:
    """Medians of GET in ms: ours (by redis-py), over a bare socket, and redis-benchmark's."""

    ours: Interval
    bare: Interval
    tool: Interval

    @property
    def agree(self) -> bool:
        """Whether the bare socket and redis-benchmark say the same."""
        return abs(self.bare.middle - self.tool.middle) <= CLOSE_MS or self.bare.overlaps(self.tool)


@dataclass(frozen=True, kw_only=True)
class References:
    """inserts: our rate against a bare loop's, documents/s. redis: None with `redis_why` where it could not run.
    failed: it should have run."""

    inserts: Difference
    redis: RedisMedians | None = None
    redis_why: str = ""
    failed: bool = False


def measure(session: BenchmarkSession, *, seed: int = 6) -> References:
    """Both comparisons in interleaved rounds."""
    inserts = _inserts(session, seed)
    if why := _no_tool(session):
        return References(inserts=inserts, redis_why=why, failed=session.redis is None)
    try:
        return References(inserts=inserts, redis=_medians(session, seed))
    except (RedisError, OSError, subprocess.SubprocessError, ValueError) as error:
        return References(inserts=inserts, redis_why=write_errors.described(error), failed=True)


def _medians(session: BenchmarkSession, seed: int) -> RedisMedians:
    with _one_off_user(session) as user, _bare(session, user) as bare:
        variants: dict[str, Callable[[], float]] = {
            "ours": lambda: _median(lambda: session.redis.get(_key(session))),  # type: ignore[union-attr]
            "bare": lambda: _median(bare),
            "tool": lambda: _tool(session, user),
        }
        found = interleaved(variants, rounds=session.settings.bench_rounds, seed=seed)
    return RedisMedians(**{name: interval(rounds) for name, rounds in found.items()})


def _inserts(session: BenchmarkSession, seed: int) -> Difference:
    count = max(session.settings.bench_documents // 2, BATCH)
    with session.scratch("reference") as collection:

        def bare() -> float:
            documents = session.documents(count)
            started = time.perf_counter()
            for at in range(0, count, BATCH):
                collection.insert_many(documents[at : at + BATCH], ordered=False)
            return count / (time.perf_counter() - started)

        def ours() -> float:
            return insert_batches(collection, session.documents(count), BATCH, ordered=False).rate

        variants = {"bare": bare, "ours": ours}
        found = interleaved(variants, rounds=session.settings.bench_rounds, seed=seed, before=session.settle)
    return difference(found["bare"], found["ours"], seed=seed)


def _no_tool(session: BenchmarkSession) -> str:
    if session.redis is None:
        return session.redis_problem
    if session.endpoints.redis_source != "rehearsal":
        return "redis-benchmark would need this server's password on its command line"
    if shutil.which("redis-benchmark") is None:
        return "redis-benchmark is not installed (Debian: redis-tools)"
    return ""


@contextlib.contextmanager
def _one_off_user(session: BenchmarkSession) -> Iterator[str]:
    """A Redis user without a password, who may read one key for some seconds and nothing else.

    redis-benchmark takes a password on its command line only, where every user of the machine reads it. CONFIG is
    left out, which would tell the server's own password.
    """
    client, name = session.redis, f"{PREFIX}{session.undo.token}"
    session.begin()
    if client is None:
        raise ValueError("Redis is away")
    client.acl_setuser(name, enabled=True, nopass=True, keys=[_key(session)], commands=["+get", "+ping"])
    try:
        client.set(_key(session), b"1", ex=600)
        yield name
    finally:
        with contextlib.suppress(RedisError):
            client.acl_deluser(name)
            client.delete(_key(session))


@contextlib.contextmanager
def _bare(session: BenchmarkSession, user: str) -> Iterator[Callable[[], bytes]]:
    """One GET over a plain socket: no client library between."""
    parts = urlsplit(session.endpoints.redis_url)
    with socket.create_connection((unquote(parts.hostname or "localhost"), parts.port or 6379), timeout=5) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(f"AUTH {user} {ANY}\r\n".encode())
        if not link.recv(64).startswith(b"+OK"):
            raise ValueError("the one-off user was refused")
        key = _key(session)
        command = f"*2\r\n$3\r\nGET\r\n${len(key)}\r\n{key}\r\n".encode()

        def get() -> bytes:
            link.sendall(command)
            return link.recv(64)

        yield get


def _key(session: BenchmarkSession) -> str:
    return f"{session.undo.keys}reference"


def _median(call: Callable[[], object]) -> float:
    return statistics.median(timed(call, REQUESTS)) * 1_000


def _tool(session: BenchmarkSession, user: str) -> float:
    """Median latency of redis-benchmark with one connection, ms."""
    parts = urlsplit(session.endpoints.redis_url)
    program = shutil.which("redis-benchmark") or "redis-benchmark"
    argv = [
        program, "-h", parts.hostname or "localhost", "-p", str(parts.port or 6379), "--user", user, "-a", ANY,
        "-c", "1", "-n", str(REQUESTS), "--precision", "3", "--csv", "GET", _key(session),
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    rows = [row for row in csv.reader(io.StringIO(done.stdout)) if len(row) >= 5]
    names, values = rows[-2], rows[-1]
    return float(values[names.index("p50_latency_ms")])
