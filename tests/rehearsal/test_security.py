"""TLS is required, users have their rights and no more, Redis holds the task book's settings, secrets stay in files."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

import psutil
import pytest
import redis as redis_py
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core import connect
from leadbook.core.connect import Endpoints
from leadbook.core.settings import Settings
from leadbook.rehearsal import servers


def test_plain_connection_is_refused(endpoints: Endpoints) -> None:
    host = endpoints.mongodb_uri.split("@")[1].split("/")[0]
    with (
        MongoClient(f"mongodb://{host}/?directConnection=true", serverSelectionTimeoutMS=500) as client,
        pytest.raises(PyMongoError),
    ):
        client.admin.command("ping")


def test_anonymous_client_may_not_read(endpoints: Endpoints, state_folder: Path, settings: Settings) -> None:
    host = endpoints.mongodb_uri.split("@")[1].split("/")[0]
    state = servers.status(state_folder)
    assert state
    with (
        MongoClient(host=f"mongodb://{host}/", tls=True, tlsCAFile=str(state.ca_file)) as client,
        pytest.raises(OperationFailure, match="requires authentication"),
    ):
        client[settings.database]["x"].find_one()


def test_application_may_write_but_not_administer(database: connect.Database) -> None:
    database.create_collection("made")
    database["made"].create_index("linkedin_url", unique=True)
    database["made"].insert_one({"linkedin_url": "x"})
    with pytest.raises(OperationFailure, match="not authorized"):
        database.client.admin.command("serverStatus")
    with pytest.raises(OperationFailure, match="not authorized"):
        database.client["elsewhere"]["x"].insert_one({})


def test_reporting_user_reads_and_cannot_write(
    endpoints: Endpoints, settings: Settings, database: connect.Database
) -> None:
    database["made"].insert_one({"_id": 1})
    assert endpoints.reporting_uri
    with connect.mongodb(endpoints.reporting_uri, settings) as reporting:
        assert reporting[settings.database]["made"].find_one() == {"_id": 1}
        with pytest.raises(OperationFailure, match="not authorized"):
            reporting[settings.database]["made"].insert_one({})


def test_admin_may_do_what_a_dba_does(admin: connect.Client, settings: Settings, database: connect.Database) -> None:
    database.create_collection("made")
    assert admin.admin.command("serverStatus")["ok"] == 1
    assert admin.admin.command("replSetGetStatus")["members"][0]["stateStr"] == "PRIMARY"
    assert admin[settings.database].command("validate", "made")["valid"] is True
    assert admin[settings.database].command("collMod", "made", validationLevel="strict")["ok"] == 1


def test_settings_of_another_database_are_granted(endpoints: Endpoints, state_folder: Path, settings: Settings) -> None:
    """The next notebook may name another database; the running servers let the application in."""
    other = settings.model_copy(update={"database": "leadbook_other"})
    again = servers.resolve(other, folder=state_folder)
    with connect.mongodb(again.mongodb_uri, other) as client:
        client["leadbook_other"]["x"].insert_one({})


def test_redis_holds_the_task_books_settings(redis_client: redis_py.Redis) -> None:
    found = redis_client.config_get("*")
    assert 0.8 <= int(found["maxmemory"]) / 2 / 1024**3 <= 0.9
    assert found["maxmemory-policy"] == "allkeys-lru"
    assert found["save"] == "900 1 300 10 60 10000"
    assert (found["appendonly"], found["appendfsync"]) == ("yes", "everysec")
    assert found["bind"] == "127.0.0.1"


def test_secrets_stand_only_in_private_files(endpoints: Endpoints, state_folder: Path) -> None:
    """No password in any process's command line or environment, nor in a file that others may read."""
    passwords = {secret for secret in endpoints.secrets if "://" not in secret}
    assert len(passwords) >= 4
    state = servers.status(state_folder)
    assert state
    for process in psutil.process_iter(["cmdline"]):
        assert not any(secret in " ".join(process.info["cmdline"] or []) for secret in passwords)
    for pid in [process.pid for process in state.processes]:
        environment = Path(f"/proc/{pid}/environ")
        if environment.exists():
            assert not any(secret.encode() in environment.read_bytes() for secret in passwords)
    assert not any(secret in repr(state) for secret in passwords)
    assert stat.S_IMODE(state.data.stat().st_mode) == 0o700
    for path in (state_folder / "state.json", state.data / "redis.conf", state.data / "server.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((state.data / "keyfile").stat().st_mode) == 0o400


def test_servers_listen_on_loopback_only(endpoints: Endpoints, state_folder: Path) -> None:
    state = servers.status(state_folder)
    assert state
    for process in state.processes:
        listening = [c for c in psutil.Process(process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


def test_servers_hold_no_file_of_ours(endpoints: Endpoints, state_folder: Path) -> None:
    """They inherit neither the lock nor the terminal."""
    state = servers.status(state_folder)
    assert state
    for process in state.processes:
        names = []
        for link in Path(f"/proc/{process.pid}/fd").glob("*"):
            with contextlib.suppress(FileNotFoundError):  # mongod closes files all the time
                names.append(str(link.readlink()))
        assert names
        assert not any(name.endswith("/lock") or name.startswith("/dev/pts") for name in names)
