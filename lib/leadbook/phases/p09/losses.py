"""What 9.6 tells for each of its checks: nothing lost, nothing half done, nothing that nobody brought in."""

from __future__ import annotations

from collections.abc import Sequence

from leadbook.analysis.losses import Gap, Lost, Named, Places, Rejects, Unstaged, without_outcome
from leadbook.analysis.sessions import FILES, KINDS, IngestSession, Parted, SessionDifference, cut_short
from leadbook.analysis.stamps import Arrived
from leadbook.analysis.totals import OPEN, Totals
from leadbook.core.checks import Inapplicable, Unmeasured
from leadbook.monitor.validation import BatchReview
from leadbook.phases.judging import Answered, Answers
from leadbook.phases.p09.checks import NO_LEAD

BOTH_WAYS = (
    "let each collector stamp its records (collector.workflow, execution, batch, size, last), or say what was sent: "
    "-p sent='apollo-1=2000, brightdata-2=1800'"
)
NOTHING = Unmeasured("nothing was staged, and the journal knows of no files", NO_LEAD.remedy)
FAULTS = 6
"""Faults that are named, of many."""


def ended(totals: Totals, places: Places, sessions: Sequence[IngestSession]) -> Answered:
    """Records that wait, are claimed, or failed; and what files' ledgers leave open. Of a file that was not read to its
    end nothing tells how much is missing: it counts as one."""
    open_, cut = without_outcome(places), cut_short(sessions)
    files = sum(one.unbalanced for one in sessions if one.source == FILES)
    if not totals.records and not cut:
        return Answered(NOTHING)
    staged, read = totals.of_staged, totals.of_files
    said = [
        f"{one.total():,} {name} = " + " + ".join(f"{one[kind]:,} {kind}" for kind in (*KINDS, *OPEN) if one[kind])
        for name, one in (("staged", staged), ("read from files", read), ("gone, by the journal", totals.gone)) if one
    ]  # fmt: skip
    said += [f"without an outcome: {open_.count:,}{first(open_.first, open_.count)}"] if open_.count else []
    said += [f"ledgers of files do not add up by {files:,}"] if files else []
    part = ", ".join(f"{name} ({one.cut})" for name, one in cut[:FAULTS]) + (", …" if len(cut) > FAULTS else "")
    part += "; run these files again with the same vendor, a mended one from where it lay"
    said += [f"not read to their end: {part}"] if cut else []
    return Answered(open_.count + read["failed"] + files + len(cut), "; ".join(said))


def kept(named: Lost, gaps: Sequence[Gap], places: Places, drilled: str = "") -> Answered:
    """The worst witness is judged: a lead that two of them miss is one lead. drilled: why Redis knows of fewer."""
    said = named.said | {gap.witness: gap.said for gap in gaps}
    if not any(said.values()):
        why = "nothing tells of a stored lead: no staged record, no key in Redis, no session of files, no backup"
        return Answered(Unmeasured(why, NO_LEAD.remedy))
    gone = list(named.gone.values())
    absent = [f"{len(gone):,} absent by staging and Redis{first(gone, len(gone))}"] if gone else []
    absent += [f"{gap.lost:,} absent by {gap.witness}" for gap in gaps if gap.lost > 0]
    told = [
        f"{places.leads.count_documents({}):,} leads in the collection",
        "stored as said by " + ", ".join(f"{name} {count:,}" for name, count in said.items()),
        *(absent or ["none absent"]),
        *(f"{gap.fewer:,} fewer than {gap.witness} counted, {gap.erased:,} erased on request since"
          for gap in gaps if gap.fewer > 0 >= gap.lost),
        *([f"{len(named.erased):,} absent by staging and Redis, erased on request"] if named.erased else []),
        *(["Redis is away, so leads from files have one witness less"] if places.redis is None else []),
        *([f"Redis is a cache and may know of fewer: {drilled}"] if drilled else []),
    ]  # fmt: skip
    return Answered(max([len(gone), *(gap.lost for gap in gaps)]), "; ".join(told))


def first(ids: Sequence[str], count: int) -> str:
    """The first `_id`s of records; empty where there are none."""
    shown = ", ".join(ids[:5])
    return f" (_id {shown}{', …' if count > min(5, len(ids)) else ''})" if shown else ""


