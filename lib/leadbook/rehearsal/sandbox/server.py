"""The sandbox's HTTP server: checks keys, meets requests with faults, counts everything."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from leadbook.enrich.services import Service, Services
from leadbook.rehearsal.sandbox import shapes
from leadbook.rehearsal.sandbox.contacts import Contacts
from leadbook.rehearsal.sandbox.faults import FAULTS, Faults, Kind
from leadbook.rehearsal.sandbox.shapes import Reply, error

KEYS = {"hunter": "sandbox-hunter-key", "clearbit": "sandbox-clearbit-key", "hubspot": "sandbox-hubspot-token"}

Headers = Mapping[str, str] | Message

_CALLS = {
    "/hunter/v2/email-finder": "email-finder", "/hunter/v2/email-verifier": "email-verifier",
    "/hunter/v2/combined/find": "hunter-combined", "/clearbit/v2/combined/find": "combined",
    "/hubspot/crm/v3/objects/contacts/batch/upsert": "upsert",
}  # fmt: skip


class Sandbox:
    """The three vendors behind one loopback port: `with Sandbox() as sandbox: sandbox.services`.

    faults: as FAULTS; {} for none.  quota: charged answers until Hunter says 429, quota spent.  per_second: requests
    of a vendor in a second until it says so (0: no limit).  slow_s: length of a slow answer.
    calls: requests by call and status (0: connection broken).  billed: answers that the vendor charges for, by call.
    keys_in_urls: requests whose address held a key.  busiest: most requests of a vendor within one second.
    """

    def __init__(
        self, *, faults: Mapping[str, Sequence[tuple[Kind, float]]] = FAULTS, quota: int = 1_000_000,
        per_second: int = 0, slow_s: float = 1.0, seed: int = 0,
    ) -> None:  # fmt: skip
        self.quota, self.per_second, self.slow_s = quota, per_second, slow_s
        self.faults, self.contacts = Faults(faults, seed), Contacts()
        self.calls: Counter[tuple[str, int]] = Counter()
        self.billed: Counter[str] = Counter()
        self.keys_in_urls = self.busiest = 0
        self._recent: dict[str, deque[float]] = {name: deque() for name in KEYS}
        self._lock = threading.Lock()
        self.ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of all three."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def each(self) -> list[Service]:
        """The vendors; hardly paced, since nobody real is asked."""
        return [
            Service(name=name, url=f"{self.url}/{name}", key=key, per_second=5_000, per_minute=300_000)
            for name, key in KEYS.items()
        ]

    @property
    def services(self) -> Services:
        """For Enricher and Crm."""
        return Services(**{service.name: service for service in self.each}, sandbox=True)

    @property
    def requests(self) -> int:
        """All requests so far."""
        return sum(self.calls.values())

    @property
    def most_attempts(self) -> int:
        """How often the most asked question was asked."""
        return max(self.faults.tries.values(), default=0)

    def script(self, call: str, *kinds: Kind) -> None:
        """What the next requests of `call` meet: `script("email-finder", 403, "reset", 0)`."""
        self.faults.script(call, *kinds)

    # --------------------------------------------------------------------------------------------- answers

    def answer(self, path: str, query: Mapping[str, str], headers: Headers, body: Any) -> tuple[Kind, Reply]:
        """The fault that is no answer (0 for none), and the answer."""
        vendor, call = path.split("/")[1] if path.count("/") > 1 else "", _CALLS.get(path, "")
        if not call:
            return 0, error("hunter", 404, "no such call")
        if self._refuses(vendor, query, headers):
            return 0, self._counted(call, error(vendor, 401, "no valid key"))
        asked = json.dumps([call, sorted((name, said) for name, said in query.items() if name != "api_key"), body])
        kind = self.faults.meet(call, asked)
        if self._too_fast(vendor):
            return 0, self._counted(call, error(vendor, 403 if vendor == "hunter" else 429, "rate limit"))
        if isinstance(kind, int) and kind:
            return 0, self._counted(call, error(vendor, kind))
        if kind == "odd":
            return 0, self._counted(call, (200, {}, {"data": [1], "company": "?", "results": {"a": None}}))
        reply = self._sound(vendor, call, query, body)
        return kind, reply if kind == "reset" else self._counted(call, reply)

    def _refuses(self, vendor: str, query: Mapping[str, str], headers: Headers) -> bool:
        given = headers.get("Authorization", "")
        if "api_key" in query:
            with self._lock:
                self.keys_in_urls += 1
        ways = {f"Bearer {KEYS[vendor]}": given}
        if vendor == "hunter":
            ways |= {KEYS[vendor]: query.get("api_key", "") or headers.get("X-API-KEY", "")}
        elif vendor == "clearbit" and given.startswith("Basic "):
            ways |= {f"{KEYS[vendor]}:": _decoded(given.removeprefix("Basic "))}
        return all(key != said for key, said in ways.items())

    def _too_fast(self, vendor: str) -> bool:
        with self._lock:
            recent, now = self._recent[vendor], time.monotonic()
            while recent and now - recent[0] > 1.0:
                recent.popleft()
            if self.per_second and len(recent) >= self.per_second:
                return True
            recent.append(now)
            self.busiest = max(self.busiest, len(recent))
            return False

    def _sound(self, vendor: str, call: str, query: Mapping[str, str], body: Any) -> Reply:
        if vendor == "hunter":
            with self._lock:
                self.quota -= 1
                if self.quota < 0:
                    return error("hunter", 429, "usage limit reached")
        if call == "email-finder":
            return shapes.found(query)
        if call == "email-verifier":
            return shapes.verified(query)
        if call == "upsert":
            return self.contacts.upsert(body)
        return shapes.hunter_combined(query) if vendor == "hunter" else shapes.clearbit_combined(query)

    def _counted(self, call: str, reply: Reply) -> Reply:
        status, _, body = reply
        data = body.get("data") if isinstance(body, dict) else None
        charged = status == 200 and not (call == "email-finder" and not (isinstance(data, dict) and data.get("email")))
        with self._lock:
            self.calls[call, status] += 1
            if charged or (call == "combined" and status in (202, 404)):
                self.billed[call] += 1
        return reply

    def broke(self, call: str) -> None:
        """A connection was broken instead of an answer."""
        with self._lock:
            self.calls[call, 0] += 1


def _decoded(text: str) -> str:
    try:
        return b64decode(text).decode()
    except (NotBase64, UnicodeDecodeError):
        return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away is part of the play."""


def _handler(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            try:
                self._reply(json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or "null"))
            except ValueError:
                self._send(400, {}, b'{"status":"error","category":"VALIDATION_ERROR"}')

        def _reply(self, body: Any) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            kind, (status, headers, answer) = sandbox.answer(parts.path, query, self.headers, body)
            data = json.dumps(answer).encode()
            if kind == "reset":
                sandbox.broke(_CALLS[parts.path])
                self._reset()
            elif kind == "html":
                self._send(200, {"Content-Type": "text/html"}, b"<html><body>Checking your browser</body></html>")
            else:
                if kind == "slow":
                    sandbox.ended.wait(sandbox.slow_s)
                self._send(status, headers, data[: len(data) // 2] if kind == "garbage" else data)

        def _reset(self) -> None:
            """Close with a RST, as a crashing peer does."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.rfile.close()
            self.wfile.close()
            self.connection.close()

        def _send(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "X-Sandbox": "leadbook", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: requests hold leads."""

    return Handler
