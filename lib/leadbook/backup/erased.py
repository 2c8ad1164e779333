"""Persons who asked for erasure stay erased when a backup comes back: it may be older than their request.

The list of requests is part of every backup, but the live list is the newer one: a recovery adds to it and never puts
an older one in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pymongo.collection import Collection

from leadbook.core.connect import LENIENT
from leadbook.core.settings import Settings
from leadbook.ingest.store.whose import keys_in
from leadbook.lead.suppression import SUPPRESSED, SuppressionList, keys_of

Document = dict[str, Any]
BATCH = 1_000


@dataclass(frozen=True, kw_only=True)
class ErasedAgain:
    """What was erased again from a restored copy. requests: persons on either list.  found: documents of theirs.

    left: those that stayed.  names: `_id`s, which say nothing of the person; the first few of each collection.
    """

    requests: int
    found: int
    left: int
    names: tuple[str, ...]


def erase_again(
    copies: Mapping[str, Collection[Document]], live: Collection[Document], settings: Settings
) -> ErasedAgain:
    """Delete from restored copies every record of a person on a list of requests. Raises pymongo's errors.

    copies: the copies, by the original's name; what is given is deleted from, the copied list of requests excepted.
    live: the list of requests as it is now.
    """
    lists = [live, *(copy for original, copy in copies.items() if original == SUPPRESSED)]
    requests = len({request["_id"] for each in lists for request in each.find({}, {"_id": 1})})
    erasures = [SuppressionList(each) for each in lists]
    told_by: dict[str, Callable[[Mapping[str, Any]], set[str]]] = {
        settings.collection: keys_of, settings.staging_collection: keys_in, settings.rejected_collection: keys_in,
    }  # fmt: skip
    found, left, names = 0, 0, []
    for original in (told_by.keys() & copies.keys()) if requests else ():
        copy = copies[original].with_options(codec_options=LENIENT)
        ids = _of_erased(copy, told_by[original], erasures)
        copy.delete_many({"_id": {"$in": ids}})
        found += len(ids)
        left += copy.count_documents({"_id": {"$in": ids}})
        names += list(map(str, ids[:5]))
    return ErasedAgain(requests=requests, found=found, left=left, names=tuple(names))


def _of_erased(
    copy: Collection[Document], told_by: Callable[[Mapping[str, Any]], set[str]], erasures: Iterable[SuppressionList]
) -> list[Any]:
    """`_id`s of the documents whose person is on a list."""
    ids: list[Any] = []
    with copy.find({}, batch_size=BATCH) as documents:
        while part := [(document["_id"], told_by(document)) for document in islice(documents, BATCH)]:
            keys = set().union(*(mine for _, mine in part))
            gone = set().union(*(each.among(keys) for each in erasures))
            ids += [record_id for record_id, mine in part if mine & gone]
    return ids
