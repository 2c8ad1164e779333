"""docs/trust.md is drawn from marks that the tests check, and from nothing else."""

import os
import subprocess
import sys

import pytest

from leadbook.core.errors import UsageError
from leadbook.core.settings import PROJECT
from leadbook.report import trust as page

MARK = """
import pytest
LEFT = "all"
CASES = [pytest.param(1, marks=pytest.mark.trust(way="a case | of a list", status=None, says=(), leaves=LEFT))]
@pytest.mark.trust(way="kernel killed", status=2, says=("killed by", "SIGKILL"), leaves="a report")
def test_a_killed_kernel(trust): ...
class TestMore:
    @pytest.mark.parametrize("how", [
        pytest.param(2, marks=[pytest.mark.trust(way="w", status=1, says="s", leaves="l")]),
    ])
    def test_inside(self, how, trust): ...
"""


def project(tmp_path, source, path="test_runner_run.py"):
    file = tmp_path / "tests" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    return tmp_path


def test_each_mark_is_a_row(tmp_path):
    found = page.ways(project(tmp_path, MARK))
    assert [(way.way, way.status, way.says, way.test) for way in found] == [
        ("a case | of a list", None, (), ""),
        ("kernel killed", 2, ("killed by", "SIGKILL"), "test_a_killed_kernel"),
        ("w", 1, ("s",), "test_inside"),
    ]
    text = page.trust_page(tmp_path)
    row = "| kernel killed | 2 | “killed by”<br>“SIGKILL” | a report | [a killed kernel](../tests/test_runner_run.py) |"
    assert row in text.splitlines() and "a case \\| of a list" in text
    assert "| none | nothing | all |" in text
    assert text.count("## A run and its records") == 1


@pytest.mark.parametrize(
    ("path", "heading"),
    [("test_cli.py", "The command line"), ("ingest/test_x.py", "Leads on their way in"), ("new/test_x.py", "New")],
)
def test_a_row_stands_under_its_rooms_heading(tmp_path, path, heading):
    assert f"## {heading}\n" in page.trust_page(project(tmp_path, MARK, path))


@pytest.mark.parametrize("arguments", ["way='x', status=2", "way=X, status=2, says='x', leaves='x'", "**promise"])
def test_a_mark_that_is_not_written_out_is_named(tmp_path, arguments):
    with pytest.raises(
        UsageError, match=r"tests/test_runner_run.py:1: a trust mark needs way, status, says and leaves"
    ):
        page.ways(project(tmp_path, f"@pytest.mark.trust({arguments})\ndef test_x(): ..."))


def test_a_mark_that_no_test_checks_is_refused(tmp_path):
    unchecked = MARK.replace("(trust)", "()")
    (tmp_path / "test_x.py").write_text(unchecked)
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_collection_modifyitems")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", PROJECT / "pyproject.toml", "--rootdir", tmp_path, tmp_path],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)}, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "without the fixture that checks it: test_x.py::test_a_killed_kernel" in done.stdout + done.stderr


def test_no_two_rows_tell_of_the_same_way():
    told = [(way.room, way.way) for way in page.ways(PROJECT)]
    assert len(set(told)) == len(told)
