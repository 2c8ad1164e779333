"""n8n's public REST API (/api/v1), asked only: workflows, executions, names of credentials, n8n's release.

Each failure is one line that names the address, never the key. Plain HTTP is used within one's own networks only, since
the key travels with each question.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx

from leadbook.core.addresses import is_loopback
from leadbook.core.errors import LeadbookError, ParameterError, UnreachableError
from leadbook.core.settings import Settings
from leadbook.enrich.response import retry_after_s
from leadbook.n8n import address, answers
from leadbook.n8n.records import N8nCredential, N8nExecution, N8nHistory, N8nWorkflow

KEY_VARIABLE = "N8N_API_KEY"
API = "/api/v1"
PAGE = 250
"""Most of what n8n gives at once."""
MOST_PAGES = 40
"""Of one question: an instance with more workflows or credentials is not what the sprint asks for."""
HISTORY_PAGES = 8
"""Of one workflow's executions: 2,000, more than one a minute over a day."""
DAY = timedelta(hours=24)
TIMEOUT_S, PATIENCE_S, LONGEST_WAIT_S = 5.0, 20.0, 10.0
"""Of one read, of one answer as a whole, and of a Retry-After that is waited for."""
TEST_S = 40.0
"""Of a test of a credential: MongoDB's driver waits for a server 30 s."""
LARGEST = 40_000_000
"""Bytes of an answer that are read: 250 workflows of 100 kB each are 25 MB."""
NEW_KEY = "make a key in n8n under Settings, n8n API, and export it: N8N_API_KEY"
_RELEASE = re.compile(r'name="n8n:config:sentry"\s+content="([A-Za-z0-9+/=]+)"')


class N8nDeniedError(LeadbookError):
    """n8n answers, and does not let this key ask (401, 403)."""


class N8nAbsentError(LeadbookError):
    """What answers has no such question: it is another release, its public API is off, or it is no n8n."""


