"""The leads' collection: unordered inserts whose every document gets a known outcome.

MongoDB's unique indexes are the arbiter. A write whose outcome is in doubt (the connection broke, an election, a
write concern not met in time) is sent again with the same `_id`s, so that nothing is stored or counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, TypeVar

import pymongo
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import PrimaryPreferred
from pymongo.server_selectors import Selection, readable_server_selector

from leadbook.core import write_errors as faults
from leadbook.ingest.store.patience import BRIEF_S, InDoubt, Patience
from leadbook.schema import guard

Document = dict[str, Any]
T = TypeVar("T")

STORED = "stored"
KNOWN = "known"
EMAIL_TAKEN = "email taken"
REFUSED = "refused"
FAILED = "failed"
ID_TAKEN = "_id taken"
IN_DOUBT = "outcome unknown"
"""Detail of a failed document that was sent and not acknowledged: it may be stored."""

FEW = 8
"""Fewer updates are not worth a transaction's own round trip."""


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of one document. kind: `stored`, `known` (its URL is stored), `email taken`, `_id taken` (by
    another lead), `refused` or `failed`.

    reason: the ledger's word for a refusal.  detail: the rule broken, or the error's code.
    """

    kind: str
    reason: str = ""
    detail: str = ""


class LeadStore:
    """Writes leads to one collection, with the collection's write concern.

    patience_s: longest outage that is borne, seconds (see Patience).  own_ids: the documents' `_id`s come from their
    source, so that the first attempt may find them stored already. Raises ParameterError for a collection whose writes
    are not acknowledged.
    """

    def __init__(self, collection: Collection[Document], *, patience_s: float = 30.0, own_ids: bool = False) -> None:
        guard.refuse_unacknowledged(collection)
        self.collection, self.own_ids = collection, own_ids
        self.patience, self.transactions, self.problem = Patience(patience_s), True, ""

    # ------------------------------------------------------------------------------------------------- insert

    def insert(self, documents: Sequence[Document]) -> list[WriteOutcome]:
        """Insert documents that have `_id`s; the outcome of each, in order. `failed`: not acknowledged, may be
        stored.

        Raises OperationFailure only where the server refuses everything (no rights).
        """
        outcomes: list[WriteOutcome | None] = [None] * len(documents)
        attempt, self.problem = 0, ""

        def once() -> None:
            nonlocal attempt
            attempt += 1
            todo = [index for index, outcome in enumerate(outcomes) if outcome is None]
            self._insert(documents, todo, outcomes, doubt=attempt > 1 or self.own_ids)
            if any(outcomes[index] is None for index in todo):
                raise InDoubt

        try:
            self.retry(once)
        except (InDoubt, PyMongoError) as error:
            if isinstance(error, PyMongoError):
                self.problem = "; ".join(filter(None, (self.problem, faults.described(error))))
            self._settle(documents, outcomes)
        return [outcome or WriteOutcome(FAILED, detail=IN_DOUBT) for outcome in outcomes]

    def _insert(
        self, documents: Sequence[Document], todo: list[int], outcomes: list[WriteOutcome | None], *, doubt: bool
    ) -> None:
        """One attempt. Documents whose outcome stays None are in doubt."""
        if not todo:
            return
        try:
            self.collection.insert_many([documents[index] for index in todo], ordered=False)
        except BulkWriteError as error:
            self._split(error.details, documents, todo, outcomes, doubt=doubt)
        except faults.UNENCODABLE as error:
            self._halve(documents, todo, outcomes, WriteOutcome(REFUSED, "not_storable", type(error).__name__))
        except OperationFailure as error:
            if faults.is_in_doubt(error) or error.code in (13, 18, 8000):
                raise
            refused = faults.is_refused(error.code)
            last = WriteOutcome(REFUSED, "not_storable", f"code {error.code}") if refused else WriteOutcome(
                FAILED, detail=f"code {error.code}")  # fmt: skip
            self._halve(documents, todo, outcomes, last)
        else:
            for index in todo:
                outcomes[index] = WriteOutcome(STORED)

    def _halve(
        self, documents: Sequence[Document], todo: list[int], outcomes: list[WriteOutcome | None], last: WriteOutcome
    ) -> None:
        """The whole command failed because of some document: halve to find it; `last` is the outcome of one alone."""
        if len(todo) == 1:
            outcomes[todo[0]] = last
            return
        middle = len(todo) // 2
        for half in (todo[:middle], todo[middle:]):
            self._insert(documents, half, outcomes, doubt=True)

    def _split(
        self, details: Mapping[str, Any], documents: Sequence[Document], todo: list[int],
        outcomes: list[WriteOutcome | None], *, doubt: bool,
    ) -> None:  # fmt: skip
        """Outcomes from a bulk write's details. A document without error is stored, if the write concern was met."""
        clashes: dict[int, str] = {}
        for error in details.get("writeErrors", ()):
            index, code = todo[error["index"]], error.get("code")
            if code == faults.DUPLICATE:
                clashes[index] = faults.duplicate_key(error)
            elif code in faults.IN_DOUBT:
                clashes[index] = "doubt"
            elif faults.is_refused(code):
                outcomes[index] = WriteOutcome(REFUSED, faults.reason(code), faults.detail(error))
            else:
                outcomes[index] = WriteOutcome(FAILED, detail=f"code {code}")
        if concern := details.get("writeConcernErrors"):  # what clashed may itself be taken back by a failover
            self.problem = faults.concern_not_met(concern)
            return
        suspect = [documents[index]["_id"] for index, clash in clashes.items() if doubt or clash == "_id"]
        found = self._by("_id", suspect, *_COMPARED) if suspect else {}
        for index in todo:
            clash, sent = clashes.get(index), documents[index]
            if outcomes[index] is None and clash != "doubt":
                outcomes[index] = _clashed(clash, sent, found.get(sent["_id"]))

    def _held(self, wanted: Mapping[str, Any], fields: Iterable[str]) -> list[Document]:
        """What is `wanted` as a majority of the members holds it: held for good, whichever member tells it. Asks the
        primary, and where it does not answer every member at once, since the driver may know one that hangs better than
        one that answers. Not asked by `retry`: that a secondary reads is no sign that the outage has ended. Raises
        pymongo's errors where nobody answers."""

        def ask(member: Any) -> list[Document] | PyMongoError:
            try:
                with pymongo.timeout(BRIEF_S):
                    there = self.collection.with_options(read_concern=_MAJORITY, read_preference=_Member(member))
                    return list(there.find(wanted, dict.fromkeys(fields, 1)))
            except PyMongoError as error:
                return error

        client = self.collection.database.client
        answers = [ask(client.primary)] if client.primary else []
        if not any(isinstance(answer, list) for answer in answers):
            members = list(client.topology_description.server_descriptions())
            with ThreadPoolExecutor(len(members)) as pool:
                answers = list(pool.map(ask, members))
        told = [answer for answer in answers if isinstance(answer, list)]
        if not told and isinstance(answers[0], PyMongoError):
            raise answers[0]
        return list(chain.from_iterable(told))

    def _settle(self, documents: Sequence[Document], outcomes: list[WriteOutcome | None]) -> None:
        """No attempts are left: what a majority of the members holds decides; the rest stays unknown."""
        open_ = [index for index, outcome in enumerate(outcomes) if outcome is None]
        wanted = [{"_id": {"$in": [documents[index]["_id"] for index in open_]}}]
        wanted += [{name: {"$in": [documents[index].get(name) for index in open_ if documents[index].get(name)]}}
                   for name in ("linkedin_url", "email")]  # fmt: skip
        try:
            there = self._held({"$or": wanted}, ("linkedin_url", "email", "created_at"))
        except PyMongoError:
            return
        held = {
            (name, lead[name]): lead for lead in there for name in ("_id", "linkedin_url", "email") if lead.get(name)
        }
        for index in open_:
            outcomes[index] = _settled(documents[index], held)

    # --------------------------------------------------------------------------------------------------- find

    def by(self, name: str, values: Iterable[Any], *fields: str) -> dict[Any, Document]:
        """Stored leads with one of these values of a unique field, by that value: its `_id`, the field and `fields`.
        Raises pymongo's errors."""
        wanted = list(values)
        return self.retry(lambda: self._by(name, wanted, *fields))

    def _by(self, name: str, values: Sequence[Any], *fields: str) -> dict[Any, Document]:
        found = self.collection.find({name: {"$in": values}}, dict.fromkeys((name, *fields), 1))
        return {lead[name]: lead for lead in found}

    def held_by(self, urls: Sequence[str], *fields: str) -> dict[str, Document]:
        """As `by` LinkedIn URL, as a majority of the members holds them."""
        found = self._held({"linkedin_url": {"$in": urls}}, ("linkedin_url", *fields))
        return {lead["linkedin_url"]: lead for lead in found}

    def made_since(self, since: Mapping[Any, datetime | None]) -> set[Any]:
        """Which of these leads (`_id` -> a moment) are stored and were made at that moment or later. Raises pymongo's
        errors."""
        moments = {lead_id: moment for lead_id, moment in since.items() if moment is not None}
        found = self.by("_id", moments, "created_at") if moments else {}
        made = {lead_id: lead.get("created_at") for lead_id, lead in found.items()}
        return {one for one, at in made.items() if isinstance(at, datetime) and at >= moments[one]}

    # ------------------------------------------------------------------------------------------------- update

    def in_transaction(self, updates: Sequence[UpdateOne]) -> bool:
        """Send updates in one transaction: all of them took effect, or (False) the caller sends them one by one.

        A transaction is one entry of the oplog instead of one an update, which saves half of the members' work
        (measured: 0.8 against 1.5 ms of processor time an update, three members). False says nothing of a commit whose
        outcome is not known, so updates must bear being sent again. Standalone servers have no transactions.
        """
        if len(updates) < FEW or not self.transactions or not self.collection.write_concern.acknowledged:
            return False
        try:
            with self.collection.database.client.start_session() as session:
                session.start_transaction(write_concern=self.collection.write_concern)
                done = self.collection.bulk_write(list(updates), ordered=False, session=session)
                if done.matched_count != len(updates):
                    session.abort_transaction()
                    return False
                session.commit_transaction()
                return True
        except BulkWriteError:
            return False
        except PyMongoError as error:
            self.transactions = getattr(error, "code", None) not in faults.NO_TRANSACTIONS
            return False

    def retry(self, call: Callable[[], T]) -> T:
        """`call`, repeated with growing waits while its outcome is in doubt; see Patience."""
        return self.patience.retry(call)


