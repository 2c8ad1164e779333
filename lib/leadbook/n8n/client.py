"""n8n's public REST API (/api/v1), asked only: workflows, executions, names of credentials, n8n's release.

Each failure is one line that names the address, never the key. Plain HTTP is used within one's own networks only, since
the key travels with each question.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import httpx

from leadbook.core.errors import LeadbookError, ParameterError, UnreachableError
from leadbook.core.settings import Settings
from leadbook.n8n.records import N8nCredential, N8nExecution, N8nHistory, N8nNode, N8nWorkflow

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
        parts = address_of(url)
        self.shown, self.warning = _shown(parts), _warning(parts)
        if not key.strip().isprintable() or not key.strip().isascii():
            raise ParameterError(KEY_VARIABLE, "holds characters that no key has", NEW_KEY)
        local = _is_loopback(parts.hostname or "")
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
        return tuple(_workflow(row) for row in self._rows("workflows", {"excludePinnedData": "true"}))

    def credentials(self) -> tuple[N8nCredential, ...] | None:
        """Names and types of credentials; None where this release, or this key, does not list them."""
        try:
            return tuple(N8nCredential(name=str(row.get("name", "")), kind=str(row.get("type", "")))
                         for row in self._rows("credentials", {}))  # fmt: skip
        except (N8nDeniedError, N8nAbsentError):
            return None

    def history(self, workflow: str, now: datetime | None = None) -> N8nHistory:
        """What became of a workflow's executions, newest first, back to 24 hours ago and to the newest success and
        failure, as far as HISTORY_PAGES reach."""
        since, found = (now or datetime.now(UTC)) - DAY, _Read()
        pages = self._pages("executions", {"workflowId": workflow}, HISTORY_PAGES)
        for page in pages:
            done = False
            for row in page:
                done = found.take(_execution(row), since) or done
            if done and found.history.success and found.history.failure:
                break
            if done and found.history.success:
                break  # an older failure changes nothing
        else:
            return found.of(whole=not self._cut)
        return found.of(whole=True)

    def ran_well(self, execution: str) -> dict[str, bool]:
        """Whether each node of an execution ended well, by the node's name; empty where n8n keeps no data of it.

        What the nodes handled is in the answer and is dropped here: it holds personal data.
        """
        data = self._get(f"executions/{execution}", {"includeData": "true"})
        runs = _inside(data, "data", "resultData", "runData")
        found: dict[str, bool] = {}
        for name, tries in runs.items() if isinstance(runs, Mapping) else ():
            last = tries[-1] if isinstance(tries, list) and tries else {}
            if isinstance(last, Mapping):
                found[str(name)] = last.get("executionStatus", "success") == "success" and not last.get("error")
        return found

    def release(self) -> str:
        """n8n's release, `2.20.12`, from its start page; empty where that does not tell: the API itself names none."""
        try:
            reply = self._client.get("/", headers={"X-N8N-API-KEY": "", "Accept": "text/html"})
        except (httpx.HTTPError, httpx.InvalidURL):
            return ""
        told = _RELEASE.search(reply.text[:1_000_000])
        try:
            said = json.loads(base64.b64decode(told[1])) if told else {}
        except ValueError:
            return ""
        release = str(said.get("release", "")) if isinstance(said, Mapping) else ""
        return release.removeprefix("n8n@")[:20] if re.fullmatch(r"n8n@[\w.+-]+", release) else ""

    # ------------------------------------------------------------------------------------------------------ asking

    def _rows(self, what: str, options: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        for page in self._pages(what, options, MOST_PAGES):
            yield from page

    def _pages(self, what: str, options: Mapping[str, str], most: int) -> Iterator[list[Mapping[str, Any]]]:
        """Page by page by n8n's cursor. Sets `_cut` where there are more than `most`."""
        cursor, self._cut = "", False
        for _ in range(most):
            answer = self._get(what, {**options, "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {}))
            rows = answer.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
                raise self._no_n8n(f"{API}/{what} has no list of {what}")
            yield rows
            following = answer.get("nextCursor")
            if not following or following == cursor:
                return
            cursor = str(following)
        self._cut = True

    def _get(self, what: str, options: Mapping[str, str]) -> Mapping[str, Any]:
        for _ in range(2):
            reply, body = self._ask(f"{API}/{what}", options)
            if reply.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            time.sleep(_seconds(reply.headers.get("Retry-After", "1")))
        self._refuse(reply, what)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise self._no_n8n("the answer is no JSON") from None
        if not isinstance(answer, Mapping):
            raise self._no_n8n("the answer is no object")
        return answer

    def _ask(self, path: str, options: Mapping[str, str]) -> tuple[httpx.Response, bytes]:
        until, body = time.monotonic() + PATIENCE_S, b""
        try:
            with self._client.stream("GET", path, params=dict(options)) as reply:
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
            f"n8n at {self.shown}: this is no n8n, or its public API is switched off: {problem}; n8n_url is the address "
            f"of its editor, without a path, and N8N_PUBLIC_API_DISABLED must not be true"
        )


class _Read:
    """A history while it is read."""

    def __init__(self) -> None:
        self.history, self._ran, self._failed = N8nHistory(), 0, 0

    def take(self, one: N8nExecution, since: datetime) -> bool:
        """Count one execution, the next older one; True once it is older than `since`."""
        was, at = self.history, one.started or one.stopped
        old = at is not None and at < since
        self._ran += not old
        self._failed += one.failed and not old
        self.history = N8nHistory(
            last=was.last or one, success=was.success or (one if one.succeeded else None),
            failure=was.failure or (one if one.failed else None),
        )  # fmt: skip
        return old

    def of(self, *, whole: bool) -> N8nHistory:
        """All that was read."""
        was = self.history
        return N8nHistory(last=was.last, success=was.success, failure=was.failure, in_day=self._ran,
                          failures=self._failed, whole=whole)  # fmt: skip


def open_n8n(settings: Settings) -> N8nClient:
    """The n8n of these settings, not asked yet. Raises ParameterError (no address or key, or not a usable one)."""
    if not settings.n8n_url:
        raise ParameterError("n8n_url", "is not set", "give n8n's address: -p n8n_url=https://n8n.example.com")
    key = os.environ.get(KEY_VARIABLE, "")
    if not key.strip():
        raise ParameterError(KEY_VARIABLE, "is not set in the environment", NEW_KEY)
    return N8nClient(settings.n8n_url, key)


# ------------------------------------------------------------------------------------------------------------ address


def address_of(url: str) -> SplitResult:
    """The parts of n8n's address. Raises ParameterError for what is none, or would send the key in the clear."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ParameterError("n8n_url", "is no address", "say https://n8n.example.com") from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise ParameterError("n8n_url", "must begin with https:// and name a host", "say https://n8n.example.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ParameterError("n8n_url", "holds more than an address", f"the key belongs into {KEY_VARIABLE}")
    if parts.scheme == "http" and not _is_private(host):
        raise ParameterError("n8n_url", "is plain http to a public address: the key could be read on its way",
                             "use https, or an address within your own network")  # fmt: skip
    return parts


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}"


def _warning(parts: SplitResult) -> str:
    if parts.scheme == "https" or _is_loopback(parts.hostname or ""):
        return ""
    return f"n8n is asked over plain http ({_shown(parts)}): who listens in this network can read the key; use https"


def _is_loopback(host: str) -> bool:
    return host == "localhost" or _every(host, "is_loopback", known_only=True)


def _is_private(host: str) -> bool:
    return host == "localhost" or _every(host, "is_private")


def _every(host: str, kind: str, *, known_only: bool = False) -> bool:
    """Whether each address of a host is of a kind. A name that nobody knows is not asked over the network: it counts as
    one's own, and connecting tells that it is unknown."""
    try:
        return bool(getattr(ipaddress.ip_address(host), kind))
    except ValueError:
        if known_only:
            return False
    return all(getattr(ipaddress.ip_address(one), kind) for one in addresses_of(host))


def addresses_of(host: str) -> frozenset[str]:
    """IP addresses of a host; none where its name is unknown."""
    try:
        return frozenset(str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return frozenset()


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


# ------------------------------------------------------------------------------------------------- answers to records


def _workflow(row: Mapping[str, Any]) -> N8nWorkflow:
    nodes = row.get("nodes")
    return N8nWorkflow(
        id=str(row.get("id", "")), name=str(row.get("name", "")), active=row.get("active") is True,
        archived=row.get("isArchived") is True, error_workflow=str(_inside(row, "settings", "errorWorkflow") or ""),
        nodes=tuple(_node(node) for node in nodes if isinstance(node, Mapping)) if isinstance(nodes, list) else (),
    )  # fmt: skip


def _node(row: Mapping[str, Any]) -> N8nNode:
    held, parameters, version = row.get("credentials"), row.get("parameters"), row.get("typeVersion", 1)
    return N8nNode(
        name=str(row.get("name", "")), kind=str(row.get("type", "")).rpartition(".")[2],
        version=float(version) if isinstance(version, int | float) else 0.0, disabled=row.get("disabled") is True,
        credentials={str(kind): str(one.get("name", "")) for kind, one in held.items() if isinstance(one, Mapping)}
        if isinstance(held, Mapping) else {},
        parameters=parameters if isinstance(parameters, Mapping) else {},
    )  # fmt: skip


def _execution(row: Mapping[str, Any]) -> N8nExecution:
    status = row.get("status")
    if not isinstance(status, str):  # releases before 1.0 tell only whether it is finished
        status = "success" if row.get("finished") is True else "error" if row.get("stoppedAt") else "running"
    return N8nExecution(
        id=str(row.get("id", "")), workflow=str(row.get("workflowId", "")), status=status,
        started=_time(row.get("startedAt")), stopped=_time(row.get("stoppedAt")),
    )  # fmt: skip


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _inside(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _seconds(text: str) -> float:
    try:
        return min(max(0.0, float(text)), LONGEST_WAIT_S)
    except ValueError:
        return 1.0
