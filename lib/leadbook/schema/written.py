"""The documents that phase 02 hands to the Technical Lead, written from data and from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from leadbook.core.settings import Settings
from leadbook.page.prose import frame_table
from leadbook.schema.frames import advice_frame, fields_frame, index_frame, query_frame
from leadbook.schema.probe_audit import recommendation
from leadbook.schema.probes import ProbeRun
from leadbook.schema.studies import QueryStudy

__all__ = ["index_document", "schema_document"]

_TIMESTAMPS = """\
Set by whatever writes the lead (the pipeline does); MongoDB sets none by itself.

```javascript
// on insert
{ created_at: new Date(), updated_at: new Date(), data_collected_date: new Date() }
// on update
{ $set: { updated_at: new Date() } }
```

All times are UTC. A Python writer passes `datetime.now(timezone.utc)`; a `datetime.date` cannot be stored.
"""


def schema_document(settings: Settings, runs: Sequence[ProbeRun]) -> str:
    """Markdown: fields, defaults, timestamps, validation and what it really does."""
    return f"""\
# Schema of the leads

Collection `{settings.database}.{settings.collection}`. Raw payloads wait in `{settings.staging_collection}`, rejected
records with their reasons in `{settings.rejected_collection}`; both have no validator and no unique index.

## Fields

{frame_table(fields_frame())}

## Defaults

`is_qualified`, `email_verified` and `crm_synced` are `false` on insert. `data_quality_score` and `crm_sync_date` are
left out until they are known: the task book's `null` would break its own `int` and `date` rules. The validator accepts
the two nulls, so that other writers do not fail. An unknown `email` is left out, never `null`: the sparse unique index
holds explicit nulls and would refuse the second one.

## Timestamps

{_TIMESTAMPS}
## Validation

Setting: `{settings.validation_level}` / `{settings.validation_action}`. {recommendation(runs, settings)}
"""


def index_document(study: QueryStudy) -> str:
    """Markdown: the indexes with size and use, the measured queries, and advice."""
    review = study.review
    advice = frame_table(advice_frame(review.advice)) if review.advice else "None."
    return f"""\
# Index summary

## Indexes

{frame_table(index_frame(review.indexes, review.sizes, review.usage))}

`queries` counts on one node since `window h` hours; a restart resets it. The two unique indexes work at every insert,
so their count says nothing of their worth.

## Queries

{study.basis} A query fails its check when its plan scans the collection (COLLSCAN).

{frame_table(query_frame(study.queries))}

## Advice

{advice}

No index is dropped by this runbook. Hide one first (`hideIndex`), watch its queries, and only then drop it.
"""
