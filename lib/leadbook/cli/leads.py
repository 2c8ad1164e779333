"""Leads: brought in, run again, sent on, made up."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from leadbook.cli.app import AsJson, Override, Profile, app, fail, notice, out, settings_of
from leadbook.core.errors import UsageError


@app.command()
def ingest(
    files: Annotated[list[Path] | None, typer.Argument(help="vendor files")] = None,
    vendor: Annotated[str | None, typer.Option(help="name of a file in params/vendors")] = None,
    staged: Annotated[bool, typer.Option("--staged", help="drain the staging collection instead of files")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="with --staged: stay, and take what arrives")] = False,
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Bring vendor files, or what collectors staged, into the leads' collection and print the ledger.

    Exit 1 when records could not be read at all (broken JSON or CSV): they are named, and kept in the rejected leads.
    Exit 2 when it stopped early or records are left. SIGTERM, SIGINT and SIGHUP end it in order, with the ledger; of
    `--staged --follow` that is the end, exit 0.
    """
    from leadbook.commands import leads as commands

    settings = settings_of(profile, override)
    progress = not as_json and sys.stderr.isatty()
    if follow and not staged:
        raise UsageError("--follow is for --staged; files have an end")
    if staged:
        if files:
            raise UsageError("give files or --staged, not both")
        with _ledger_of_incomplete(as_json):
            ledger = commands.ingest_staged(settings, vendor=vendor or "", follow=follow, progress=progress,
                                            notice=notice)  # fmt: skip
        _print_ledger(ledger, as_json)
        return
    if not files:
        raise UsageError("no file given; name one or more vendor files, or --staged")
    if vendor is None:
        raise UsageError("--vendor is missing; name a file of params/vendors, such as brightdata or apollo")
    unreadable: list[str] = []
    with _ledger_of_incomplete(as_json):
        ledger = commands.ingest_files(files, vendor, settings, progress=progress, unreadable=unreadable,
                                       notice=notice)  # fmt: skip
    _print_ledger(ledger, as_json)
    if unreadable:
        fail("; ".join(unreadable), 1)


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
        print(json.dumps(ledger))  # noqa: T201
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

    print(json.dumps(commands.crm_sync(settings_of(profile, override), limit=limit)))  # noqa: T201
