"""The gate: GO, NO-GO, BROKEN or PARTIAL, why, and what to do next. Sentences are rendered from records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from leadbook.core.checks import Check, Verdict, blockers, tally
from leadbook.core.definitions import OWNERS, Definition, catalogue
from leadbook.page.tables import measured_text, target_text
from leadbook.report.records import PHASES, PhaseRecord, RunRecord, Status


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What somebody has to do about `checks`; those `following` from them need nothing of their own."""

    text: str
    checks: tuple[str, ...]
    following: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunVerdict:
    """`verdict` is GO, NO-GO, BROKEN or PARTIAL; `exit_status` that of the command; `steps` what to do
    next, `remedies` the same by who has to do it."""

    verdict: str
    reason: str
    exit_status: int
    steps: tuple[str, ...] = ()
    remedies: Mapping[str, tuple[Remedy, ...]] = field(default_factory=dict)


def decide(run: RunRecord) -> RunVerdict:
    """GO only when all nine phases ran to their end and no check blocks; everything doubtful is not GO.

    Records that are not of this run are named in the reason.
    """
    found = _decided(run)
    others = "; ".join(f"phase {phase.phase} of {time}" for phase, time in run.of_other_times)
    if not others:
        return found
    return replace(found, reason=f"{found.reason} Records of other times were used: {others}.")


def _decided(run: RunRecord) -> RunVerdict:
    broken = [phase for phase in run.phases if phase.status is Status.BROKEN]
    if broken or run.interrupted or run.broken:
        return _broken(run, broken)
    missing = [phase for phase in run.phases if phase.asked and phase.status is Status.NOT_RUN]
    if missing:
        names = ", ".join(phase.phase for phase in missing)
        some = f"Phase {names} was" if len(missing) == 1 else f"Phases {names} were"
        return RunVerdict(verdict="BROKEN", exit_status=2, reason=f"{some} asked for and did not run.")
    blocking = blockers(check for phase in run.phases if phase.asked for check in phase.checks)
    if not run.whole:
        return _partial(run, blocking)
    if blocking:
        return RunVerdict(verdict="NO-GO", exit_status=1, reason=_why_not(run, blocking), remedies=remedies(blocking))
    counts = _counted(tally(run.checks))
    where = "" if run.profile == "production" else f" This is a GO of the {run.profile}, not of production."
    steps = () if run.profile == "production" else ("Run the production profile: `leadbook run --profile production`.",)
    reason = f"All {len(PHASES)} phases ran to their end and none of {len(run.checks)} checks blocks ({counts}).{where}"
    return RunVerdict(verdict="GO", exit_status=0, reason=reason, steps=steps)


def _broken(run: RunRecord, broken: list[PhaseRecord]) -> RunVerdict:
    later = [phase.phase for phase in run.phases if phase.asked and phase.status is Status.NOT_RUN]
    tail = f" Not run: {', '.join(later)}." if later else ""
    if run.broken:
        return RunVerdict(verdict="BROKEN", exit_status=2, reason=f"{run.broken}{tail}",
                        steps=("Find the cause and end it, then run the whole chain again.",))  # fmt: skip
    if not broken:
        reason = f"The run was interrupted by {run.interrupted}.{tail}"
        return RunVerdict(verdict="BROKEN", exit_status=2, reason=reason, steps=("Run it again.",))
    phase = broken[0]
    reason = f"Phase {phase.phase}, {phase.title}, broke: {phase.broken}.{tail}"
    steps = (
        f"Open the page of phase {phase.phase}: its banner names the cell.",
        f"Mend the cause, try it alone with `leadbook run --only {phase.phase}`, then run the whole chain again.",
    )
    return RunVerdict(verdict="BROKEN", exit_status=2, reason=reason.replace("..", "."), steps=steps)


def _partial(run: RunRecord, blocking: list[Check]) -> RunVerdict:
    ran = [phase for phase in run.phases if phase.status is Status.RAN]
    head = f"{len(ran)} of {len(PHASES)} phases ran; this is no GO."
    if blocking:
        why = _why_not(run, blocking)
        return RunVerdict(verdict="PARTIAL", exit_status=1, reason=f"{head} {why}", remedies=remedies(blocking))
    reason, steps = f"{head} Nothing that was asked for blocks.", ("Run the whole chain: `leadbook run`.",)
    return RunVerdict(verdict="PARTIAL", exit_status=0, reason=reason, steps=steps)


def finding(check: Check) -> str:
    """What one check found, as a clause: `batch insert rate: 812 documents/s, target >= 1,000 documents/s`."""
    if check.verdict is Verdict.MANUAL:
        return f"{check.title}: nobody has attested it"
    if check.measured is None:
        return f"{check.title}: {check.verdict.value}" + (f" ({check.evidence})" if check.evidence else "")
    return f"{check.title}: {measured_text(check)}, target {target_text(check)}"


def _why_not(run: RunRecord, blocking: list[Check]) -> str:
    total = sum(len(phase.checks) for phase in run.phases if phase.asked)
    first = sorted(blocking, key=lambda check: check.verdict is not Verdict.FAIL)[0]
    verb = "blocks" if len(blocking) == 1 else "block"
    more = f"; and {len(blocking) - 1} more" if len(blocking) > 1 else ""
    return f"{len(blocking)} of {total} checks {verb}. {first.id}, {finding(first)}{more}."


def remedies(blocking: list[Check]) -> dict[str, tuple[Remedy, ...]]:
    """What each owner has to do, failures first: each remedy once, and under it the checks that follow from others."""
    known = {check.id: catalogue().get(check.id) for check in blocking}
    roots = {check_id: _root(check_id, known) for check_id in known}
    owned: dict[str, dict[str, list[str]]] = {owner: {} for owner in OWNERS}
    for check in sorted(blocking, key=lambda check: check.verdict is not Verdict.FAIL):
        if roots[check.id] == check.id and check.remedy:
            entry = known[check.id]
            owned[entry.owner if entry else "DBA"].setdefault(check.remedy, []).append(check.id)
    return {owner: tuple(_remedy(remedy, ids, roots) for remedy, ids in found.items())
            for owner, found in owned.items() if found}  # fmt: skip


def _remedy(text: str, ids: list[str], roots: Mapping[str, str]) -> Remedy:
    following = tuple(other for other, root in roots.items() if root in ids and other not in ids)
    return Remedy(text=f"{text[:1].upper()}{text[1:]}", checks=tuple(ids), following=following)


def _root(check_id: str, known: Mapping[str, Definition | None]) -> str:
    """The blocking check from which this one follows, and that one from no other."""
    entry = known[check_id]
    causes = [cause for cause in entry.follows if cause in known] if entry else []
    return _root(causes[0], known) if causes else check_id


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
