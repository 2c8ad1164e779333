"""A site apart: everything that is only tried goes into scratch collections, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from pymongo.errors import PyMongoError

from leadbook.enrich.services import Services
from leadbook.ingest.site import Site
from leadbook.schema.state import create_like
from leadbook.schema.undo import Changes

KEY_DAYS = 1 / 24
"""Life of a trial's Redis keys, days: where nobody could remove them, they are gone in an hour."""


@contextmanager
def apart(
    site: Site, purpose: str, services: Services | None = None, *, cached: bool = False,
    changed: Mapping[str, Any] | None = None,
) -> Iterator[Site]:  # fmt: skip
    """The site with scratch collections in place of its own, and with `changed` settings. Nobody is paid there, unless
    other `services` are named. cached: with the cache, under keys that begin with the session's own prefix and so are
    never a lead's. All is on record (`schema.undo`) and removed at the end; what a killed process left, the next phase
    removes."""
    mongodb, redis = replace(site, use_cache=cached).clients()
    with mongodb:
        database = site.database(mongodb)
        changes = Changes(database)
        names = {name: changes.name(name) for name in ("staging", "rejected", "spending", "erasures")}
        settings = site.settings.model_copy(update={
            "key_ttl_days": KEY_DAYS, **(changed or {}), "collection": changes.name(purpose),
            "staging_collection": names["staging"], "rejected_collection": names["rejected"],
        })  # fmt: skip
        try:
            changes.begin()
            create_like(database, settings.collection, settings)
            yield replace(
                site, settings=settings, use_cache=cached, keys=changes.keys, services=services or Services(),
                spending=names["spending"], erasures=names["erasures"],
            )  # fmt: skip
        finally:
            Site.close()
            if redis is not None:
                changes.forget(redis)
                redis.close()
            for name in (settings.collection, *names.values()):
                changes.drop(database[name])
            with suppress(PyMongoError):  # what is left is on record: the next phase removes it
                changes.end()