_MAJORITY = ReadConcern("majority")


class _Member(PrimaryPreferred):
    """Reads from one member, whatever it is now."""

    def __init__(self, address: tuple[str, int | None]) -> None:
        super().__init__()
        self.address = address

    def __call__(self, selection: Selection) -> Selection:
        """Only that member, where it is known to answer reads."""
        able = readable_server_selector(selection).server_descriptions
        return selection.with_server_descriptions([one for one in able if one.address == self.address])


_COMPARED = ("linkedin_url", "created_at")


def _is_same(stored: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether the document stored under an `_id` is the one that was sent, and not another lead with that `_id`."""
    return all(stored.get(name) == sent.get(name) for name in _COMPARED)


def _clashed(clash: str | None, sent: Mapping[str, Any], stored: Document | None) -> WriteOutcome:
    """What became of a document by the unique index on which it clashed. stored: what has its `_id`."""
    if clash is None or (stored is not None and _is_same(stored, sent)):
        return WriteOutcome(STORED)
    if clash == "_id" and (stored is None or stored.get("linkedin_url") != sent.get("linkedin_url")):
        return WriteOutcome(ID_TAKEN)
    return WriteOutcome(EMAIL_TAKEN if clash == "email" else KNOWN)


def _settled(sent: Mapping[str, Any], held: Mapping[tuple[str, Any], Document]) -> WriteOutcome | None:
    """What became of a document, by the leads that a majority holds; None where they do not tell."""
    mine = held.get(("_id", sent["_id"]))
    if mine is not None and _is_same(mine, sent):
        return WriteOutcome(STORED)
    if ("linkedin_url", sent.get("linkedin_url")) in held:
        return WriteOutcome(KNOWN)
    if ("email", sent.get("email")) in held:
        return WriteOutcome(EMAIL_TAKEN)
    return WriteOutcome(ID_TAKEN) if mine is not None else None
