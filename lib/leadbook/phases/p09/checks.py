"""What the final analysis tells for each of its checks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from leadbook.analysis.anomalies import Anomaly, Kind
from leadbook.analysis.integrity import Breaking, IndexCount, Validation
from leadbook.analysis.losses import Lost, Outcomes, Record, RejectsLost, StoredLost
from leadbook.analysis.statistics import Collected, Statistics, cost_per_qualified
from leadbook.core.checks import Check, Doubtful, Unmeasured, Verdict, catalogue
from leadbook.core.settings import Settings
from leadbook.phases.p09.evidence import AREAS, PERFORMANCE, RunEvidence
from leadbook.phases.told import Told

__all__ = [
    "STRETCH", "anomalies", "completeness", "cost", "counts", "integrity", "losses", "performance", "quality",
    "ready",
]  # fmt: skip

STRETCH = "FIN-COUNT-004"
NO_LEAD = Unmeasured("no lead is stored")


def counts(found: Statistics, raw: Collected) -> dict[str, Told]:
    """Collected, unique, the stretch goal, and whether sources and scores account for every lead."""
    bound = "" if raw.exact else "at least; "
    share = f"{100 * found.unique / raw.records:.1f} % of the collected" if raw.records else "nothing was collected"
    named = sum(count for source, count in found.by_source.items() if source)
    scored = sum(count for score, count in found.by_score.items() if score is not None and 0 <= score <= 100)
    return {
        "FIN-COUNT-001": Told(raw.records, f"{bound}{raw.source}"),
        "FIN-COUNT-002": Told(found.unique, f"distinct linkedin_url; {share}"),
        "FIN-COUNT-003": Told(
            found.total - found.unique if found.total else None,
            f"{found.total:,} documents, {found.unique:,} distinct linkedin_url",
        ),
        STRETCH: Told(found.unique, f"{found.unique:,} unique leads; a stretch goal, the gate is lower"),
        "FIN-SRC-001": _share(named, found, f"{len(found.by_source)} sources"),
        "FIN-SCORE-001": _share(scored, found, f"{len(found.by_score)} different scores"),
    }


def _share(count: int, found: Statistics, of: str) -> Told:
    share = found.percent(count)
    return Told(NO_LEAD if share is None else round(share, 3), f"{count:,} of {found.total:,} leads, {of}")


def quality(found: Statistics) -> dict[str, Told]:
    """Mean score, e-mail and company data; without leads nothing is measured."""
    points = "" if found.points_percent is None else f"; points {found.mean_points:.1f} of {found.max_points}"
    mean = None if found.mean_score is None else round(found.mean_score, 3)
    return {
        "FIN-QUAL-001": Told(
            mean, f"mean data_quality_score{points}. A valid lead cannot score below 80: this target cannot fail"
        ),
        "FIN-QUAL-002": _share(found.email, found, "with an e-mail"),
        "FIN-QUAL-003": _share(found.company, found, "with company_name and company_industry"),
    }


def completeness(fields: pd.DataFrame) -> dict[str, Told]:
    """Leads lack none of the required fields."""
    mine = fields[(fields["source"] == "all") & fields["required"]]
    missing = {row.field: int(row.leads - row.present) for row in mine.itertuples()}
    shown = ", ".join(f"{name} {count}" for name, count in missing.items())
    total = sum(missing.values()) if mine["leads"].sum() else NO_LEAD
    return {"FIN-COMP-001": Told(total, f"missing or blank: {shown}")}


# ----------------------------------------------------------------------------------------------------------- integrity


def integrity(
    validation: Validation | Unmeasured | Exception, indexes: Sequence[IndexCount], broken: Breaking, leads: int
) -> dict[str, Told]:
    """`validate`, every index against a scan, the validator against what is stored, unique indexes."""
    guarded = {each.keys for each in indexes if each.unique}
    bare = [name for name in ("linkedin_url", "email") if name not in guarded]
    unique = f"no unique index on {', '.join(bare)}" if bare else "unique indexes on linkedin_url and email"
    return {
        "FIN-INT-001": _validated(validation),
        "FIN-INT-002": _indexed(indexes),
        "FIN-INT-003": _valid(broken, leads),
        "FIN-INT-004": Told(not bare, unique),
    }


def _validated(found: Validation | Unmeasured | Exception) -> Told:
    if not isinstance(found, Validation):
        return Told(found)
    problems = (*found.errors, *found.warnings)
    first = f" First: {problems[0][:160]}" if problems else ""
    evidence = (
        f"validate ({found.mode}) of {found.documents:,} documents and {found.indexes} indexes in {found.seconds:.1f} "
        f"s; {len(found.errors)} errors, {len(found.warnings)} warnings.{first}"
    )
    if found.valid and not found.documents:
        return Told(Unmeasured("no lead is stored, so validate had nothing to look at"))
    if found.valid and found.warnings:
        return Told(Doubtful(True), evidence, "run it again when nothing else uses the collection")
    return Told(found.valid, evidence)


def _indexed(counts: Sequence[IndexCount]) -> Told:
    broken = [each for each in counts if not each.whole]
    if len(counts) < 2:
        return Told(Unmeasured("the collection has no index but _id_", "run phase 02"))
    if not any(each.expected or each.counted for each in counts):
        return Told(Unmeasured("no lead is stored, so the indexes have nothing to know"))
    shown = "; ".join(f"{each.name} {each.counted:,} of {each.expected:,}" for each in broken)
    return Told(len(broken), shown or f"{len(counts)} indexes, each counted against a scan")


def _valid(broken: Breaking, leads: int) -> Told:
    if not broken.mode:
        return Told(Unmeasured("the collection has no validator", "run phase 02"))
    if not leads:
        return Told(NO_LEAD)
    return Told(broken.documents, f"documents that break the validator, which is set to {broken.mode}")


# -------------------------------------------------------------------------------------------------------------- losses


def losses(
    record: Record, outcomes: Outcomes, stored: StoredLost, rejects: RejectsLost, newest: tuple[int, int], redis: bool
) -> dict[str, Told]:
    """Every record has an outcome; stored leads and rejected records are there; the last inserts are whole."""
    looked, faulty = newest
    return {
        "FIN-LOSS-001": _ended(record, outcomes),
        "FIN-LOSS-002": _kept(stored, redis),
        "FIN-LOSS-003": _rejects_kept(record, rejects),
        "FIN-LAST-001": Told(faulty if looked else NO_LEAD, f"of the newest {looked} leads"),
    }


def _ended(record: Record, found: Outcomes) -> Told:
    if record.ledger is None and not found.staged:
        return Told(Unmeasured("phase 04 of this run left no ledger, and nothing is staged"))
    said = []
    if record.ledger is not None:
        parts = " + ".join(f"{count:,} {name}" for name, count in record.parts.items())
        said.append(f"{record.ledger['read']:,} read = {parts}")
    if found.staged:
        said.append(f"{found.staged:,} staged, {found.staged_open:,} of them without an outcome")
    return Told(max(found.in_ledger, found.staged_open), "; ".join(said))


def _kept(found: StoredLost, redis: bool) -> Told:
    """The worst witness is judged: a lead that two of them miss is one lead."""
    named = found.named
    said = named.said | {gap.witness: gap.said for gap in found.gaps}
    if not any(said.values()):
        why = "nothing bears witness of a stored lead: no ledger, no staged record, no key in Redis, no backup"
        return Told(Unmeasured(why))
    absent = [f"{len(named.gone):,} absent by staging and Redis{_first(named)}"] if named.gone else []
    absent += [f"{gap.lost:,} absent by {gap.witness}" for gap in found.gaps if gap.lost > 0]
    covered = [f"{gap.fewer:,} fewer than {gap.witness} counted, {gap.erased:,} erasures were asked for since"
               for gap in found.gaps if gap.fewer > 0 >= gap.lost]  # fmt: skip
    away = [] if redis else ["Redis is away, so leads from files have one witness less"]
    told = [
        f"{found.leads:,} leads in the collection",
        "stored as said by " + ", ".join(f"{name} {count:,}" for name, count in said.items()),
        *(absent or ["none absent"]), *covered, f"{len(named.erased):,} erased on request", *away,
    ]  # fmt: skip
    return Told(max([len(named.gone), *(gap.lost for gap in found.gaps)]), "; ".join(told))


def _first(lost: Lost) -> str:
    """The first `_id`s of lost records; empty where none is lost."""
    first = list(lost.gone.values())[:5]
    return f" (_id {', '.join(first)}{', …' if len(lost.gone) > len(first) else ''})" if first else ""


def _rejects_kept(record: Record, found: RejectsLost) -> Told:
    if not record.parts and not found.staged:
        return Told(Unmeasured("phase 04 of this run left no ledger, and no staged record was rejected"))
    gone = len(found.named.gone)
    evidence = (
        f"{found.by_ledger:,} rejected by phase 04, {found.staged:,} staged records rejected; {found.kept:,} kept with "
        f"their reasons, {gone:,} staged ones neither kept nor leads by now{_first(found.named)}"
    )
    return Told(max(found.by_ledger - found.kept, gone), evidence)


# ----------------------------------------------------------------------------------------------------------- anomalies


def anomalies(found: Sequence[Anomaly], outliers: pd.DataFrame, leads: int) -> dict[str, Told]:
    """One for each kind, and one for sources that differ; what was found warns and goes to the Data Researcher."""
    kinds: dict[str, Kind] = {
        "FIN-ANOM-001": "duplicate", "FIN-ANOM-002": "inconsistent", "FIN-ANOM-003": "suspicious",
    }  # fmt: skip
    told = {
        check_id: _odd([each for each in found if each.rule.kind == kind], leads) for check_id, kind in kinds.items()
    }
    named = "; ".join(f"{row.source} {row.field} {row.percent:.0f} %" for row in outliers.head(6).itertuples())
    evidence = f"25 points or more below all sources: {named or 'none'}"
    return {**told, "FIN-ANOM-004": Told(len(outliers) if leads else NO_LEAD, evidence)}


def _odd(mine: Sequence[Anomaly], leads: int) -> Told:
    shown = "; ".join(f"{each.rule.name}: {each.leads:,}" for each in mine if each.leads) or "nothing"
    evidence = f"{len(mine)} rules over {leads:,} leads: {shown}"
    return Told(sum(each.leads for each in mine) if leads else NO_LEAD, evidence)


# ------------------------------------------------------------------------------------------- readiness and performance


def ready(
    plans: pd.DataFrame, granted: tuple[list[str], int] | None, sizes: dict[str, int] | Unmeasured | Exception,
    settings: Settings,
) -> dict[str, Told]:  # fmt: skip
    """Every query runs for the reporting user (granted: None without one), who cannot write; filtered ones use an
    index; sizes are known."""
    failed, filtered = plans[plans["problem"] != ""], plans[plans["filtered"]]
    who = "the reporting user" if granted is not None else "the application's user"
    shown = "; ".join(f"{row.query}: {row.problem}" for row in failed.itertuples())
    scans = filtered[filtered["plan"].str.contains("COLLSCAN")]
    planned = (filtered["problem"] == "") & filtered["plan"].str.contains("SCAN|EXPRESS|IDHACK")
    known = len(scans) > 0 or (len(filtered) > 0 and bool(planned.all()))
    scanned = ", ".join(scans["query"]) or "; ".join(f"{row.query}: {row.plan}" for row in filtered.itertuples())
    return {
        "FIN-READY-001": Told(
            len(failed), shown or f"{len(plans)} queries, together {plans['ms'].sum():.0f} ms, run by {who}"
        ),
        "FIN-READY-002": Told(len(scans) if known else None, scanned),
        "FIN-READY-003": _rights(granted, settings),
        "FIN-READY-004": _sizes(sizes),
    }


def _rights(granted: tuple[list[str], int] | None, settings: Settings) -> Told:
    if granted is None:
        unset = f"no reporting user: {settings.mongodb_reporting_uri_env} is not set, which is optional"
        return Told(Doubtful(None), unset)
    writes, count = granted
    evidence = f"may {', '.join(writes)}" if writes else f"{count} actions granted, none of them writes"
    return Told(count > 0 and not writes, evidence)


def _sizes(sizes: dict[str, int] | Unmeasured | Exception) -> Told:
    if not isinstance(sizes, dict):
        return Told(sizes)
    megabytes = {name: f"{value / 1e6:.1f} MB" for name, value in sizes.items()}
    evidence = (
        f"{sizes['count']:,} documents, {megabytes['size']} of data, {megabytes['storageSize']} on disk, "
        f"{sizes['nindexes']} indexes of {megabytes['totalIndexSize']}. VACUUM ANALYZE has no counterpart to run: "
        "MongoDB keeps its statistics by itself"
    )
    return Told(bool(sizes["count"]), evidence)


def performance(evidence: RunEvidence, metrics: pd.DataFrame) -> dict[str, Told]:
    """All four areas are covered, the four headline numbers stand beside their targets, and nothing failed."""
    headlines = {
        "FIN-METRIC-002": "insert_rate",
        "FIN-METRIC-003": "duplicate_check_redis_p99_ms",
        "FIN-METRIC-004": "duplicate_check_mongodb_p99_ms",
        "FIN-METRIC-005": "checkout_p99_ms",
    }
    return {
        "FIN-METRIC-001": _covered(metrics),
        **{check_id: _headline(evidence, name) for check_id, name in headlines.items()},
        "FIN-PERF-001": _failed(evidence),
    }


def _covered(metrics: pd.DataFrame) -> Told:
    covered = [area for area in AREAS if (metrics["area"] == area).any()]
    missing = ", ".join(title for area, title in AREAS.items() if area not in covered)
    shown = f"{len(metrics)} metrics of phases {', '.join(sorted(set(metrics['phase'])))}"
    absent = Unmeasured("phases 03, 05 and 08 left nothing in this run")
    return Told(len(covered) or absent, shown + (f"; none on {missing}" if missing else ""))


def _headline(evidence: RunEvidence, name: str) -> Told:
    """Phase 08's number, else phase 03's."""
    found = {phase: value for phase in ("08", "03") if (value := evidence.number(phase, name)) is not None}
    if not found:
        return Told(Unmeasured("phases 08 and 03 of this run left no such number"))
    (phase, value), *others = found.items()
    also = "".join(f"; phase {place}: {other:,.2f}" for place, other in others)
    return Told(round(value, 3), f"measured by phase {phase} of this run{also}")


def _failed(evidence: RunEvidence) -> Told:
    """Failed checks of the phases that measure performance. Where a phase, or a check of one, is missing, what was
    not looked at may have failed: then nothing is measured, unless something is known to have failed."""
    seen = [check for phase in PERFORMANCE for check in evidence.checks.get(phase, ())]
    bad = [check for check in seen if check.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if bad:
        return Told(len(bad), "; ".join(f"{check.id} {check.title}" for check in bad))
    if absent := [phase for phase in PERFORMANCE if not evidence.checks.get(phase)]:
        return Told(Unmeasured(f"phase {', '.join(absent)} left nothing that counts here"))
    if missing := _unseen(seen):
        return Told(Unmeasured(f"{len(missing)} checks not measured: {', '.join(missing[:6])}"))
    return Told(0, f"{len(seen)} checks of phases {', '.join(PERFORMANCE)}")


def _unseen(seen: Sequence[Check]) -> list[str]:
    measured = {check.id for check in seen if check.verdict is not Verdict.NOT_MEASURED}
    known = [entry.id for entry in catalogue().values() if entry.phase in PERFORMANCE and entry.kind == "measured"]
    return [check_id for check_id in known if check_id not in measured]


def cost(found: Statistics, settings: Settings) -> dict[str, Told]:
    """Cost per qualified lead, with the assumption it rests on."""
    price = cost_per_qualified(found, settings)
    origin = "an assumption of the rehearsal" if settings.is_rehearsal else "parameter sprint_cost_usd"
    evidence = (
        f"{settings.sprint_cost_usd:,.0f} USD ({origin}) over {found.qualified:,} qualified leads: score of at least "
        f"{settings.qualified_min_score}, an e-mail, a matching job title"
    )
    none = Unmeasured(f"none of {found.total:,} leads is qualified")
    if settings.sprint_cost_usd <= 0:
        none = Unmeasured("sprint_cost_usd is not set", "set sprint_cost_usd to what the sprint cost in all")
    return {"FIN-COST-001": Told(none if price is None else round(price, 3), evidence)}
