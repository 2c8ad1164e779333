"""Servers that a test of provisioning starts for itself."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as AwayError

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.rehearsal.servers import binaries, replica_set


@pytest.fixture
def started(tmp_path: Path, settings: Settings) -> Iterator[Callable[..., Redis]]:
    """Starts a Redis with these arguments; it ends with the test."""
    running: list[tuple[subprocess.Popen[bytes], Redis]] = []

    def start(*argv: str) -> Redis:
        (port,) = replica_set.free_ports(1)
        folder = tmp_path / str(port)
        folder.mkdir()
        given = [binaries.redis_server(), "--port", port, "--bind", "127.0.0.1", "--dir", folder, *argv]
        process = subprocess.Popen(list(map(str, given)), stdout=subprocess.DEVNULL)
        client = connect.redis(f"redis://127.0.0.1:{port}/0", settings)
        running.append((process, client))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(AwayError):
                client.ping()
                return client
            time.sleep(0.05)
        raise TimeoutError("Redis did not start")

    yield start
    for process, client in running:
        client.connection_pool.disconnect()
        process.kill()
        process.wait()


@pytest.fixture
def production(settings: Settings) -> Settings:
    return settings.model_copy(update={"profile": "production"})
