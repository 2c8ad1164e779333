"""The verdicts: a word for each stage of the sprint and for the run, why, and what to do next. Sentences are rendered
from records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from leadbook.core.checks import Check, Verdict, accepted, blockers, failed, tally
from leadbook.core.definitions import OWNERS, Definition, catalogue
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.proven import BACKUP_AGE
from leadbook.report.parameters import eased, options, unapproved
from leadbook.report.records import STAGES, PhaseRecord, RunRecord, Status

EXIT = {"GO": 0, "HEALTHY": 0, "ATTENTION": 0, "ACCEPTED": 0, "NO-GO": 1, "CRITICAL": 1, "NOT ACCEPTED": 1}
"""Exit status of the command by verdict; for all others but PARTIAL it is 2."""
"""Of what a live sprint has to look at, a backup that is missing is made first: all else can be mended later."""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What somebody has to do about `checks`; those `following` from them need nothing of their own."""

    text: str
    checks: tuple[str, ...]
    following: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunVerdict:
    """The verdict of a stage or of a run.

    verdict: of `ready` GO or NO-GO, of `live` HEALTHY, ATTENTION or CRITICAL, of `close` ACCEPTED or NOT ACCEPTED; of a
    run that of its stage, of all three the first bad one or GO, else BROKEN or PARTIAL.  blocking: the checks that
    forbid a good one.  attention: those that need a look.  accepted: those that would block, and whose risk somebody
    has accepted.  steps: what to do next, after the remedies.  stages: the verdicts of the run's stages.
    eased: targets that are easier than leadbook's own.
    """

    verdict: str
    reason: str
    stage: str = ""
    blocking: tuple[Check, ...] = ()
    attention: tuple[Check, ...] = ()
    accepted: tuple[Check, ...] = ()
    steps: tuple[str, ...] = ()
    stages: tuple[RunVerdict, ...] = ()
    eased: int = 0

    @property
    def exit_status(self) -> int:
        """The exit status of the command: 0 good, 1 bad, 2 broken."""
        if self.verdict == "PARTIAL":
            return 1 if self.blocking else 0
        return EXIT.get(self.verdict, 2)

    @property
    def words(self) -> dict[str, str]:
        """The verdict of each stage that the run was asked for."""
        return {one.stage: one.verdict for one in self.stages}

    @property
    def told(self) -> str:
        """The verdict for people: `GO with 2 accepted risks`; of all stages `GO, HEALTHY, ACCEPTED`."""
        if len(self.stages) > 1:
            return ", ".join(one.told for one in self.stages)
        good = not self.exit_status
        risks = _many(len(self.accepted), "with {} accepted risk") if good else ""
        return " ".join(
            filter(None, (self.verdict, risks, _many(self.eased, "against {} easier target") if good else ""))
        )

    @property
    def remedies(self) -> dict[str, tuple[Remedy, ...]]:
        """What each owner has to do about what blocks; in a live sprint where nothing does, about what needs a look."""
        return _remedies(failures_first(self.blocking or (self.attention if self.stage == "live" else ())))

    def masked(self, mask: Callable[[str], str]) -> RunVerdict:
        """The same with every reason masked."""
        stages = tuple(replace(one, reason=mask(one.reason)) for one in self.stages)
        return replace(self, reason=mask(self.reason), stages=stages)


def _many(count: int, text: str) -> str:
    return text.format(count) + ("s" if count > 1 else "") if count else ""


def decide(run: RunRecord) -> RunVerdict:
    """The verdict of each stage by its own checks, and the run's. Everything doubtful is none of the good ones.

    Records that are not of this run are named in the reason, and so are targets that were made easier.
    """
    found = _decided(run)
    if easier := eased(run.parameters):
        told = f"{found.reason} Judged by easier targets than leadbook's own: {'; '.join(easier)}."
        found = replace(found, reason=told, eased=len(easier))
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
        return RunVerdict(verdict="BROKEN", reason=f"{some} asked for and did not run.")
    if not run.whole:
        return _partial(run)
    stages = tuple(_JUDGES[stage](run) for stage in run.stages)
    whose = "" if run.profile == "production" else f" This is a verdict of the {run.profile}, not of production."
    if run.stage:
        return replace(stages[0], reason=f"{stages[0].reason}{whose}", stages=stages)
    return _rehearsed(run, stages, whose)


