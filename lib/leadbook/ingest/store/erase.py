"""One person's traces: found under every key that tells the person, and taken away, whoever is at work meanwhile.

A profile's address (in any of its forms) and LinkedIn's own number tell one person. So does an e-mail address, unless
another profile has it too: then it tells both, and stays. Staged and rejected records are stripped and not deleted, so
that every count still adds up; the lead itself and its keys in Redis go.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from bson import ObjectId
from redis import Redis

from leadbook.core import connect
from leadbook.core.connect import LENIENT
from leadbook.core.errors import UsageError
from leadbook.core.settings import Settings
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.normalize import urls
from leadbook.ingest.staging import ANONYMOUS, HELD, said_vendor
from leadbook.ingest.store.rejects import Reject, RejectedLeads, payload_text
from leadbook.ingest.store.whose import keys_in
from leadbook.lead import emails
from leadbook.lead.keys import email_key, linkedin_key
from leadbook.lead.ledger import rejected
from leadbook.lead.suppression import SUPPRESSED, SuppressionList, keys_of

Document = dict[str, Any]
WAIT_S = 60.0
"""Longest wait for workers to end the records that they have claimed, s; a batch takes a second."""
NOTHING = {"erased": True}
_SPLIT = re.compile(r"[\s\"'<>(){}\[\]|,;\\]+")
_SITE = "linkedin.com/"
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What is stored of one person. mentions: records of others that name the person.  profiles: LinkedIn addresses.

    sent: leads that the CRM took.  shared: e-mail addresses that other profiles have too, and that stay there.
    outcomes: of the staged records.  keys: in Redis, None where it is away.
    """

    leads: int = 0
    staged: int = 0
    rejected: int = 0
    mentions: int = 0
    profiles: int = 0
    shared: int = 0
    sent: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    keys: int | None = 0

    @property
    def found(self) -> bool:
        """Whether anything is there to take away."""
        return bool(self.leads or self.staged or self.rejected or self.mentions or self.keys)

    def as_dict(self) -> dict[str, Any]:
        """Counts only, ready for JSON and the journal."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A document. own: keys of whose it is.  named: keys that stand anywhere in it."""

    place: str
    id: Any
    own: frozenset[str]
    named: frozenset[str]
    said: str = ""


def told_by(person: str) -> set[str]:
    """The keys that a user's words for a person mean. Raises UsageError, which does not repeat them."""
    found = urls.canonical(person)
    if found is not None:
        return {found.url} | ({f"member:{found.member_id}"} if found.member_id else set())
    good, bad = emails.parse(person)
    if len(good) != 1 or bad:
        raise UsageError("PERSON is neither the address of a LinkedIn profile nor one e-mail address")
    return {good[0].key}


