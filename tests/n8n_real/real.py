"""A real n8n in a folder of its own: import, execute, start, ask. Nothing of it is faked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from n8n_real import install

OWNER = {"email": "owner@example.com", "firstName": "Test", "lastName": "Owner", "password": "Sixteen-signs-9!"}


@dataclass
class Done:
    """One call of n8n's program. text: all that it said.  peak_mib: most memory of it and its children."""

    status: int
    text: str
    seconds: float
    peak_mib: float


class RealN8n:
    """n8n with a user folder of its own. heap_mib: Node's heap; 0 leaves it to Node.  ca: certificate authority that
    Node trusts beside the known ones."""

    def __init__(self, folder: Path, *, heap_mib: int = 0, ca: Path | None = None) -> None:
        self.folder, self.where = folder, install.folder()
        self.port, self.broker, self.health = _free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        self.heap_mib, self.ca = heap_mib, ca

    @property
    def environment(self) -> dict[str, str]:
        made = install.quiet(self.where) | {
            "N8N_USER_FOLDER": str(self.folder), "N8N_PORT": str(self.port), "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(self.broker), "N8N_SECURE_COOKIE": "false", "N8N_LOG_LEVEL": "info",
            "N8N_RUNNERS_TASK_TIMEOUT": "300", "EXECUTIONS_DATA_SAVE_ON_SUCCESS": "all",
            "N8N_RUNNERS_LAUNCHER_HEALTH_CHECK_PORT": str(self.health), "TZ": "UTC",
        }  # fmt: skip
        for name in ("MONGODB_URI", "MONGODB_ADMIN_URI", "MONGODB_REPORTING_URI", "REDIS_URL"):
            made.pop(name, None)
        if self.heap_mib:
            made["NODE_OPTIONS"] = f"--max-old-space-size={self.heap_mib}"
        if self.ca:
            made["NODE_EXTRA_CA_CERTS"] = str(self.ca)
        return made

    def _argv(self, *words: str) -> list[str]:
        return [str(install.node(self.where)), str(install.program(self.where)), *words]

    def run(self, *words: str, timeout: float = 600.0, check: bool = True) -> Done:
        """One command of n8n's program, to its end. Its memory is looked at each 0.1 s."""
        log = self.folder / f"{words[0].replace(':', '-')}-{time.monotonic_ns()}.log"
        began, peak = time.monotonic(), 0.0
        with log.open("w") as told:
            process = subprocess.Popen(
                self._argv(*words), env=self.environment, stdout=told, stderr=told, start_new_session=True
            )
            try:
                while process.poll() is None:
                    peak = max(peak, memory_mib(process.pid))
                    if time.monotonic() - began > timeout:
                        raise TimeoutError(f"n8n {' '.join(words)}: {log.read_text()[-2000:]}")
                    time.sleep(0.1)
            finally:
                _end(process)
        done = Done(process.returncode, log.read_text(), time.monotonic() - began, peak)
        assert not check or not done.status, done.text[-4000:]
        return done

    def bring_in(self, exported: Path) -> None:
        """What the export's last lines tell a user to type."""
        self.run("import:credentials", f"--input={exported / 'credentials.json'}")
        self.run("import:workflow", "--separate", f"--input={exported / 'workflows'}")

    def execute(self, workflow: str, **options: Any) -> Done:
        """Execute a workflow by its id, from its manual trigger, in a process of its own."""
        return self.run("execute", f"--id={workflow}", **options)

    @contextmanager
    def started(self) -> Iterator[Server]:
        """n8n's server, with its owner signed in."""
        log = (self.folder / "start.log").open("a")
        process = subprocess.Popen(
            self._argv("start"), env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _until(lambda: _answers(f"{self.url}/healthz/readiness"), process, self.folder / "start.log")
            yield Server(self, process.pid)
        finally:
            _end(process)
            log.close()


class Server:
    """A running n8n, and its owner's session."""

    def __init__(self, n8n: RealN8n, pid: int) -> None:
        self.n8n, self.pid = n8n, pid
        self.client = httpx.Client(base_url=n8n.url, timeout=120.0, headers={"browser-id": "leadbook-tests"})
        _until(lambda: self._signs_in(), None, n8n.folder / "start.log")

    def _signs_in(self) -> bool:
        made = self.client.post("/rest/owner/setup", json=OWNER)
        if made.status_code == 200:
            return True
        word = {"emailOrLdapLoginId": OWNER["email"], "password": OWNER["password"]}
        return self.client.post("/rest/login", json=word).status_code == 200

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """n8n's own REST API, as its pages use it."""
        answer = self.client.request(method, f"/rest{path}", **options)
        assert answer.status_code < 300, f"{path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json().get("data") if answer.content else None

    def api_key(self) -> str:
        """A key for the public API that may read what leadbook asks."""
        scopes = [
            "workflow:read",
            "workflow:list",
            "execution:read",
            "execution:list",
            "credential:list",
            "credential:read",
        ]
        known = self.ask("GET", "/api-keys/scopes")
        wanted = [one for one in scopes if one in known]
        made = self.ask("POST", "/api-keys", json={"label": "leadbook", "expiresAt": None, "scopes": wanted})
        return str(made["rawApiKey"])

    def activate(self, workflow: str) -> None:
        """Publish a workflow, so that its webhook answers."""
        told = self.ask("GET", f"/workflows/{workflow}")
        if told.get("active"):
            return
        self.ask("POST", f"/workflows/{workflow}/activate", json={"versionId": told["versionId"]})

    def create(self, workflow: Mapping[str, Any]) -> str:
        """Put a workflow in and publish it; its id."""
        made = self.ask("POST", "/workflows", json={key: workflow[key] for key in ("name", "nodes", "connections",
                                                                                   "settings")})  # fmt: skip
        self.activate(made["id"])
        return str(made["id"])

    def executions(self, workflow: str = "") -> list[dict[str, Any]]:
        """The newest executions, all of them or a workflow's."""
        wanted = json.dumps({"workflowId": workflow} if workflow else {})
        return list(self.ask("GET", "/executions", params={"filter": wanted, "limit": 100})["results"])

    def error_of(self, execution: str) -> str:
        """Why an execution failed, shortened; nothing of a lead."""
        text = str(self.ask("GET", f"/executions/{execution}")["data"])
        found = re.search(r"(E11000 duplicate key error collection: \S+ index: \S+|Document failed validation)", text)
        return found[1] if found else ""

    def ended(self, workflow: str, count: int, seconds: float = 300.0) -> list[dict[str, Any]]:
        """Wait until a workflow has `count` executions that have ended."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = [one for one in self.executions(workflow) if one["status"] not in ("new", "running", "waiting")]
            return len(found) >= count

        _until(enough, None, self.n8n.folder / "start.log", seconds)
        return found


def memory_mib(pid: int) -> float:
    """Resident memory of a process and its children, MiB; 0 where it is gone."""
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 2**20
    except psutil.Error:
        return 0.0


def manual_id(workflows: Path, name: str) -> str:
    """The id of an exported workflow by its name."""
    found = [json.loads(path.read_text()) for path in workflows.glob("*.json")]
    return str(next(one["id"] for one in found if one["name"] == name))


def put(folder: Path, workflow: Mapping[str, Any]) -> Path:
    """A workflow as a file that n8n imports."""
    path = folder / f"{workflow['id']}.json"
    path.write_text(json.dumps(workflow))
    return path


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5.0).status_code == 200
    except httpx.HTTPError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and its children: they are one session, made by us."""
    for word, seconds in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        if process.poll() is None:
            os.killpg(process.pid, word)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue


def _until(condition: Any, process: subprocess.Popen[bytes] | None, log: Path, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise TimeoutError(f"n8n: {log.read_text()[-3000:]}")
        time.sleep(0.25)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
