"""What trials and killed sessions left behind: shown first, removed once that is approved, looked for again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from leadbook.backup import folder
from leadbook.backup.restore import COPIES
from leadbook.commands.place import Place, approved, how_to_approve, opened
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.ingest.trials.rehearsal import forget_keys, keys_written_for
from leadbook.schema import undo
from leadbook.schema.scratch import SCRATCH_PREFIX, is_left

ACTION = "cleanup"
PROFILE = "system.profile"


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """What nobody at work needs any more. sessions: what each changed and did not put back ("" nothing), a line each.

    scratch, copies: names of collections of trials and of restored copies.  keys: in Redis, None where it is away.
    backups: partial or a rehearsal's, by name.  spared: what stays, and why, a sentence each.
    """

    sessions: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    keys: int | None = 0
    backups: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()

    @property
    def found(self) -> int:
        """How many things there are to remove."""
        return len(self.sessions) + len(self.scratch) + len(self.copies) + (self.keys or 0) + len(self.backups)


@dataclass(frozen=True, kw_only=True)
class CleanedUp:
    """What was found, what was done, and what is left; left is None where nothing was done. next: how to approve."""

    plan: Leftovers
    done: tuple[str, ...] = ()
    left: Leftovers | None = None
    next: str = ""


def cleanup(settings: Settings) -> CleanedUp:
    """Find what is left over and, where that is approved, remove it. Never touches what somebody else made, or what a
    process that lives is working with.

    Raises what `place.opened` and pymongo raise.
    """
    with opened(settings, f"leadbook {ACTION}") as place:
        plan = leftovers(place)
        if not plan.found:
            return CleanedUp(plan=plan)
        if not approved(settings, ACTION):
            return CleanedUp(plan=plan, next=how_to_approve(settings, ACTION, ACTION))
        done = tuple(_remove(place, plan))
        left = leftovers(place)
        place.journal.write("action", action=ACTION, plan=asdict(plan), done={"left": asdict(left)},
                            approved=f"{ACTION} on {settings.database}")  # fmt: skip
        return CleanedUp(plan=plan, done=done, left=left)


def leftovers(place: Place) -> Leftovers:
    """What is left over here. Reads only. Raises pymongo's errors."""
    gone, at_work = undo.sessions(place.database, kept=True)
    names = place.database.list_collection_names(filter={"name": {"$regex": f"^{SCRATCH_PREFIX}"}})
    tokens = [str(record["_id"]) for record in gone]
    left = [name for name in names if _has(name, tokens) or (is_left(name) and not _has(name, at_work))]
    stays = len(names) - len(left)
    spared = [f"{stays} scratch collections of leadbooks at work, or of another machine and younger than a day"] * (
        stays > 0
    )
    return Leftovers(
        sessions=tuple(f"a session of {record.get('host')}: {undo.to_put_back(record) or 'its record'}"
                       for record in gone),
        scratch=tuple(sorted(name for name in left if not name.startswith(COPIES))),
        copies=tuple(sorted(name for name in left if name.startswith(COPIES))),
        keys=_keys(place, tokens, left),
        backups=tuple(
            f"{kind} {path.name}"
            for path, kind in folder.left_by_killed(folder.backups_folder(place.settings), place.settings)
        ),
        spared=(*spared, *_profiler(place, any("profiler" in record for record in gone), bool(at_work))),
    )  # fmt: skip


def _has(name: str, tokens: list[str]) -> bool:
    return any(f"_{token}_" in name for token in tokens)


def _keys(place: Place, tokens: list[str], left: list[str]) -> int | None:
    if place.redis is None:
        return None
    try:
        made = sum(1 for token in tokens for _ in undo.keys_of_session(place.redis, token))
        return made + sum(map(len, keys_written_for(place.redis, *_uuids(place, left))))
    except RedisError:
        return None


def _uuids(place: Place, names: list[str] | tuple[str, ...]) -> list[str]:
    return [collection_uuid(place.database[name]) for name in names]


def _profiler(place: Place, recorded: bool, at_work: bool) -> Iterator[str]:
    """A profiler, or what it wrote, that no record tells to be leadbook's: it may be somebody's."""
    if recorded or at_work:
        return
    name = place.settings.database
    with suppress(PyMongoError):
        if level := place.admin[name].command("profile", -1)["was"]:
            yield (
                f"the profiler is on (level {level}) and nothing says that leadbook switched it on; if it is nobody's: "
                f'db.getSiblingDB("{name}").setProfilingLevel(0)'
            )
        if place.database.list_collection_names(filter={"name": PROFILE}):
            yield (
                f"{PROFILE} is there and nothing says that leadbook made it; if it is nobody's, with the profiler off: "
                f'db.getSiblingDB("{name}").system.profile.drop()'
            )


def _remove(place: Place, plan: Leftovers) -> Iterator[str]:
    names = (*plan.scratch, *plan.copies)
    if keys := forget_keys(place.redis, *_uuids(place, names)):
        yield f"{keys} Redis keys of trial leads removed"
    own = place.own and place.settings.is_rehearsal
    yield from undo.sweep(place.database, place.admin, place.redis, own=own, kept=True)
    for removed in folder.sweep(folder.backups_folder(place.settings), place.settings):
        yield f"{removed} removed"
