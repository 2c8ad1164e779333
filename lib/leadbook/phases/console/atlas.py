"""Atlas as a phase asks it: the project of the settings, opened once a phase, and how its answers are told."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

from leadbook.atlas.project import AtlasProject, open_project
from leadbook.core.checks import Check, Inapplicable, Unmeasured, judge
from leadbook.core.definitions import definition
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.phases.console.asked import SERVICES, answered, as_told, not_asked
from leadbook.phases.judging import Finding, attempt
from leadbook.phases.phase import Phase
from leadbook.phases.section import Table

API = "atlas"
Atlas = AtlasProject | Unmeasured
Questions = Mapping[str, Callable[[], Finding]]
"""By id of a check: what Atlas answers to it."""

_OPEN: weakref.WeakKeyDictionary[Phase, Atlas] = weakref.WeakKeyDictionary()


def atlas_of(book: Phase) -> Atlas:
    """The project, opened once a phase and closed with it; why there is none."""
    settings = book.settings
    if not settings.atlas_project:
        return Unmeasured(not_asked(API), "set atlas_project and export Atlas' keys (README), or look in its console")
    if settings.is_rehearsal:
        return Unmeasured("a rehearsal's servers are not at Atlas")
    if book not in _OPEN:
        _OPEN[book] = _opened(book)
    return _OPEN[book]


def _opened(book: Phase) -> Atlas:
    stack = ExitStack()
    try:
        project = stack.enter_context(open_project(book.settings, book.endpoints.mongodb_uri))
    except (LeadbookError, OSError) as error:
        return Unmeasured(str(error), f"mend what {SERVICES[API]} says")
    weakref.finalize(book, stack.close)
    return project


def only_by_atlas(questions: Questions, settings: Settings) -> tuple[Check, ...]:
    """Checks that nothing but Atlas' API answers: they do not apply where it is not asked."""
    return tuple(_measured(check_id, ask, settings) for check_id, ask in questions.items())


def _measured(check_id: str, ask: Callable[[], Finding], settings: Settings) -> Check:
    if settings.is_rehearsal and definition(check_id).production_only:
        return judge(check_id, Inapplicable("only a production cluster can show this"), settings=settings)
    if not settings.atlas_project:
        return judge(check_id, Inapplicable(not_asked(API)), settings=settings)
    value, evidence = answered(ask, API)
    return judge(check_id, value, settings=settings, evidence=as_told(API, evidence))


def shown_by(atlas: Atlas, *show: Callable[[AtlasProject], Table | Iterable[Table]]) -> tuple[Table, ...]:
    """Tables of what Atlas told; none where it is not asked, or does not tell."""
    if isinstance(atlas, Unmeasured):
        return ()
    found = [attempt(lambda one=one: one(atlas)) for one in show]  # type: ignore[misc]
    told = [one for one in found if not isinstance(one, Unmeasured | Exception)]
    return tuple(table for one in told for table in ((one,) if isinstance(one, Table) else one))


def hours_ago(at: datetime) -> float:
    """How long ago, in hours."""
    return (datetime.now(UTC) - at).total_seconds() / 3600


def day(at: datetime | None) -> str:
    """A time for people, `2026-03-14 08:00 UTC`."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "at a time not told"
