"""Redis keys of leads: the only place where they are built, read or listed.

A key says "this lead is stored", and for whom: its value names the collection by its UUID, so that a key left
behind by a dropped or restored collection, or written by somebody else (n8n writes plain text), is *unknown* and
MongoDB decides. It also says which fields the stored lead has, so that a second sighting that brings nothing new
needs no look at MongoDB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId

LINKEDIN_PREFIX = "lead:linkedin:"
EMAIL_PREFIX = "lead:email:"
PATTERNS = (f"{LINKEDIN_PREFIX}*", f"{EMAIL_PREFIX}*")
"""For SCAN; nothing of leadbook's is stored in Redis under any other key."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a key says. id: the stored lead's `_id`. fields: bit mask of the fields it has (see `merge.mask`)."""

    id: ObjectId
    fields: int


def linkedin_key(linkedin_url: str) -> str:
    """`lead:linkedin:{linkedin_url}`, for a canonical URL."""
    return f"{LINKEDIN_PREFIX}{linkedin_url}"


def email_key(email: str) -> str:
    """`lead:email:{email}`, lower case: one mailbox has one key."""
    return f"{EMAIL_PREFIX}{email.lower()}"


def keys_for(lead: Mapping[str, Any]) -> list[str]:
    """The keys of a lead: by its URL and by its e-mail, as far as it has them."""
    named = ((linkedin_key, lead.get("linkedin_url")), (email_key, lead.get("email")))
    return [key_of(value) for key_of, value in named if value]


def encode(collection: str, lead_id: ObjectId, fields: int) -> str:
    """Value of a key, as JSON. collection: from `collection_uuid`."""
    return f'{{"collection":"{collection}","id":"{lead_id}","fields":{fields}}}'


def decode(value: bytes | str | None, collection: str) -> Entry | None:
    """What `value` says of a lead in `collection`; None for no value, another collection's, or somebody else's."""
    if value is None:
        return None
    try:
        said = json.loads(value)
        if said["collection"] != collection:
            return None
        return Entry(ObjectId(said["id"]), int(said["fields"]))
    except (ValueError, TypeError, KeyError, InvalidId):
        return None
