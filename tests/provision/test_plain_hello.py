"""Only a member that cuts an unencrypted hello off refuses it; silence is no refusal, and each member is asked."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from leadbook.core import connect
from leadbook.core.checks import Check, Verdict
from leadbook.core.connect import Client
from leadbook.core.settings import Settings
from leadbook.phases.p01 import verdicts
from leadbook.provision import security
from leadbook.provision.server import inspect


@pytest.fixture
def judged(mongo: Client, settings: Settings) -> Callable[..., Check]:
    """`judged((host, port), …)`: MDB-SEC-002 where the tests' own TLS member and these are the members."""
    production = settings.model_copy(update={"profile": "production"})
    server = inspect(mongo, mongo, settings)

    def judge(*others: tuple[str, int]) -> Check:
        made = verdicts.encryption(mongo, replace(server, hosts=(*server.hosts, *others)), production)
        return next(check for check in made if check.id == "MDB-SEC-002")

    return judge


def test_a_member_that_cuts_off_refuses(judged: Callable[..., Check]) -> None:
    check = judged()
    assert (check.verdict, check.evidence) == (
        Verdict.PASS, "an unencrypted hello was cut off by 1 of 1 members",
    )  # fmt: skip


def test_one_member_that_answers_is_enough_to_fail(
    judged: Callable[..., Check], standalone: str, settings: Settings
) -> None:
    with connect.mongodb(standalone, settings) as plain:
        connect.ping_mongodb(plain)
    host, _, port = standalone.removeprefix("mongodb://").rstrip("/").rpartition(":")
    check = judged((host, int(port)))
    assert check.verdict is Verdict.FAIL and f"answered by {host}:{port}" in check.evidence


def test_who_accepts_and_never_answers_or_does_not_listen_is_not_measured(
    judged: Callable[..., Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        check = judged(("127.0.0.1", port))
        assert check.verdict is Verdict.NOT_MEASURED and f"127.0.0.1:{port} (TimeoutError)" in check.evidence
    check = judged(("127.0.0.1", port))
    assert check.verdict is Verdict.NOT_MEASURED and "ConnectionRefusedError" in check.evidence