class N8nClient:
    """Asks one n8n. warning: what is doubtful about the address, empty where nothing is.  Not safe in threads.

    Every method raises UnreachableError, N8nDeniedError or N8nAbsentError.
    """

    def __init__(self, url: str, key: str) -> None:
        parts = address.address_of(url)
        self.shown, self.warning = address.shown(parts), address.warning(parts)
        if not key.strip().isprintable() or not key.strip().isascii():
            raise ParameterError(KEY_VARIABLE, "holds characters that no key has", NEW_KEY)
        local = is_loopback(parts.hostname or "")
        self._client = httpx.Client(
            base_url=url.rstrip("/").removesuffix(API), timeout=TIMEOUT_S, trust_env=not local,
            headers={"X-N8N-API-KEY": key.strip(), "Accept": "application/json"},
        )  # fmt: skip
        self._stack = ExitStack()
        self._stack.callback(self._client.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __repr__(self) -> str:
        return f"N8nClient({self.shown})"

    # --------------------------------------------------------------------------------------------------- questions

    def workflows(self) -> tuple[N8nWorkflow, ...]:
        """All workflows, archived ones too, in n8n's order; without data that was pinned to try them."""
        return tuple(map(answers.workflow, self._rows("workflows", excludePinnedData="true")))

    def credentials(self) -> tuple[N8nCredential, ...] | None:
        """Names and types of credentials; None where this release, or this key, does not list them."""
        try:
            return tuple(map(answers.credential, self._rows("credentials")))
        except (N8nDeniedError, N8nAbsentError):
            return None

    def test(self, credential: str) -> bool | None:
        """Whether n8n, asked now, reaches the server of a credential (its id) and is let in: for MongoDB the database
        must exist too. None where this release, or this key, does not try it. n8n's own words are dropped: they quote
        addresses."""
        try:
            said = self._get(f"credentials/{credential}/test", method="POST").get("status")
        except (N8nDeniedError, N8nAbsentError):
            return None
        return {"OK": True, "Error": False}.get(str(said))

    def history(self, workflow: str, now: datetime | None = None) -> N8nHistory:
        """What became of a workflow's executions: newest first, at least 24 hours back, and on to the newest that ended
        well, as far as HISTORY_PAGES reach. n8n leaves those out that still run."""
        since, found, whole = (now or datetime.now(UTC)) - DAY, _Tally(), False
        for rows, more in self._pages("executions", HISTORY_PAGES, workflowId=workflow):
            old = [found.take(answers.execution(row), since) for row in rows]
            whole = not more or any(old)
            if not more or (any(old) and found.success):
                break
        return found.history(whole=whole)

    def ended_well(self, execution: str) -> dict[str, bool]:
        """Whether each node of an execution ended well, by the node's name; empty where n8n keeps no data of it.

        What the nodes handled is in the answer and is dropped here: it holds personal data.
        """
        return answers.ended_well(self._get(f"executions/{execution}", includeData="true"))

    def release(self) -> str:
        """n8n's release, `2.20.12`, from its start page; empty where that does not tell: the API itself names none."""
        try:
            _, body = self._ask("GET", "/", {}, {"X-N8N-API-KEY": "", "Accept": "text/html"})
            told = _RELEASE.search(body.decode("utf-8", "replace"))
            said = json.loads(base64.b64decode(told[1])) if told else {}
        except (LeadbookError, ValueError):
            return ""
        release = re.fullmatch(r"n8n@([\w.+-]{1,30})", str(said.get("release"))) if isinstance(said, Mapping) else None
        return release[1] if release else ""

    # ------------------------------------------------------------------------------------------------------ asking

    def _rows(self, what: str, **options: str) -> Iterator[Mapping[str, Any]]:
        for rows, _ in self._pages(what, MOST_PAGES, **options):
            yield from rows

    def _pages(self, what: str, most: int, **options: str) -> Iterator[tuple[list[Mapping[str, Any]], bool]]:
        """Page by page by n8n's cursor, `most` at most, and whether there are more."""
        cursor: dict[str, str] = {}
        for _ in range(most):
            answer = self._get(what, limit=str(PAGE), **options, **cursor)
            rows, following = answer.get("data"), answer.get("nextCursor")
            if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
                raise self._no_n8n(f"{API}/{what} gives no list")
            more = bool(following) and str(following) != cursor.get("cursor")
            yield rows, more
            if not more:
                return
            cursor = {"cursor": str(following)}

    def _get(self, what: str, method: str = "GET", **options: str) -> Mapping[str, Any]:
        for _ in range(2):
            reply, body = self._ask(method, f"{API}/{what}", options)
            if reply.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            asked = retry_after_s(reply.headers.get("Retry-After"))
            time.sleep(1.0 if asked is None else min(asked, LONGEST_WAIT_S))
        self._refuse(reply, what)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise self._no_n8n("the answer is no JSON") from None
        if not isinstance(answer, Mapping):
            raise self._no_n8n("the answer is no object")
        return answer

    def _ask(
        self, method: str, path: str, options: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> tuple[httpx.Response, bytes]:
        wait = TEST_S if method == "POST" else TIMEOUT_S
        until, body = time.monotonic() + max(wait, PATIENCE_S), b""
        try:
            with self._client.stream(method, path, params=dict(options), headers=headers, timeout=wait) as reply:
                for chunk in reply.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST or time.monotonic() > until:
                        raise UnreachableError("n8n", self.shown, "its answer does not end", "look at its log")
            return reply, body
        except httpx.TimeoutException:
            raise UnreachableError("n8n", self.shown, "no answer in time", "look at its log and its load") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError("n8n", self.shown, *_diagnosed(error)) from None

    def _refuse(self, reply: httpx.Response, what: str) -> None:
        """Raise what a status says that is no answer."""
        status = reply.status_code
        if status == httpx.codes.UNAUTHORIZED:
            raise N8nDeniedError(f"n8n at {self.shown}: the key is refused (401); {NEW_KEY}")
        if status == httpx.codes.FORBIDDEN:
            scope = f"{what.split('/')[0].rstrip('s')}:{'read' if '/' in what else 'list'}"
            raise N8nDeniedError(f"n8n at {self.shown}: the key may not read {what.split('/')[0]} (403); give it the "
                                 f"scope {scope}, or make another one")  # fmt: skip
        if status == httpx.codes.NOT_FOUND:
            raise self._no_n8n(f"it does not know {API}/{what.split('/')[0]}")
        if reply.is_redirect:
            raise self._no_n8n("it redirects to another address")
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise UnreachableError("n8n", self.shown, "too many requests (429)", "ask again in some minutes")
        if not reply.is_success:
            raise UnreachableError("n8n", self.shown, f"it answers with status {status}", "look at n8n's log")

    def _no_n8n(self, problem: str) -> N8nAbsentError:
        return N8nAbsentError(
            f"n8n at {self.shown}: this is no n8n, or its public API is switched off: {problem}; n8n_url is the "
            f"address of its editor, without a path, and N8N_PUBLIC_API_DISABLED must not be true"
        )


class _Tally:
    """A workflow's history, counted while its executions are read, the newest first.

    success: the newest execution that ended well.
    """

    def __init__(self) -> None:
        self.success: N8nExecution | None = None
        self._last: N8nExecution | None = None
        self._failure: N8nExecution | None = None
        self._in_day = self._failures = 0

    def take(self, one: N8nExecution, since: datetime) -> bool:
        """Count the next older execution; True where it is older than `since`."""
        at = one.started or one.stopped
        old = at is not None and at < since
        self._in_day += not old
        self._failures += one.failed and not old
        self._last = self._last or one
        self.success = self.success or (one if one.succeeded else None)
        self._failure = self._failure or (one if one.failed else None)
        return old

    def history(self, *, whole: bool) -> N8nHistory:
        """All of it. whole: everything of the last 24 hours was read."""
        return N8nHistory(last=self._last, success=self.success, failure=self._failure, in_day=self._in_day,
                          failures=self._failures, whole=whole)  # fmt: skip


def open_n8n(settings: Settings) -> N8nClient:
    """The n8n of these settings, not asked yet. Raises ParameterError (no address or key, or not a usable one)."""
    if not settings.n8n_url:
        raise ParameterError("n8n_url", "is not set", "give n8n's address: -p n8n_url=https://n8n.example.com")
    key = os.environ.get(KEY_VARIABLE, "")
    if not key.strip():
        raise ParameterError(KEY_VARIABLE, "is not set in the environment", NEW_KEY)
    return N8nClient(settings.n8n_url, key)


def _diagnosed(error: Exception) -> tuple[str, str]:
    """What went wrong and what to do, without a word of the library's."""
    text = str(error)
    for word, problem, hint in (
        ("CERTIFICATE_VERIFY", "its TLS certificate is not trusted", "name the authority's file: SSL_CERT_FILE"),
        ("SSL", "TLS handshake failed", "n8n may not speak TLS there: http:// within your own network"),
        ("refused", "connection refused", "is n8n running, and is this its port?"),
        ("Name or service", "host name is unknown", "check n8n_url"),
        ("name resolution", "host name is unknown", "check n8n_url"),
    ):
        if word in text:
            return problem, hint
    return "the connection broke off", "is this n8n's port, and does it speak HTTP?"
