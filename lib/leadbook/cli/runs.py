"""Runs of the notebooks, and the parameters in force."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from leadbook.cli.app import Members, Override, Profile, app, err, notice, say, values_of
from leadbook.core.settings import Settings, origins, parse_override


@app.command()
def run(
    profile: Profile = "rehearsal",
    only: Annotated[str | None, typer.Option(help="run one phase, such as 03")] = None,
    start: Annotated[str | None, typer.Option("--from", help="run from this phase on, such as 05")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="where the run's directory is made")] = None,
    members: Members = None,
    keep_as: Annotated[Path | None, typer.Option("--keep-as", help="copy the finished run to this folder")] = None,
    override: Override = None,
) -> None:
    """Run the notebooks in order and write the report. Exit 0 GO, 1 NO-GO, 2 broken or misused.

    A whole run is reports/latest from its first moment on; a part of the chain (--only, --from) is
    reports/latest-partial and never says GO.
    """
    from leadbook.phases import attestations
    from leadbook.phases.blocked import unknown
    from leadbook.rehearsal.workplace import Workplace
    from leadbook.report.index import target_text
    from leadbook.runner import chain, keep, plan

    values = values_of(profile, override, members=members)
    settings = Settings.from_mapping(values)
    if settings.lead_files:  # else pandas and its like would be loaded for nothing
        from leadbook.phases.p04.inputs import named_files

        named_files(settings)
    if keep_as is not None:
        keep.refuse_target(keep_as)
    with Workplace(settings, "leadbook run", err, phases_tell=True) as rehearsal:
        attestations.in_force(settings)  # a broken file is told before anything runs
        asked = [step.phase for step in plan.make(values, only=only, start=start) if step.asked]
        if told := unknown(settings, asked):
            notice(told)
        result = chain.run(values, only=only, start=start, out=out_dir, secrets=rehearsal.secrets,
                           on_exit=rehearsal.stop, console=err)  # fmt: skip
    say(f"{result.verdict}: {result.reason}")
    say(f"target: {target_text(result.record)}")
    if result.index is not None:
        say(f"report: {result.index}")
    if keep_as is not None and result.exit_status == 0:
        keep.keep(result.directory, keep_as)
        say(f"kept as: {keep_as}")
    raise typer.Exit(result.exit_status)


@app.command(name="settings")
def show_settings(profile: Profile = "rehearsal", override: Override = None) -> None:
    """Print every parameter in force, where its value came from and what it means: lines that a profile can hold."""
    for key, (value, origin) in origins(profile, dict(map(parse_override, override or []))).items():
        held = f" ({'set' if os.environ.get(str(value)) else 'not set'})" if key.endswith("_env") else ""
        line = f"{key}: {json.dumps(value)}  # {origin}: {Settings.model_fields[key].description}{held}"
        say(line)
