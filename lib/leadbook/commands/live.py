"""The rehearsal's live sprint. A stand-in: it empties nothing and simulates no collectors."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from rich.console import Console

from leadbook.core.settings import Settings


def start_from_nothing(settings: Settings) -> str:
    """Empty the rehearsal's database; a sentence saying what was done."""
    settings.refuse_in_production("empty the leads")
    return "The rehearsal starts with what is there."


def sprint(settings: Settings, console: Console) -> AbstractContextManager[object]:
    """A sprint that goes on while the `with` lasts."""
    settings.refuse_in_production("stage made records")
    return nullcontext(console)
