"""The live page: one file that needs no server, no network and no other file, and that redraws itself in place.

Each interval the file is replaced. The page then loads itself into a hidden frame, which hands its parts up
(`postMessage`); parts that changed are exchanged, so that scroll, focus and what was unfolded stay. Where no newer
view comes, the page says so and takes its verdict back.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from leadbook.page.prose import ticks, with_profile
from leadbook.phases.live.drawn import words
from leadbook.phases.live.records import LiveView
from leadbook.report.live.charts import charts

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
LEAST_POLL_S, MOST_POLL_S = 1.0, 30.0
"""How often a page looks for a newer view: three times in the span after which it calls itself stale, within these."""


@cache
def _environment() -> Environment:
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                       lstrip_blocks=True)  # fmt: skip
    made.filters |= {
        "ticks": lambda text: Markup(ticks(str(text))),  # noqa: S704  escaped by it
        "key": lambda text: hashlib.sha256(str(text).encode()).hexdigest()[:10],
    }
    made.globals["words"] = words
    return made


@cache
def _own(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip()


def live_page(view: LiveView, drawn: datetime | None = None) -> str:
    """The page of one view. drawn: when, by the real clock, UTC; now, where it is not given."""
    script, style = _own("live.js"), _own("live.css")
    now = drawn or datetime.now(UTC)
    told: dict[str, Any] = {
        "drawn": round(now.timestamp() * 1000), "verdict": view.verdict, "stale_after_s": view.stale_after_s,
        "poll_s": min(MOST_POLL_S, max(LEAST_POLL_S, view.stale_after_s / 3)),
    }  # fmt: skip
    return (
        _environment()
        .get_template("live.html.j2")
        .render(
            view=view, css=Markup(style), js=Markup(script), digest=_digest(script), drawn=now,  # noqa: S704  our own
            told=Markup(_json(told)), charts=charts(view), levels=_levels(view),  # noqa: S704  escaped by it
            remedy=lambda found: with_profile(found.remedy, view.profile),
        )
    )  # fmt: skip


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(told: dict[str, Any]) -> str:
    text = json.dumps(told, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _levels(view: LiveView) -> str:
    counts = Counter(words.level(one) for one in view.findings)
    return ", ".join(f"{count} {name}" for name, count in counts.items())
