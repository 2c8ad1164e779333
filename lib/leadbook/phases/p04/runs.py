"""Checks of phase 04: what was measured, judged by the catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from leadbook.bench.limits import Limits
from leadbook.core.checks import Check, Verdict, judge, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.ingest.pipeline import PipelineResult
from leadbook.lead.ledger import Ledger
from leadbook.lead.score import Rules
from leadbook.phases.p04.audit import Accuracy, Formats, Recount, Scores
from leadbook.phases.p04.probes import Lookups, Probe

__all__ = [
    "BRING_IN",
    "NOTHING",
    "Issue",
    "batch_checks",
    "design_checks",
    "duplicate_checks",
    "explained",
    "issues",
    "ledger_checks",
    "lookup_checks",
    "probe_checks",
    "quality_checks",
    "query_checks",
    "speed_checks",
]  # fmt: skip


BRING_IN = "have payloads staged, or set lead_files, and run this phase again"
NOTHING = "nothing is staged, and no lead_files are set"


def explained(checks: Sequence[Check], why: str, remedy: str = BRING_IN) -> list[Check]:
    """The checks; those that found nothing to measure say `why` (where that is known), and how to bring records in."""
    return [
        replace(one, evidence=f"{why}; {one.evidence}", remedy=remedy)
        if why and one.verdict is Verdict.NOT_MEASURED else one
        for one in checks
    ]  # fmt: skip


def design_checks(settings: Settings, written: bool, lacking: Mapping[str, Sequence[str]]) -> list[Check]:
    """The flow, the vendors' mappings, the batch size."""
    return [
        judge("PIPE-FLW-001", written, evidence="figure and design document of this phase"),
        judge("PIPE-MAP-001", len(lacking), evidence=", ".join(lacking) or "vendor files in params/vendors"),
        judge("PIPE-BAT-001", 100 <= settings.batch_size <= 500, evidence=f"batch_size is {settings.batch_size}"),
    ]


def probe_checks(rules: Sequence[Probe], writes: Sequence[Probe]) -> list[Check]:
    """Validation rules and write errors."""
    return [_probed("PIPE-VAL-001", rules), _probed("PIPE-ERR-001", writes)]


def _probed(check_id: str, probes: Sequence[Probe]) -> Check:
    wrong = [probe.title for probe in probes if not probe.right]
    said = f"{len(probes)} probes" + (f"; wrong: {', '.join(wrong)}" if wrong else "")
    return judge(check_id, len(wrong) if probes else None, evidence=said)


# --------------------------------------------------------------------------------------------------------- ledger


def ledger_checks(result: PipelineResult, truth: Recount, known: int = 0) -> list[Check]:
    """The run's ledger: balanced in every part, nothing failed, and equal to an independent count. known: leads of
    the input that were stored before."""
    parts = [ledger for _, _, ledger in result.batches] + list(result.sources.values()) + [result.ledger]
    balanced = all(part.read == part.accounted for part in parts)
    sums = sum((ledger for _, _, ledger in result.batches), Ledger()) == result.ledger
    ledger = result.ledger
    rejected = truth.read - truth.valid
    off = (
        abs(ledger.read - truth.read) + abs(ledger.stored - (len(truth.urls) - known)) + abs(ledger.rejects - rejected)
    )
    some = ledger.read > 0
    counted = f"counted {truth.read} records, {len(truth.urls)} leads, {rejected} rejects"
    return [
        judge(
            "PIPE-LED-001",
            (balanced and sums) if some else None,
            evidence=f"{len(result.batches)} batches, {len(result.sources)} sources",
        ),
        judge("PIPE-LED-002", ledger.failed if some else None, evidence=result.problem or _said(ledger)),
        judge("PIPE-LED-003", off if some else None, evidence=counted),
    ]


def _said(ledger: Ledger) -> str:
    return (
        f"stored {ledger.stored:,}, filled {ledger.filled:,}, duplicate {ledger.duplicates:,}, "
        f"rejected {ledger.rejects:,}, failed {ledger.failed:,}"
    )


# ------------------------------------------------------------------------------------------------------ duplicates


