"""A server on this machine's loopback that hands out what was published last, and nothing else.

No file is read and no folder listed: a path either was published or is not there. A request that names another host is
refused, since a web page elsewhere could otherwise read this one (DNS rebinding).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from leadbook.core.errors import UsageError
from leadbook.phases.live.records import LiveView
from leadbook.phases.live.view import view_json
from leadbook.report.live.page import live_page

HOST = "127.0.0.1"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PAGE, VIEW, METRICS = "/", "/view.json", "/metrics"
TYPES = {
    PAGE: "text/html; charset=utf-8",
    VIEW: "application/json",
    METRICS: "text/plain; version=0.0.4; charset=utf-8",
}
SLOWEST_S = 10
"""Who sends a request no faster is cut off."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class LoopbackServer:
    """Serves what was published under `paths` on 127.0.0.1. port: 0 takes a free one; `url` says which.

    Raises UsageError, one line, where the port cannot be had.
    """

    def __init__(self, port: int, paths: Sequence[str]) -> None:
        self.published: dict[str, bytes | None] = dict.fromkeys(paths)
        handler = type("_Bound", (_Handler,), {"served": self})
        try:
            self._server = ThreadingHTTPServer((HOST, port), handler)
        except (OSError, OverflowError) as error:
            what = getattr(error, "strerror", None) or "no such port"
            raise UsageError(f"port {port} of {HOST} cannot be had ({what}); name another one, or 0 for any") from None
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://{HOST}:{self.port}{paths[0]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="leadbook-serve", daemon=True)
        self._thread.start()

    def publish(self, path: str, body: str) -> None:
        """What `path`, one of those given, shows from now on."""
        if path not in self.published:
            raise KeyError(path)
        self.published[path] = body.encode()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(SLOWEST_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    served: LoopbackServer
    timeout = SLOWEST_S
    server_version, sys_version = "leadbook", ""

    def do_GET(self) -> None:
        """Answer with what was published."""
        path = self.path.partition("?")[0]
        if not self._is_meant():
            self._answer(421, "text/plain", b"this page is served to this machine only, under 127.0.0.1 or localhost\n")
        elif path not in self.served.published:
            self._answer(404, "text/plain", b"nothing is served here\n")
        elif (body := self.served.published[path]) is None:
            self._answer(503, "text/plain", b"nothing was read yet\n")
        else:
            self._answer(200, TYPES[path], body)

    do_HEAD = do_GET  # noqa: N815

    def _is_meant(self) -> bool:
        hosts = self.headers.get_all("Host") or []
        known = {*LOOPBACK, *(f"{name}:{self.served.port}" for name in LOOPBACK)}
        return len(hosts) == 1 and hosts[0].strip().lower() in known

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Requests are nobody's business."""


@contextmanager
def serving(port: int) -> Iterator[Callable[[LiveView], None]]:
    """Serve the live page on loopback while entered; gives who takes each new view. Raises UsageError."""
    with LoopbackServer(port, (PAGE, VIEW)) as server:

        def take(view: LiveView) -> None:
            server.publish(PAGE, live_page(view))
            server.publish(VIEW, view_json(view))

        yield take