def _rehearsed(run: RunRecord, stages: tuple[RunVerdict, ...], whose: str) -> RunVerdict:
    """The verdict of all three stages: the first bad one's, or GO."""
    bad = [one for one in stages if EXIT[one.verdict]]
    told = [f"{one.stage.capitalize()}: {one.reason}" for one in bad or stages if one.blocking or one.attention]
    if not bad:
        told.insert(0, f"All {len(run.phases)} phases ran to their end and nothing blocks ({_counted(run.checks)}).")
    blocking = _each(one.blocking for one in stages)
    again = (f"DBA: rehearse again, `leadbook run{options(run)}`.",)
    return RunVerdict(
        verdict=bad[0].verdict if bad else "GO", reason=" ".join(told) + whose, blocking=blocking,
        attention=tuple(check for check in _each(one.attention for one in stages) if check not in blocking),
        accepted=_each(one.accepted for one in stages), steps=again if bad else _real_sprint(), stages=stages,
    )  # fmt: skip


def _real_sprint() -> tuple[str, ...]:
    """Who does what from a rehearsal that went well to the sprint itself, in the README's order."""
    try:
        database = Settings.for_notebook({"profile": "production"}).database
    except LeadbookError:  # its file is being written: no reason to lose a report
        database = "DATABASE"
    return (
        "DBA: put the real addresses into the environment: `MONGODB_URI`, `MONGODB_ADMIN_URI`, `REDIS_URL`.",
        "DBA, Technical Lead, Project Manager: look, and sign for what only a person can see, in a copy of "
        "`params/attestations.example.yaml` as `params/attestations.yaml`.",
        "DBA: ask what to mend first, `leadbook doctor --profile production`; then make the collections, `leadbook run "
        f"--profile production --only 02 -p approve='apply_schema on {database}'`.",
        "Technical Lead: bring the collectors into n8n, `leadbook n8n export --profile production --out n8n-import`, "
        "and start each once.",
        "DBA: ask whether the sprint may begin, `leadbook run --profile production --stage ready`; the Project Manager "
        "begins it with GO.",
    )


def _each(groups: Iterable[tuple[Check, ...]]) -> tuple[Check, ...]:
    return tuple({check.id: check for group in groups for check in group}.values())


# ---------------------------------------------------------------------------------------------------------- stages


def _ready(run: RunRecord) -> RunVerdict:
    """GO when no check of 01 to 07 blocks."""
    checks = _checks(run, STAGES["ready"])
    blocking, risks = blockers(checks), accepted(checks)
    again = f"DBA: ask again, `leadbook run --stage ready{options(run)}`."
    if blocking:
        sign = "Where a risk shall stand, its owner signs for it under `accepted:` in the attestations file."
        return RunVerdict(
            stage="ready", verdict="NO-GO", reason=_why_not(blocking, checks), blocking=tuple(blocking),
            accepted=tuple(risks), steps=(*unapproved(run), *([sign] if run.profile == "production" else []), again),
        )  # fmt: skip
    other = _elsewhere(run)
    begin = (
        "Technical Lead: start the collectors; they stage into "
        f"`{run.parameters.get('staging_collection', 'raw_leads')}`.",
        f"DBA: bring in what they stage, `leadbook ingest --staged --follow{other}`.",
        f"DBA: look at the sprint every hour, `leadbook run --stage live{other}`.",
    )
    reason = f"All {len(STAGES['ready'])} phases ran to their end and {_none_blocks(checks)}"
    return RunVerdict(stage="ready", verdict="GO", reason=reason, accepted=tuple(risks), steps=begin)


def _live(run: RunRecord) -> RunVerdict:
    """CRITICAL when a check of 08 failed, ATTENTION when one warns or could not be seen."""
    checks = _checks(run, STAGES["live"])
    open_ones = [check for check in checks if not check.accepted]
    broken = failed(open_ones)
    looks = [check for check in open_ones if check.verdict in (Verdict.WARN, Verdict.NOT_MEASURED, Verdict.MANUAL)]
    again = f"DBA: look again within the hour, `leadbook run --stage live{options(run)}`."
    close = _when_ended(run)
    if broken:
        word, reason = "CRITICAL", f"{len(broken)} of {len(checks)} checks failed. {_first(broken)}"
    elif looks:
        some = "check calls" if len(looks) == 1 else "checks call"
        word, reason = "ATTENTION", f"No check failed; {len(looks)} {some} for a look. {_first(looks)}"
    else:
        word, reason = "HEALTHY", f"None of {len(checks)} checks calls for a look ({_counted(checks)})."
    return RunVerdict(
        stage="live", verdict=word, reason=reason, blocking=tuple(broken), attention=tuple(looks),
        accepted=tuple(accepted(checks)), steps=(again,) if broken else (again, close),
    )  # fmt: skip


