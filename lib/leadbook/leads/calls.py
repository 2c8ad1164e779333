"""One call to a vendor: paced, at most three attempts, Retry-After honoured, a circuit breaker, a spending cap.

Every outcome is an Answer; nothing is raised. "Could not ask" is an answer too: the lead goes on without enrichment.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

from leadbook.leads.circuit import Circuit
from leadbook.leads.services import Pace, Service

__all__ = ["Answer", "Budget", "Caller", "Meaning"]

ATTEMPTS = 3
"""The task book's limit (2.1.1.5)."""

PATIENCE_S = 30.0
"""A longer Retry-After is not waited for."""


class Meaning(StrEnum):
    """What an answer means for the lead."""

    FOUND = "found"
    NOTHING = "nothing known"
    ERASE = "erasure requested"
    PENDING = "still running"
    AGAIN = "try again"
    SPENT = "quota spent"
    DENIED = "key refused"
    INVALID = "refused as invalid"
    AWAY = "no answer"
    CAPPED = "spending cap reached"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor said. body: its JSON.  status: of HTTP, 0 when there was none.  after_s: Retry-After, seconds."""

    meaning: Meaning
    status: int = 0
    body: Any = None
    after_s: float = 0.0


class Budget:
    """How many calls may still be made; safe in threads."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more call may be made; counts it."""
        with self._lock:
            self.left -= 1
            return self.left >= 0


class Caller:
    """Calls one vendor. meanings: HTTP status -> Meaning, for what that vendor documents; others follow HTTP's sense.

    workers: how many callers share the vendor's rate.  pause_s: first wait between attempts.
    """

    def __init__(
        self, service: Service, meanings: dict[int, Meaning], *, budget: Budget, workers: int = 1, pause_s: float = 0.5,
        timeout_s: float = 10.0,
    ) -> None:  # fmt: skip
        self.service, self.meanings, self.budget, self.pause_s = service, meanings, budget, pause_s
        self.circuit = Circuit(strikes=5, pause_s=5.0)
        self.pace = Pace(service.per_second / workers, service.per_minute / workers)
        self.counts: Counter[str] = Counter()
        self._stopped: Answer | None = None
        self._client = httpx.Client(base_url=service.url, timeout=timeout_s)

    def get(self, path: str, **params: Any) -> Answer:
        """GET with the vendor's key."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Any) -> Answer:
        """POST of JSON with the vendor's key."""
        return self._call("POST", path, json=body)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _call(self, method: str, path: str, **what: Any) -> Answer:
        if self._stopped is not None:
            return self._stopped
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS), retry=retry_if_result(_worth_another), wait=self._wait,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else Answer(Meaning.AWAY),
        )  # fmt: skip
        answer: Answer = retrying(self._once, method, path, what)
        if answer.meaning is Meaning.AGAIN:
            answer = Answer(Meaning.AWAY, answer.status)
        self.counts[f"{answer.meaning}" + (f" ({answer.status})" if answer.status else "")] += 1
        if answer.meaning in (Meaning.SPENT, Meaning.DENIED):
            self._stopped = answer
        return answer

    def _wait(self, state: RetryCallState) -> float:
        asked = state.outcome.result().after_s if state.outcome else 0.0
        return max(asked, wait_exponential_jitter(multiplier=self.pause_s, max=8.0, jitter=self.pause_s)(state))

    def _once(self, method: str, path: str, what: dict[str, Any]) -> Answer:
        if not self.circuit.allows:
            return Answer(Meaning.AWAY)
        if not self.budget.take():
            return Answer(Meaning.CAPPED)
        self.pace.wait()
        try:
            reply = self._client.request(method, path, headers={"Authorization": f"Bearer {self.service.key}"}, **what)
        except httpx.HTTPError:
            self.circuit.failed()
            return Answer(Meaning.AGAIN)
        return self._read(reply)

    def _read(self, reply: httpx.Response) -> Answer:
        meaning = self.meanings.get(reply.status_code) or _usual(reply.status_code)
        if reply.status_code >= 500:
            self.circuit.failed()
        else:
            self.circuit.succeeded()
        try:
            body = reply.json()
        except ValueError:
            body = None
            if meaning is Meaning.FOUND:
                meaning = Meaning.AGAIN
        after_s = _seconds(reply.headers.get("Retry-After", ""))
        if after_s > PATIENCE_S and meaning is Meaning.AGAIN:
            meaning = Meaning.AWAY
        elif after_s and meaning is Meaning.AGAIN:
            self.pace.hold(after_s)
        return Answer(meaning, reply.status_code, body, min(after_s, PATIENCE_S))


def _worth_another(answer: Answer) -> bool:
    return answer.meaning in (Meaning.AGAIN, Meaning.PENDING)


def _usual(status: int) -> Meaning:
    if 200 <= status < 300:
        return Meaning.FOUND
    if status in (401, 403):
        return Meaning.DENIED
    if status == 402:
        return Meaning.SPENT
    if status == 404:
        return Meaning.NOTHING
    if status in (408, 423, 425, 429) or status >= 500:
        return Meaning.AGAIN
    return Meaning.INVALID


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
