"""`leadbook recover`: missing leads come back from what was staged or from a backup, once the plan is approved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from leadbook.backup import missing, newest
from leadbook.backup.folder import backups_folder
from leadbook.backup.origin import Origin
from leadbook.backup.returning import Returned, bring_back
from leadbook.commands.leads import IncompleteError, ready
from leadbook.commands.place import Place, approved, opened
from leadbook.core import connect
from leadbook.core import write_errors as faults
from leadbook.core.errors import InputFileError, UsageError
from leadbook.core.settings import Settings
from leadbook.ingest.site import Site
from leadbook.lead.vendors import load_vendor

Told = dict[str, Any]


def recover(
    settings: Settings, source: str, *, backup: Path | None = None, vendor: str = "",
    show: Callable[[Told], None] = lambda _: None,
) -> Told:  # fmt: skip
    """Look for missing leads, and bring them back where that is approved: `plan`, `approval` (the text that is needed),
    and `done`, None where nothing was changed.

    source: one of `missing.SOURCES`.  backup: instead of the newest sound one.  vendor: of staged records that name
    none.  show: takes the plan before anything is changed. Raises UsageError, InputFileError (the backup),
    UnreachableError and IncompleteError (it ended early: run it again).
    """
    if source not in missing.SOURCES:
        raise UsageError(f"--from must be {', '.join(missing.SOURCES[:-1])} or {missing.SOURCES[-1]}, not {source!r}")
    name = load_vendor(vendor).name if vendor else ""
    with opened(settings, "leadbook recover") as place:
        try:
            path, dropped, notes = _backup(place.database[settings.collection], settings, source, backup)
            plan = missing.plan(place.database, settings, source, path, notes=notes, vendor=name, dropped=dropped)
            return _done(plan, place, show)
        except PyMongoError as error:
            raise IncompleteError(f"{faults.described(error)}; run it again once MongoDB answers") from None


def _backup(
    leads: connect.Collection, settings: Settings, source: str, named: Path | None
) -> tuple[Path | None, tuple[Path, ...], tuple[str, ...]]:
    """The backup to read, those to compare only, and what to know of others. Where a person names one, that is the one
    to go by, and no other is in doubt."""
    if named is not None:
        return newest.checked_backup(named, settings), (), ()
    folder = backups_folder(settings)
    origin = Origin.read(leads)
    found, notes = newest.newest_sound(folder, settings, origin)
    dropped = newest.of_dropped(folder, settings, origin)
    if found is None and not dropped and source == missing.BACKUP:
        told = f"no sound backup of {settings.database} that is surely of these leads lies there"
        raise InputFileError(folder, "; ".join([told, *notes]),
                             hint="name the right one by --backup PATH, or use --from staging")  # fmt: skip
    return found, dropped, notes


def _done(plan: missing.RecoveryPlan, place: Place, show: Callable[[Told], None]) -> Told:
    settings = place.settings
    approval = f"recover on {settings.database}"
    told: Told = {"plan": plan.as_dict(), "approval": approval, "done": None}
    show(told)
    if not approved(settings, "recover"):
        return told
    if not plan.ways():
        return {**told, "done": Returned(left=plan.stay()).as_dict()}
    site = Site(endpoints=place.endpoints, settings=settings)
    ready(site)
    try:
        done = bring_back(plan, site)
    finally:
        Site.close()
    told["done"] = done.as_dict()
    place.journal.write("action", action="recover", plan=told["plan"], done=told["done"], approved=approval)
    if done.problem:
        raise IncompleteError(f"{done.problem}; run it again for the rest", told)
    return told
