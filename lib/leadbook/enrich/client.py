"""One call to a vendor: within its rate, at most three attempts, Retry-After honoured, a circuit breaker.

Every outcome is a VendorResponse; nothing is raised. "Could not ask" is one too: the lead goes on without enrichment.
Keys travel in a header that httpx never shows, and the log never shows what was asked about whom.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

from leadbook.enrich.breaker import CircuitBreaker
from leadbook.enrich.limits import Permit, RateLimit
from leadbook.enrich.response import Meaning, VendorResponse, retry_after_s, usual
from leadbook.enrich.services import Service

ATTEMPTS = 3
"""The task book's limit (2.1.1.5)."""

PATIENCE_S = 30.0
"""A longer Retry-After is not waited for: the call has failed, and the vendor is left alone so long."""

LARGEST = 4_000_000
"""Bytes of an answer that are read; a sound one holds some kB."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_RETRIED = (Meaning.AGAIN, Meaning.PENDING)


class _Discreet(logging.Filter):
    """httpx logs whole addresses, and a query holds a person's name or e-mail: only the path is kept."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                str(one.copy_with(query=None)) if isinstance(one, httpx.URL) else one for one in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_Discreet())


def _always(call: str, answer: VendorResponse) -> bool:
    return answer.status != 0


class VendorClient:
    """Calls one vendor. Safe in threads.

    meanings: HTTP status -> Meaning, for what that vendor documents; others follow HTTP's sense.  limit: hands out
    permits.  bills: whether the vendor charges for an answer (an answer that never came counts as charged).
    attempts: at one call, three at most.  pause_s: first wait between attempts; twice that after a 423 (locked).
    calls: how many there were.
    """

    def __init__(
        self, service: Service, meanings: Mapping[int, Meaning], *, limit: RateLimit, attempts: int = ATTEMPTS,
        pause_s: float = 0.5, timeout_s: float = 10.0,
        bills: Callable[[str, VendorResponse], bool] = _always,
    ) -> None:  # fmt: skip
        self.service, self.meanings, self.limit, self.bills = service, meanings, limit, bills
        self.attempts, self.pause_s, self.timeout_s = min(attempts, ATTEMPTS), pause_s, timeout_s
        self.circuit, self.calls = CircuitBreaker(strikes=5, pause_s=5.0), 0
        self._stopped: VendorResponse | None = None
        self._held_until = 0.0
        local = urlsplit(service.url).hostname in ("127.0.0.1", "localhost")
        self._client = httpx.Client(base_url=service.url, timeout=timeout_s, trust_env=not local, verify=not local)

    def get(self, path: str, **params: str) -> VendorResponse:
        """GET with the vendor's key."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Any) -> VendorResponse:
        """POST of JSON with the vendor's key."""
        return self._call("POST", path, json=body)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _call(self, method: str, path: str, **what: Any) -> VendorResponse:
        retrying = Retrying(
            stop=stop_after_attempt(self.attempts), retry=retry_if_result(lambda said: said.meaning in _RETRIED),
            wait=self._wait, retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )  # fmt: skip
        try:
            answer: VendorResponse = retrying(self._once, method, path, what)
        except Exception:  # noqa: BLE001  (a defect of ours or of a library must not cost a lead)
            answer = VendorResponse(Meaning.AWAY)
        if answer.meaning is Meaning.AGAIN:
            answer = VendorResponse(Meaning.AWAY, answer.status, answer.body)
        self.calls += 1
        if answer.meaning in (Meaning.SPENT, Meaning.DENIED):
            self._stopped = VendorResponse(answer.meaning)
        return answer

    def _wait(self, state: RetryCallState) -> float:
        asked: float = state.outcome.result().after_s if state.outcome else 0.0
        return asked or wait_exponential_jitter(multiplier=self.pause_s, max=8.0, jitter=self.pause_s)(state)

    def _once(self, method: str, path: str, what: dict[str, Any]) -> VendorResponse:
        if self._stopped is not None:
            return self._stopped
        if not self.circuit.allows or self._held_until - time.monotonic() > PATIENCE_S:
            return VendorResponse(Meaning.PAUSED)
        call = _name(path)
        permit = self.limit.acquire(self.service, call)
        if isinstance(permit, Meaning):
            return VendorResponse(permit)
        time.sleep(max(permit.wait_s, self._held_until - time.monotonic(), 0.0))
        answer = self._asked(method, path, what, permit)
        if answer.status and not self.bills(call, answer):
            self.limit.refund(permit)
        return answer

    def _asked(self, method: str, path: str, what: dict[str, Any], permit: Permit) -> VendorResponse:
        try:
            with self._client.stream(
                method, path, headers={"Authorization": f"Bearer {self.service.key}"}, **what
            ) as r:
                return self._read(r, _body(r, time.monotonic() + 2 * self.timeout_s))
        except _UNSENT:
            self.limit.refund(permit)
        except httpx.HTTPError:
            pass
        self.circuit.failed()
        return VendorResponse(Meaning.AGAIN)

    def _read(self, reply: httpx.Response, text: bytes) -> VendorResponse:
        meaning = self.meanings.get(reply.status_code) or usual(reply.status_code)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if meaning is Meaning.FOUND and not isinstance(body, dict):
            meaning = Meaning.AGAIN  # half an answer, or a proxy's page
        if reply.status_code >= 500 or (meaning is Meaning.AGAIN and reply.is_success):
            self.circuit.failed()
        else:
            self.circuit.succeeded()
        after_s = _seconds(reply.headers) or (2 * self.pause_s if reply.status_code == 423 else 0.0)
        if after_s and meaning is Meaning.AGAIN:
            self._held_until = max(self._held_until, time.monotonic() + after_s)
            if after_s > PATIENCE_S:
                meaning = Meaning.AWAY
        return VendorResponse(meaning, reply.status_code, body, after_s)


def _name(path: str) -> str:
    """`/v2/email-finder` is `email-finder`, `/v2/combined/find` is `combined`."""
    return path.removesuffix("/find").rpartition("/")[2]


def _body(reply: httpx.Response, until: float) -> bytes:
    """The body, within bounds of size and time: a vendor that drips bytes must not hold a worker."""
    body = b""
    for chunk in reply.iter_bytes():
        body += chunk
        if len(body) > LARGEST or time.monotonic() > until:
            raise httpx.ReadTimeout("too long", request=reply.request)
    return body


def _seconds(headers: httpx.Headers) -> float:
    """Seconds to wait, of Retry-After, or of Clearbit's X-RateLimit-Reset (a time); 0 where nothing is said."""
    asked = retry_after_s(headers.get("Retry-After"))
    if asked is not None:
        return asked
    try:
        if headers.get("X-RateLimit-Remaining") == "0":
            return max(0.0, float(headers.get("X-RateLimit-Reset", "0")) - time.time())
    except ValueError:
        pass
    return 0.0
