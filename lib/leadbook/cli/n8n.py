"""n8n: what a running one says, and what it imports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbook.cli.app import Override, Profile, app, notice, say, settings_of

n8n_app = typer.Typer(
    help="n8n: check a running one; export workflows and credentials for it.", no_args_is_help=True,
    pretty_exceptions_enable=False,
)  # fmt: skip
app.add_typer(n8n_app, name="n8n")


@n8n_app.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="a folder that does not exist yet, outside of git")],
    vendor_url: Annotated[
        list[str] | None, typer.Option("--vendor-url", metavar="VENDOR=URL", help="what its collectors ask; repeatable")
    ] = None,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Write the ten collectors, the look-up and the error workflow for n8n, and a private file of their credentials.

    Overwrites nothing. The credentials are those of the application's user, never the DBA's.
    """
    from leadbook.commands.n8n import export as commands

    made = commands.export_to(settings_of(profile, override), out, vendor_urls=vendor_url or (), notice=notice)
    for line in commands.what_next(made):
        say(line)
