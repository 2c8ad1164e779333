"""One person's data, shown by number, taken away once that is approved, and kept out from then on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leadbook.backup.folder import backups, backups_folder
from leadbook.commands.place import Place, approved, how_to_approve, opened
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.ingest.store.erase import Erasure, Traces, told_by
from leadbook.lead.keys import decode
from leadbook.schema.scratch import SCRATCH_PREFIX

ACTION = "erase"


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What was found and what was done, nothing of the person. plan, left: counts; left is None where nothing was done.

    elsewhere: what a person has to do where leadbook does not reach, a sentence each.  copies: scratch collections and
    copies on the servers that may hold the person.  backups: names of those on this machine that hold, or may hold, the
    person.  next: how to approve.
    """

    plan: Traces
    left: Traces | None
    elsewhere: tuple[str, ...]
    copies: int = 0
    backups: tuple[str, ...] = ()
    next: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing is left, or nothing was to be done yet."""
        return self.left is None or (not self.left.found and self.left.keys is not None)


def erase(settings: Settings, person: str) -> Erased:
    """Count what is stored of `person` (a LinkedIn address or an e-mail address); where that is approved, take it away
    and keep the person out.

    Raises UsageError (no such address), and what `place.opened` and pymongo raise.
    """
    told_by(person)
    with opened(settings, f"leadbook {ACTION}") as place:
        erasure = Erasure(place.database, settings, place.redis, person, _own_key(place))
        plan = erasure.look()
        if not approved(settings, ACTION):
            told = how_to_approve(settings, ACTION, "erase -")
            return replace(_found(place, plan), next=told)
        left = None
        try:
            left = erasure.erase()
        finally:  # what is gone is gone: the close explains by it why leads are missing
            done = {"left": left and left.as_dict(), "deleted": dict(erasure.deleted)}
            place.journal.write("action", action=ACTION, plan=plan.as_dict(), done=done,
                                approved=f"{ACTION} on {settings.database}")  # fmt: skip
        return replace(_found(place, plan), left=left)


def _found(place: Place, plan: Traces) -> Erased:
    """The plan, with what may hold the person beside it."""
    folder, scratch = backups_folder(place.settings), {"name": {"$regex": f"^{SCRATCH_PREFIX}"}}
    names = tuple(path.name for path in backups(folder))
    copies = len(place.database.list_collection_names(filter=scratch))
    elsewhere = [*_elsewhere(place, plan), *_copied(place.settings, folder, names, copies)]
    return Erased(plan=plan, left=None, elsewhere=tuple(elsewhere), copies=copies, backups=names)


def _own_key(place: Place) -> Any:
    """Which Redis keys may go: all of the person's; as a rehearsal's guest in somebody's Redis only those of our
    collection."""
    if not (place.settings.is_rehearsal and place.endpoints.redis_source == "environment"):
        return lambda _: True
    uuid = collection_uuid(place.database[place.settings.collection])
    return lambda value: decode(value, uuid) is not None


def _elsewhere(place: Place, plan: Traces) -> Iterator[str]:
    if place.redis is None:
        yield "Redis is away, so the person's keys stay there until they expire; run this again"
    if plan.profiles > 1:
        yield f"found under {plan.profiles} LinkedIn addresses that records name together: are all this person's?"
    if plan.shared:
        yield (
            f"{plan.shared} e-mail addresses of this person stand in other profiles too and stay there; to take those "
            "profiles for the same person, give the e-mail address"
        )
    if plan.sent:
        yield f"the CRM took {plan.sent} of these leads: delete the contact in HubSpot, permanently (GDPR delete)"
    yield "vendor files, and what the collectors keep, are yours to delete: leadbook does not know where they lie"


def _copied(settings: Settings, folder: Path, names: tuple[str, ...], copies: int) -> Iterator[str]:
    """How it ends that copies and backups hold the person. Of a rehearsal no backup is told to be deleted: those of
    production may lie in the same folder."""
    profile = f"--profile {settings.profile}"
    if copies:
        yield f"{copies} scratch collections and copies may hold the person: `leadbook cleanup {profile}` removes them"
    if names:
        ends = "deleting them ends it"
        if settings.is_production:
            ends = (
                f"to end it take a new one, `leadbook run {profile} --only 06 -p approve='restore_drill on "
                f"{settings.database}'`, then delete these: `cd {shlex.quote(str(folder))} && rm -r {' '.join(names)}`"
            )
        yield (
            f"{len(names)} backups in {folder} hold, or may hold, the person: {', '.join(names)}; what leadbook "
            f"restores from them leaves the person out; {ends}"
        )
