"""Persons who asked for erasure stay erased when a backup comes back: it may be older than their request.

The list of requests is part of every backup, but the live list is the newer one: a recovery adds to it and never puts
an older one in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pymongo.collection import Collection

from leadbook.ingest.store.whose import profile_url
from leadbook.lead.suppression import SuppressionList

__all__ = ["Again", "erase_again"]

Document = dict[str, Any]
BATCH = 1_000


@dataclass(frozen=True, kw_only=True)
class Again:
    """What was erased again from a restored copy. requests: persons on any list.  found: documents by collection.
    left: those that stayed.

    names: `_id`s of the documents, which say nothing of the person; the first few of each collection.
    """

    requests: int
    found: Mapping[str, int]
    left: int
    names: tuple[str, ...]


def erase_again(
    leads: Collection[Document] | None, staged: Collection[Document] | None, rejected: Collection[Document] | None,
    lists: Sequence[Collection[Document]],
) -> Again:  # fmt: skip
    """Delete from restored copies every record of a person on one of the `lists` of requests. Raises pymongo's errors.

    leads, staged, rejected: the copies, None where the backup has none. Ask for copies only: what is given is deleted
    from.
    """
    requests = len({request["_id"] for each in lists for request in each.find({}, {"_id": 1})})
    copies: list[tuple[Collection[Document] | None, Callable[[Mapping[str, Any]], str]]] = [
        (leads, lambda lead: str(lead.get("linkedin_url", ""))), (staged, profile_url), (rejected, profile_url),
    ]  # fmt: skip
    erasures = [SuppressionList(each) for each in lists]
    found, names, left = {}, [], 0
    for copy, url_of in copies if requests else ():
        if copy is None:
            continue
        ids = _of_erased(copy, url_of, erasures)
        copy.delete_many({"_id": {"$in": ids}})
        found[copy.name] = len(ids)
        names += list(map(str, ids[:5]))
        left += copy.count_documents({"_id": {"$in": ids}})
    return Again(requests=requests, found=found, left=left, names=tuple(names))


def _of_erased(
    copy: Collection[Document], url_of: Callable[[Mapping[str, Any]], str], erasures: Iterable[SuppressionList]
) -> list[Any]:
    """`_id`s of the documents whose person is on a list."""
    ids: list[Any] = []
    with copy.find({}, batch_size=BATCH) as documents:
        while part := [(document["_id"], url_of(document)) for document in islice(documents, BATCH)]:
            urls = {url for _, url in part if url}
            gone = set().union(*(each.among(urls) for each in erasures)) if urls else set()
            ids += [record_id for record_id, url in part if url in gone]
    return ids