def duplicate_checks(
    accuracy: Accuracy, again: PipelineResult, without: PipelineResult, settings: Settings
) -> list[Check]:
    """Accuracy against the recount, a second run, and a run without Redis."""
    wrong = (
        f"{accuracy.checked:,} sightings; missing {accuracy.missing}, extra {accuracy.extra}, stored twice "
        f"{accuracy.doubled}, miscounted {accuracy.miscounted}"
    )
    changed, unaided = again.ledger.stored + again.ledger.filled, without.ledger.stored + without.ledger.filled
    return [
        judge("PIPE-DUP-001", accuracy.percent, settings=settings, evidence=wrong),
        judge("PIPE-DUP-002", changed if again.ledger.read else None, evidence=_said(again.ledger)),
        judge("PIPE-DUP-005", unaided if without.ledger.read else None, evidence=_said(without.ledger)),
    ]


def lookup_checks(found: Lookups, settings: Settings) -> list[Check]:
    """Look-ups of a batch in Redis and MongoDB; round trips; what n8n would send."""
    in_redis = ("PIPE-DUP-003", "PIPE-RDS-001", "PIPE-N8N-004")
    if not found.leads:
        names = ("PIPE-DUP-004", *in_redis)
        return [not_measured(name, "no lead is stored", settings=settings, remedy=BRING_IN) for name in names]
    mongodb = f"one $in of {found.leads} URLs; slowest of the rounds {found.mongodb_slowest_ms:.1f} ms"
    checks = [judge("PIPE-DUP-004", found.mongodb_ms, settings=settings, evidence=mongodb)]
    if found.redis_ms is None:
        remedy = f"see why Redis is away: it should answer at the address in {settings.redis_url_env}"
        return checks + [not_measured(name, found.away, settings=settings, remedy=remedy) for name in in_redis]
    redis = f"one MGET for {found.leads} leads; slowest of the rounds {found.redis_slowest_ms or 0:.1f} ms"
    asked = f"one GET for each of {found.leads} stored leads: {found.answered} named this collection"
    return [
        *checks,
        judge("PIPE-DUP-003", found.redis_ms, settings=settings, evidence=redis),
        judge("PIPE-RDS-001", found.round_trips, evidence="one MGET to ask, one script of SET … EX to tell"),
        judge("PIPE-N8N-004", found.leads - found.answered,
              evidence=f"{asked}; before the keys were written again, {found.known} had one"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------- quality


def quality_checks(formats: Formats, rates: pd.DataFrame, scores: Scores, settings: Settings) -> list[Check]:
    """Formats and scores of stored leads, and what cleaning kept."""
    kept = rates[rates["field"].isin(["email", "company_name", "phone"]) & (rates["before"] > 0)]
    worst = float((kept["after"] / kept["before"]).min()) if len(kept) else None
    broken = ", ".join(rule for rule, count in formats.violations.items() if count)
    beside = f"{scores.leads:,} leads; mean of {scores.mean_points:.1f} points of {scores.max_points}"
    some = formats.leads > 0
    return [
        judge(
            "PIPE-MAP-002", formats.total if some else None, evidence=broken or f"{formats.leads:,} leads, all rules"
        ),
        judge("PIPE-MAP-003", worst, evidence="fill rates before and after cleaning, in the table"),
        judge(
            "PIPE-SCR-001",
            scores.wrong if scores.leads else None,
            evidence=beside,
            remedy=_rejudge(settings) if scores.wrong else "",
        ),
        judge("PIPE-SCR-002", scores.mean, settings=settings, evidence=beside),
    ]


def _rejudge(settings: Settings) -> str:
    """How stored leads are qualified by this run's parameters, for mongosh."""
    wanted, pipeline = (json.dumps(part, ensure_ascii=False) for part in Rules.of(settings).rejudging())
    return (
        "leads judged by other weights or title patterns, or written by somebody else; where only the qualification is "
        f"another one, this judges them anew: db.{settings.collection}.updateMany({wanted}, {pipeline})"
    )


# --------------------------------------------------------------------------------------------------------- speed


def batch_checks(limits: Limits, settings: Settings) -> list[Check]:
    """Prepared leads: rates by batch size, what was sent, what was read back."""
    singles = [rate for rate in limits.rates if rate.writers == 1]
    best, slowest = max(singles, key=lambda one: one.rate), min(singles, key=lambda one: one.rate)
    share = limits.single(settings.batch_size).rate / best.rate
    concern = settings.write_concern if not settings.write_concern.isdigit() else int(settings.write_concern)
    honest = all("ordered: false" in sent and f"'w': {concern!r}" in sent for sent in limits.sent)
    configured = f"{settings.batch_size} a batch; best is {best.batch} with {best.rate:,.0f} documents/s"
    chosen = judge("PIPE-BAT-003", share, evidence=configured)
    if chosen.verdict == "fail":
        chosen = warned("PIPE-BAT-003", share, evidence=configured)
    return [
        judge("PIPE-INS-001", limits.wrong, evidence=limits.read_back),
        judge("PIPE-INS-002", limits.best.rate, settings=settings, evidence=f"{limits.best.writers} writers"),
        judge("PIPE-INS-003", honest if limits.sent else None, evidence="; ".join(limits.sent)),
        judge("PIPE-BAT-002", slowest.rate, settings=settings, evidence=f"slowest: {slowest.batch} a batch"),
        chosen,
    ]


def speed_checks(result: PipelineResult, limits: Limits) -> list[Check]:
    """The pipeline's rate beside the raw limit. A slow moment of a shared host warns; it does not block."""
    if not result.ledger.stored:
        return [not_measured("PIPE-SPD-001", "the run stored no lead")]
    share = result.written_per_second / limits.best.rate
    said = f"{result.written_per_second:,.0f} leads/s written beside {limits.best.rate:,.0f} prepared documents/s"
    check = judge("PIPE-SPD-001", share, evidence=said)
    return [warned("PIPE-SPD-001", share, evidence=said) if check.verdict == "fail" else check]


def query_checks(results: Sequence[Any], settings: Settings) -> list[Check]:
    """The task book's queries on the leads just stored: collection scans and the slowest one."""
    judged = [one for one in results if one.contract.check_id]
    scans = [one.contract.title for one in judged if one.plan.collection_scan]
    times = {one.contract.title: one.millis for one in judged if one.millis is not None}
    slowest = max(times, key=lambda title: times[title]) if times else "none was timed"
    return [
        judge("PIPE-QRY-001", len(scans) if judged else None, evidence=", ".join(scans) or f"{len(judged)} queries"),
        judge("PIPE-QRY-002", times.get(slowest), settings=settings, evidence=f"slowest: {slowest}"),
    ]


# -------------------------------------------------------------------------------------------------------- issues


@dataclass(frozen=True, kw_only=True)
class Issue:
    """Something that the run met, and how it was settled. settled False forbids GO."""

    what: str
    leads: int
    how: str
    settled: bool = True


def issues(result: PipelineResult) -> list[Issue]:
    """What the run met, from its own counts."""
    ledger, flags = result.ledger, result.flags
    met = [
        Issue(what="records that are no lead", leads=ledger.rejects, how="kept with payload and reasons"),
        Issue(what="e-mail held by another person", leads=flags.get("email_conflict", 0),
              how="stored without it; kept aside in additional_data.email_conflict"),
        Issue(what="one member under two URLs", leads=flags.get("same_member", 0), how="flagged, not merged"),
        Issue(what="e-mail that only was guessed by the vendor", leads=flags.get("email_guessed", 0), how="flagged"),
        Issue(what="cache called a known lead new", leads=result.cache.false_new, how="MongoDB's unique index decided"),
        Issue(what="cache knew a lead that is gone", leads=result.cache.stale, how="stored again"),
        Issue(what="cache did not answer", leads=result.cache.failures, how="asked MongoDB instead"),
        Issue(what="outcome unknown", leads=ledger.failed, how="run the sources again", settled=False),
    ]  # fmt: skip
    return [issue for issue in met if issue.leads]


def issue_check(found: Sequence[Issue], read: int) -> Check:
    """Issues that are not settled, of a run that read so many records."""
    said = ", ".join(f"{issue.what} ({issue.leads})" for issue in found) or "none met"
    return judge("PIPE-ISS-001", sum(not issue.settled for issue in found) if read else None, evidence=said)
