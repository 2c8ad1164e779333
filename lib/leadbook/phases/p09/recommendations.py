"""Recommendations, each with the evidence it rests on and an estimate of its effect; the most pressing first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from leadbook.analysis.anomalies import Anomaly
from leadbook.analysis.statistics import Statistics, cost_per_qualified
from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.p05.advice import batch_size
from leadbook.phases.p08.decisions import DECISION, topic
from leadbook.phases.p09.checks import BREAKING, KINDS
from leadbook.phases.p09.evidence import RunEvidence
from leadbook.phases.proven import BACKED_UP

Priority = Literal["high", "medium", "low"]
PRIORITIES: tuple[Priority, ...] = ("high", "medium", "low")
VALIDATION = "validation_level"
"""The parameter by which a check's remedy is known to be on the validator, which `_validator` advises on."""


BACKUP = definition(BACKED_UP)
"""A backup of the final leads, the most pressing of all."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to do.  evidence: the measurement, with where it stands.  impact: an estimate of the effect.

    about: the data (for the Data Researcher too), or the database.
    """

    priority: Priority
    topic: str
    action: str
    evidence: str
    impact: str
    about: Literal["data", "database"] = "database"


def recommend(
    found: Statistics, anomalies: Sequence[Anomaly], fields: pd.DataFrame,
    checks: Sequence[Check], evidence: RunEvidence, settings: Settings,
) -> list[Recommendation]:  # fmt: skip
    """All of them, high priority first. checks: those of this phase."""
    made = [
        *_failed(checks, evidence), *_warned(checks, evidence), *_batch_size(evidence, settings),
        *_validator(evidence, checks, settings), *_decisions(evidence), *_email(found, fields, settings),
        *_company(found, settings), *_odd(anomalies, found), *_score(found), *_growth(found),
    ]  # fmt: skip
    return sorted(made, key=lambda each: (PRIORITIES.index(each.priority), each.topic != BACKUP.title))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _failed(checks: Sequence[Check], evidence: RunEvidence) -> Iterator[Recommendation]:
    for check in (*evidence.troubled(), *checks):
        if check.verdict in (Verdict.FAIL, Verdict.ERROR) and check.remedy:
            yield Recommendation(
                priority="high", topic=check.title, action=check.remedy,
                evidence=f"{check.id}, phase {check.phase}: measured {measured_text(check)}"
                + f", target {target_text(check)}",
                impact=_effect(check),
            )  # fmt: skip


def _effect(check: Check) -> str:
    """What the change does to the number that asks for it; of a yes or no, what is true then."""
    if check.measured is None:
        return f"not known: nothing was measured; asked for is {target_text(check)}"
    if check.measured is False:
        return f"it becomes true: {check.title}"
    if isinstance(check.measured, bool | str):
        return "the effect that its evidence tells"
    return f"from {measured_text(check)} to {target_text(check)}"


def _warnings(evidence: RunEvidence) -> list[Check]:
    """Of earlier phases; the gates of 07 repeat what others say."""
    return [one for one in evidence.troubled() if one.verdict is Verdict.WARN and one.remedy and one.phase != "07"]


def _warned(checks: Sequence[Check], evidence: RunEvidence) -> Iterator[Recommendation]:
    """All warnings, and what this phase could not measure. A warned check that another one follows from is left to that
    one's row; the validator, decisions and anomalies to their own."""
    dark = [one for one in checks if one.verdict is Verdict.NOT_MEASURED]
    warned = [*_warnings(evidence), *(one for one in checks if one.verdict is Verdict.WARN), *dark]
    told = {name for check in warned for name in definition(check.id).follows}
    for check in warned:
        apart = check.id in (*told, *KINDS) or VALIDATION in check.remedy or check.title.startswith(DECISION)
        if not apart:
            yield Recommendation(
                priority="high" if check.id == BACKUP.id or check in dark else "medium", topic=check.title,
                action=_by_name(check), evidence=f"{check.id}, phase {check.phase}: {check.evidence}",
                impact=_effect(check), about="data" if check.id.startswith("FIN-ANOM") else "database",
            )  # fmt: skip


def _by_name(check: Check) -> str:
    """Its remedy, for who reads it in another notebook."""
    return check.remedy.replace("this notebook", f"notebook {check.phase}")


def _batch_size(evidence: RunEvidence, settings: Settings) -> Iterator[Recommendation]:
    advice = batch_size(settings, evidence.facts.get("03", {}))
    if advice is None:
        return
    size = advice.proposed or advice.current
    yield Recommendation(
        priority="low", topic="Batch size",
        action=f"insert in batches of {size}, unordered{'' if advice.changes else ', as it is'}",
        evidence=advice.evidence, impact=advice.effect if advice.changes else "none: no better size is shown",
    )  # fmt: skip


