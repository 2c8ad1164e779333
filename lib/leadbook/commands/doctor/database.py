"""The sprint in the database as it is: its schema, what is left over, what waits, who gives no sign."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo.errors import PyMongoError

from leadbook.analysis.sessions import cut_short, read_sessions
from leadbook.commands import sprint
from leadbook.commands.cleanup import leftovers
from leadbook.commands.doctor.diagnosis import Diagnosis, note, ok, problem
from leadbook.commands.place import Place, opened
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.core.write_errors import described
from leadbook.schema.guard import has_unique_index
from leadbook.schema.state import everywhere

PATIENCE_MS = 2_000


def of_database(settings: Settings) -> list[Diagnosis]:
    """The database as it is: whose it is, its schema, what is left over, what waits, who gives no sign."""
    try:
        with opened(settings, patience_ms=PATIENCE_MS) as place:
            return [*_schema(place), *_life(place)]
    except LeadbookError as error:
        return [problem("database", str(error), str(error).rpartition("; ")[2])]
    except PyMongoError as error:
        return [problem("database", described(error), "look at the server's log, then try again")]


def _schema(place: Place) -> Iterator[Diagnosis]:
    settings = place.settings
    leads = place.database[settings.collection]
    if settings.is_rehearsal and not leads.database.list_collection_names():
        yield note("schema", "the database is empty: the next run makes what it needs")
        return
    how = sprint.apply_schema(settings)
    if not leads.database.list_collection_names(filter={"name": leads.name}) or not has_unique_index(leads):
        yield problem("schema", f"{leads.full_name} has no unique index on linkedin_url: nothing is ingested", how)
        return
    changes = everywhere(leads, settings)
    loses = [change for change in changes if change.loses]
    for change in loses:
        yield problem("schema", change.told, f"in database {settings.database}: {change.remedy.removeprefix('now: ')}")
    if left := [change for change in changes if change.kind != "finding"]:
        told = "; ".join(change.line for change in left[:3])
        yield problem("schema", f"{len(left)} changes are pending: {told}", how)
    elif not loses:
        yield ok("schema", f"as designed, unique index on {leads.name}.linkedin_url")


def _life(place: Place) -> Iterator[Diagnosis]:
    profile = place.settings.profile
    found = leftovers(place)
    if found.found:
        told = f"{found.found} things of trials and killed sessions"
        yield problem("leftovers", told, f"leadbook cleanup --profile {profile}")
    else:
        yield ok("leftovers", "none")
    yield from (note("leftovers", told) for told in found.spared)
    waits = len(place.journal.waiting())
    yield (
        ok("journal", "nothing waits in this machine's spool")
        if not waits
        else note(
            "journal", f"{waits} entries wait in this machine's spool; the next command that writes carries them over"
        )
    )
    spool = place.journal.spool
    for other, count in place.journal.elsewhere().items():
        how = f"cat {other} >> {spool} && rm {other}"
        told = f"{count} entries wait in {other.name}, for another database; if MONGODB_URI named this one otherwise"
        yield note("journal", f"{told}, they are its own: {how}")
    sessions = sprint.followers(place.journal)
    yield ok("sessions", f"{len(sessions.alive)} ingest sessions alive")
    for dead in sessions.dead:
        told = f"{dead}, and it did not end; a new one takes over what it had claimed"
        yield problem("sessions", told, f"leadbook ingest --staged --profile {profile}")
    for name, one in cut_short(read_sessions(place.journal, ledgers=False)):
        if one.id not in sessions.reading:
            told = f"{name}, begun {one.begun:%m-%d %H:%M} UTC, was not read to its end ({one.cut}), "
            told += "and nothing tells how much of it is missing"
            again = f"leadbook ingest {name} --vendor {one.vendor} --profile {profile}"
            yield problem("files", told, again)
