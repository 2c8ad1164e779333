"""What all commands share: the application, the options, how a result and an error are told.

Exit status: 0 done (for `run`: GO), 1 NO-GO, 2 broken or misused. Errors are one line on standard error; whatever goes
wrong in leadbook itself, or is missing on the machine, is 2, never 1.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from leadbook.core.settings import Settings, load_profile, parse_override

app = typer.Typer(
    help="A runbook you can run: provisioning, schema, benchmarks, pipeline, load test, backup, readiness, monitoring.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out, err = Console(), Console(stderr=True)

Profile = Annotated[str, typer.Option("--profile", "-P", help="rehearsal, ci, production, or a YAML file")]
Members = Annotated[int | None, typer.Option(help="members of the rehearsal replica set; 1 for a small machine")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Override = Annotated[
    list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="override one parameter; repeatable")
]


def values_of(profile: str, overrides: list[str] | None, **flags: Any) -> dict[str, Any]:
    """Profile, then `-p` overrides, then flags given. Raises ParameterError."""
    given = {key: value for key, value in flags.items() if value is not None}
    return {**load_profile(profile), **dict(map(parse_override, overrides or [])), **given}


def settings_of(profile: str, overrides: list[str] | None = None, **flags: Any) -> Settings:
    """The same as settings, checked. Raises ParameterError."""
    return Settings.from_mapping(values_of(profile, overrides, **flags))


def say(line: str) -> None:
    """One result on standard output, as it is."""
    out.print(line, highlight=False, markup=False, soft_wrap=True)


def print_json(told: Any) -> None:
    """A record, or what holds records, as one JSON object on standard output; moments as ISO 8601."""
    print(json.dumps(told, default=_plain))  # noqa: T201  as it is: rich would wrap it


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def notice(line: str) -> None:
    """Say on standard error what a user should know while a command goes on."""
    err.print(f"leadbook: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def fail(line: str, exit_status: int) -> NoReturn:
    """End with one line on standard error."""
    err.print(f"leadbook: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(exit_status)
