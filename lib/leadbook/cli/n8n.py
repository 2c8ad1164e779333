"""n8n: what a running one says, and what it imports."""

from __future__ import annotations

import typer

from leadbook.cli.app import app

n8n_app = typer.Typer(
    help="n8n: check a running one; export workflows and credentials for it.", no_args_is_help=True,
    pretty_exceptions_enable=False,
)  # fmt: skip
app.add_typer(n8n_app, name="n8n")
