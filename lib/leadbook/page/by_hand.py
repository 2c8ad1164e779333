"""The same by hand: what a check asks, as lines to paste into mongosh or redis-cli, for one database and collection."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup

from leadbook.core.definitions import catalogue
from leadbook.page.prose import ticks

SCRATCH = "leadbook_scratch_by_hand"
"""What is tried by hand is tried in this collection; one that is left behind is a finding of phase 09."""
NAMES = ("database", "collection", "staging_collection", "rejected_collection", "validation_level", "validation_action")
"""Settings that a snippet may name in braces."""
_LIKE = f"""\
// A scratch collection with the leads' validator and indexes.
db.createCollection("{SCRATCH}", db.getCollectionInfos({{ name: {{collection}} }})[0].options)
db.{{collection}}.getIndexes().filter(one => one.name !== "_id_").forEach(({{ v, key, ...rest }}) => {{
  db.{SCRATCH}.createIndex(key, rest)
}})"""
_DOTTED = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+")
"""Names that may stand behind `db.`: methods of mongosh's database hold no underscore, and no other name is sure."""


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """What to paste. mongosh, redis_cli: lines, names filled in; empty where nothing is asked there.  note: what to
    know first, with `code` in backticks."""

    mongosh: str
    redis_cli: str
    note: str


def snippet(check_id: str, names: Mapping[str, Any]) -> Snippet | None:
    """How to ask by hand what a check asks; None where the catalogue gives no way.

    names: settings by key, those of NAMES at least. Whatever the name, the text stays one valid script.
    """
    entry = catalogue().get(check_id)
    if entry is None or not (entry.mongosh or entry.redis_cli or entry.by_hand):
        return None
    script = _filled(entry.mongosh.replace("{scratch}", _LIKE), names)
    opened = f"use {names['database']}\n{script}" if script else ""
    return Snippet(mongosh=opened, redis_cli=entry.redis_cli, note=entry.by_hand)


def _filled(script: str, names: Mapping[str, Any]) -> str:
    known = "|".join(NAMES)

    def put(found: re.Match[str]) -> str:
        name = str(names[found["name"]])
        if found["before"] == "db.":
            return f"db.{name}" if _DOTTED.fullmatch(name) else f"db.getCollection({json.dumps(name)})"
        return json.dumps(name)

    return re.sub(rf'(?P<before>db\.|"?)\{{(?P<name>{known})\}}"?', put, script)


def details(check_id: str, names: Mapping[str, Any]) -> Markup:
    """HTML of a check's snippet, folded; empty where there is none."""
    told = snippet(check_id, names)
    if told is None:
        return Markup("")
    style = "white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85em;margin:.3em 0;text-align:left"
    blocks = "".join(
        f'<pre style="{style}" aria-label="{program}">{escape(lines)}</pre>'
        for program, lines in (("mongosh", told.mongosh), ("redis-cli", told.redis_cli))
        if lines
    )
    note = ticks(told.note)
    note = f'<p style="font-size:.85em;margin:.3em 0">{note}</p>' if note else ""
    summary = '<summary style="font-size:.85em;opacity:.75;cursor:pointer">the same by hand</summary>'
    return Markup(f'<details class="lb-by-hand">{summary}{blocks}{note}</details>')  # noqa: S704  escaped above
