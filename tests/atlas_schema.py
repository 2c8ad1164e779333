"""Shapes of Atlas's answers: ours (atlas_shapes.yaml), and the published description where ATLAS_OPENAPI names it."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

BASE = "/api/atlas/v2/groups/{groupId}"
SHAPES = Path(__file__).with_name("atlas_shapes.yaml")
KINDS = {
    "hex": {"type": "string", "pattern": "^[a-f0-9]{24}$"},
    "time": {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"},
    "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
}
PLAIN = ("string", "integer", "number", "boolean", "object")


@cache
def ours() -> dict[str, Any]:
    return yaml.safe_load(SHAPES.read_text("utf-8"))


@cache
def published() -> dict[str, Any] | None:
    path = os.environ.get("ATLAS_OPENAPI")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(Path(path).read_text("utf-8"), loader) if path else None


def _field(kind: Any) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"type": "array", "items": _field(kind[0])}
    if isinstance(kind, dict):
        return {"type": "string", **kind}
    return KINDS.get(kind) or ({"type": kind} if kind in PLAIN else {"$ref": f"#/$defs/{kind}"})


@cache
def _our_definitions() -> dict[str, Any]:
    found = {}
    for name, fields in ours()["schemas"].items():
        found[name] = {
            "type": "object", "additionalProperties": False,
            "properties": {field.rstrip("!"): _field(kind) for field, kind in fields.items()},
            "required": [field.rstrip("!") for field in fields if field.endswith("!")],
        }  # fmt: skip
    return found


@cache
def _our_validator(key: str, body: bool = False) -> Draft202012Validator | None:
    call = ours()["calls"].get(key)
    if key == "error":
        schema = {"$ref": "#/$defs/ApiError"}
    elif body:
        schema = _field(call["body"])
    elif call is None or call.get("status") == 204:
        return None
    elif "page" in call:
        results = {"type": "array", "items": _field(call["page"])}
        schema = {"type": "object", "required": ["results", "totalCount"], "additionalProperties": False,
                  "properties": {"results": results, "totalCount": {"type": "integer"}}}  # fmt: skip
    else:
        schema = _field([call["list"]] if "list" in call else call["schema"])
    return Draft202012Validator({**schema, "$defs": _our_definitions()}, format_checker=FormatChecker())


def _plain(node: Any) -> Any:
    """The published schema as JSON Schema of Python: `\\p{L}` and cut patterns are left out."""
    if isinstance(node, dict):
        kept = {key: _plain(value) for key, value in node.items()}
        pattern = kept.get("pattern")
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error:
                kept.pop("pattern")
            else:
                if pattern.endswith("..."):
                    kept.pop("pattern")
        return kept
    return [_plain(one) for one in node] if isinstance(node, list) else node


@cache
def _published_validator(key: str, body: bool = False) -> Draft202012Validator | None:
    book = published()
    if book is None:
        return None
    if key == "error":
        schema: Any = {"$ref": "#/components/schemas/ApiError"}
    else:
        method, _, path = key.partition(" ")
        call = book["paths"].get((BASE + path).rstrip("/"), {}).get(method.lower())
        if call is None:
            return None
        answer = next(told for status, told in call["responses"].items() if status.startswith("2"))
        answer = call["requestBody"] if body else answer
        ((kind, held),) = answer["content"].items()
        assert kind == f"application/vnd.atlas.{ours()['calls'][key]['version']}+json", (key, kind)
        schema = held["schema"]
    return Draft202012Validator({**_plain(schema), "components": _components()}, format_checker=FormatChecker())


@cache
def _components() -> Any:
    book = published() or {}
    return _plain({"schemas": book["components"]["schemas"]})


def faults_of(key: str, body: Any, *, sent: bool = False) -> list[str]:
    """What is wrong with an answer, or with the body that was sent, by our shapes and by the
    published description where that is at hand."""
    found = []
    for name, validator in (("ours", _our_validator(key, sent)), ("published", _published_validator(key, sent))):
        if validator is not None:
            found += [f"{name}: {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]
    return found
