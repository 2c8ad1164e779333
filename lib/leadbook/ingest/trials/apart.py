"""A site apart: everything that is only tried goes into scratch collections, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from leadbook.core.provenance import collection_uuid
from leadbook.enrich.services import Services
from leadbook.ingest.site import Site
from leadbook.ingest.trials.rehearsal import forget_keys
from leadbook.schema.scratch import drop_scratch, scratch, scratch_name


@contextmanager
def apart(
    site: Site, purpose: str, services: Services | None = None, *, cached: bool = False,
    changed: Mapping[str, Any] | None = None,
) -> Iterator[Site]:  # fmt: skip
    """The site with scratch collections in place of its own, and with `changed` settings. Nobody is paid there, unless
    other `services` are named; cached: with the cache, whose keys are forgotten at the end."""
    named = {f"{name}_collection": scratch_name(name) for name in ("staging", "rejected")}
    spending, erasures = scratch_name("spending"), scratch_name("erasures")
    mongodb, redis = replace(site, use_cache=cached).clients()
    with mongodb, scratch(site.database(mongodb), purpose, site.settings) as leads:
        settings = site.settings.model_copy(update={**(changed or {}), **named, "collection": leads.name})
        try:
            yield replace(
                site, settings=settings, use_cache=cached, services=services or Services(), spending=spending,
                erasures=erasures,
            )  # fmt: skip
        finally:
            Site.close()
            forget_keys(redis, collection_uuid(leads))
            for name in (*named.values(), spending, erasures):
                drop_scratch(leads.database[name])
