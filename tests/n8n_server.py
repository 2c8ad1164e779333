"""An n8n on loopback: its public API answers in the shapes that a real n8n 2.20.12 gave, and fails when told.

It holds leadbook's own twelve workflows, active. It tries a credential as n8n does, by a real connection under n8n's
driver's name, and `run` stages real records. Every answer is held against `SHAPES` before it is sent. As a program,
`python tests/n8n_server.py MONGODB_URI REDIS_URL [DATABASE]` prints what a user exports, runs each collector once, and
serves until its input ends; `python tests/n8n_server.py` alone serves workflows that never ran.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from pymongo import MongoClient
from pymongo.driver_info import DriverInfo
from pymongo.errors import PyMongoError
from redis import Redis
from redis.driver_info import DriverInfo as RedisDriver
from redis.exceptions import RedisError

from leadbook.core.settings import Settings
from leadbook.n8n import names
from leadbook.n8n.workflows import all_workflows

TEXT, TIME = (str,), (str, type(None))
SHAPES: dict[str, dict[str, tuple[type, ...]]] = {
    "workflow": {
        "updatedAt": TEXT, "createdAt": TEXT, "id": TEXT, "name": TEXT, "active": (bool,), "isArchived": (bool,),
        "nodes": (list,), "connections": (dict,), "settings": (dict,), "staticData": (dict, type(None)),
        "meta": (dict, type(None)), "versionId": TEXT, "activeVersionId": TIME, "triggerCount": (int,),
        "shared": (list,), "activeVersion": (dict, type(None)), "tags": (list,),
    },
    "execution": {
        "id": TEXT, "finished": (bool,), "mode": TEXT, "retryOf": TIME, "retrySuccessId": TIME, "status": TEXT,
        "startedAt": TIME, "stoppedAt": TIME, "workflowId": TEXT, "waitTill": TIME,
    },
    "credential": {"id": TEXT, "name": TEXT, "type": TEXT, "createdAt": TEXT, "updatedAt": TEXT, "shared": (list,)},
    "test": {"status": TEXT, "message": TEXT},
}  # fmt: skip
"""Fields of n8n's answers and their types, as observed."""
SCOPES = {"workflows": "workflow:list", "executions": "execution:list", "credentials": "credential:list"}
PAGE = (
    '<html><head><meta name="n8n:config:rest-endpoint" content="cmVzdA=="><meta name="n8n:config:sentry" content="{}">'
)


