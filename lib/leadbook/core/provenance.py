"""Of which servers, database, profile, settings and code a record is, and which records of others count here.

A record is evidence for one target only. `Target.read` tells where a phase works; `Records` reads what earlier phases
left, counts what is of the same target and profile and young enough, and says why the rest does not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from leadbook.core import connect, files
from leadbook.core.errors import InputFileError
from leadbook.core.settings import Settings

CLOCK_SLACK = timedelta(minutes=2)
"""A record may be so far in the future: two machines' clocks under NTP differ by less."""
LOCAL_KEYS = ("run_dir", "cell_timeout_s")
"""Settings that say where a run is kept, not what it measured."""

UNMEASURED = (*LOCAL_KEYS, "approve", "attestations_file", "record_max_age_hours")
"""Settings that may differ between a record and who reads it: they change nothing that was measured."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a phase works. hosts: `host:port` of the members as they know each other, or what was connected to.

    servers: `own` (rehearsal servers) or `environment`. collection_uuid: of the leads; empty where there are none yet.
    redis: `host:port/database`, or `own`: a rehearsal Redis has another port each time it is started.
    """

    profile: str
    servers: str
    replica_set: str
    hosts: tuple[str, ...]
    database: str
    collection: str
    collection_uuid: str
    redis: str

    @classmethod
    def read(cls, client: connect.Client, settings: Settings, endpoints: connect.Endpoints) -> Target:
        """The target of `settings` as its servers tell it now. Raises PyMongoError."""
        hello = client.admin.command("hello")
        members = [*hello.get("hosts", ()), *hello.get("passives", ()), *hello.get("arbiters", ())]
        addresses = members or connect.mongodb_address(client).split(", ")
        return cls(
            profile=settings.profile,
            servers="own" if endpoints.source == "rehearsal" else "environment",
            replica_set=hello.get("setName") or ("sharded cluster" if hello.get("msg") == "isdbgrid" else "standalone"),
            hosts=tuple(sorted(addresses)),
            database=settings.database,
            collection=settings.collection,
            collection_uuid=collection_uuid(client[settings.database][settings.collection]),
            redis="own" if endpoints.redis_source == "rehearsal" else _redis_address(endpoints.redis_url, settings),
        )

    @property
    def name(self) -> str:
        """For people: `lead_generation on atlas-abc (host:27017, …)`."""
        return f"{self.database} on {self.replica_set} ({', '.join(self.hosts)})"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {**asdict(self), "hosts": list(self.hosts)}

    def difference(self, other: Mapping[str, Any]) -> str:
        """What of another target's `as_dict` contradicts this one, for people; empty when they are the same.

        A collection that did not exist then (phase 01 comes before the schema) contradicts nothing.
        """
        for key, mine in self.as_dict().items():
            theirs = other.get(key)
            if theirs == mine or (key == "collection_uuid" and theirs == ""):
                continue
            words = key.replace("_", " ")
            if key == "collection_uuid":
                return "the leads' collection has been dropped and made again since"
            return f"its {words} is {_text(theirs)}, here it is {_text(mine)}"
        return ""


def collection_uuid(collection: connect.Collection) -> str:
    """The first 12 hexadecimal digits of the collection's UUID; a dropped and remade collection has another one.

    Empty for a collection that does not exist yet: no Redis key may be believed or written then.
    """
    return next((_uuid(one) for one in collection.database.list_collections(filter={"name": collection.name})), "")


def collection_uuids(database: connect.Database) -> dict[str, str]:
    """`collection_uuid` of each collection that is there, by name. Raises PyMongoError."""
    return {str(one["name"]): _uuid(one) for one in database.list_collections()}


def _uuid(told: Mapping[str, Any]) -> str:
    uuid = told.get("info", {}).get("uuid")  # a UUID or a Binary, as the client is configured
    return bytes(getattr(uuid, "bytes", uuid)).hex()[:12] if uuid is not None else ""


def _redis_address(url: str, settings: Settings) -> str:
    client = connect.redis(url, settings)
    return f"{connect.redis_address(client)}/{client.connection_pool.connection_kwargs.get('db') or 0}"


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "not recorded")


def settings_digest(values: Mapping[str, Any]) -> str:
    """12 hexadecimal digits of the settings that a phase used; where a run is kept does not count."""
    kept = {key: value for key, value in values.items() if key not in LOCAL_KEYS}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