class Erasure:
    """The erasure of one person from one database and Redis. own_key: which of the person's Redis keys may go, by key
    and value. Every method raises pymongo's errors; a Redis that is away is told."""

    def __init__(
        self, database: connect.Database, settings: Settings, redis: Redis | None, person: str,
        own_key: Callable[[bytes | str], bool],
    ) -> None:  # fmt: skip
        self.settings, self.redis, self.own_key = settings, redis, own_key
        names = (settings.collection, settings.staging_collection, settings.rejected_collection)
        self.leads, self.staging, self.rejects = (database[name].with_options(codec_options=LENIENT) for name in names)
        self.suppression = SuppressionList(database[SUPPRESSED])
        self.given = told_by(person)
        self.keys, self.shared = set(self.given), set[str]()
        self.mine: list[_Found] = []
        self.mentions: list[_Found] = []
        self.deleted: Counter[str] = Counter()
        """What went whole: `leads`; `staged` records, and `ended`, those of them that had an outcome. All others are
        stripped, and still counted."""

    def look(self) -> Traces:
        """Find everything; changes nothing."""
        found = list(self._scan())
        self._resolve(found)
        self.mine = [one for one in found if self._is_mine(one)]
        self.mentions = [one for one in found if one.named & self.keys and not self._is_mine(one)]
        count = {place: sum(one.place == place for one in self.mine) for place in ("leads", "staged", "rejected")}
        said = [one.said for one in self.mine if one.place == "staged"]
        return Traces(
            **count, mentions=len(self.mentions), profiles=len(set(filter(_is_url, self.keys))),
            shared=len(self.shared), sent=sum(one.place == "leads" and one.said == "sent" for one in self.mine),
            outcomes={outcome: said.count(outcome) for outcome in sorted(set(said))},
            keys=None if self.redis is None else len(self._redis_keys(self.redis)),
        )  # fmt: skip

    def erase(self) -> Traces:
        """Put the person on the list of requests, take everything away, and look again until nothing is found; what is
        left after WAIT_S. A worker that began before stores nothing that this does not find (see `batch.forget`)."""
        deadline = time.monotonic() + WAIT_S
        while True:
            self.suppression.add(self.keys)
            self._take_away()
            left = self.look()
            if not left.found or time.monotonic() > deadline:
                return left
            time.sleep(0.2)

    # ------------------------------------------------------------------------------------------------- finding

    def _scan(self) -> Iterator[_Found]:
        for lead in self.leads.find({}):
            said = "sent" if lead.get("crm_synced") else ""
            yield _Found(place="leads", id=lead["_id"], own=frozenset(keys_of(lead)), named=_named(lead), said=said)
        for place, collection in (("staged", self.staging), ("rejected", self.rejects)):
            for record in collection.find({}):
                named = _named(record)
                pipeline = record.get("pipeline")
                said = str(pipeline.get("outcome") or "waiting") if isinstance(pipeline, Mapping) else "waiting"
                yield _Found(place=place, id=record["_id"], own=_own(record, named), named=named, said=said)

    def _resolve(self, found: Sequence[_Found]) -> None:
        """All keys of the person, from those that are known; `shared` are those of other profiles too."""
        strong = {key for one in found if one.own & self.given for key in one.own if not _is_email(key)} | self.keys
        grown = True
        while grown:
            more = {key for one in found if one.own & strong for key in one.own if not _is_email(key)}
            grown, strong = not more <= strong, strong | more
        strong = {key for key in strong if not _is_email(key)}
        mails = {key for one in found if one.own & strong for key in one.own if _is_email(key)}
        others = [one for one in found if not one.own & strong and not all(map(_is_email, one.own))]
        self.shared = {key for one in others for key in one.own & mails} - self.given
        self.keys |= strong | (mails - self.shared)

    def _is_mine(self, one: _Found) -> bool:
        mine = one.own & self.keys
        return any(not _is_email(key) for key in mine) or (bool(mine) and all(map(_is_email, one.own)))

    def _redis_keys(self, redis: Redis) -> list[str]:
        names = [linkedin_key(key) for key in self.keys if _is_url(key)]
        names += [email_key(key) for key in self.keys if _is_email(key)]
        values = redis.mget(names) if names else []
        return [name for name, value in zip(names, values, strict=True) if value is not None and self.own_key(value)]

    # ------------------------------------------------------------------------------------------------ taking away

    def _take_away(self) -> None:
        ids = {place: [one.id for one in self.mine if one.place == place] for place in ("leads", "staged", "rejected")}
        self.deleted["leads"] += self.leads.delete_many({"_id": {"$in": ids["leads"]}}).deleted_count
        telling = [one for one in ids["staged"] if _named(one) & self.keys]  # a collector's own `_id`
        done = self.staging.delete_many({"_id": {"$in": telling}, "pipeline.state": "done"}).deleted_count
        open_ = self.staging.delete_many({"_id": {"$in": telling}}).deleted_count
        self.deleted.update(staged=done + open_, ended=done)
        self.rejects.delete_many({"staged_id": {"$in": telling}})
        self.rejects.update_many({"_id": {"$in": ids["rejected"]}}, {
            "$set": {"payload": payload_text(NOTHING), "reason": ERASED, "reasons": [ERASED]},
            "$unset": {"detail": "", "payload_truncated": ""},
        })  # fmt: skip
        self._strip(ids["staged"])
        for one in self.mentions:
            self._unnamed(one)
        if self.redis is not None and (keys := self._redis_keys(self.redis)):
            self.redis.unlink(*keys)

    def _strip(self, ids: Sequence[Any]) -> None:
        """End staged records as rejected by request, but those that a worker holds: it ends them, and then they go."""
        free = {"_id": {"$in": list(ids)}, "$nor": [HELD]}
        taken = {one["_id"]: one for one in self.staging.find(free, {"vendor": 1})}
        known = {one["staged_id"] for one in self.rejects.find({"staged_id": {"$in": list(taken)}}, {"staged_id": 1})}
        RejectedLeads(self.rejects).keep([
            Reject(source=self.staging.name, vendor=said_vendor(one), number=0, payload=NOTHING,
                   reasons=(ERASED,), staged_id=staged)
            for staged, one in taken.items() if staged not in known
        ])  # fmt: skip
        ended = {
            "pipeline.state": "done", "pipeline.outcome": rejected(ERASED), "pipeline.token": ObjectId(),
            "pipeline.session": None,
            "pipeline.ended_at": {"$ifNull": ["$pipeline.ended_at", "$$NOW"]},
        }  # fmt: skip
        self.staging.update_many(free, [*ANONYMOUS, {"$set": ended}])

    def _unnamed(self, one: _Found) -> None:
        """Take the person's name and addresses out of a record that is another's."""
        collection = {"leads": self.leads, "staged": self.staging, "rejected": self.rejects}[one.place]
        record = collection.find_one({"_id": one.id}) or {}
        bare = {name: _bare(value, self.keys) for name, value in record.items() if name != "_id"}
        changed = {name: value for name, value in bare.items() if value != record[name]}
        if changed:
            collection.update_one({"_id": one.id}, {"$set": changed})


