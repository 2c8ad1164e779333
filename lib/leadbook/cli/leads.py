"""Leads: brought in, run again, sent on, made up."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from leadbook.cli.app import AsJson, Override, Profile, app, fail, notice, out, print_json, settings_of
from leadbook.core.errors import InputFileError, UsageError
from leadbook.core.files import write

if TYPE_CHECKING:
    from leadbook.ingest.logbook import Beat


@app.command()
def ingest(
    files: Annotated[list[Path] | None, typer.Argument(help="vendor files")] = None,
    vendor: Annotated[str | None, typer.Option(help="name of a file in params/vendors")] = None,
    staged: Annotated[bool, typer.Option("--staged", help="drain the staging collection instead of files")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="with --staged: stay, and take what arrives")] = False,
    heartbeat: Annotated[
        Path | None, typer.Option(help="a file that is written once a minute, for a supervisor")
    ] = None,
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Bring vendor files, or what collectors staged, into the leads' collection and print the ledger.

    Exit 1 when records could not be read at all (broken JSON or CSV): they are named, and kept in the rejected leads.
    Exit 2 when it stopped early or records are left. SIGTERM, SIGINT and SIGHUP end it in order, with the ledger; of
    `--staged --follow` that is the end, exit 0. A follower waits for a MongoDB or a Redis that is away, and where
    standard error is no terminal it tells there each minute how it stands (`--json`: an object a line).
    """
    from leadbook.commands import leads as commands

    settings = settings_of(profile, override)
    progress = not as_json and sys.stderr.isatty()
    lines = _Lines(as_json=as_json, tells=follow and not progress, file=heartbeat)
    if follow and not staged:
        raise UsageError("--follow is for --staged; files have an end")
    if staged:
        if files:
            raise UsageError("give files or --staged, not both")
        with _ledger_of_incomplete(as_json):
            ledger = commands.ingest_staged(settings, vendor=vendor or "", follow=follow, progress=progress,
                                            notice=lines.notice, heard=lines.beat)  # fmt: skip
        _print_ledger(ledger, as_json)
        return
    if not files:
        raise UsageError("no file given; name one or more vendor files, or --staged")
    if vendor is None:
        raise UsageError("--vendor is missing; name a file of params/vendors, such as brightdata or apollo")
    unreadable: list[str] = []
    with _ledger_of_incomplete(as_json):
        ledger = commands.ingest_files(files, vendor, settings, progress=progress, unreadable=unreadable,
                                       notice=lines.notice, heard=lines.beat)  # fmt: skip
    _print_ledger(ledger, as_json)
    if unreadable:
        fail("; ".join(unreadable), 1)


class _Lines:
    """What an ingest says meanwhile, on standard error and to its heartbeat file. tells: a line for each beat."""

    def __init__(self, *, as_json: bool, tells: bool, file: Path | None) -> None:
        self.as_json, self.tells, self.file = as_json and tells, tells, file

    def notice(self, line: str) -> None:
        """What a user should know."""
        if self.as_json:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            print(json.dumps({"time": at, "notice": line}), file=sys.stderr, flush=True)  # noqa: T201
        else:
            notice(line)

    def beat(self, beat: Beat) -> None:
        """How it stands. Raises LeadbookError where the heartbeat file cannot be written at the begin."""
        told = beat.as_dict()
        if self.file is not None:
            try:
                write(self.file, json.dumps({**told, "pid": os.getpid()}) + "\n")
            except OSError as error:
                if beat.state == "begun":
                    raise InputFileError(self.file, f"the heartbeat cannot be written ({error.strerror})") from None
                self.notice(f"the heartbeat cannot be written to {self.file} ({error.strerror})")
        if self.tells and beat.state == "at work":
            line = json.dumps(told) if self.as_json else _line(told)
            print(line, file=sys.stderr, flush=True)  # noqa: T201


def _line(told: dict[str, Any]) -> str:
    done = ", ".join(
        f"{name} {told[name]:,}" for name in ("read", "stored", "filled", "duplicate", "rejected", "failed")
    )
    left = f"{told['backlog']:,} left, the oldest for {told['oldest_s']:.0f} s" if told["backlog"] else "nothing left"
    left = "what is left is not known: MongoDB is away" if told["backlog"] is None else left
    return f"{told['time']} {done}; {left}; {told['rate']:.1f} records/s"


@app.command()
def replay(
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Run the rejected records again, after a rule or a mapping was mended, and print the ledger."""
    from leadbook.commands import leads as commands

    with _ledger_of_incomplete(as_json):
        ledger = commands.replay_rejected(settings_of(profile, override), notice=notice)
    _print_ledger(ledger, as_json)


@contextmanager
def _ledger_of_incomplete(as_json: bool) -> Iterator[None]:
    """A run that stopped early prints what it did until then, too."""
    from leadbook.commands.leads import IncompleteError

    try:
        yield
    except IncompleteError as error:
        if error.ledger:
            _print_ledger(error.ledger, as_json)
        raise


def _print_ledger(ledger: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(ledger)
        return
    table = Table("outcome", "records", title="ledger")
    for key, value in ledger.items():
        for part, count in value.items() if isinstance(value, dict) else [("", value)]:
            table.add_row(f"{key} {part}".strip(), f"{count:,}" if isinstance(count, int) else f"{count:,.2f}")
    out.print(table)


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(help="where the files are written")] = Path("data/sample"),
    records: Annotated[int, typer.Option(min=1, help="records in all files together")] = 26_000,
    seed: Annotated[int, typer.Option(help="same seed, same files")] = 20_000,
) -> None:
    """Write made-up vendor files (Bright Data JSON lines, Apollo CSV) with faults in stated proportions."""
    from leadbook.rehearsal import sample as maker

    facts = maker.write_sample(directory, records=records, seed=seed)
    out.print(facts)


@app.command("crm-sync")
def crm_sync(
    limit: Annotated[int | None, typer.Option(min=1, help="leads at most")] = None,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Send qualified leads that the CRM lacks to HubSpot; resumable. On a rehearsal a loopback sandbox takes them."""
    from leadbook.commands import leads as commands

    print_json(commands.crm_sync(settings_of(profile, override), limit=limit))
