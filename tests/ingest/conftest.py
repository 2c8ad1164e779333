"""A collection of the leads' shape, and a site to run pipelines on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.ingest import pipeline
from leadbook.ingest.site import Site
from leadbook.rehearsal.servers import owner
from leadbook.schema.state import apply

Document = dict[str, Any]


@pytest.fixture
def leads(database: connect.Database, admin: connect.Client, settings: Settings) -> connect.Collection:
    """The leads' collection, empty, with validator and indexes."""
    collection = database[settings.collection]
    apply(collection, admin, settings)
    return collection


@pytest.fixture
def site(endpoints: connect.Endpoints, settings: Settings, leads: object, clean_redis: object) -> Iterator[Site]:
    """Where pipelines work: the session's servers, empty."""
    yield Site(endpoints=endpoints, settings=settings)
    Site.close()


@pytest.fixture
def at(site: Site) -> Callable[..., Site]:
    """The same site with other settings: `at(on_duplicate="skip")`."""
    return lambda **changes: Site(endpoints=site.endpoints, settings=site.settings.model_copy(update=changes))


@pytest.fixture
def vendor_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes records as JSON lines: `vendor_file(record, record, name="leads.jsonl")`."""

    def write(*records: Document | str, name: str = "leads.jsonl") -> Path:
        path = tmp_path / name
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def ingest(site: Site) -> Callable[..., pipeline.PipelineResult]:
    """Runs files through the pipeline in this process: `ingest(path, vendor="brightdata", site=…)`."""

    def run(*paths: Path, vendor: str = "brightdata", site: Site = site) -> pipeline.PipelineResult:
        sources = [pipeline.file_source(path, vendor) for path in paths]
        return pipeline.finish(pipeline.run(sources, site, workers=1), site)

    return run


@pytest.fixture
def dead() -> dict[str, Any]:
    """The mark of a process that was killed."""
    words = "import json; from leadbook.rehearsal.servers.owner import me; print(json.dumps(me()), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        mark: dict[str, Any] = json.loads(process.stdout.readline())
        assert not owner.has_ended(mark)
        process.kill()
    assert owner.has_ended(mark)
    return mark
