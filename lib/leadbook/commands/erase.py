"""One person's data, shown by number, taken away once that is approved, and kept out from then on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from leadbook.backup.folder import backups, backups_folder
from leadbook.commands.place import Place, approved, how_to_approve, opened
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.ingest.store.erase import Erasure, Traces, told_by
from leadbook.lead.keys import decode
from leadbook.schema.scratch import SCRATCH_PREFIX

ACTION = "erase"
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What was found and what was done, nothing of the person. plan, left: counts; left is None where nothing was done.

    elsewhere: what a person has to do where leadbook does not reach, a sentence each.  next: how to approve.
    """

    plan: Traces
    left: Traces | None
    elsewhere: tuple[str, ...]
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
            return Erased(plan=plan, left=None, elsewhere=tuple(_elsewhere(place, plan)), next=told)
        left = None
        try:
            left = erasure.erase()
        finally:  # what is gone is gone: the close explains by it why leads are missing
            done = {"left": left and left.as_dict(), "deleted": dict(erasure.deleted)}
            place.journal.write("action", action=ACTION, plan=plan.as_dict(), done=done,
                                approved=f"{ACTION} on {settings.database}")  # fmt: skip
        return Erased(plan=plan, left=left, elsewhere=tuple(_elsewhere(place, plan)))


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
    folder = backups_folder(place.settings)
    if names := [path.name for path in backups(folder)]:
        more = f" and {len(names) - SHOWN} older" if len(names) > SHOWN else ""
        yield (
            f"{len(names)} backups in {folder} may hold the person: {', '.join(names[-SHOWN:])}{more}; what leadbook "
            "restores from them leaves the person out, and deleting them ends it"
        )
    copies = place.database.list_collection_names(filter={"name": {"$regex": f"^{SCRATCH_PREFIX}"}})
    if copies:
        yield f"{len(copies)} scratch collections and copies may hold the person: `leadbook cleanup` removes them"
    yield "vendor files, and what the collectors keep, are yours to delete: leadbook does not know where they lie"