def checked(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """`row`, which has a shape of SHAPES and nothing more."""
    shape = SHAPES[kind]
    assert row.keys() == shape.keys(), f"{kind}: {sorted(row.keys() ^ shape.keys())}"
    wrong = [name for name, types in shape.items() if not isinstance(row[name], types)]
    assert not wrong, f"{kind}: {wrong}"
    return row


def told(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _made(settings: str, leads: str) -> list[dict[str, Any]]:
    return all_workflows(Settings.model_validate_json(settings), leads)


class N8nServer:
    """workflows, executions, credentials: what it holds; tests change them.  requests: what was asked.

    faults: by the beginning of a path, in turn: a status, or `slow`, `cut`, `html`, `list`.  scopes: of its key.
    tries: whether this release tries credentials.  page: rows of a page at most.
    """

    def __init__(self, settings: Settings, mongodb_uri: str = "", redis_url: str = "", *, leads: str = "") -> None:
        self.settings, self.key = settings, f"n8n-key-{secrets.token_hex(16)}"
        self.uris = {"mongoDb": mongodb_uri, "redis": redis_url}
        self.scopes = {*SCOPES.values(), "execution:read", "credential:read"}
        self.faults: dict[str, list[int | str]] = {}
        self.requests: list[str] = []
        self.wrong: list[str] = []
        self.tries, self.page, self.release = True, 250, "2.20.12"
        self.executions: list[dict[str, Any]] = []
        self.last = 0
        self.data: dict[str, dict[str, Any]] = {}
        now = told(datetime.now(UTC))
        self.credentials = {
            kind: {"id": secrets.token_hex(8), "name": name, "type": kind, "createdAt": now, "updatedAt": now,
                   "shared": []}
            for kind, name in (("mongoDb", names.MONGODB_CREDENTIAL), ("redis", names.REDIS_CREDENTIAL))
        }  # fmt: skip
        self.workflows = {one["name"]: self._stored(one) for one in _made(settings.model_dump_json(), leads)}

    def _stored(self, workflow: dict[str, Any]) -> dict[str, Any]:
        """A workflow as n8n keeps it once it was imported and activated: credentials have ids."""
        workflow = json.loads(json.dumps(workflow))
        now, nodes = told(datetime.now(UTC)), workflow["nodes"]
        for node in nodes:
            for kind, held in node.get("credentials", {}).items():
                held["id"] = self.credentials.get(kind, {}).get("id", "")
        return {
            "updatedAt": now, "createdAt": now, "id": secrets.token_hex(8), "name": workflow["name"], "active": True,
            "isArchived": False, "nodes": nodes, "connections": workflow["connections"],
            "settings": workflow.get("settings", {}), "staticData": None, "meta": None, "versionId": "v1",
            "activeVersionId": "v1", "triggerCount": 1, "shared": [], "activeVersion": {"nodes": nodes}, "tags": [],
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------- what happens

    def collector(self, number: int) -> dict[str, Any]:
        """The workflow of a collector."""
        return self.workflows[names.collector_name(number)]

    def ran(self, name: str, status: str = "success", *, ago: timedelta = timedelta(0), **nodes: str) -> str:
        """An execution of a workflow that ended so, and its id; n8n keeps it as the workflow says. nodes: how each
        ended."""
        at, self.last = datetime.now(UTC) - ago, self.last + 1
        number = str(self.last)
        if status == "success" and self.workflows[name]["settings"].get("saveDataSuccessExecution") == "none":
            return number
        self.executions.append({
            "id": number, "finished": status == "success", "mode": "trigger", "retryOf": None, "retrySuccessId": None,
            "status": status, "startedAt": told(at), "stoppedAt": told(at), "workflowId": self.workflows[name]["id"],
            "waitTill": None,
        })  # fmt: skip
        self.data[number] = {"version": 1, "resultData": {"runData": {
            node: [{"startTime": 1, "executionTime": 1, "executionStatus": how, "data": {"main": [[]]}}]
            for node, how in nodes.items()
        }}}  # fmt: skip
        return number

    def run(self, *numbers: int, records: int = 3) -> None:
        """An execution of each of these collectors that stages records under its stamp, on the real server."""
        rows = [row for number in numbers for row in self._records(names.INSTANCES[number - 1], records)]
        with MongoClient(self.uris["mongoDb"]) as client:
            client[self.settings.database][self.settings.staging_collection].insert_many(rows)

    def _records(self, instance: names.Instance, records: int) -> Iterator[dict[str, Any]]:
        stamp = {"workflow": instance.stamp, "execution": self.ran(instance.workflow), "batch": 1, "size": records,
                 "last": True}  # fmt: skip
        for n in range(records):
            yield {"vendor": instance.vendor, "payload": {"n": n}, "collected_at": datetime.now(UTC),
                   "collector": stamp}  # fmt: skip

    def run_all(self) -> None:
        """Each collector once, and the look-up."""
        self.run(*(one.number for one in names.INSTANCES))
        self.ran(names.LOOK_UP, Redis="success", MongoDB="success")

    def tried(self, kind: str) -> dict[str, str]:
        """What n8n says of a credential that it tries: a real connection, as its node makes it."""
        try:
            if kind == "mongoDb":
                driver = DriverInfo("n8n_crud", "0")
                with MongoClient(self.uris[kind], driver=driver, serverSelectionTimeoutMS=2_000) as client:
                    if self.settings.database not in client.list_database_names():
                        return {"status": "Error", "message": f'Database "{self.settings.database}" does not exist'}
                    time.sleep(0.05)
            else:
                info = RedisDriver(name="node-redis")
                with Redis.from_url(self.uris[kind], driver_info=info, socket_timeout=2) as redis:
                    redis.ping()
                    time.sleep(0.05)
        except (PyMongoError, RedisError, ValueError) as error:
            return {"status": "Error", "message": str(error)}
        return {"status": "OK", "message": "Connection successful!"}

    # --------------------------------------------------------------------------------------------------- as a server

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """Status and body of a question to /api/v1."""
        what, *rest = path.split("/")
        if rest and rest[-1] == "test" and what == "credentials" and self.tries:
            found = next((one for one in self.credentials.values() if one["id"] == rest[0]), None)
            if "credential:read" not in self.scopes:
                return 403, {"message": "Forbidden"}
            if found is None:
                return 404, {"message": f'Credential with ID "{rest[0]}" was not found.'}
            return 200, checked("test", self.tried(found["type"]))
        if what not in SCOPES or (rest and what != "executions"):
            return 404, {"message": "not found"}
        if ("execution:read" if rest else SCOPES[what]) not in self.scopes:
            return 403, {"message": "Forbidden"}
        if rest:
            one = next((row for row in self.executions if row["id"] == rest[0]), None)
            return (200, {**one, "data": self.data[rest[0]]}) if one else (404, {"message": "Not Found"})
        return 200, self._listed(what, query)

    def _listed(self, what: str, query: dict[str, str]) -> dict[str, Any]:
        rows = {"workflows": list(self.workflows.values()), "credentials": list(self.credentials.values()),
                "executions": [row for row in reversed(self.executions) if row["status"] != "running"
                               and row["workflowId"] == query.get("workflowId", row["workflowId"])]}[what]  # fmt: skip
        first = int(base64.b64decode(query["cursor"])) if "cursor" in query else 0
        last = first + min(self.page, int(query.get("limit", "100")))
        more = base64.b64encode(str(last).encode()).decode() if last < len(rows) else None
        return {"data": [checked(what[:-1], row) for row in rows[first:last]], "nextCursor": more}

    def fault(self, path: str) -> int | str:
        """The next fault of a path, 0 where there is none."""
        waiting = next((list_ for begin, list_ in self.faults.items() if path.startswith(begin) and list_), [])
        return waiting.pop(0) if waiting else 0

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert not self.wrong, self.wrong

    def environment(self) -> dict[str, str]:
        """What a user exports; the address is the parameter n8n_url."""
        return {"N8N_API_KEY": self.key}


def _handler(n8n: N8nServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            n8n.requests.append(f"{self.command} {self.path}")
            fault = n8n.fault(url.path)
            if isinstance(fault, str) and self._broken(fault):
                return
            if url.path == "/":
                told_ = base64.b64encode(json.dumps({"dsn": "", "release": f"n8n@{n8n.release}"}).encode()).decode()
                self._send(200, PAGE.format(told_), "text/html")
            elif fault:
                self._send(fault, {"message": "as the test wants it"})
            elif self.headers.get("X-N8N-API-KEY") != n8n.key:
                self._send(401, {"message": "unauthorized"})
            else:
                try:
                    status, body = n8n.answer(url.path.removeprefix("/api/v1/"), query)
                except AssertionError as error:
                    n8n.wrong.append(str(error))
                    status, body = 500, {"message": str(error)}
                self._send(status, body)

        do_POST = do_GET  # noqa: N815

        def _broken(self, fault: str) -> bool:
            if fault == "slow":
                time.sleep(30)
            elif fault == "cut":
                self.connection.close()
            elif fault == "html":
                self._send(200, "<html>welcome</html>", "text/html")
            elif fault == "list":
                self._send(200, [1, 2])
            return True

        def _send(self, status: int | str, body: Any, kind: str = "application/json") -> None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            with suppress(OSError):
                self.send_response(int(status))
                for name, value in (("Content-Type", kind), ("Content-Length", str(len(data)))):
                    self.send_header(name, value)
                if status == 429:
                    self.send_header("Retry-After", "0.1")
                if status in (301, 302, 307):
                    self.send_header("Location", "https://example.com/elsewhere")
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main(words: list[str]) -> None:
    """Serve until the input ends."""
    mongodb_uri, redis_url, database = (*words, *("", "", "lead_generation")[len(words) :])
    settings = Settings.from_mapping({"profile": "production", "database": database})
    leads = ""
    if mongodb_uri:
        from leadbook.core.provenance import collection_uuid

        with MongoClient(mongodb_uri) as client:
            leads = collection_uuid(client[database][settings.collection])
    with N8nServer(settings, mongodb_uri, redis_url, leads=leads) as n8n:
        if mongodb_uri:
            n8n.run_all()
        print(f"export N8N_API_KEY='{n8n.key}'\n# leadbook … -p n8n_url={n8n.url}", flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
