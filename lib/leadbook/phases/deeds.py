"""What was done to the running sprint, for people: optimisations made, scaling actions, issues and their resolutions.

It writes itself from the journal; where somebody acted without leadbook, nothing of that stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from leadbook.actions.effect import Effect
from leadbook.actions.told import Deed, deeds, series_of
from leadbook.core.checks import Unmeasured
from leadbook.phases.judging import attempt
from leadbook.phases.phase import Phase
from leadbook.phases.section import Table

COLUMNS = {
    "when": "UTC", "action": "what was done, and what it is good for", "by": "who did it, as which user of MongoDB",
    "before": "what was so", "after": "what was so then, or why it failed",
    "effect": "readings of the watch before against after, with the 95 % interval of the change",
    "evidence": "what the plan showed when it was approved",
    "issue": "the alarm that it answers, or the trouble that it ends",
}  # fmt: skip
NONE = "No such action stands in the journal."
TITLES = {"optimisation": "Optimisations made", "scaling": "Scaling actions", "resolution": "Issues and resolutions"}
Told = Sequence[Deed] | Unmeasured | Exception


def done_to(book: Phase) -> Told:
    """Everything that was done to the sprint of an opened phase, or why that cannot be told."""
    return attempt(lambda: deeds(book.journal, series_of(book.settings, book.endpoints)))


def frame(told: Told, kind: str) -> pd.DataFrame:
    """A row an action of that kind; resolutions with the issue, and whatever answered an alarm among them."""
    found = told if isinstance(told, Sequence) else ()
    mine = [one for one in found if (one.is_resolution if kind == "resolution" else one.kind == kind)]
    rows = [_row(one, kind) for one in mine]
    return pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "issue" or kind == "resolution"])


def _row(deed: Deed, kind: str) -> dict[str, str]:
    row = {
        "when": f"{deed.at:%Y-%m-%d %H:%M:%S}", "action": deed.what + (f": {deed.why}" if deed.why else ""),
        "by": deed.who, "before": facts(deed.before), "effect": effect_in_words(deed.effect),
        "after": f"failed: {deed.problem}" if deed.problem else facts(deed.after), "evidence": facts(deed.evidence),
    }  # fmt: skip
    return row | ({"issue": deed.because or deed.why} if kind == "resolution" else {})


def tables(told: Told) -> tuple[Table, ...]:
    """One for each kind that holds anything."""
    frames = {title: frame(told, kind) for kind, title in TITLES.items()}
    return tuple(Table(one, title, {name: COLUMNS[name] for name in one.columns})
                 for title, one in frames.items() if len(one))  # fmt: skip


def in_words(told: Told) -> str:
    """What the tables say, or why there are none."""
    if not isinstance(told, Sequence):
        return f"What was done could not be read from the journal: {told}."
    if not told:
        return "Nothing was done to the running sprint by `leadbook act`."
    counts = [f"{len(frame(told, kind))} under *{title}*" for kind, title in TITLES.items()]
    what = "action or alarm" if len(told) == 1 else "actions and alarms"
    return f"The journal tells of {len(told)} {what}: {', '.join(counts)}."


def effect_in_words(effect: Effect) -> str:
    """`ingest.documents_per_s +12 % (+8 % to +15 %)`, or why nothing can be told."""
    if effect.state != "measured":
        return f"{effect.state}: {effect.why}" if effect.why else effect.state
    told = [f"{one.reading} {one.text}" for one in effect.moved]
    if effect.host:
        told.append(f"the machine changed too (canary {effect.host}), so this says nothing of the action")
    if effect.beside:
        told.append(f"together with {effect.beside} other action{'s' * (effect.beside > 1)}")
    return f"{'; '.join(told)}; {effect.minutes[0]:g} min before, {effect.minutes[1]:g} min after"


def facts(told: Mapping[str, Any]) -> str:
    """`batch_size 250, writers not set`."""
    return ", ".join(f"{name} {_value(value)}" for name, value in told.items()) or "–"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({facts(value)})"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "[" + "; ".join(map(_value, value)) + "]"
    return "not set" if value is None else str(value)
