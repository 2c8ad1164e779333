"""Documents that phase 04 leaves for people, from the templates beside: design, hand-off, optimization results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leadbook.bench.limits import Limits
from leadbook.core.settings import Settings
from leadbook.ingest.normalize.rules import REASONS
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.store.cache import CacheTruth
from leadbook.lead.keys import email_key, linkedin_key
from leadbook.lead.score import Rules
from leadbook.lead.vendors import load_vendor, vendor_names
from leadbook.page.prose import frame_table, number, pipe_table
from leadbook.phases.p04.lookups import BatchLookups

__all__ = ["cache_sentence", "design", "handoff", "optimization"]

SHOWN = ("linkedin_url", "full_name", "job_title", "company_name", "email", "phone")


def _render(name: str, **values: Any) -> str:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701  (Markdown)
    environment.globals.update(table=pipe_table, frame=frame_table, number=number)
    return environment.get_template(f"{name}.md.j2").render(**values)


def design(settings: Settings) -> str:
    """The pipeline's design: flow, mappings, rules, batches, errors (task book 2.1.1)."""
    vendors = [load_vendor(name) for name in vendor_names()]
    mappings = [(one.title, *(", ".join(one.fields.get(target, ())) for target in SHOWN)) for one in vendors]
    return _render(
        "pipeline-design", settings=settings, rules=Rules.of(settings), mappings=mappings, reasons=REASONS.items(),
        enrichment=_questions(settings),
    )  # fmt: skip


def _questions(settings: Settings) -> list[tuple[str, str, str, float]]:
    return [
        ("which e-mail", "Hunter", "no e-mail, but a full name and a company", settings.hunter_finder_usd),
        ("can it receive mail", "Hunter", "an e-mail that nobody has verified" if settings.enrichment_verify else
         "never (enrichment_verify is false)", settings.hunter_verifier_usd),
        ("which company", "Clearbit, or Hunter without its key", "a company e-mail, but no website, industry or size",
         settings.company_usd),
    ]  # fmt: skip


def handoff(settings: Settings, collection_uuid: str) -> str:
    """The Technical Lead's hand-off; its examples run (a test runs them). Holds no credentials (task book 2.1.2)."""
    life = f"{settings.key_ttl_days:g} days"
    keys = [
        ("lead:linkedin:{linkedin_url}", linkedin_key("https://www.linkedin.com/in/example"), life),
        ("lead:email:{email}", email_key("someone@example.com"), life),
    ]
    fields = [
        ("vendor", "brightdata, apollo, …: a file of params/vendors"),
        ("payload", "the vendor's record as it came (an object, or JSON text)"),
        ("collected_at", "date; list it in the node's options.dateFields"),
    ]
    values = (
        f'DATABASE, COLLECTION, STAGING = "{settings.database}", "{settings.collection}", '
        f'"{settings.staging_collection}"\nCOLLECTION_UUID = "{collection_uuid}"   # another one when it is remade'
    )
    return _render(
        "n8n-hand-off", settings=settings, connections=_connections(settings), keys=keys, fields=fields, values=values
    )


def _connections(settings: Settings) -> list[tuple[str, str]]:
    pool = f"maxPoolSize={settings.max_pool_size}&minPoolSize={settings.min_pool_size}"
    return [
        ("MongoDB address", f"mongodb+srv://<user>:<password>@<cluster>/ in {settings.mongodb_uri_env}"),
        ("options", f"{pool}&retryWrites=true&w={settings.write_concern}"),
        ("TLS", "required"),
        ("database", settings.database),
        ("leads", settings.collection),
        ("raw payloads", settings.staging_collection),
        ("rejected records", settings.rejected_collection),
        ("Redis address", f"rediss://:<password>@<host>:6379/0 in {settings.redis_url_env}"),
    ]


def optimization(
    result: PipelineResult, again: PipelineResult, limits: Limits, found: BatchLookups, queries: pd.DataFrame,
    issues: pd.DataFrame, settings: Settings,
) -> str:  # fmt: skip
    """What was measured and tuned: queries, inserts, Redis (task book 2.3.1.9)."""
    per = {name: 1e6 * spent / max(result.ledger.read, 1) for name, spent in result.stages.items()}
    return _render(
        "optimization-results", result=result, again=again, limits=limits, best=limits.best, found=found,
        queries=queries, issues=issues, settings=settings,
        stages=", ".join(f"{name} {value:,.0f}" for name, value in sorted(per.items())),
        share=result.written_per_second / limits.best.rate, truth=cache_sentence(result.cache),
    )  # fmt: skip


def cache_sentence(cache: CacheTruth) -> str:
    """How far the cache was right, in one sentence."""
    return (
        f"Asked about {cache.asked:,} leads, Redis knew {cache.hits:,}; it called {cache.false_new:,} new that MongoDB "
        f"knew ({number(cache.false_new_percent, '%')} of the known ones)."
    )
