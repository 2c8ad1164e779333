"""Measurements: made, compared, put into a profile; and the documents that are generated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from leadbook.cli.app import Override, Profile, app, err, out, say, settings_of
from leadbook.core.settings import PROJECT, load_profile


@app.command()
def bench(
    scale: Annotated[bool, typer.Option("--scale", help="a record's cost among many, against among 20,000")] = False,
    records: Annotated[int | None, typer.Option(min=1_000, help="records: 26,000, or 1,000,000 to scale")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="rounds of each measurement")] = 5,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Measure the pipeline from files on disk beside raw inserts of the same leads. Rehearsal servers only."""
    from leadbook.bench import pipeline as benchmark
    from leadbook.bench import scale as scaling
    from leadbook.rehearsal.workplace import Workplace

    settings = settings_of(profile, override)
    with Workplace(settings, "leadbook bench", err):
        if scale:
            rows = scaling.table(scaling.run(settings, records=records or 1_000_000, rounds=rounds))
        else:
            rows = benchmark.table(benchmark.run(settings, records=records or 26_000, rounds=rounds))
    table = Table("what", "figure", title="pipeline beside raw inserts")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@app.command()
def tune(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="directory of a finished run")],
    to: Annotated[Path, typer.Option(help="the tuned copy; never the profile itself")],
    profile: Profile = "rehearsal",
) -> None:
    """Write a tuned copy of a profile: the settings that a run showed to help, a comment on each changed line."""
    from leadbook.commands import tune as tuning
    from leadbook.core.settings import profile_path

    named = str(load_profile(profile).get("profile", "rehearsal"))
    changed = tuning.tune(profile_path(profile), tuning.of_run(run_dir, named), to)
    say(f"{to}: {len(changed)} settings changed")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="directories of runs; the last one is judged")],
) -> None:
    """Compare the benchmarks of runs. Exit 1 when the last is worse beyond noise; 2 where they are not comparable.

    Not comparable are unlike environments, and a host that was faster or slower by more than a fifth.

    Two runs are judged by noise seen elsewhere; with three or more earlier runs their own noise is measured.
    """
    from leadbook.bench import compare as comparing
    from leadbook.core.provenance import facts_of

    found = comparing.compare(*(facts_of(run, "03") for run in runs))
    table = Table(title=f"benchmarks of {len(runs)} runs", caption=found.method)
    for name in comparing.COLUMNS:
        table.add_column(name, overflow="fold", min_width=22 if name == "name" else None)
    for row in found.rows:
        table.add_row(*(getattr(row, name) for name in comparing.COLUMNS))
    out.print(table)
    raise typer.Exit(1 if found.regressions else 0)


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="change nothing; exit 1 when a file is out of date")] = False,
) -> None:
    """Regenerate what is derived: pages of docs/, n8n/, the guide's table, links of notebooks."""
    from leadbook.report import traceability

    stale = traceability.generate(PROJECT, write=not check)
    for path in stale:
        out.print(f"{'out of date' if check else 'written'}: {path}")
    if check and stale:
        raise typer.Exit(1)