def _validator(evidence: RunEvidence, checks: Sequence[Check], settings: Settings) -> Iterator[Recommendation]:
    """One row, whether the setting says it or phase 02's probes."""
    warned = [check for check in _warnings(evidence) if VALIDATION in check.remedy]
    if not warned and settings.validation_level == "strict" and settings.validation_action == "error":
        return
    mode = f"validator runs {settings.validation_level} / {settings.validation_action}"
    said = [mode, *(f"{check.id}, phase {check.phase}: {check.evidence}" for check in warned)]
    stored = [f"; {one.measured} stored ones break it" for one in checks if one.id == BREAKING and one.measured]
    yield Recommendation(
        priority="medium", topic="Validator",
        action="set validation_level strict and validation_action error once all writers use the pipeline",
        evidence="; ".join(said),
        impact="a malformed lead is refused instead of stored" + "".join(stored),
        about="data",
    )  # fmt: skip


def _decisions(evidence: RunEvidence) -> Iterator[Recommendation]:
    """What phase 08 decided to be needed, with the change that each of its causes asks for."""
    seen = {check.id: check for check in evidence.checks.get("08", ())}
    for check in seen.values():
        if check.title.startswith(DECISION) and check.verdict is Verdict.WARN:
            causes = [seen[name] for name in definition(check.id).follows if name in seen]
            asked = [f"{one.title} {_effect(one)}" for one in causes if one.verdict in (Verdict.FAIL, Verdict.WARN)]
            yield Recommendation(
                priority="high", topic=_sentence(topic(check)), action=check.remedy,
                evidence=f"phase 08: {check.evidence}", impact="; ".join(asked) or "not estimated",
            )  # fmt: skip


def _email(found: Statistics, fields: pd.DataFrame, settings: Settings) -> Iterator[Recommendation]:
    without = found.total - found.email
    if not without:
        return
    single = fields[(fields["field"] == "email") & (fields["source"] != "all")].sort_values("percent")
    weak = "; ".join(f"{row.source} {row.percent:.0f} %" for row in single.head(2).itertuples())
    share = found.percent(found.email) or 0.0
    cost = cost_per_qualified(found, settings)
    gain = ""
    if cost is not None and found.email:
        more = without * found.qualified / found.email
        better = settings.sprint_cost_usd / (found.qualified + more)
        gain = f": at most {more:,.0f} more, and {better:.2f} instead of {cost:.2f} USD for a qualified lead"
    yield Recommendation(
        priority="high" if share <= settings.target_email_percent else "medium", topic="E-mail",
        action="enrich leads that lack an e-mail, job titles that qualify first",
        evidence=f"{without:,} of {found.total:,} leads have none ({share:.1f} % have one); fewest: {weak}",
        impact=f"only a lead with an e-mail can qualify{gain}", about="data",
    )  # fmt: skip


def _company(found: Statistics, settings: Settings) -> Iterator[Recommendation]:
    share = found.percent(found.company)
    if share is None or share >= 99:
        return
    short = found.total - found.company
    yield Recommendation(
        priority="high" if share <= settings.target_company_percent else "low", topic="Company data",
        action="look companies up by their website or LinkedIn page and fill in the industry",
        evidence=f"{short:,} leads lack company_name or company_industry ({share:.1f} % have both)",
        impact=f"up to {settings.points_company} quality points for each of {short:,} leads", about="data",
    )  # fmt: skip


def _odd(anomalies: Sequence[Anomaly], found: Statistics) -> Iterator[Recommendation]:
    for each in anomalies:
        if each.leads:
            rule, share = each.rule, 100 * each.leads / max(1, found.total)
            yield Recommendation(
                priority="medium" if rule.kind == "duplicate" or share >= 1 else "low", topic=_sentence(rule.name),
                action=rule.advice, evidence=f"{each.leads:,} leads ({share:.2f} %), in this analysis",
                impact=f"up to {each.leads:,} leads: {rule.meaning}", about="data",
            )  # fmt: skip


def _score(found: Statistics) -> Iterator[Recommendation]:
    known = [score for score in found.by_score if score is not None]
    if found.points_percent is None or not known:
        return
    yield Recommendation(
        priority="medium", topic="Quality score",
        action="judge sources by quality points, or choose weights that add up to 100",
        evidence=f"mean score {found.mean_score:.1f} of 100, mean points {found.mean_points:.1f} of {found.max_points}",
        impact=f"a target that can be missed: no lead scores below {min(known):g}", about="data",
    )  # fmt: skip


def _growth(found: Statistics) -> Iterator[Recommendation]:
    yield Recommendation(
        priority="low", topic="Growth",
        action="keep one replica set; plan a sharded cluster only beyond ten million leads",
        evidence=f"{found.total:,} leads are {found.total / 100_000:.2g} % of ten million",
        impact="none at this size",
    )  # fmt: skip
