"""A site with the leads' schema, in production's view, where a DBA acts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.ingest.site import Site
from leadbook.schema.state import apply


@pytest.fixture
def leads(database: connect.Database, admin: connect.Client, settings: Settings) -> connect.Collection:
    """The leads' collection, empty, with validator and indexes."""
    apply(database[settings.collection], admin, settings)
    return database[settings.collection]


@pytest.fixture
def production(
    endpoints: connect.Endpoints, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Callable[..., Settings]]:
    """`production(approve="act on leadbook_test")`: settings of the real sprint on these servers."""
    for name, value in (
        ("MONGODB_URI", endpoints.mongodb_uri), ("MONGODB_ADMIN_URI", endpoints.admin_uri),
        ("MONGODB_REPORTING_URI", endpoints.reporting_uri or ""), ("REDIS_URL", endpoints.redis_url),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    yield lambda **changes: settings.model_copy(update={"profile": "production", **changes})
    Site.close()
