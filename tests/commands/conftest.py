"""A site with the leads' schema, in production's view, where the DBA's commands work."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.ingest.site import Site
from leadbook.schema.state import apply


@pytest.fixture
def leads(database, admin, settings) -> connect.Collection:
    """The leads' collection, empty, with validator and indexes."""
    apply(database[settings.collection], admin, settings)
    return database[settings.collection]


@pytest.fixture
def production(endpoints: connect.Endpoints, monkeypatch, settings, tmp_path) -> Callable[..., Settings]:
    """`production(approve="erase on leadbook_test")`: settings of the real sprint on these servers."""
    for name, value in (
        ("MONGODB_URI", endpoints.mongodb_uri), ("MONGODB_ADMIN_URI", endpoints.admin_uri),
        ("MONGODB_REPORTING_URI", endpoints.reporting_uri or ""), ("REDIS_URL", endpoints.redis_url),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    kept = {"profile": "production", "backup_dir": str(tmp_path / "backups")}
    return lambda **changes: settings.model_copy(update=kept | changes)


@pytest.fixture
def site(production, leads, clean_redis, endpoints):
    """Where pipelines work: production's servers, empty."""
    yield Site(endpoints=endpoints, settings=production(executor="threads"))
    Site.close()
