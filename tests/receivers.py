"""Receivers of alerts on loopback: a web server and a mail server that do as they are told."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """What a web server was sent, and how it answers: `answers` in turn (status, headers, seconds), then 200."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/services/T0SECRET1/B0SECRET2/verysecretword3"
        self.got: list[str] = []
        self.taken: list[str] = []
        self.answers: list[tuple[int, dict[str, str], float]] = []
        self.always: tuple[int, dict[str, str], float] = (200, {}, 0.0)


@contextmanager
def web() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = text.get("text") or text.get("message", "")
            kept.got.append(told)
            status, headers, seconds = kept.answers.pop(0) if kept.answers else kept.always
            time.sleep(seconds)
            if status == 200:
                kept.taken.append(told)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok" if status == 200 else b"no_service")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Web(server.server_address[1])
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield kept
        server.shutdown()


class Mail:
    """What a mail server took, and whom it refuses."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.taken: list[str] = []
        self.refused: set[str] = set()
        self.busy = False

    def url(self, to: str = "dba@example.com", login: str = "") -> str:
        return f"smtp://{login}127.0.0.1:{self.port}/?from=leadbook@example.com&to={to}"


@contextmanager
def mail() -> Iterator[Mail]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 loopback")
            while line := self.rfile.readline().decode().strip():
                word = line.upper()
                if kept.busy and word.startswith("MAIL"):
                    self.say("451 try again later")
                elif word.startswith("EHLO"):
                    self.say("250-loopback\r\n250 AUTH PLAIN")
                elif word.startswith("AUTH"):
                    self.say("235 welcome")
                elif word.startswith("RCPT"):
                    self.say("550 no such user" if any(one in line for one in kept.refused) else "250 ok")
                elif word == "DATA":
                    self.say("354 go on")
                    lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
                    kept.taken.append("\n".join(lines))
                    self.say("250 taken")
                elif word == "QUIT":
                    return self.say("221 bye")
                else:
                    self.say("250 ok")
            return None

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        kept = Mail(server.server_address[1])
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield kept
        server.shutdown()
