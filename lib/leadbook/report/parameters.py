"""Parameters of a run that a reader must know: targets that are easier than leadbook's own, options to repeat."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings, load_profile
from leadbook.report.records import RunRecord

RUNS_ACTIONS = ("apply_schema", "benchmarks", "load_test", "restore_drill")
"""What a run of the notebooks asks approval for."""
LONGEST = 400
"""Characters of options that are repeated word for word; more are only mentioned."""


def eased(parameters: Mapping[str, Any]) -> list[str]:
    """Targets that are easier to meet than leadbook's own: `target_unique 1,500 instead of 18,000`."""
    compared = {entry.target: entry.compare for entry in catalogue().values() if isinstance(entry.target, str)}
    found = []
    for key, field in Settings.model_fields.items():
        value, compare = parameters.get(key), compared.get(key, "")
        if not key.startswith("target_") or not isinstance(value, int | float) or not compare:
            continue
        if value < field.default if compare.startswith(">") else value > field.default:
            found.append(f"{key} {value:,g} instead of {field.default:,g}")
    return found


def options(run: RunRecord, *, without: tuple[str, ...] = ()) -> str:
    """What a command needs so that it works as this run did: its profile, and what was set beside that. without: keys
    that the command has no use for."""
    named = "" if run.profile == "rehearsal" else f" --profile {run.profile}"
    try:
        usual = Settings.from_mapping(load_profile(run.profile)).model_dump()
    except LeadbookError:
        return named
    other = {key: value for key, value in run.parameters.items() if key in usual and value != usual[key]}
    left_out = {"run_dir", *without}
    told = "".join(f" -p {shlex.quote(f'{key}={_text(value)}')}" for key, value in other.items() if key not in left_out)
    return named + (told if len(told) <= LONGEST else " and the same -p options")


def unapproved(run: RunRecord) -> list[str]:
    """What to approve so that production measures everything, as one command; nothing where all of it is approved."""
    database, said = run.parameters.get("database"), str(run.parameters.get("approve", ""))
    wanted = [f"{action} on {database}" for action in RUNS_ACTIONS]
    if run.profile != "production" or all(one in said for one in wanted):
        return []
    command = f"leadbook run --stage ready --profile production -p approve='{', '.join(wanted)}'"
    return [f"Approve what shall be measured, all of it at once: `{command}`."]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
