"""A place to measure at: one-member servers, small effort."""

from __future__ import annotations

import pytest

from leadbook.measure.session import BenchmarkSession


@pytest.fixture
def place(database, clean_redis, mongo, admin, endpoints, settings):
    """A place in an empty database with an empty Redis, two rounds of a few documents."""
    small = settings.model_copy(update={"bench_rounds": 2, "bench_documents": 100, "batch_size": 50})
    made = BenchmarkSession(mongodb=mongo, admin=admin, redis=clean_redis, endpoints=endpoints, settings=small)
    yield made
    made.close()


@pytest.fixture
def scratches(mongo, settings):
    """Names of the scratch collections that exist now."""
    return lambda: [name for name in mongo[settings.database].list_collection_names() if "scratch" in name]