def _close(run: RunRecord) -> RunVerdict:
    """ACCEPTED when no check of 09 blocks; what 08 found is told, and blocks nothing."""
    checks = _checks(run, ("09",))
    blocking, risks = blockers(checks), accepted(checks)
    beside = tuple(failed(blockers(_checks(run, STAGES["live"]))))
    ids = ", ".join(check.id for check in beside)
    tail = f" Phase 08 found {len(beside)} failed, which does not forbid the close: {ids}." if beside else ""
    tail += "".join(f" {one.facts['open_alarms']}" for one in run.phases if one.facts.get("open_alarms"))
    if blocking:
        again = f"DBA: close again, `leadbook run --stage close{options(run)}`."
        return RunVerdict(
            stage="close", verdict="NOT ACCEPTED", reason=f"{_why_not(blocking, checks)}{tail}",
            blocking=tuple(blocking), attention=beside, accepted=tuple(risks), steps=(again,),
        )  # fmt: skip
    documents = [document for phase in run.phases if phase.phase == "09" for document in phase.documents]
    over = tuple(f"DBA: hand over {one.title}, for {' and '.join(one.audience)}." for one in documents)
    reason = f"Phases 08 and 09 ran to their end and {_none_blocks(checks)}{tail}"
    return RunVerdict(stage="close", verdict="ACCEPTED", reason=reason, attention=beside, accepted=tuple(risks),
                      steps=over)  # fmt: skip


_JUDGES: Mapping[str, Callable[[RunRecord], RunVerdict]] = {"ready": _ready, "live": _live, "close": _close}


def gate_of(run: RunRecord, phase: str) -> RunVerdict | None:
    """The verdict of the stage that `phase` ends; of 08 that of the live stage also where a close asked for it. None
    for the other phases, and where the run has no verdict of any stage."""
    stage = next((stage for stage, phases in STAGES.items() if phases[-1] == phase), "")
    judged = {one.stage: one for one in decide(run).stages} if stage else {}
    return (judged.get(stage) or _JUDGES[stage](run)) if judged else None


def _checks(run: RunRecord, phases: Iterable[str]) -> list[Check]:
    return [check for phase in run.phases if phase.phase in phases for check in phase.checks]


def _none_blocks(checks: list[Check]) -> str:
    ids = ", ".join(check.id for check in accepted(checks))
    apart = f", apart from what is accepted as a risk: {ids}" if ids else ""
    return f"none of {len(checks)} checks blocks ({_counted(checks)}){apart}."


def _elsewhere(run: RunRecord) -> str:
    """Options for a command of another stage: what was approved for this run was for this run."""
    return options(run, without=("approve",))


def _when_ended(run: RunRecord) -> str:
    return f"DBA: when collectors have ended and nothing waits any more, `leadbook run --stage close{_elsewhere(run)}`."


# ------------------------------------------------------------------------------------------------ broken, partial


def _broken(run: RunRecord, broken: list[PhaseRecord]) -> RunVerdict:
    later = [phase.phase for phase in run.phases if phase.asked and phase.status is Status.NOT_RUN]
    tail = f" Not run: {', '.join(later)}." if later else ""
    part = f" --only {run.asked[0]}" if not run.whole and len(run.asked) == 1 else ""
    again = f"leadbook run{f' --stage {run.stage}' if run.stage else part}{options(run)}"
    if run.broken:
        return RunVerdict(verdict="BROKEN", reason=f"{run.broken}{tail}",
                          steps=(f"Find the cause and end it, then run it all again: `{again}`.",))  # fmt: skip
    if run.interrupted and all(phase.broken and run.interrupted in phase.broken.reason for phase in broken):
        within = "".join(f" in phase {phase.phase}, {phase.title}" for phase in broken)
        steps = (
            f"See what it left in the database, such as scratch collections, and remove it: `leadbook cleanup"
            f"{_elsewhere(run)}`.",
            f"Run it again: `{again}`.",
        )
        reason = f"The run was interrupted by {run.interrupted}{within}: nothing is wrong by that, and nothing judged."
        return RunVerdict(
            verdict="BROKEN",
            reason=f"{reason}{tail}",
            steps=steps if broken and run.profile == "production" else steps[1:],
        )
    phase = broken[0]
    reason = f"Phase {phase.phase}, {phase.title}, broke: {phase.broken}.{tail}"
    steps = (
        f"Open the page of phase {phase.phase}: its banner names the cell.",
        f"Mend the cause, try it alone with `leadbook run --only {phase.phase}{options(run)}`, then run it all again: "
        f"`{again}`.",
    )
    return RunVerdict(verdict="BROKEN", reason=reason.replace("..", "."), steps=steps)


