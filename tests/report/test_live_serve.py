"""The server on loopback: two paths, one machine, nothing else."""

from __future__ import annotations

import json
import socket

import httpx
import pytest
from tests import live_series as made

from leadbook.core.errors import UsageError
from leadbook.report.live.serve import PAGE, VIEW, LoopbackServer, serving


@pytest.fixture
def server():
    with LoopbackServer(0, (PAGE, VIEW)) as found:
        found.publish(PAGE, "<p>page</p>")
        yield found


def test_what_was_published_last_is_served(server):
    assert httpx.get(server.url).text == "<p>page</p>"
    assert httpx.get(server.url + "?n=1").text == "<p>page</p>"
    server.publish(PAGE, "<p>newer</p>")
    answer = httpx.get(server.url)
    assert answer.text == "<p>newer</p>" and answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert httpx.head(server.url).content == b""


def test_nothing_else_is_served(server):
    for path in ("/etc/passwd", "/../etc/passwd", "/%2e%2e/etc/passwd", "/view.json/", "/favicon.ico"):
        assert httpx.get(server.url.rstrip("/") + path).status_code == 404, path
    assert httpx.get(server.url + "view.json").status_code == 503
    assert httpx.post(server.url, content=b"x").status_code == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost:1", ""])
def test_a_request_that_names_another_host_is_refused(server, host):
    assert httpx.get(server.url, headers={"Host": host}).status_code == 421


def test_this_machines_names_are_known(server):
    for host in ("127.0.0.1", "localhost", f"localhost:{server.port}", f"[::1]:{server.port}", "LOCALHOST"):
        assert httpx.get(server.url, headers={"Host": host}).status_code == 200, host


def test_a_request_without_a_host_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 421 " in line.recv(100)


def test_it_listens_on_loopback_only(server):
    assert server._server.server_address[0] == "127.0.0.1"


@pytest.mark.trust(
    way="`--serve` or `--metrics` with a port that another program holds", status=None,
    says="cannot be had", leaves="nothing",
)  # fmt: skip
def test_a_port_that_is_taken_is_told_in_one_line(server, trust):
    with pytest.raises(UsageError) as refused:
        LoopbackServer(server.port, (PAGE,))
    trust.check(None, str(refused.value))
    assert "\n" not in str(refused.value)


def test_a_view_is_served_as_page_and_as_json():
    view = made.made_view(history=made.series(50))
    with serving(0) as take:
        take(view)
        server = next(cell.cell_contents for cell in take.__closure__ if isinstance(cell.cell_contents, LoopbackServer))
        told = httpx.get(server.url + "view.json").json()
        assert told["verdict"] == "CRITICAL" and told["findings"][0]["rule"] == "LIVE-DISK-001"
        assert json.dumps(told, allow_nan=False)
        assert "CRITICAL" in httpx.get(server.url).text
