"""What phases 03 and 05 measured on this target: what is usual here. Usable without a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pymongo.errors import PyMongoError

from leadbook.core import connect, files
from leadbook.core.journal import Journal
from leadbook.core.provenance import Records, Target
from leadbook.core.settings import Settings
from leadbook.core.write_errors import described

FACTS = (
    "03.insert_rate", "03.single_insert_p99_ms", "03.duplicate_check_redis_p99_ms", "03.duplicate_check_mongodb_p99_ms",
    "03.find_worst_ms", "03.checkout_p99_ms", "05.load_insert_rate",
)  # fmt: skip
"""Facts that a rule may be judged against."""


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """facts: by name of FACTS.  closed: when a phase that counts was closed.  missing: why a phase does not count."""

    facts: Mapping[str, float] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def told(self, fact: str) -> str:
        """Where a fact comes from: `phase 03, closed 2026-11-28 10:00 UTC`."""
        phase = fact.partition(".")[0]
        return f"phase {phase}, closed {self.closed.get(phase, '')[:16].replace('T', ' ')} UTC"


def read_baselines(client: connect.Client, settings: Settings, endpoints: connect.Endpoints) -> Baselines:
    """Facts of the newest 03 and 05 of this target that count here (age, profile, target: see `Records`), of this run's
    folder or the journal. client: the application's. A MongoDB that is away leaves none, and says so in `missing`."""
    try:
        target = Target.read(client, settings, endpoints)
    except PyMongoError as error:
        return Baselines(missing=dict.fromkeys(("03", "05"), described(error)))
    journal = Journal(client[settings.database], endpoints.mongodb_uri)
    records = Records(
        files.run_dir(settings), target, timedelta(hours=settings.record_max_age_hours), settings.model_dump(),
        lambda phase: journal.record_of(phase, settings.profile),
    )  # fmt: skip
    found = {phase: dict(records.of(phase).get("facts", {})) for phase in ("03", "05")}
    facts = {}
    for name in FACTS:
        phase, _, fact = name.partition(".")
        value = found[phase].get(fact)
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            facts[name] = float(value)
    closed = {phase: one["closed_at"] for phase, one in records.used.items()}
    return Baselines(facts=facts, closed=closed, missing=dict(records.refused))