def _partial(run: RunRecord) -> RunVerdict:
    ran = [phase for phase in run.phases if phase.status is Status.RAN]
    checks = _checks(run, run.asked)
    stage = next((name for name in ("live", "close") if set(run.asked) <= set(STAGES[name])), "ready")
    blocking, head = blockers(checks), f"{len(ran)} of {len(run.phases)} phases ran; this is {_NO_VERDICT[stage]}."
    why = _why_not(blocking, checks) if blocking else "Nothing that was asked for blocks."
    following = {
        "ready": f"DBA: see where the sprint stands and what comes next, `leadbook status{_elsewhere(run)}`.",
        "live": f"DBA: ask how the sprint does, `leadbook run --stage live{_elsewhere(run)}`.",
        "close": _when_ended(run),
    }
    step = following[stage] if run.profile == "production" else f"Run it all: `leadbook run{options(run)}`."
    return RunVerdict(
        verdict="PARTIAL", reason=f"{head} {why}", blocking=tuple(blocking), accepted=tuple(accepted(checks)),
        steps=() if blocking else (step,),
    )  # fmt: skip


_NO_VERDICT = {"ready": "no GO", "live": "no verdict on the live sprint", "close": "no acceptance"}


# ------------------------------------------------------------------------------------------------------ sentences


def finding(check: Check) -> str:
    """What one check found, as a clause: `batch insert rate: 812 documents/s, target >= 1,000 documents/s`."""
    if check.verdict is Verdict.MANUAL:
        return f"{check.title}: nobody has attested it"
    if check.measured is None:
        return f"{check.title}: {check.verdict.value}" + (f" ({check.evidence})" if check.evidence else "")
    if check.verdict is Verdict.WARN and check.evidence:  # its value may well be within the target
        return f"{check.title}: {measured_text(check)} ({check.evidence})"
    return f"{check.title}: {measured_text(check)}, target {target_text(check)}"


def _why_not(blocking: list[Check], checks: list[Check]) -> str:
    verb = "blocks" if len(blocking) == 1 else "block"
    return f"{len(blocking)} of {len(checks)} checks {verb}. {_first(blocking)}"


def _first(checks: list[Check]) -> str:
    more = f"; and {len(checks) - 1} more" if len(checks) > 1 else ""
    first = failures_first(checks)[0]
    return f"{first.id}, {finding(first)}{more}."


def failures_first(checks: Iterable[Check]) -> list[Check]:
    """Failures first, and of these what nobody may accept: lost and doubled leads; then a backup that is missing."""
    return sorted(
        checks, key=lambda check: (check.verdict is not Verdict.FAIL, not is_grave(check), check.id != BACKUP_AGE)
    )


def warnings_first(checks: Iterable[Check]) -> list[Check]:
    """Warnings, first those that would fail in production, then in the order of the phases: later ones often follow."""
    found = [check for check in checks if check.verdict is Verdict.WARN]
    entries = catalogue()
    return sorted(found, key=lambda check: check.id not in entries or entries[check.id].warns != "rehearsal")


def is_grave(check: Check) -> bool:
    """Whether nobody may accept it, and it follows from no other check: leads are lost or doubled, or may be."""
    entry = catalogue().get(check.id)
    return entry is not None and not entry.acceptable and not entry.follows


def _remedies(checks: list[Check]) -> dict[str, tuple[Remedy, ...]]:
    """What each owner has to do: each remedy once, and under it the checks that follow from others."""
    known = {check.id: catalogue().get(check.id) for check in checks}
    roots = {check_id: _root(check_id, known) for check_id in known}
    owned: dict[str, dict[str, list[str]]] = {owner: {} for owner in OWNERS}
    for check in checks:
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


def _counted(checks: list[Check]) -> str:
    return ", ".join(f"{count} {name}" for name, count in tally(checks).items())
