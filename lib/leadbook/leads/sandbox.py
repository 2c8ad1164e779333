"""SANDBOX: Hunter, Clearbit and HubSpot on loopback, with their shapes and their faults. Nothing leaves this machine.

Which fault a request meets follows from what it asks (a hash), so that runs repeat; a passing fault ends at the
next try.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from leadbook.leads.services import Service, Services

__all__ = ["FAULTS", "Sandbox"]

Reply = tuple[int, dict[str, str], Any]

FAULTS: dict[str, tuple[tuple[int, float], ...]] = {
    "email-finder": ((403, 0.06), (500, 0.04), (202, 0.03), (400, 0.02), (404, 0.05), (451, 0.02)),
    "email-verifier": ((202, 0.08), (222, 0.03), (403, 0.05), (451, 0.02)),
    "combined": ((202, 0.05), (404, 0.2), (422, 0.02), (429, 0.05), (503, 0.03)),
    "upsert": ((423, 0.1), (429, 0.15), (477, 0.05), (502, 0.05)),
}
"""Shares of the answers that are faults, by call. 202, 222, 403, 423, 429, 477 and 5xx pass; 451 and 4xx stay."""

PASSING = frozenset({202, 222, 403, 423, 429, 477, 500, 502, 503})


class Sandbox:
    """The three vendors behind one loopback address: `with Sandbox() as sandbox: sandbox.services`.

    faults: as FAULTS; {} for none.  quota: answers until Hunter says 429, quota spent.  calls: requests by call and
    status. contacts: what HubSpot holds, by e-mail.  refused: e-mails that HubSpot does not take.
    """

    def __init__(
        self, *, faults: Mapping[str, tuple[tuple[int, float], ...]] = FAULTS, quota: int = 1_000_000,
        refused: Callable[[str], bool] = lambda email: _part("refused", email) < 0.02,
    ) -> None:  # fmt: skip
        self.faults, self.quota, self.refused = faults, quota, refused
        self.calls: Counter[tuple[str, int]] = Counter()
        self.contacts: dict[str, dict[str, str]] = {}
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address of all three."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def services(self) -> Services:
        """For Enricher and Crm; not paced, since nobody real is asked."""
        made = {name: Service(name=name, url=self.url, key="sandbox", per_second=5_000, per_minute=300_000)
                for name in ("hunter", "clearbit", "hubspot")}  # fmt: skip
        return Services(**made, sandbox=True)

    def reply(self, path: str, query: Mapping[str, str], body: Any) -> Reply:
        """What the vendors say: status, headers, JSON."""
        call = "combined" if "combined" in path else path.rstrip("/").rpartition("/")[2]
        asked = json.dumps([call, sorted(query.items()), body], sort_keys=True)
        status, headers, answer = self._answer(call, asked, query, body)
        with self._lock:
            self.calls[call, status] += 1
        return status, headers, answer

    def _answer(self, call: str, asked: str, query: Mapping[str, str], body: Any) -> Reply:
        with self._lock:
            self._tries[asked] += 1
            again = self._tries[asked] > 1
            if call.startswith("email-"):
                self.quota -= 1
                if self.quota < 0:
                    return 429, {}, _error("too_many_requests", 429, "usage limit reached")
        fault = self._fault(call, asked)
        if fault and not (again and fault in PASSING):
            headers = {"Retry-After": "0.05"} if fault in (429, 477) else {}
            return fault, headers, _error("fault", fault, "made by the sandbox")
        made: dict[str, Callable[[], Reply]] = {
            "email-finder": lambda: _found(query), "email-verifier": lambda: _verified(query),
            "combined": lambda: _combined(query), "upsert": lambda: self._upsert(body),
        }  # fmt: skip
        return made[call]() if call in made else (404, {}, _error("not_found", 404, "no such call"))

    def _fault(self, call: str, asked: str) -> int:
        share = _part(call, asked)
        for status, part in self.faults.get(call, ()):
            if share < part:
                return status
            share -= part
        return 0

    def _upsert(self, body: Any) -> Reply:
        results, errors = [], []
        for item in body["inputs"]:
            email = item["id"].lower()
            if self.refused(email):
                errors.append({"status": "error", "category": "VALIDATION_ERROR", "context": {"ids": [item["id"]]}})
                continue
            with self._lock:
                new = email not in self.contacts
                self.contacts[email] = {**self.contacts.get(email, {}), **item["properties"]}
            results.append({"id": sha256(email.encode()).hexdigest()[:10], "new": new, "properties": {"email": email}})
        answer: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if errors:
            return 207, {}, {**answer, "numErrors": len(errors), "errors": errors}
        return 200, {}, answer


def _part(*words: str) -> float:
    """A number from 0 to 1 that follows from the words."""
    return int.from_bytes(sha256("\0".join(words).encode()).digest()[:6]) / 2**48


def _error(name: str, code: int, details: str) -> dict[str, Any]:
    return {"errors": [{"id": name, "code": code, "details": details}]}


def _found(query: Mapping[str, str]) -> Reply:
    name = query.get("full_name", "")
    domain = query.get("domain") or f"{query.get('company', 'none').lower().replace(' ', '-')}.example"
    share = _part("finder", name, domain)
    local = ".".join("".join(filter(str.isalnum, word)) for word in name.lower().split() if word.isascii())
    email = f"{local}@{domain}" if local and share < 0.7 else None
    status = "valid" if share < 0.5 else "unknown"
    return 200, {}, {"data": {"email": email, "score": round(100 * (1 - share)), "domain": domain,
                              "verification": {"status": status}}, "meta": {"params": dict(query)}}  # fmt: skip


def _verified(query: Mapping[str, str]) -> Reply:
    share = _part("verifier", query.get("email", ""))
    status = "valid" if share < 0.7 else "accept_all" if share < 0.9 else "invalid"
    return 200, {}, {"data": {"status": status, "score": round(100 * (1 - share)), "email": query.get("email")}}


def _combined(query: Mapping[str, str]) -> Reply:
    domain = query.get("email", "@none.example").rpartition("@")[2]
    share = _part("company", domain)
    company = {"name": domain.partition(".")[0].title(), "domain": domain, "category": {"industry": "Internet"},
               "metrics": {"employeesRange": ("1-10", "11-50", "51-250")[int(share * 3)]}}  # fmt: skip
    return 200, {}, {"person": None, "company": company}


def _handler(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(None)

        def do_POST(self) -> None:
            self._send(json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or "null"))

        def _send(self, body: Any) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, headers, answer = sandbox.reply(parts.path, query, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "X-Sandbox": "leadbook"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: requests hold leads."""

    return Handler
