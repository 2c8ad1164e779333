"""Notebook 04 in a real kernel: cells out of order, and cells that are run twice."""

import json
import os

import nbformat
import pytest
from nbclient import NotebookClient

from leadbook.core.settings import PROJECT
from leadbook.rehearsal.sample import write_sample
from leadbook.runner.kernels import Kernels

PHASE, LEDGER, FULL, AGAIN = "Phase.open(", "runs.ledger(", "runs.full(", "duplicates.repeat("


@pytest.fixture
def executed(database, clean_redis, settings, tmp_path, monkeypatch):
    """Runs notebook 04's cells that hold these texts, in this order; the executed cells."""
    monkeypatch.chdir(PROJECT)
    kernels = Kernels("test")

    def run(*wanted, **changed):
        book = nbformat.read(PROJECT / "notebooks" / "04_data_pipeline.ipynb", as_version=4)
        given = settings.model_dump(exclude_defaults=True) | {"run_dir": str(tmp_path)} | changed
        parameters = "\n".join(f"{name} = {value!r}" for name, value in given.items())
        sources = [next(cell.source for cell in book.cells if text in cell.source) for text in wanted]
        book.cells = [nbformat.v4.new_code_cell(source) for source in (parameters, *sources)]
        manager = kernels.manager()
        try:
            NotebookClient(book, km=manager, timeout=120, allow_errors=True).execute(env=dict(os.environ))
        finally:
            kernels.started(manager)
            kernels.kill_all()
        return book.cells[1:]

    return run


def errors(cells):
    return [output.evalue for cell in cells for output in cell.outputs if output.output_type == "error"]


@pytest.mark.parametrize("profile", ["rehearsal", "production"])
def test_cells_that_are_run_twice_find_no_defect(executed, endpoints, leads, tmp_path, monkeypatch, profile):
    changed = {"profile": profile, "trial_records": 1_000, "batch_size": 100}
    if profile == "production":
        (one, _) = write_sample(tmp_path / "made", records=600, seed=3).files
        changed |= {"lead_files": f"{one.path}:{one.vendor}", "approve": f"benchmarks on {leads.database.name}"}
        monkeypatch.setenv("MONGODB_URI", endpoints.mongodb_uri)
        monkeypatch.setenv("REDIS_URL", endpoints.redis_url)
    cells = executed(PHASE, LEDGER, FULL, LEDGER, FULL, LEDGER, AGAIN, AGAIN, **changed)
    assert [error for error in errors(cells) if "section 4.4" not in error] == [] and len(errors(cells)) == 1
    record = json.loads((tmp_path / "records" / "04.json").read_text())
    verdicts = {check["id"]: check["verdict"] for check in record["checks"]}
    assert {"PIPE-LED-003", "PIPE-DUP-001", "PIPE-DUP-002"} <= set(verdicts)
    assert set(verdicts.values()) == {"pass"}, [check for check in record["checks"] if check["verdict"] != "pass"]
    assert leads.count_documents({}) == 0