@cache
def code_digest() -> str:
    """12 hexadecimal digits of the library's source: two runs of one version may still be of different code."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def read_record(run_dir: Path, phase: str) -> dict[str, Any]:
    """The sidecar record of a phase; an empty mapping when the phase left none or it cannot be read."""
    return _parsed(_content(run_dir, phase))[0]


def facts_of(run: Path, phase: str) -> dict[str, Any]:
    """Facts that a phase left in a finished run's directory.

    Raises InputFileError where there are none, where the phase did not run to its end, and where anything of the run
    changed since it ended.
    """
    files.verify(run)
    path, record = run / "records" / f"{phase}.json", read_record(run, phase)
    if not record:
        raise InputFileError(path, f"this run has no record of phase {phase}", hint="name a run's directory")
    if not record.get("closed"):
        raise InputFileError(path, f"phase {phase} of this run did not run to its end")
    return dict(record.get("facts", {}))


def seal(record: Mapping[str, Any]) -> str:
    """What a closed record carries of itself: an edit by hand shows, as the digests of a run's files show it there."""
    kept = {key: value for key, value in record.items() if key != "seal"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def _content(run_dir: Path, phase: str) -> bytes:
    """A phase's record in a run's folder; empty where it left none."""
    try:
        return (run_dir / "records" / f"{phase}.json").read_bytes()
    except OSError:
        return b""


def _parsed(content: bytes) -> tuple[dict[str, Any], str]:
    """(record, SHA-256 of it)."""
    try:
        record = json.loads(content)
    except ValueError:
        return {}, ""
    return (record, hashlib.sha256(content).hexdigest()) if isinstance(record, dict) else ({}, "")


def _moment(record: Mapping[str, Any]) -> datetime:
    """When a phase was closed, else when it broke, else when it began."""
    closed, opened = record.get("closed") or {}, record.get("opened") or {}
    try:
        found = datetime.fromisoformat(closed.get("at") or record.get("broken_at") or opened["started_at"])
    except (LookupError, ValueError, TypeError):
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Records:
    """Records of earlier phases, read once each. `used` and `refused` say which counted and why others did not.

    otherwise: by phase, what of a record that counts was measured with other `parameters` or by other code.
    elsewhere: what is known of a phase besides this run's folder, JSON text or "": the journal knows other runs and
    machines. Of both the newer counts, whole or not: a folder of notebooks run by hand may hold one of last week.
    """

    def __init__(
        self, run_dir: Path, target: Target, max_age: timedelta, parameters: Mapping[str, Any] | None = None,
        elsewhere: Callable[[str], str] = lambda _: "",
    ) -> None:  # fmt: skip
        self.run_dir, self.target, self.max_age, self.parameters = run_dir, target, max_age, parameters or {}
        self.elsewhere = elsewhere
        self.otherwise: dict[str, str] = {}
        self.used: dict[str, dict[str, str]] = {}
        self.refused: dict[str, str] = {}
        self._read: dict[str, dict[str, Any]] = {}

    def of(self, phase: str) -> dict[str, Any]:
        """The record of a phase where it counts here, else an empty mapping; `refused` then says why."""
        if phase not in self._read:
            record, digest = self._newer(phase)
            problem = self._problem(record)
            if problem:
                self.refused[phase] = problem
                record = {}
            else:
                self.refused.pop(phase, None)
                self.used[phase] = {
                    "closed_at": record["closed"]["at"], "sha256": digest, "run": record["opened"].get("run", "")
                }  # fmt: skip
                self._read[phase] = record
                if unlike := self._unlike(record["opened"]):
                    self.otherwise[phase] = unlike
            return record
        return self._read[phase]

    def _newer(self, phase: str) -> tuple[dict[str, Any], str]:
        """The newer of both records, with its digest; one of another target or profile stands back."""
        both = [_parsed(_content(self.run_dir, phase)), _parsed(self.elsewhere(phase).encode())]
        found = [one for one in both if one[0]]
        return max([one for one in found if not self._foreign(one[0])] or found,
                   key=lambda one: _moment(one[0]), default=({}, ""))  # fmt: skip

    def _foreign(self, record: Mapping[str, Any]) -> bool:
        closed, opened = record.get("closed") or {}, record.get("opened") or {}
        target = closed.get("target") or opened.get("target") or {}
        other = opened.get("profile") not in (None, self.target.profile)
        return other or bool(target and self.target.difference(target))

    def _problem(self, record: Mapping[str, Any]) -> str:
        """Why a record does not count; empty when it does."""
        if not record:
            return "there is no record of it"
        closed, opened = record.get("closed"), record.get("opened")
        if not closed or not opened:
            return f"it did not run to its end{': ' + record['broken'] if record.get('broken') else ''}"
        if opened.get("profile") != self.target.profile:
            return f"it is of profile {opened.get('profile')}, here it is {self.target.profile}"
        if record.get("seal") != seal(record):
            return "it was changed after it was closed"
        if not closed.get("target"):
            return "it does not say of which servers it is"
        if different := self.target.difference(closed["target"]):
            return f"it is of another target: {different}"
        return self._age_problem(str(closed.get("at")))

    def _age_problem(self, at: str) -> str:
        try:
            age = datetime.now(UTC) - datetime.fromisoformat(at)
        except (ValueError, TypeError):
            return f"its time {at!r} cannot be read"
        if age < -CLOCK_SLACK:
            return f"it is of {at}, which is in the future"
        if age > self.max_age:
            hours = self.max_age.total_seconds() / 3600
            return f"it is {age.total_seconds() / 3600:.0f} hours old, more than {hours:g} (record_max_age_hours)"
        return ""

    def _unlike(self, opened: Mapping[str, Any]) -> str:
        theirs = opened.get("parameters", {})
        keys = [key for key in self.parameters if key in theirs and key not in UNMEASURED]
        found = [f"{key} {theirs[key]!r}, here {self.parameters[key]!r}" for key in keys
                 if theirs[key] != self.parameters[key]]  # fmt: skip
        return "; ".join(found + (["other code"] if opened.get("code", code_digest()) != code_digest() else []))

    def told(self) -> str:
        """One sentence on what was used and what was not, for the page; empty where nothing was asked for."""
        used = [f"{phase} ({ago(entry['closed_at'])})" for phase, entry in sorted(self.used.items())]
        refused = [f"{phase} ({why})" for phase, why in sorted(self.refused.items())]
        parts = [f"Records of earlier phases used: {', '.join(used)}."] if used else []
        unlike = [f"{phase} ({how})" for phase, how in sorted(self.otherwise.items())]
        parts += [f"**Measured otherwise than this phase would:** {', '.join(unlike)}."] if unlike else []
        return " ".join(parts + ([f"Not counted: {'; '.join(refused)}."] if refused else []))


def ago(at: str) -> str:
    """How old what happened `at` (ISO 8601) is, in words."""
    minutes = max(0, round((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds() / 60))
    return f"{minutes} min old" if minutes < 120 else f"{minutes / 60:.0f} h old"
