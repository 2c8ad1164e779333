"""Notebook 02 in a real kernel, as JupyterLab runs it: its parameters cell is edited, its cells are run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest
from bson import json_util
from papermill.exceptions import PapermillExecutionError

from leadbook.core.connect import Client, Database, Endpoints
from leadbook.core.definitions import expected
from leadbook.core.settings import PROJECT, Settings
from leadbook.schema.state import pending

SOURCE = PROJECT / "notebooks" / "02_schema_and_indexes.ipynb"


class Lab:
    """Runs 02 in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, edit: str, *, keep: tuple[str, ...] = (), times: int = 1) -> tuple[str, str]:
        """What the page shows, and the error that ended it.

        edit: stands for the beginning of the parameters cell, `profile: str = "rehearsal"`.
        keep: words of the cells that are run after opening; all if none.  times: how often each of them is run.
        """
        book = nbformat.read(SOURCE, as_version=4)
        cells = []
        for cell in (cell for cell in book.cells if cell.cell_type == "code"):
            if "parameters" in cell.metadata.get("tags", []):
                cell.source = re.sub(r'^profile: str = "rehearsal"', edit, cell.source)
            is_section = "sections." in cell.source and "Phase.open" not in cell.source
            if is_section and keep and not any(word in cell.source for word in keep):
                continue
            for _ in range(times if is_section else 1):
                cells.append(nbformat.v4.new_code_cell(cell.source, metadata=cell.metadata))
        book.cells = cells
        nbformat.write(book, self.folder / "in.ipynb")
        error = ""
        try:
            papermill.execute_notebook(self.folder / "in.ipynb", self.folder / "out.ipynb", progress_bar=False,
                                       kernel_name="python3", cwd=self.folder)  # fmt: skip
        except PapermillExecutionError as stopped:
            error = str(stopped.evalue)
        return json.dumps(nbformat.read(self.folder / "out.ipynb", as_version=4)), error


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("LEADBOOK_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("LEADBOOK_RUN_ID", raising=False)
    return Lab(tmp_path)


@pytest.fixture
def addresses(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MONGODB_URI", endpoints.mongodb_uri), ("MONGODB_ADMIN_URI", endpoints.admin_uri),
                        ("REDIS_URL", endpoints.redis_url)):  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.mark.trust(
    way="In JupyterLab, 02's profile is changed to production, with addresses in the environment", status=None,
    says=("production", "lead_generation", "15 commands are left", "createIndexes", "apply_schema on lead_generation"),
    leaves="nothing was written; the pending changes of the production database are shown whole",
)  # fmt: skip
def test_production_in_lab_shows_what_is_pending_and_applies_nothing(
    lab: Lab, addresses: None, mongo: Client, admin: Client, settings: Settings, trust
) -> None:
    production = settings.model_copy(update={"database": "lead_generation"})
    admin.drop_database("lead_generation")
    page, error = lab.run('profile: str = "production"')
    assert mongo["lead_generation"].list_collection_names() == []
    assert error.startswith("phase 02 does not pass:") and "\n" not in error
    shown = json.loads(page)
    script = next(text for text in re.findall(r"```javascript\n(.*?)\n```", "\n".join(texts(shown)), re.S))
    for line in script.splitlines()[1:]:
        command = json_util.loads(line.removeprefix("db.runCommand(").removesuffix(");"))
        admin["lead_generation"].command(command)
    leads = mongo["lead_generation"][production.collection]
    assert pending(leads, production) == [], "the commands shown are those of the production database, whole"
    admin.drop_database("lead_generation")
    trust.check(None, page)


def texts(book: dict) -> list[str]:
    """Markdown that the cells showed."""
    found = [
        output.get("data", {}).get("text/markdown", "") for cell in book["cells"] for output in cell.get("outputs", ())
    ]
    return ["".join(text) for text in found]


@pytest.mark.trust(
    way="In JupyterLab, 02's profile is changed to production, without any address", status=None,
    says=("MONGODB_URI",), leaves="a notebook that stops at its first cell and says what to set",
)  # fmt: skip
def test_production_in_lab_without_addresses_says_what_to_set(lab: Lab, trust) -> None:
    page, error = lab.run('profile: str = "production"')
    assert "\n" not in error and "Traceback" not in page
    trust.check(None, error)


def test_sections_can_be_run_again(lab: Lab, database: Database, addresses: None) -> None:
    """Each cell twice, the closing one once: nothing is applied, recorded or counted twice."""
    page, error = lab.run(f'profile: str = "production"\ndatabase = "{database.name}"\n#', times=2)
    assert error.startswith("phase 02 does not pass:"), "closed once, with its verdict"
    record = json.loads((lab.folder / "run" / "records" / "02.json").read_text())
    assert len({check["id"] for check in record["checks"]}) == len(record["checks"]) == len(expected("02"))
    assert "Traceback" not in page


def test_a_section_before_what_it_needs_says_which_cells_to_run(lab: Lab, database: Database, addresses: None) -> None:
    _, error = lab.run(f'profile: str = "production"\ndatabase = "{database.name}"\n#', keep=("sections.effort",))
    assert "makes it; run that cell" in error and "study" in error and "\n" not in error
