"""One question to Atlas: signed, of a pinned version, within bounds of time, size and patience.

A question that only reads is asked again after 429 (as long as Retry-After says, within PATIENCE_S), 5xx and a cut
connection. A change is sent once: 429 is told (it was not done), a connection that breaks afterwards is in doubt.
Redirects are not followed: what is signed for Atlas goes nowhere else.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from leadbook.atlas.calls import CALLS, AtlasCall
from leadbook.atlas.failures import (
    AtlasAbsentError,
    AtlasBusyError,
    AtlasDeniedError,
    AtlasDoubtError,
    AtlasError,
)
from leadbook.atlas.login import AtlasLogin
from leadbook.core.errors import ParameterError, UnreachableError
from leadbook.core.redactor import Redactor
from leadbook.enrich.response import retry_after_s
from leadbook.lead.masks import mask_people

ATTEMPTS = 3
PATIENCE_S = 30.0
"""Longest wait for one question in all, between its attempts; a longer Retry-After is told and not waited for."""
LARGEST = 20_000_000
"""Bytes of an answer that are read; 500 entries of a page hold far less."""
PAGE, MOST_PAGES = 500, 40
"""Entries of a page (Atlas allows 500), and pages that are turned."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NOT_OFFERED = re.compile(r"TENANT|FLEX|SERVERLESS|SHARED|FREE|UNSUPPORTED|NOT_SUPPORTED|NOT_ENABLED|DISABLED|"
                          r"UNAVAILABLE|NOT_AVAILABLE|PAYMENT")  # fmt: skip
_OWN_ACCESS_LIST = re.compile(r"ACCESS_LIST|WHITELIST|IP_ADDRESS")
_RENEW_BEFORE_S = 60.0


