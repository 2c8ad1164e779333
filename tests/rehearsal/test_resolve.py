"""Addresses: environment variables first; rehearsal servers only where the profile allows them; clear errors else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Trust

from leadbook.core.errors import ParameterError
from leadbook.core.settings import Settings
from leadbook.rehearsal import servers

OWN = "mongodb://own.example/db"
OWN_REDIS = "redis://own.example:6379/0"


def test_environment_wins_and_starts_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", f" {OWN} ")
    monkeypatch.setenv("REDIS_URL", OWN_REDIS)
    found = servers.resolve(settings, folder=tmp_path)
    assert (found.mongodb_uri, found.redis_url, found.source, found.redis_source) == (
        OWN, OWN_REDIS, "environment", "environment",
    )  # fmt: skip
    assert found.admin_uri == OWN and found.reporting_uri is None and not found.has_own_admin
    assert list(tmp_path.iterdir()) == []


def test_own_mongodb_with_rehearsal_redis(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", OWN)
    monkeypatch.setenv("MONGODB_ADMIN_URI", "mongodb://dba@own.example/")
    try:
        found = servers.resolve(settings, folder=tmp_path)
        state = servers.status(tmp_path)
        assert state and state.members == () and found.redis_url == state.redis_url
        assert (found.source, found.redis_source) == ("environment", "rehearsal")
        assert found.admin_uri == "mongodb://dba@own.example/" and found.has_own_admin
    finally:
        servers.down(tmp_path)


def test_own_redis_with_rehearsal_mongodb(
    settings: Settings, endpoints: object, state_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", OWN_REDIS)
    found = servers.resolve(settings, folder=state_folder)
    assert (found.redis_url, found.source, found.redis_source) == (OWN_REDIS, "rehearsal", "environment")
    assert found.reporting_uri


def test_other_variable_names_are_honoured(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS", OWN)
    monkeypatch.setenv("CACHE", OWN_REDIS)
    named = settings.model_copy(update={"mongodb_uri_env": "ATLAS", "redis_url_env": "CACHE"})
    assert servers.resolve(named, folder=tmp_path).mongodb_uri == OWN


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"rehearsal_servers": False}, "rehearsal_servers is false"), ({"profile": "production"}, "production")],
)
def test_unset_variable_is_named_where_nothing_may_start(
    settings: Settings, tmp_path: Path, changes: dict[str, object], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = settings.model_copy(update=changes)
    with pytest.raises(ParameterError, match=f"MONGODB_URI is not set.*{reason}"):
        servers.resolve(strict, folder=tmp_path)
    monkeypatch.setenv("MONGODB_URI", OWN)
    with pytest.raises(ParameterError, match="REDIS_URL is not set"):
        servers.resolve(strict, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.trust(
    way="only half of the addresses set: the DBA's, not the application's", status=2,
    says=("MONGODB_URI", "unset while MONGODB_ADMIN_URI is set"), leaves="nothing started",
)  # fmt: skip
def test_admin_address_alone_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trust: Trust
) -> None:
    """Half an environment would measure one server and administer another."""
    monkeypatch.setenv("MONGODB_ADMIN_URI", OWN)
    with pytest.raises(ParameterError) as caught:
        servers.resolve(settings, folder=tmp_path)
    trust.check(caught.value.exit_status, str(caught.value))
