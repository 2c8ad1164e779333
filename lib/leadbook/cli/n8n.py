"""n8n: what a running one says, and what it imports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from leadbook.cli.app import AsJson, Override, Profile, app, notice, out, print_json, say, settings_of

if TYPE_CHECKING:
    from leadbook.commands.n8n.check import CheckedN8n

COLUMNS = (
    "failed: of the executions that n8n keeps of the last 24 hours. staged: records in the staging collection that "
    "bear the workflow's stamp; newest: when the last of them came."
)
n8n_app = typer.Typer(
    help="n8n: check a running one; export workflows and credentials for it.", no_args_is_help=True,
    pretty_exceptions_enable=False,
)  # fmt: skip
app.add_typer(n8n_app, name="n8n")


@n8n_app.command("check")
def n8n_check(
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Ask the n8n of `n8n_url` by its API (key in N8N_API_KEY) what its ten collectors do, and MongoDB and Redis what
    they see of it. Nothing is changed.

    Exit 0 when no check of n8n blocks, 1 when one does, 2 when n8n or MongoDB cannot be asked.
    """
    from leadbook.commands.n8n import check as commands

    found = commands.check(settings_of(profile, override))
    if as_json:
        print_json(found)
    else:
        _tell(found)
    raise typer.Exit(0 if found.good else 1)


def _tell(found: CheckedN8n) -> None:
    for line in found.notes:
        notice(line)
    out.print(_workflows(found))
    for one in found.servers:
        works = {True: "connects", False: "does NOT connect", None: "was not tried"}[one["works"]]
        most = f"; it takes {one['limit']:,}" if one["limit"] else ""
        sees = one["problem"] or (f"the server sees {one['connections']} connections from n8n, from "
                                  f"{one['machines']} machines{most}")  # fmt: skip
        say(f"credential '{one['credential']}' of {one['workflows']} workflows: {works}; {sees}")
    say("")
    for one in found.checks:
        say(f"{one['verdict']:<12}  {one['id']}  {one['title']}\n{'':14}{one['evidence']}")
        if one["blocks"]:
            say(f"{'':14}-> {one['remedy']}")


def _workflows(found: CheckedN8n) -> Table:
    release = f"n8n {found.release}" if found.release else "n8n"
    title = f"{release} at {found.address}"
    columns = ("workflow", "active", "last run", "ended", "failed", "staged", "newest")
    table = Table(*columns, title=title, caption=COLUMNS, caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap = True
    for one in found.workflows:
        active = ("yes" if one["active"] else "no") if one["in_n8n"] else "–"
        failures = f"{one['failures_24h']:,}{'' if one['whole'] else '+'} of {one['executions_24h']:,}"
        table.add_row(
            f"{one['workflow'].removeprefix('leadbook collector ')} {one['stamp']}", active, _ago(one["last"]),
            one["status"] or "–",
            failures if one["in_n8n"] else "–", f"{one['staged']:,}" if one["stamp"] else "–", _ago(one["newest"]),
        )  # fmt: skip
    return table


def _ago(at: str) -> str:
    """`12 min ago`, `3 h ago`, `2 d ago`: the JSON tells the time itself."""
    if not at:
        return "–"
    minutes = max(0, int((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds() // 60))
    if not minutes:
        return "just now"
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago" if minutes < 2_880 else (
        f"{minutes // 1_440} d ago")  # fmt: skip


@n8n_app.command("export")
def n8n_export(
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="a folder that does not exist yet, outside of git")
    ],
    vendor_url: Annotated[
        list[str] | None,
        typer.Option("--vendor-url", metavar="NAME=URL", help="what a vendor or a collector asks; repeatable"),
    ] = None,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Write the ten collectors, the look-up and the error workflow for n8n, and a private file of their credentials.

    Overwrites nothing. The credentials are those of the application's user, never the DBA's.
    """
    from leadbook.commands.n8n import export as commands

    settings = settings_of(profile, override)
    made = commands.export_to(settings, folder, vendor_urls=vendor_url or (), notice=notice)
    for line in commands.what_next(made, settings):
        say(line)
