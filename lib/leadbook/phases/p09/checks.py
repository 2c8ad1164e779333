"""What the final analysis tells for each of its checks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from leadbook.analysis.anomalies import Anomaly, Kind
from leadbook.analysis.integrity import Breaking, IndexCount, Validation
from leadbook.analysis.losses import EarlierPhases, Gap, Lost, Places, gaps, lost_leads, lost_rejects, without_outcome
from leadbook.analysis.statistics import Collected, Statistics, cost_per_qualified
from leadbook.core.checks import Check, Doubtful, Unmeasured, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.phases.p09.evidence import AREAS, PERFORMANCE, RunEvidence
from leadbook.phases.told import Answered

STRETCH = "FIN-COUNT-004"
NO_LEAD = Unmeasured("no lead is stored")


def counts(found: Statistics, raw: Collected) -> dict[str, Answered]:
    """Collected, unique, the stretch goal, and whether sources and scores account for every lead."""
    bound = "" if raw.exact else "at least; "
    share = f"{100 * found.unique / raw.records:.1f} % of the collected" if raw.records else "nothing was collected"
    named = sum(count for source, count in found.by_source.items() if source)
    scored = sum(count for score, count in found.by_score.items() if score is not None and 0 <= score <= 100)
    return {
        "FIN-COUNT-001": Answered(raw.records, f"{bound}{raw.source}"),
        "FIN-COUNT-002": Answered(found.unique, f"distinct linkedin_url; {share}"),
        "FIN-COUNT-003": Answered(
            found.total - found.unique if found.total else None,
            f"{found.total:,} documents, {found.unique:,} distinct linkedin_url",
        ),
        STRETCH: Answered(found.unique, f"{found.unique:,} unique leads; a stretch goal, the gate is lower"),
        "FIN-SRC-001": _share(named, found, f"{len(found.by_source)} sources"),
        "FIN-SCORE-001": _share(scored, found, f"{len(found.by_score)} different scores"),
    }


def _share(count: int, found: Statistics, of: str) -> Answered:
    share = found.percent(count)
    return Answered(NO_LEAD if share is None else round(share, 3), f"{count:,} of {found.total:,} leads, {of}")


def quality(found: Statistics) -> dict[str, Answered]:
    """Mean score, e-mail and company data; without leads nothing is measured."""
    points = "" if found.points_percent is None else f"; points {found.mean_points:.1f} of {found.max_points}"
    mean = None if found.mean_score is None else round(found.mean_score, 3)
    return {
        "FIN-QUAL-001": Answered(
            mean, f"mean data_quality_score{points}. A valid lead cannot score below 80: this target cannot fail"
        ),
        "FIN-QUAL-002": _share(found.email, found, "with an e-mail"),
        "FIN-QUAL-003": _share(found.company, found, "with company_name and company_industry"),
    }


def completeness(fields: pd.DataFrame) -> dict[str, Answered]:
    """Leads lack none of the required fields."""
    mine = fields[(fields["source"] == "all") & fields["required"]]
    missing = {row.field: int(row.leads - row.present) for row in mine.itertuples()}
    shown = ", ".join(f"{name} {count}" for name, count in missing.items())
    total = sum(missing.values()) if mine["leads"].sum() else NO_LEAD
    return {"FIN-COMP-001": Answered(total, f"missing or blank: {shown}")}


# ----------------------------------------------------------------------------------------------------------- integrity


def integrity(
    validation: Validation | Unmeasured | Exception, indexes: Sequence[IndexCount] | Unmeasured | Exception,
    broken: Breaking | Unmeasured | Exception, leads: int,
) -> dict[str, Answered]:  # fmt: skip
    """`validate`, every index against a scan, the validator against what is stored, unique indexes.

    What the server refused to tell is told by the checks that need it, and by no others.
    """
    return {
        "FIN-INT-001": _validated(validation),
        "FIN-INT-002": _indexed(indexes) if isinstance(indexes, Sequence) else Answered(indexes),
        "FIN-INT-003": _valid(broken, leads) if isinstance(broken, Breaking) else Answered(broken),
        "FIN-INT-004": _guarded(indexes) if isinstance(indexes, Sequence) else Answered(indexes),
    }


def _guarded(indexes: Sequence[IndexCount]) -> Answered:
    guarded = {each.keys for each in indexes if each.unique}
    bare = [name for name in ("linkedin_url", "email") if name not in guarded]
    unique = f"no unique index on {', '.join(bare)}" if bare else "unique indexes on linkedin_url and email"
    return Answered(not bare, unique)


def _validated(found: Validation | Unmeasured | Exception) -> Answered:
    if not isinstance(found, Validation):
        return Answered(found)
    problems = (*found.errors, *found.warnings)
    first = f" First: {problems[0][:160]}" if problems else ""
    evidence = (
        f"validate ({found.mode}) of {found.documents:,} documents and {found.indexes} indexes in {found.seconds:.1f} "
        f"s; {len(found.errors)} errors, {len(found.warnings)} warnings.{first}"
    )
    if found.valid and not found.documents:
        return Answered(Unmeasured("no lead is stored, so validate had nothing to look at"))
    if found.valid and found.warnings:
        return Answered(Doubtful(True), evidence, "run it again when nothing else uses the collection")
    return Answered(found.valid, evidence)


def _indexed(counts: Sequence[IndexCount]) -> Answered:
    broken = [each for each in counts if not each.whole]
    if len(counts) < 2:
        return Answered(Unmeasured("the collection has no index but _id_", "run phase 02"))
    if not any(each.expected or each.counted for each in counts):
        return Answered(Unmeasured("no lead is stored, so the indexes have nothing to know"))
    shown = "; ".join(f"{each.name} {each.counted:,} of {each.expected:,}" for each in broken)
    return Answered(len(broken), shown or f"{len(counts)} indexes, each counted against a scan")


def _valid(broken: Breaking, leads: int) -> Answered:
    if not broken.mode:
        return Answered(Unmeasured("the collection has no validator", "run phase 02"))
    if not leads:
        return Answered(NO_LEAD)
    return Answered(broken.documents, f"documents that break the validator, which is set to {broken.mode}")


# -------------------------------------------------------------------------------------------------------------- losses


def losses(
    earlier: EarlierPhases, places: Places, newest: tuple[int, int] | Unmeasured | Exception
) -> dict[str, Answered]:
    """Every record has an outcome; stored leads and rejected records are there; the last inserts are whole.

    Raises pymongo's errors.
    """
    return {
        "FIN-LOSS-001": _ended(earlier, *without_outcome(places)),
        "FIN-LOSS-002": _kept(lost_leads(places), gaps(earlier, places), places),
        "FIN-LOSS-003": _rejects_kept(earlier, lost_rejects(places), places.rejects.count_documents({})),
        "FIN-LAST-001": _last(newest),
    }


def _last(newest: tuple[int, int] | Unmeasured | Exception) -> Answered:
    if not isinstance(newest, tuple):
        return Answered(newest)
    looked, faulty = newest
    return Answered(faulty if looked else NO_LEAD, f"of the newest {looked} leads")


def _ended(earlier: EarlierPhases, staged: int, unfinished: int) -> Answered:
    ledger, parts = earlier.ledger, earlier.parts
    if not ledger and not staged:
        return Answered(Unmeasured("phase 04 of this run left no ledger, and nothing is staged"))
    said, missing = [], unfinished
    if ledger:
        missing = max(missing, abs(int(ledger["read"]) - sum(parts.values())) + parts["failed"])
        said.append(f"{ledger['read']:,} read = " + " + ".join(f"{count:,} {name}" for name, count in parts.items()))
    if staged:
        said.append(f"{staged:,} staged, {unfinished:,} of them without an outcome")
    return Answered(missing, "; ".join(said))


def _kept(named: Lost, gaps: Sequence[Gap], places: Places) -> Answered:
    """The worst witness is judged: a lead that two of them miss is one lead."""
    said = named.said | {gap.witness: gap.said for gap in gaps}
    if not any(said.values()):
        why = "nothing bears witness of a stored lead: no ledger, no staged record, no key in Redis, no backup"
        return Answered(Unmeasured(why))
    absent = [f"{len(named.gone):,} absent by staging and Redis{_first(named)}"] if named.gone else []
    absent += [f"{gap.lost:,} absent by {gap.witness}" for gap in gaps if gap.lost > 0]
    told = [
        f"{places.leads.count_documents({}):,} leads in the collection",
        "stored as said by " + ", ".join(f"{name} {count:,}" for name, count in said.items()),
        *(absent or ["none absent"]),
        *(f"{gap.fewer:,} fewer than {gap.witness} counted, {gap.erased:,} erasures were asked for since"
          for gap in gaps if gap.fewer > 0 >= gap.lost),
        f"{len(named.erased):,} erased on request",
        *(["Redis is away, so leads from files have one witness less"] if places.redis is None else []),
    ]  # fmt: skip
    return Answered(max([len(named.gone), *(gap.lost for gap in gaps)]), "; ".join(told))


def _first(lost: Lost) -> str:
    """The first `_id`s of lost records; empty where none is lost."""
    first = list(lost.gone.values())[:5]
    return f" (_id {', '.join(first)}{', …' if len(lost.gone) > len(first) else ''})" if first else ""


def _rejects_kept(earlier: EarlierPhases, named: Lost, kept: int) -> Answered:
    by_ledger, staged, gone = earlier.parts.get("rejected", 0), sum(named.said.values()), len(named.gone)
    if not earlier.ledger and not staged:
        return Answered(Unmeasured("phase 04 of this run left no ledger, and no staged record was rejected"))
    evidence = (
        f"{by_ledger:,} rejected by phase 04, {staged:,} staged records rejected; {kept:,} kept with "
        f"their reasons, {gone:,} staged ones neither kept nor leads by now{_first(named)}"
    )
    return Answered(max(by_ledger - kept, gone), evidence)


# ----------------------------------------------------------------------------------------------------------- anomalies


def anomalies(found: Sequence[Anomaly], outliers: pd.DataFrame, leads: int) -> dict[str, Answered]:
    """One for each kind, and one for sources that differ; what was found warns and goes to the Data Researcher."""
    kinds: dict[str, Kind] = {
        "FIN-ANOM-001": "duplicate", "FIN-ANOM-002": "inconsistent", "FIN-ANOM-003": "suspicious",
    }  # fmt: skip
    told = {
        check_id: _odd([each for each in found if each.rule.kind == kind], leads) for check_id, kind in kinds.items()
    }
    named = "; ".join(f"{row.source} {row.field} {row.percent:.0f} %" for row in outliers.head(6).itertuples())
    evidence = f"25 points or more below all sources: {named or 'none'}"
    return {**told, "FIN-ANOM-004": Answered(len(outliers) if leads else NO_LEAD, evidence)}


def _odd(mine: Sequence[Anomaly], leads: int) -> Answered:
    shown = "; ".join(f"{each.rule.name}: {each.leads:,}" for each in mine if each.leads) or "nothing"
    evidence = f"{len(mine)} rules over {leads:,} leads: {shown}"
    return Answered(sum(each.leads for each in mine) if leads else NO_LEAD, evidence)


# ------------------------------------------------------------------------------------------- readiness and performance


def ready(
    plans: pd.DataFrame, granted: tuple[list[str], int] | None, sizes: dict[str, int] | Unmeasured | Exception,
    settings: Settings,
) -> dict[str, Answered]:  # fmt: skip
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
        "FIN-READY-001": Answered(
            len(failed), shown or f"{len(plans)} queries, together {plans['ms'].sum():.0f} ms, run by {who}"
        ),
        "FIN-READY-002": Answered(len(scans) if known else None, scanned),
        "FIN-READY-003": _rights(granted, settings),
        "FIN-READY-004": _sizes(sizes),
    }


def _rights(granted: tuple[list[str], int] | None, settings: Settings) -> Answered:
    if granted is None:
        unset = f"no reporting user: {settings.mongodb_reporting_uri_env} is not set, which is optional"
        return Answered(Doubtful(None), unset)
    writes, count = granted
    evidence = f"may {', '.join(writes)}" if writes else f"{count} actions granted, none of them writes"
    return Answered(count > 0 and not writes, evidence)


def _sizes(sizes: dict[str, int] | Unmeasured | Exception) -> Answered:
    if not isinstance(sizes, dict):
        return Answered(sizes)
    megabytes = {name: f"{value / 1e6:.1f} MB" for name, value in sizes.items()}
    evidence = (
        f"{sizes['count']:,} documents, {megabytes['size']} of data, {megabytes['storageSize']} on disk, "
        f"{sizes['nindexes']} indexes of {megabytes['totalIndexSize']}. VACUUM ANALYZE has no counterpart to run: "
        "MongoDB keeps its statistics by itself"
    )
    return Answered(bool(sizes["count"]), evidence)


def performance(evidence: RunEvidence, metrics: pd.DataFrame) -> dict[str, Answered]:
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


def _covered(metrics: pd.DataFrame) -> Answered:
    covered = [area for area in AREAS if (metrics["area"] == area).any()]
    missing = ", ".join(title for area, title in AREAS.items() if area not in covered)
    shown = f"{len(metrics)} metrics of phases {', '.join(sorted(set(metrics['phase'])))}"
    absent = Unmeasured("phases 03, 04, 05 and 08 left nothing in this run")
    return Answered(len(covered) or absent, shown + (f"; none on {missing}" if missing else ""))


def _headline(evidence: RunEvidence, name: str) -> Answered:
    """Phase 08's number, else phase 03's."""
    found = {phase: value for phase in ("08", "03") if (value := evidence.number(phase, name)) is not None}
    if not found:
        return Answered(Unmeasured("phases 08 and 03 of this run left no such number"))
    (phase, value), *others = found.items()
    also = "".join(f"; phase {place}: {other:,.2f}" for place, other in others)
    return Answered(round(value, 3), f"measured by phase {phase} of this run{also}")


def _failed(evidence: RunEvidence) -> Answered:
    """Failed checks of the phases that measure performance. Where a phase, or a check of one, is missing, what was
    not looked at may have failed: then nothing is measured, unless something is known to have failed."""
    seen = [check for phase in PERFORMANCE for check in evidence.checks.get(phase, ())]
    bad = [check for check in seen if check.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if bad:
        return Answered(len(bad), "; ".join(f"{check.id} {check.title}" for check in bad))
    if absent := [phase for phase in PERFORMANCE if not evidence.checks.get(phase)]:
        return Answered(Unmeasured(f"phase {', '.join(absent)} left nothing that counts here"))
    if missing := _unseen(seen):
        return Answered(Unmeasured(f"{len(missing)} checks not measured: {', '.join(missing[:6])}"))
    return Answered(0, f"{len(seen)} checks of phases {', '.join(PERFORMANCE)}")


def _unseen(seen: Sequence[Check]) -> list[str]:
    measured = {check.id for check in seen if check.verdict is not Verdict.NOT_MEASURED}
    known = [entry.id for entry in catalogue().values() if entry.phase in PERFORMANCE and entry.kind == "measured"]
    return [check_id for check_id in known if check_id not in measured]


def cost(found: Statistics, settings: Settings) -> dict[str, Answered]:
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
    return {"FIN-COST-001": Answered(none if price is None else round(price, 3), evidence)}
