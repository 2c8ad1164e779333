"""Custom roles of least privilege, as data: each action on each resource, the phases and commands that break without
it, and why.

Found by experiment: tests/proofs/test_roles.py takes each privilege away, one at a time, runs what `needed` names,
and writes docs/roles.md. `rights` is the coarser form of the same table: the built-in roles that hold these privileges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leadbook.core.errors import ParameterError, did_you_mean

LEADS = "{database}"
"""Stands for the leads' database, and so do the next two for collections in it."""
STORED, STAGED = "{collection}", "{staging_collection}"


@dataclass(frozen=True, kw_only=True)
class Privilege:
    """One action on one resource. db and collection: empty for the cluster; a collection empty for all of `db`.

    built_in: MongoDB's role that holds it.  needed: phases ("01") and commands that break without it.
    """

    action: str
    db: str
    collection: str
    built_in: str
    needed: tuple[str, ...]
    why: str

    def resource(self, names: Mapping[str, str]) -> dict[str, Any]:
        """As createRole takes it. names: `database`, and the collections where they are named."""
        if not self.db:
            return {"cluster": True}
        return {"db": self.db.format_map(names), "collection": self.collection.format_map(names)}

    def is_held(self, held: Mapping[str, Any], names: Mapping[str, str]) -> bool:
        """Whether a privilege, as connectionStatus tells it, allows this one."""
        resource, mine = held["resource"], self.resource(names)
        if self.action not in held["actions"]:
            return False
        if resource.get("anyResource") or (not self.db and resource.get("cluster")):
            return True
        wide = resource.get("collection") == "" and not self.collection.startswith("system.")
        return bool(self.db) and resource.get("db") in ("", mine["db"]) and (
            wide or resource.get("collection") == mine["collection"]
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role and its user. name: of both.  variable: where the user's address stands; empty where leadbook has none."""

    name: str
    what: str
    variable: str
    privileges: tuple[Privilege, ...]

    def granted(self, names: Mapping[str, str]) -> list[dict[str, Any]]:
        """Its privileges as createRole takes them, a row a resource."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for one in self.privileges:
            row = rows.setdefault((one.db, one.collection), {"resource": one.resource(names), "actions": []})
            row["actions"].append(one.action)
        return list(rows.values())


def _of(db: str, collection: str, built_in: str, **rows: tuple[str, str]) -> Iterator[Privilege]:
    """Privileges on one resource: an action with what needs it, and why."""
    for action, (needed, why) in rows.items():
        yield Privilege(
            action=action, db=db, collection=collection, built_in=built_in, needed=tuple(needed.split(", ")), why=why
        )


_APPLICATION = (
    *_of(LEADS, STAGED, "readWrite", insert=("n8n", "stage a batch")),
    *_of(LEADS, STORED, "read", find=("n8n", "look up a lead that Redis does not know")),
)
_PIPELINE = tuple(_of(
    LEADS, "", "readWrite",
    find=("01, 02, 03, 04, 05, 06, 07, 08, 09, ingest, status", "leads, staged records, the journal"),
    insert=("01, 02, 03, 04, 05, ingest", "store leads and scratch documents, write the journal"),
    update=("03, 04, ingest", "claim and end staged records, fill leads, say what is being changed"),
    remove=("02, 03, erase", "take away what was tried, and persons who ask for it"),
    createIndex=("02, 03, 04, 05", "indexes of scratch collections"),
    dropCollection=("01, 02, 04", "end scratch collections"),
    dbStats=("watch without a reporting user", "the disk under the database"),
    listCollections=("02, 03, 04, 05, 06, 08, 09, ingest, status", "which collections there are, how they validate"),
    listIndexes=("02, 03, 04, 06, 09, ingest", "whether the indexes are as designed"),
))  # fmt: skip
_REPORTING = tuple(_of(
    LEADS, "", "read",
    find=("09, watch", "the reports' queries; what came in, what waits"),
    listIndexes=("09", "whether an index serves a report"),
    listCollections=("09", "how the leads are validated"),
    collStats=("09", "how large the leads are"),
    dbStats=("watch", "the disk under the database"),
))  # fmt: skip
_DBA = (
    *_of("", "", "clusterMonitor",
         serverStatus=("01, 08, watch", "what the server counts: operations, latencies, cache, connections"),
         hostInfo=("01", "cores, memory and system of the host"),
         replSetGetStatus=("01, 08, 09, watch", "members, their lag, elections"),
         replSetGetConfig=("01, watch", "which members vote, how far one is delayed on purpose"),
         getLog=("03, 08, watch", "slow operations, where the profiler is off"),
         inprog=("watch", "who is connected, and what runs for long ($currentOp)")),
    *_of("local", "oplog.rs", "clusterMonitor",
         find=("01, 08, watch", "how far back the oplog reaches"),
         collStats=("01, 08, watch", "how full the oplog is")),
    *_of("admin", "", "clusterMonitor",
         dbStats=("01 on an empty database", "the disk, while the leads' database has no file")),
    *_of("", "", "hostManager", killop=("act kill_operation", "end an operation of another user")),
    *_of(LEADS, "", "dbAdmin",
         collMod=("02, 03, act hide_index", "change the validator, hide an index"),
         validate=("06, 09", "the server's own proof that a collection is sound"),
         enableProfiler=("03, act profiler", "profile slow operations, and stop that"),
         bypassDocumentValidation=("06", "restore invalid documents as they were")),
    *_of(LEADS, "", "clusterMonitor", indexStats=("02", "which indexes are used")),
    *_of(LEADS, "", "readWrite",
         find=("06", "read copies beside their originals"),
         insert=("06", "restore a copy beside the leads; make collections that are missing"),
         remove=("06", "who asked for erasure leaves the copy"),
         createIndex=("02, 06", "indexes of the leads, and of a copy"),
         dropCollection=("06", "the copy ends"),
         listCollections=("03, 06, act profiler", "whether a collection is there"),
         listIndexes=("06", "whether a copy has all indexes"),
         dbStats=("08", "the disk under the database")),
    *_of(LEADS, "system.profile", "dbAdmin",
         find=("03", "what the profiler wrote"),
         dropCollection=("03, act profiler", "what the profiler wrote ends with it")),
)  # fmt: skip
_MONITOR = (
    *_of("", "", "clusterMonitor",
         serverStatus=("watch", "what the server counts"), replSetGetStatus=("watch", "members, lag, elections"),
         replSetGetConfig=("watch", "how far a member is delayed on purpose"),
         inprog=("watch", "who is connected, and what runs for long"), getLog=("watch", "slow operations")),
    *_of("local", "oplog.rs", "clusterMonitor",
         find=("watch", "how far back the oplog reaches"), collStats=("watch", "how full it is")),
    *_of(LEADS, "", "read",
         find=("watch, status", "what came in, what waits, who works"),
         listCollections=("status", "of which collection it tells"), dbStats=("watch", "the disk")),
)  # fmt: skip

ROLES: Mapping[str, Role] = {role.name.removeprefix("leadbook_"): role for role in (
    Role(name="leadbook_application", what="n8n: stages records and looks leads up", variable="",
         privileges=_APPLICATION),
    Role(name="leadbook_pipeline", what="leadbook's own work on the leads", variable="MONGODB_URI",
         privileges=_PIPELINE),
    Role(name="leadbook_reporting", what="reads the leads and nothing else", variable="MONGODB_REPORTING_URI",
         privileges=_REPORTING),
    Role(name="leadbook_dba", what="the DBA: state of the servers, schema, profiler, proofs",
         variable="MONGODB_ADMIN_URI", privileges=_DBA),
    Role(name="leadbook_monitor", what="a watch on a machine of its own, which only reads (the one address there)",
         variable="MONGODB_URI", privileges=_MONITOR),
)}  # fmt: skip
"""By short name. Pipeline, DBA and reporting are leadbook's three users; `rights` names built-in roles that hold the
same."""


def named(only: str = "") -> tuple[Role, ...]:
    """The role of that short name, all where none is said. Raises ParameterError with "did you mean"."""
    if not only:
        return tuple(ROLES.values())
    short = only.removeprefix("leadbook_").lower()
    if short not in ROLES:
        raise ParameterError("only", f"there is no role {only!r}", did_you_mean(short, ROLES) or ", ".join(ROLES))
    return (ROLES[short],)