def _own(record: Mapping[str, Any], named: frozenset[str]) -> frozenset[str]:
    """Keys of whose a record is. One that cannot be read is whose address stands in it, where that is but one."""
    with suppress(Exception):  # whatever a record can cause: `isolate` set it aside
        if found := frozenset(keys_in(record)):
            return found
    return named if sum(map(_is_url, named)) <= 1 else frozenset()


def without(value: Any, keys: set[str]) -> Any:
    """`value` without what names a person: a text that does so goes, and with it the entry of a list that holds it."""
    if isinstance(value, str):
        return "(erased)" if _named(value) & keys else value
    if isinstance(value, list):
        return [without(item, keys) for item in value if not _names(item, keys)]
    if isinstance(value, Mapping):
        return {name: without(item, keys) for name, item in value.items()}
    return value


def _bare(value: Any, keys: set[str]) -> Any:
    """As `without`, also inside a payload that is JSON text."""
    if isinstance(value, str) and value[:1] in ("{", "[") and _named(value) & keys:
        with suppress(ValueError, RecursionError):
            return json.dumps(without(json.loads(value), keys))
    return without(value, keys)


def _names(item: Any, keys: set[str]) -> bool:
    """Whether an entry of a list names a person itself, not in something deeper."""
    texts = item.values() if isinstance(item, Mapping) else [item]
    return any(isinstance(text, str) and _named(text) & keys for text in texts)


def _named(value: Any) -> frozenset[str]:
    """Keys of all profiles and e-mail addresses that stand anywhere in a value."""
    found: set[str] = set()
    for word in _SPLIT.split(str(value)):
        if "@" in word and (mail := _MAIL.search(word)):
            found |= {email.key for email in emails.parse(mail.group())[0]}
        at = word.lower().find(_SITE) if "/" in word else -1
        if at >= 0 and (url := urls.canonical(word[at:])) is not None:
            found |= {url.url} | ({f"member:{url.member_id}"} if url.member_id else set())
    return frozenset(found)


def _is_url(key: str) -> bool:
    return key.startswith(urls.PREFIX)


def _is_email(key: str) -> bool:
    return "@" in key and not _is_url(key)