class AtlasClient:
    """Asks one Atlas project. Safe in threads. Its repr shows the host only.

    project: the group id.  timeout_s: of connecting and of each read.  pause_s: first wait after a failure.
    asked: HTTP requests sent so far, those for tokens too.  seconds: time they took in all.
    """

    def __init__(
        self, login: AtlasLogin, project: str, *, timeout_s: float = 10.0, pause_s: float = 0.5,
        patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self.login, self.project = login, project
        self.timeout_s, self.pause_s, self.patience_s = timeout_s, pause_s, patience_s
        self.asked, self.seconds = 0, 0.0
        self._token, self._token_ends = "", 0.0
        self._away_until, self._away = 0.0, ""
        self._lock = threading.Lock()
        self._redactor = Redactor([login.secret])
        self._digest = httpx.DigestAuth(login.user, login.secret) if login.kind == "API key" else None
        self._http = httpx.Client(timeout=timeout_s, trust_env=not login.local, follow_redirects=False)

    @property
    def host(self) -> str:
        """`cloud.mongodb.com`, for messages."""
        return urlsplit(self.login.url).netloc

    def __repr__(self) -> str:
        return f"AtlasClient({self.host}, {self.login.kind})"

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def get(self, name: str, params: Mapping[str, Any] | None = None, **where: str) -> Any:
        """The answer of a reading call, by its operation id; `where` fills its path.

        Raises AtlasDeniedError, AtlasAbsentError, AtlasBusyError, AtlasError, ParameterError (no such project or
        cluster) and UnreachableError, each one line.
        """
        call, pause, started = CALLS[name], self.pause_s, time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            if self._away_until > time.monotonic():
                raise self._unreachable(self._away)
            wait: float | None
            try:
                reply, body = self._exchange(call, params, None, where)
            except httpx.HTTPError as error:
                trouble, wait = _trouble(error), pause
            else:
                if reply.status_code == 429:
                    wait = retry_after_s(reply.headers.get("Retry-After")) or 0.0
                    left = self.patience_s - (time.monotonic() - started)
                    if attempt == ATTEMPTS or (wait or pause) > left:
                        raise self._busy(call, wait)
                    wait, trouble = wait or pause, "too many requests"
                elif reply.status_code >= 500:
                    trouble, wait = f"it answers {reply.status_code}", pause
                else:
                    return self._understood(call, reply, body, where)
            if attempt == ATTEMPTS or time.monotonic() - started + wait > self.patience_s:
                break
            time.sleep(wait)
            pause *= 2
        self._away_until, self._away = time.monotonic() + self.patience_s, trouble
        raise self._unreachable(trouble)

    def pages(self, name: str, params: Mapping[str, Any] | None = None, **where: str) -> list[dict[str, Any]]:
        """All entries of a listing, page by page. Raises as `get` does."""
        found: list[dict[str, Any]] = []
        for number in range(1, MOST_PAGES + 1):
            asked = {**(params or {}), "pageNum": number, "itemsPerPage": PAGE, "includeCount": "true"}
            body = self.get(name, asked, **where)
            entries = body.get("results") if isinstance(body, dict) else None
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise self.not_understood(CALLS[name])
            found += entries
            total = body.get("totalCount")
            short = isinstance(total, int) and len(found) < total
            if short and not entries:  # it ends before its end, and what is missing may be the worst
                raise self.not_understood(CALLS[name])
            if not short and len(entries) < PAGE:
                return found
        raise AtlasError(f"Atlas at {self.host}: more than {MOST_PAGES} pages of {CALLS[name].asks}; see its console")

    def send(self, name: str, body: Any = None, **where: str) -> Any:
        """Make a change, sent once; what Atlas answers, None where that is nothing.

        Raises AtlasDoubtError where it was sent and no answer came, UnreachableError where it was not sent,
        AtlasBusyError (429: not done), and as `get` does.
        """
        call = CALLS[name]
        try:
            if self._digest is None:
                self._bearer(renew=False)
        except httpx.HTTPError as error:  # without a token nothing was sent: this is not in doubt
            raise self._unreachable(_trouble(error)) from None
        try:
            reply, text = self._exchange(call, None, body, where)
        except _UNSENT as error:
            raise self._unreachable(_trouble(error)) from None
        except httpx.HTTPError as error:
            raise self._doubt(call, _trouble(error)) from None
        if reply.status_code == 429:
            raise self._busy(call, retry_after_s(reply.headers.get("Retry-After")) or 0.0)
        if reply.status_code >= 500:
            raise self._doubt(call, f"it answers {reply.status_code}")
        return self._understood(call, reply, text, where)

    # -------------------------------------------------------------------------------------------------- one exchange

    def _exchange(
        self, call: AtlasCall, params: Mapping[str, Any] | None, body: Any, where: Mapping[str, str]
    ) -> tuple[httpx.Response, bytes]:
        path = call.path.format(**{key: quote(value, safe="") for key, value in where.items()})
        url = f"{self.login.url}/api/atlas/v2/groups/{self.project}{path}"
        kind = f"application/vnd.atlas.{call.version}+json"
        headers = {"Accept": kind} | ({"Content-Type": kind} if body is not None else {})
        content = json.dumps(body).encode() if body is not None else None
        for renewed in (False, True):
            if self._digest is None:
                headers["Authorization"] = f"Bearer {self._bearer(renew=renewed)}"
            reply, text = self._request(call.method, url, params=params, content=content, headers=headers)
            if reply.status_code != 401 or self._digest is not None:
                break  # a token that was taken back: 401 did nothing, so asking once more is safe for changes too
        return reply, text

    def _request(self, method: str, url: str, **what: Any) -> tuple[httpx.Response, bytes]:
        started = time.monotonic()
        auth = what.pop("auth", self._digest)
        try:
            with self._http.stream(method, url, auth=auth, **what) as reply:
                body = b""
                for chunk in reply.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST or time.monotonic() - started > 3 * self.timeout_s:
                        raise httpx.ReadTimeout("too long", request=reply.request)
                return reply, body
        finally:
            with self._lock:
                self.asked += 1
                self.seconds += time.monotonic() - started

    def _bearer(self, *, renew: bool) -> str:
        with self._lock:
            if self._token and not renew and time.monotonic() < self._token_ends:
                return self._token
        reply, text = self._request(
            "POST", f"{self.login.url}/api/oauth/token", data={"grant_type": "client_credentials"},
            headers={"Accept": "application/json"}, auth=httpx.BasicAuth(self.login.user, self.login.secret),
        )  # fmt: skip
        if reply.status_code >= 500 or reply.status_code == 429:
            raise httpx.RemoteProtocolError(f"it answers {reply.status_code} for a token", request=reply.request)
        told = _json(text)
        token = told.get("access_token") if isinstance(told, dict) else None
        if reply.is_redirect:
            raise self._redirected()
        if not reply.is_success or not isinstance(token, str) or not token:
            raise AtlasDeniedError(f"Atlas at {self.host} refuses the service account ({reply.status_code}); check "
                                   f"{self.login.variables}, and whether its secret has expired")  # fmt: skip
        lasts = told.get("expires_in")
        with self._lock:
            self._token = token
            self._token_ends = time.monotonic() + max(
                0.0, (float(lasts) if isinstance(lasts, int | float) else 0.0) - _RENEW_BEFORE_S
            )
            self._redactor.add([token])
        return token

    # ------------------------------------------------------------------------------------------------- what it means

    def _understood(self, call: AtlasCall, reply: httpx.Response, text: bytes, where: Mapping[str, str]) -> Any:
        if reply.is_success:
            body = _json(text)
            if reply.status_code == 204 or (call.method == "DELETE" and not text.strip()):
                return None
            status = body.get("status") if isinstance(body, dict) and "content" in body else None
            if not isinstance(body, dict | list) or (isinstance(status, int) and status >= 400):
                raise self.not_understood(call)
            return body
        if reply.is_redirect:
            raise self._redirected()
        raise self._refusal(call, reply.status_code, _json(text), where)

    def _refusal(self, call: AtlasCall, status: int, body: Any, where: Mapping[str, str]) -> Exception:
        code, said = self._said(body)
        told = f"Atlas at {self.host}: {call.asks}: {status}{said}"
        if status == 401:
            return AtlasDeniedError(f"{told}; check {self.login.variables}, and that they belong to this project")
        if status == 403 and _OWN_ACCESS_LIST.search(code):
            return AtlasDeniedError(f"{told}; put this machine's address on the access list of the {self.login.kind}")
        if status == 403:
            return AtlasDeniedError(f"{told}; grant the {self.login.kind} the project role {call.role}", call.role)
        if status == 404 and (code == "GROUP_NOT_FOUND" or call.path == "/clusters"):
            return ParameterError("atlas_project", f"Atlas at {self.host} knows no such project",
                                  "take the id from the address of the project's page in Atlas")  # fmt: skip
        if status == 404 and (code == "CLUSTER_NOT_FOUND" or call.path == "/clusters/{cluster}"):
            return ParameterError("atlas_cluster", f"the project has no cluster {where.get('cluster', '')!r}",
                                  "take its name from Atlas, or leave it empty")  # fmt: skip
        if status in (406, 410, 415) or (status == 400 and "VERSION" in code):
            return AtlasError(f"{told}; this Atlas does not speak version {call.version} of the API: "
                              "check ATLAS_API_URL, or use a newer leadbook")  # fmt: skip
        if status in (402, 404, 405, 501) or _NOT_OFFERED.search(code):
            return AtlasAbsentError(f"{told}; this cluster's tier does not offer it")
        return AtlasError(f"{told}; see Atlas' console")

    def _said(self, body: Any) -> tuple[str, str]:
        """Atlas's error code, and code and detail for a message, of one line and masked."""
        if not isinstance(body, dict):
            return "", ""
        code = str(body.get("errorCode") or "")[:80]
        detail = re.sub(r"\s+", " ", str(body.get("detail") or body.get("reason") or "")).strip()
        detail = mask_people(self._redactor.text(detail))[:200].rstrip(". ")
        code = code if re.fullmatch(r"[A-Z0-9_]+", code) else ""
        return code, "".join([f" {code}" if code else "", f" ({detail})" if detail else ""])

    def not_understood(self, call: AtlasCall) -> AtlasError:
        """The error of an answer that has not the published shape."""
        return AtlasError(f"Atlas at {self.host}: {call.asks}: the answer is not of the published shape; check "
                          "ATLAS_API_URL, and whether a proxy answers in its place")  # fmt: skip

    def _redirected(self) -> AtlasError:
        return AtlasError(f"Atlas at {self.host} answers with a redirect, which is not followed; check ATLAS_API_URL")

    def _busy(self, call: AtlasCall, after_s: float) -> AtlasBusyError:
        wait = f"it asks to wait {after_s:,.0f} s" if after_s else "it does not say how long to wait"
        done = "" if call.method == "GET" else ", and nothing was changed"
        return AtlasBusyError(f"Atlas at {self.host}: {call.asks}: 429, too many requests{done}; {wait}", after_s)

    def _doubt(self, call: AtlasCall, trouble: str) -> AtlasDoubtError:
        return AtlasDoubtError(f"Atlas at {self.host}: {call.asks}: sent, and {trouble}: it may have been done; "
                               "look in Atlas before it is sent again")  # fmt: skip

    def _unreachable(self, trouble: str) -> UnreachableError:
        return UnreachableError("Atlas", self.host, trouble, "check ATLAS_API_URL, network and proxy, then try again")


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _trouble(error: httpx.HTTPError) -> str:
    """What happened, without a word of the library's: it may quote what was sent."""
    if isinstance(error, httpx.ConnectTimeout | httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        text = str(error)
        if "CERTIFICATE" in text:
            return "its TLS certificate is not trusted"
        return "host name is unknown" if re.search("Name or service|getaddrinfo|resolution", text) else "nobody listens"
    if isinstance(error, httpx.RemoteProtocolError) and str(error).startswith("it answers"):
        return str(error)
    return "the connection was cut"
