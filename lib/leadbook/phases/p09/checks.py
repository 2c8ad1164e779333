"""What the final analysis tells for each of its checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial

import pandas as pd
from pymongo.errors import OperationFailure

from leadbook.analysis import reporting
from leadbook.analysis.anomalies import Anomaly, Kind
from leadbook.analysis.integrity import Breaking, IndexCount, Validation
from leadbook.analysis.statistics import Statistics, cost_basis, cost_per_qualified
from leadbook.analysis.totals import Totals
from leadbook.core.checks import Check, Doubtful, Unmeasured, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.phases.judging import Answered, Answers, of_each
from leadbook.phases.p09.evidence import AREAS, PERFORMANCE, RunEvidence, slow_end
from leadbook.provision.excess import Excess

STRETCH, BREAKING = "FIN-COUNT-004", "FIN-INT-003"
READY = ("03", "05")
"""Phases of the ready stage that measure performance."""
KINDS: Mapping[str, Kind] = {
    "FIN-ANOM-001": "duplicate", "FIN-ANOM-002": "inconsistent", "FIN-ANOM-003": "suspicious",
}  # fmt: skip
"""Checks of anomalies, and the kind of rule that each counts."""
LATER = "run it again a minute after the last write, when the server has written its files"
STAGES = "run the stages ready and live"
NOT_TRIED = Unmeasured("no reporting user to try it with")
UNCOUNTED = "MongoDB's own validate looks into these too; one that is hidden can be counted once it is shown"
NO_LEAD = Unmeasured("no lead is stored", "bring leads in: leadbook ingest")


def counts(found: Statistics, totals: Totals) -> Answers:
    """Collected, unique, the stretch goal, and whether sources and scores account for every lead."""
    share = "more than was collected"
    if 0 < found.unique <= totals.records:
        share = f"{100 * found.unique / totals.records:.1f} % of the collected"
    named = sum(count for source, count in found.by_source.items() if source)
    scored = sum(count for score, count in found.by_score.items() if score is not None and 0 <= score <= 100)
    return {
        "FIN-COUNT-001": Answered(totals.records, totals.source),
        "FIN-COUNT-002": Answered(found.unique, "distinct linkedin_url" + (f"; {share}" if found.unique else "")),
        "FIN-COUNT-003": Answered(
            found.total - found.unique if found.total else NO_LEAD,
            f"{found.total:,} documents, {found.unique:,} distinct linkedin_url",
        ),
        STRETCH: Answered(found.unique, f"{found.unique:,} unique leads; a stretch goal, the gate is lower"),
        "FIN-SRC-001": _share(named, found, f"{len(found.by_source)} sources"),
        "FIN-SCORE-001": _share(scored, found, f"{len(found.by_score)} different scores"),
    }


def _share(count: int, found: Statistics, of: str) -> Answered:
    share = found.percent(count)
    return Answered(NO_LEAD if share is None else round(share, 3), f"{count:,} of {found.total:,} leads, {of}")


def quality(found: Statistics) -> Answers:
    """Mean score, e-mail and company data; without leads nothing is measured."""
    points = "" if found.points_percent is None else f"; points {found.mean_points:.1f} of {found.max_points}"
    mean = NO_LEAD if found.mean_score is None else round(found.mean_score, 3)
    return {
        "FIN-QUAL-001": Answered(
            mean, f"mean data_quality_score{points}. A valid lead cannot score below 80: this target cannot fail"
        ),
        "FIN-QUAL-002": _share(found.email, found, "with an e-mail"),
        "FIN-QUAL-003": _share(found.company, found, "with company_name and company_industry"),
    }


def completeness(fields: pd.DataFrame) -> Answers:
    """Leads lack none of the required fields."""
    mine = fields[(fields["source"] == "all") & fields["required"]]
    missing = {row.field: int(row.leads - row.present) for row in mine.itertuples()}
    shown = ", ".join(f"{name} {count}" for name, count in missing.items())
    total = sum(missing.values()) if mine["leads"].sum() else NO_LEAD
    return {"FIN-COMP-001": Answered(total, f"missing or blank: {shown}")}


# ----------------------------------------------------------------------------------------------------------- integrity


def integrity(
    validation: Validation | Unmeasured | Exception, indexes: Sequence[IndexCount] | Unmeasured | Exception,
    unique: Set[str] | Unmeasured | Exception, broken: Breaking | Unmeasured | Exception, leads: int,
) -> Answers:  # fmt: skip
    """`validate`, every index against a scan, the validator against what is stored, unique indexes.

    What the server refused to tell is told by the checks that need it, and by no others.
    """
    return {
        "FIN-INT-001": _validated(validation),
        **of_each({"FIN-INT-002": _indexed}, indexes),
        **of_each({"FIN-INT-004": _guarded}, unique),
        **of_each({BREAKING: partial(_valid, leads)}, broken),
    }


def _guarded(unique: Set[str]) -> Answered:
    bare = [name for name in ("linkedin_url", "email") if name not in unique]
    said = f"no unique index on {', '.join(bare)}" if bare else "unique indexes on linkedin_url and email"
    return Answered(not bare, said)


def absent(found: object) -> bool:
    """Whether an answer is the server's word that the collection does not exist: no lead was ever stored."""
    return isinstance(found, OperationFailure) and found.code == reporting.NAMESPACE_NOT_FOUND


