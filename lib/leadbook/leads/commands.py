"""What the command line calls: plain arguments in, a JSON-ready mapping out, one clear error for what a user got
wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from leadbook import connect, schema, servers
from leadbook.errors import InputFileError, LeadbookError
from leadbook.leads import pipeline, rehearsal
from leadbook.leads.site import Site
from leadbook.leads.vendors import load_vendor
from leadbook.settings import Settings

__all__ = ["IncompleteError", "ingest_files", "ready"]


class IncompleteError(LeadbookError):
    """The run stopped early. What was stored is stored; running the same sources again brings in the rest."""


def ingest_files(files: Sequence[Path], vendor: str, settings: Settings, *, progress: bool = False) -> dict[str, Any]:
    """Bring vendor files into the leads' collection; the ledger with `seconds` and `leads_per_second`.

    Raises InputFileError (missing or unusable file), ParameterError (unknown vendor), UnreachableError (no MongoDB;
    Redis may be away) and IncompleteError.
    """
    name = load_vendor(vendor).name
    for path in files:
        if not path.is_file():
            raise InputFileError(path, "is a directory" if path.is_dir() else "no such file")
    site = Site(endpoints=servers.resolve(settings), settings=settings)
    ready(site)
    with _shown(progress) as show:
        result = pipeline.run([pipeline.file_source(path, name) for path in files], site, progress=show)
        pipeline.finish(result, site)
    if result.problem:
        raise IncompleteError(f"{result.problem}; {_summary(result)}; run it again to bring in the rest")
    return result.as_dict()


def ready(site: Site) -> None:
    """Raise unless MongoDB answers and the unique index on linkedin_url, the arbiter of duplicates, is there.

    On rehearsal a missing schema is applied. Raises UnreachableError and LeadbookError.
    """
    settings = site.settings
    with connect.mongodb(site.endpoints.mongodb_uri, settings) as client:
        connect.ping_mongodb(client)
        leads = client[settings.database][settings.collection]
        rehearsal.mark(leads.database, settings)
        if _arbitrated(leads):
            return
        if settings.is_rehearsal and settings.apply_schema:
            with connect.mongodb(site.endpoints.admin_uri, settings) as admin:
                schema.apply(leads, admin, settings)
        if not _arbitrated(leads):
            raise LeadbookError(
                f"collection {settings.database}.{settings.collection} has no unique index on linkedin_url, which "
                "decides what is a duplicate; apply the schema first: leadbook run --only 02"
            )


def _arbitrated(leads: Any) -> bool:
    try:
        indexes = list(leads.list_indexes())
    except PyMongoError:
        return False
    return any(index.get("unique") and list(index["key"]) == ["linkedin_url"] for index in indexes)


def _summary(result: pipeline.PipelineResult) -> str:
    ledger = result.ledger
    return (
        f"until then read {ledger.read}: stored {ledger.stored}, filled {ledger.filled}, "
        f"duplicate {ledger.duplicates}, rejected {ledger.rejects}, failed {ledger.failed}"
    )


@contextmanager
def _shown(progress: bool) -> Iterator[Callable[[pipeline.PipelineResult], None] | None]:
    """A live line of counts on standard error while the run lasts, or nothing."""
    if not progress:
        with nullcontext():
            yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(result: pipeline.PipelineResult) -> None:
            ledger = result.ledger
            bar.update(task, completed=ledger.read, description=f"{ledger.read:,} read, {ledger.stored:,} stored")

        yield show