def rejects(found: Rejects, brought: int) -> Answers:
    """Rejected records are kept, each with a reason; those that were set aside are told."""
    gone = list(found.lost.gone.values())
    told = (
        f"{found.staged:,} staged records rejected and {found.files:,} records of files; kept with their reasons "
        f"{found.kept_staged:,} and {found.kept_files:,}; {len(gone):,} staged ones neither kept nor leads by now"
        f"{first(gone, len(gone))}"
    )
    bare, poison = found.unreasoned, found.poison
    made = {
        "FIN-LOSS-003": Answered(len(gone) + max(0, found.files - found.kept_files), told),
        "FIN-LOSS-004": Answered(bare.count, f"{_told_of(bare)} without a reason"),
        "FIN-LOSS-007": Answered(poison.count, f"{_told_of(poison)} set aside, since no worker could work on them"),
    }
    return made if brought else dict.fromkeys(made, Answered(NOTHING))


def _told_of(found: Named) -> str:
    """How many records, and which are the first."""
    return f"{found.count:,} records{first(found.first, found.count)}"


def arrived(found: Sequence[Arrived], erased: int, gone: int) -> Answered:
    """Records that collectors sent and that did not come. erased: records that erasures deleted; those that they
    stripped are still there. Not measured where nothing tells what somebody sent."""
    if not found and not gone:
        return Answered(Inapplicable("nothing was staged: no collector was at work"))
    if gone:
        why = f"{gone:,} records that sessions ended are not staged any more, and their stamps went with them"
        return Answered(Unmeasured(why, "close the sprint before staging_ttl_days have passed"))
    short = sum(one.short for one in found)
    missing = sum(one.missing for one in found) - min(short, erased)
    faults = [fault for one in found for fault in one.faults]
    silent = [one.collector for one in found if not one.known]
    said = "; ".join(faults[:FAULTS]) + (f"; and {len(faults) - FAULTS:,} more" if len(faults) > FAULTS else "")
    unknown = f"nothing tells what {', '.join(silent)} sent" if silent else ""
    if missing > 0:
        return Answered(missing, "; ".join(filter(None, [f"at least: {said}", unknown])))
    if silent:
        return Answered(Unmeasured(unknown, BOTH_WAYS))
    by = f"{sum(one.sent is not None for one in found)} by the parameter sent, the others by their stamps"
    explained = f"; {short:,} short: erasures deleted {erased:,} records" if short else ""
    return Answered(0, f"{len(found)} collectors, {by}{explained}")


def nobodys(found: Unstaged, leads: int) -> Answered:
    """Leads that nobody brought in."""
    if not leads:
        return Answered(NO_LEAD)
    told = f"{found.leads:,} of {leads:,} leads not staged; the journal's sessions tell of {found.said:,} such leads"
    return Answered(found.nobody.count, told + first(found.nobody.first, found.nobody.count))


def told_alike(found: Sequence[SessionDifference], sessions: int, totals: Totals) -> Answered:
    """Records on which data and journal disagree, and nothing explains it."""
    said = [
        f"session {one.session[-6:]} ({one.end}): "
        + "; ".join(filter(None, [f"{one.untold:,} records ended that no batch told" if one.untold else "",
                                  f"{one.unseen:,} told that the data does not know" if one.unseen else ""]))
        + (f"; {one.why}" if one.why else "") for one in found
    ]  # fmt: skip
    if not sessions and not found:
        if totals.files and not totals.staged:
            return Answered(Inapplicable("nothing was staged: of files only the journal tells"))
        why = "the journal knows of no session, and no staged record was ended by one"
        return Answered(Unmeasured(why, NO_LEAD.remedy))
    count = sum(one.untold + one.unseen for one in found if not one.why)
    return Answered(count, "; ".join(said) or f"sessions of the staging collection: {sessions}, all as the data says")


def dropped(found: Parted) -> Answered:
    """Sessions of leads that somebody dropped. Whether that was the trial or the sprint no data can tell: a person
    says so. Who read nothing and ended lost nothing."""
    if not (found.mine or found.elsewhere or found.dropped):
        return Answered(Unmeasured("the journal knows of no ingest session", NO_LEAD.remedy))
    lost = [one for one in found.dropped if one.told.total() or one.end != "ended"]
    said = [f"{len(found.mine):,} sessions of these leads"]
    if found.elsewhere:
        said.append(f"{len(found.elsewhere):,} of other collections that are there too, counted nowhere here")
    if lost:
        stored = sum(one.told["stored"] for one in lost)
        begun, last = min(one.begun for one in lost), max(one.last for one in lost)
        said.append(
            f"{len(lost):,} of collections that were dropped, counted nowhere here: they stored {stored:,} leads, "
            f"{begun:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        )
    return Answered(len(lost), "; ".join(said))


def newest(found: BatchReview) -> Answered:
    """The last inserts are whole."""
    return Answered(found.faulty if found.found else NO_LEAD, f"of the {found.what}")