def _validated(found: Validation | Unmeasured | Exception) -> Answered:
    if not isinstance(found, Validation):
        return Answered(NO_LEAD if absent(found) else found)
    problems = (*found.errors, *found.warnings)
    first = f" First: {problems[0][:160]}" if problems else ""
    evidence = (
        f"validate ({found.mode}) of {found.documents:,} documents and {found.indexes} indexes in {found.seconds:.1f} "
        f"s; {len(found.errors)} errors, {len(found.warnings)} warnings.{first}"
    )
    if found.valid and not found.documents:
        return Answered(NO_LEAD)
    if found.valid and found.passed_over:
        of_all = f"{found.passed_over} of {found.indexes + 1} parts skipped"
        parts = f"not completed ({of_all}: their files had unwritten changes)"
        return Answered(Unmeasured(f"{parts}; documents and keys were read. {evidence}", LATER))
    if found.valid and found.warnings:
        return Answered(Doubtful(True), evidence, "run it again when nothing else uses the collection")
    return Answered(found.valid, evidence)


def _indexed(counts: Sequence[IndexCount]) -> Answered:
    broken = [each for each in counts if each.whole is False]
    skipped = ", ".join(f"{each.name} ({each.skipped})" for each in counts if each.skipped)
    if len(counts) < 2:
        return Answered(Unmeasured("the collection has no index but _id_", "run phase 02"))
    if not any(each.expected or each.counted for each in counts):
        return Answered(NO_LEAD)
    shown = "; ".join(f"{each.name} {each.counted:,} of {each.expected:,}" for each in broken)
    said = shown or f"{sum(not each.skipped for each in counts)} indexes, each counted against a scan"
    if not skipped:
        return Answered(len(broken), said)
    remedy = "" if broken else UNCOUNTED
    return Answered(Doubtful(len(broken)), f"{said}; not to be counted: {skipped}", remedy)


def _valid(leads: int, broken: Breaking) -> Answered:
    if not broken.mode:
        return Answered(Unmeasured("the collection has no validator", "run phase 02"))
    if not leads:
        return Answered(NO_LEAD)
    return Answered(broken.documents, f"documents that break the validator, which is set to {broken.mode}")


# ----------------------------------------------------------------------------------------------------------- anomalies


def anomalies(found: Sequence[Anomaly], outliers: pd.DataFrame, leads: int) -> Answers:
    """One for each kind, and one for sources that differ; what was found warns and goes to the Data Researcher."""
    told = {
        check_id: _odd([each for each in found if each.rule.kind == kind], leads) for check_id, kind in KINDS.items()
    }
    shared = [f"{each.rule.name}: {each.leads:,}" for each in found if each.rule.kind == "shared" and each.leads]
    if shared:
        doubled = next(iter(KINDS))
        said = f"{told[doubled].evidence}. Not counted, since they are no sign of a duplicate: {'; '.join(shared)}"
        told[doubled] = told[doubled]._replace(evidence=said)
    named = "; ".join(f"{row.source} {row.field} {row.percent:.0f} %" for row in outliers.head(6).itertuples())
    evidence = f"25 points or more below all sources: {named or 'none'}"
    return {**told, "FIN-ANOM-004": Answered(len(outliers) if leads else NO_LEAD, evidence)}


