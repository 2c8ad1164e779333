"""Words that cleaning goes by (`lexicon.yaml`) and that made people are made of (`people.yaml`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def _page(name: str) -> dict[str, Any]:
    page: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8"))
    return page


def phrases(key: str, page: str = "lexicon") -> tuple[str, ...]:
    """The phrases of one entry, in order."""
    return _split(_page(page)[key])


def table(key: str) -> dict[str, tuple[str, ...]]:
    """An entry with sub-entries: its phrases by name."""
    return {name: _split(text) for name, text in _page("lexicon")[key].items()}


def _split(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(",") if phrase.strip())
