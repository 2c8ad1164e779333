"""One action at a time, on whatever machine: who acts holds a document of the leads' database, and renews it.

Who finds it held by a process that is gone takes it over, and tells the journal what that process did not tell.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pymongo
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import DuplicateKeyError, PyMongoError

from leadbook.actions.records import ActScene
from leadbook.core.errors import RefusedError
from leadbook.core.ticker import Ticker
from leadbook.ingest.control import COLLECTION
from leadbook.rehearsal.servers import owner

ID = "act"
_SEEN = {"$currentDate": {"seen": True}}
_IDLE_S = {"$divide": [{"$subtract": ["$$NOW", "$seen"]}, 1_000]}


@contextlib.contextmanager
def turn(scene: ActScene, told: Mapping[str, Any]) -> Iterator[None]:
    """Hold the turn meanwhile. told: what the journal is told of the action, in case this process is killed.

    Raises RefusedError where another acts, and PyMongoError.
    """
    held = scene.database.get_collection(
        COLLECTION, read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern("majority", wtimeout=5_000)
    )
    mine = {"_id": ID, **owner.me(), "told": dict(told)}
    _take_over(scene, held)
    try:
        held.insert_one(mine)
    except DuplicateKeyError:
        raise RefusedError("another leadbook acts right now; look again when it has ended") from None
    own = {"_id": ID, "pid": mine["pid"], "born": mine["born"], "machine": mine["machine"]}

    def renew() -> None:
        with contextlib.suppress(PyMongoError), pymongo.timeout(5.0):
            held.update_one(own, _SEEN)

    try:
        with Ticker(renew, owner.BEAT_S):
            yield
    finally:
        with contextlib.suppress(PyMongoError), pymongo.timeout(5.0):  # a turn that is left is taken over
            held.delete_one(own)


def _take_over(scene: ActScene, held: Any) -> None:
    """Free a turn whose holder is gone; the journal is told. Raises RefusedError where the holder lives."""
    found = next(iter(held.aggregate([{"$match": {"_id": ID}}, {"$set": {"idle_s": _IDLE_S}}])), None)
    if found is None:
        return
    if not owner.is_gone(found):
        name = found.get("told", {}).get("action", "an action")
        raise RefusedError(
            f"another leadbook does {name} right now (process {found.get('pid')} on {found.get('host')}, since "
            f"{found.get('at')}); look again when it has ended"
        )
    if held.delete_one({"_id": ID, "pid": found.get("pid"), "born": found.get("born")}).deleted_count:
        problem = "its process was killed in the middle: look at what is so now"
        scene.journal.write("action", **{**found.get("told", {}), "problem": problem})