def _odd(mine: Sequence[Anomaly], leads: int) -> Answered:
    shown = "; ".join(f"{each.rule.name}: {each.leads:,}" for each in mine if each.leads) or "nothing"
    hits = sum(bool(each.leads) for each in mine)
    evidence = f"{hits} of {len(mine)} rules found something among {leads:,} leads: {shown}"
    return Answered(sum(each.leads for each in mine) if leads else NO_LEAD, evidence)


# ------------------------------------------------------------------------------------------- readiness and performance


def ready(
    plans: pd.DataFrame, granted: Excess | None, sizes: dict[str, int] | Unmeasured | Exception,
    settings: Settings, tried: list[str] | Unmeasured | Exception = NOT_TRIED,
) -> Answers:  # fmt: skip
    """Every query runs for the reporting user, who cannot write, by that user's rights and where it was tried (writes
    that were let through); filtered ones use an index; sizes are known.

    granted: what that user may do beyond reading; None without one.
    """
    failed, filtered = plans[plans["problem"] != ""], plans[plans["filtered"]]
    none = absent(sizes)
    who = "the reporting user" if granted is not None else "the application's user"
    shown = "; ".join(f"{row.query}: {row.problem}" for row in failed.itertuples())
    scans = filtered[filtered["plan"].str.contains("COLLSCAN")]
    planned = (filtered["problem"] == "") & filtered["plan"].str.contains("SCAN|EXPRESS|IDHACK")
    known = len(scans) > 0 or (len(filtered) > 0 and bool(planned.all()))
    scanned = ", ".join(scans["query"]) or "; ".join(f"{row.query}: {row.plan}" for row in filtered.itertuples())
    return {
        "FIN-READY-001": Answered(
            NO_LEAD if none else len(failed),
            shown or f"{len(plans)} queries, together {plans['ms'].sum():.0f} ms, run by {who}",
        ),
        "FIN-READY-002": Answered(NO_LEAD if none else len(scans) if known else None, scanned),
        "FIN-READY-003": _rights(granted, tried, settings),
        "FIN-READY-004": _sizes(sizes),
    }


def _rights(granted: Excess | None, tried: list[str] | Unmeasured | Exception, settings: Settings) -> Answered:
    if granted is None:
        unset = f"no reporting user: {settings.mongodb_reporting_uri_env} is not set, which is optional"
        return Answered(Doubtful(None), unset)
    reads = bool(granted.users) and not granted.count
    allowed = f"may {granted}" if granted.count else "may read only" if granted.told else "is not told what it may do"
    evidence = f"it holds {', '.join(granted.roles) or 'no role'} and {allowed}"
    if isinstance(tried, list):
        evidence += f"; tried, and let through: {', '.join(tried)}" if tried else "; tried to write: refused each time"
        reads = reads and not tried
    elif isinstance(tried, Exception):
        return Answered(tried, evidence)
    return Answered(reads if granted.told or not reads else Doubtful(True), evidence)


def _sizes(sizes: dict[str, int] | Unmeasured | Exception) -> Answered:
    if not isinstance(sizes, dict) or not sizes["count"]:
        return Answered(sizes if not isinstance(sizes, dict) and not absent(sizes) else NO_LEAD)
    megabytes = {name: f"{value / 1e6:.1f} MB" for name, value in sizes.items()}
    evidence = (
        f"{sizes['count']:,} documents, {megabytes['size']} of data, {megabytes['storageSize']} on disk, "
        f"{sizes['nindexes']} indexes of {megabytes['totalIndexSize']}. VACUUM ANALYZE has no counterpart to run: "
        "MongoDB keeps its statistics by itself"
    )
    return Answered(True, evidence)


