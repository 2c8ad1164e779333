"""Clients, pings and traces against real servers."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from pymongo import WriteConcern
from pymongo.errors import DuplicateKeyError

from leadbook.core import connect
from leadbook.core.connect import Endpoints
from leadbook.core.errors import ParameterError, UnreachableError
from leadbook.core.settings import Settings
from leadbook.core.traces import CommandTrace, PoolTrace

QUICK = {"server_selection_timeout_ms": 700, "redis_connect_timeout_s": 0.5}


@pytest.fixture
def quick(settings: Settings) -> Settings:
    return settings.model_copy(update=QUICK)


def test_pool_holds_the_settings(endpoints: Endpoints, settings: Settings) -> None:
    """Milliseconds of the settings are seconds in the driver."""
    wanted = settings.model_copy(update={"max_pool_size": 7, "max_idle_time_ms": 600_000})
    with connect.mongodb(endpoints.mongodb_uri, wanted) as client:
        pool = client.options.pool_options
        assert (pool.max_pool_size, pool.max_idle_time_seconds) == (7, 600)
        assert client.write_concern.document == {"w": "majority", "wtimeout": 5000}


def test_option_in_the_address_wins(endpoints: Endpoints, settings: Settings) -> None:
    with connect.mongodb(endpoints.mongodb_uri + "&maxPoolSize=3&W=1", settings) as client:
        assert client.options.pool_options.max_pool_size == 3
        assert client.write_concern.document["w"] == 1


@pytest.mark.parametrize("uri", ["mongodb://h:1,g:2/?retryWrites=true&tls=true", "mongodb://h"])
def test_retryable_writes_are_switched_off_in_any_address(uri: str, settings: Settings) -> None:
    with connect.mongodb(uri, settings, retry_writes=False) as client:
        assert client.options.retry_writes is False
    with connect.mongodb(uri, settings) as client:
        assert client.options.retry_writes is True


def test_times_come_back_with_a_zone(database: connect.Database) -> None:
    from datetime import UTC, datetime

    database["times"].insert_one({"at": datetime.now(UTC)})
    found = database["times"].find_one()
    assert found is not None and found["at"].tzinfo is not None


def test_ping_accepts_a_running_server(mongo: connect.Client, redis_client: object) -> None:
    connect.ping_mongodb(mongo)
    connect.ping_redis(redis_client)  # type: ignore[arg-type]


def test_refused_mongodb_is_one_line_without_password(quick: Settings) -> None:
    with (
        connect.mongodb("mongodb://u:hunter22@127.0.0.1:1/", quick) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        connect.ping_mongodb(client)
    text = str(caught.value)
    assert "127.0.0.1:1: connection refused" in text
    assert "hunter22" not in text and "\n" not in text


def test_wrong_password_is_told_apart(endpoints: Endpoints, quick: Settings) -> None:
    password = endpoints.mongodb_uri.split(":")[2].split("@")[0]
    client = connect.mongodb(endpoints.mongodb_uri.replace(password, "wrongwrong"), quick)
    with client, pytest.raises(UnreachableError, match="authentication failed") as caught:
        connect.ping_mongodb(client)
    assert "wrongwrong" not in str(caught.value)


def test_wrong_password_is_told_apart_later_too(endpoints: Endpoints, quick: Settings) -> None:
    """With a least pool the background thread fails first, and the driver only tells that no server is left."""
    password = endpoints.mongodb_uri.split(":")[2].split("@")[0]
    patient = quick.model_copy(update={"min_pool_size": 3})
    with connect.mongodb(endpoints.mongodb_uri.replace(password, "wrongwrong"), patient) as client:
        for _ in range(3):
            with pytest.raises(UnreachableError, match="authentication failed"):
                connect.ping_mongodb(client)
            time.sleep(0.7)


def test_a_background_thread_that_cannot_log_in_prints_nothing(endpoints: Endpoints) -> None:
    password = endpoints.mongodb_uri.split(":")[2].split("@")[0]
    code = (
        "import os, time\nfrom leadbook.core import connect\nfrom leadbook.core.settings import Settings\n"
        "connect.mongodb(os.environ['URI'], Settings(min_pool_size=3))\ntime.sleep(1.5)\n"
    )
    env = {**os.environ, "URI": endpoints.mongodb_uri.replace(password, "wrongwrong")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr + done.stdout == ""


def test_untrusted_certificate_is_told_apart(endpoints: Endpoints, quick: Settings) -> None:
    uri = "&".join(part for part in endpoints.mongodb_uri.split("&") if not part.startswith("tlsCAFile"))
    with connect.mongodb(uri, quick) as client, pytest.raises(UnreachableError, match="certificate is not trusted"):
        connect.ping_mongodb(client)


def test_plain_connection_to_a_tls_server_is_told_apart(endpoints: Endpoints, quick: Settings) -> None:
    host = endpoints.mongodb_uri.split("@")[1].split("/")[0]
    with connect.mongodb(f"mongodb://{host}/", quick) as client, pytest.raises(UnreachableError, match="TLS"):
        connect.ping_mongodb(client)


def test_refused_redis_is_one_line_without_password(quick: Settings) -> None:
    client = connect.redis("redis://:hunter22@127.0.0.1:1/0", quick)
    with pytest.raises(UnreachableError) as caught:
        connect.ping_redis(client)
    text = str(caught.value)
    assert "Redis at 127.0.0.1:1: connection refused" in text
    assert "hunter22" not in text and "\n" not in text


@pytest.mark.parametrize("userinfo", ["", ":wrongwrong@"])
def test_wrong_redis_password_is_told_apart(endpoints: Endpoints, quick: Settings, userinfo: str) -> None:
    url = "redis://" + userinfo + endpoints.redis_url.rpartition("@")[2]
    with pytest.raises(UnreachableError, match="authentication failed"):
        connect.ping_redis(connect.redis(url, quick))


@pytest.mark.parametrize(
    "uri", ["nonsense", "mongodb://u:p:w@h/", "mongodb://h/?maxPoolSize=x", "mongodb://h/?maxPoolSize=2&minPoolSize=3"]
)
def test_unusable_mongodb_address_names_the_variable(uri: str, quick: Settings) -> None:
    with pytest.raises(ParameterError, match="MONGODB_URI"):
        connect.mongodb(uri, quick)


def test_unusable_redis_address_names_the_variable(quick: Settings) -> None:
    with pytest.raises(ParameterError, match="REDIS_URL") as caught:
        connect.redis("http://:hunter22@h/", quick)
    assert "hunter22" not in str(caught.value)


def test_endpoints_repr_masks_passwords(endpoints: Endpoints) -> None:
    assert endpoints.secrets
    assert not any(secret in repr(endpoints) for secret in endpoints.secrets)


def test_command_trace_shows_the_write_concern_really_sent(
    endpoints: Endpoints, settings: Settings, database: connect.Database
) -> None:
    """An ordered insert_many with w=0 goes out without a write concern; an unordered one really is w:0."""
    trace = CommandTrace()
    with connect.mongodb(endpoints.mongodb_uri, settings, listeners=[trace]) as client:
        collection = client[settings.database]["traced"]
        collection.insert_one({"_id": 0})
        fast = collection.with_options(write_concern=WriteConcern(w=0))
        with trace:
            collection.insert_many([{"_id": 1}, {"_id": 2}])
            fast.insert_many([{"_id": 3}, {"_id": 4}], ordered=True)
            fast.insert_many([{"_id": 5}], ordered=False)
            with pytest.raises(DuplicateKeyError):
                collection.insert_one({"_id": 1})
        collection.insert_one({"_id": 9})
    inserts = trace.named("insert")
    assert [command.write_concern for command in inserts[:3]] == [{"w": "majority", "wtimeout": 5000}, None, {"w": 0}]
    assert [command.documents for command in inserts] == [2, 2, 1, 1]
    assert all(command.collection == "traced" and command.duration_ms > 0 for command in inserts)


def test_pool_trace_counts_check_outs_and_failures(endpoints: Endpoints, settings: Settings) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from pymongo.errors import WaitQueueTimeoutError

    trace = PoolTrace()
    tight = settings.model_copy(update={"max_pool_size": 1, "wait_queue_timeout_ms": 1})
    with connect.mongodb(endpoints.mongodb_uri, tight, listeners=[trace]) as client:
        client.admin.command("ping")
        trace.reset()

        def ask(_: int) -> bool:
            try:
                client[settings.database]["x"].find_one({"$where": "sleep(30) || true"})
                client.admin.command("ping")
            except WaitQueueTimeoutError:
                return False
            return True

        client[settings.database]["x"].insert_one({})
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(ask, range(6)))
        assert trace.open == 1
    assert answers.count(False) > 0
    assert set(trace.failures) == {"timeout"}
    assert all(seconds >= 0 for seconds in trace.checkouts)
    assert trace.open == 0