def performance(evidence: RunEvidence, metrics: pd.DataFrame) -> Answers:
    """All four areas are covered, the four headline numbers stand beside their targets, and nothing failed."""
    slow = {
        "FIN-METRIC-003": "duplicate_check_redis",
        "FIN-METRIC-004": "duplicate_check_mongodb",
        "FIN-METRIC-005": "checkout",
    }
    return {
        "FIN-METRIC-001": _covered(metrics),
        "FIN-METRIC-002": _headline(evidence, "insert_rate"),
        **{check_id: _slow_end(evidence, name) for check_id, name in slow.items()},
        "FIN-PERF-001": _failed(evidence),
    }


def _covered(metrics: pd.DataFrame) -> Answered:
    covered = [area for area in AREAS if (metrics["area"] == area).any()]
    missing = ", ".join(title for area, title in AREAS.items() if area not in covered)
    shown = f"{len(metrics)} metrics of phases {', '.join(sorted(set(metrics['phase'])))}"
    absent = Unmeasured("phases 03, 04, 05 and 08 left nothing that counts here", STAGES)
    return Answered(len(covered) or absent, shown + (f"; none on {missing}" if missing else ""))


NO_NUMBER = Unmeasured("phases 08 and 03 left no such number that counts here", STAGES)


def _headline(evidence: RunEvidence, name: str) -> Answered:
    """Phase 08's number, else phase 03's."""
    found = {phase: value for phase in ("08", "03") if (value := evidence.number(phase, name)) is not None}
    if not found:
        return Answered(NO_NUMBER)
    (phase, value), *others = found.items()
    also = "".join(f"; {evidence.named(place)}: {other:,.2f}" for place, other in others)
    return Answered(round(value, 3), f"measured by {evidence.named(phase)}{also}")


def _slow_end(evidence: RunEvidence, name: str) -> Answered:
    found = slow_end(evidence, name)
    return Answered(NO_NUMBER) if found is None else Answered(round(found[0], 3), found[1])


def _failed(evidence: RunEvidence) -> Answered:
    """Failed checks of the phases that measure performance. Where 03 or 05, or a check of them, is missing, what was
    not looked at may have failed: then nothing is measured. What 08 cannot see is 08's own to judge."""
    seen = [check for phase in PERFORMANCE for check in evidence.checks.get(phase, ())]
    bad = [check for check in seen if check.verdict in (Verdict.FAIL, Verdict.ERROR) and not check.accepted]
    if bad:
        return Answered(len(bad), "; ".join(f"{check.id} {check.title}" for check in bad))
    if absent := [phase for phase in PERFORMANCE if not evidence.checks.get(phase)]:
        why = f"phase {', '.join(absent)} left nothing that counts here"
        return Answered(Unmeasured(why, STAGES))
    if missing := _unseen(seen):
        return Answered(Unmeasured(f"{len(missing)} checks not measured: {', '.join(missing[:6])}"))
    return Answered(0, f"{len(seen)} checks of {'; '.join(map(evidence.named, PERFORMANCE))}")


def _unseen(seen: Sequence[Check]) -> list[str]:
    measured = {check.id for check in seen if check.verdict is not Verdict.NOT_MEASURED or check.accepted}
    return [entry.id for entry in catalogue().values()
            if entry.phase in READY and entry.kind == "measured" and entry.id not in measured]  # fmt: skip


def cost(found: Statistics, settings: Settings) -> Answers:
    """Cost per qualified lead, with the basis that it rests on."""
    price, basis = cost_per_qualified(found, settings), cost_basis(settings)
    evidence = (
        f"{settings.sprint_cost_usd:,.0f} USD (basis: {basis or 'none'}) over {found.qualified:,} qualified leads: "
        f"score of at least {settings.qualified_min_score}, an e-mail, a matching job title"
    )
    titles = "see whether qualified_min_score and qualified_title_patterns are the sprint's"
    none = Unmeasured(f"none of {found.total:,} leads is qualified", titles) if found.total else NO_LEAD
    if settings.sprint_cost_usd <= 0:
        none = Unmeasured("sprint_cost_usd is not set", "set sprint_cost_usd to what the sprint cost in all")
    elif not basis:
        none = Unmeasured(
            f"nobody says what the {settings.sprint_cost_usd:,.0f} USD add up",
            "set sprint_cost_basis, such as 'invoices of May: Apollo 900, BrightData 1200, Atlas 300'",
        )
    return {"FIN-COST-001": Answered(none if price is None else round(price, 3), evidence)}
