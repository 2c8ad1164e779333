"""The container file as far as it can be read without building it: whom it runs as, what it holds, what it lacks."""

import re
import shutil
import subprocess

import pytest

from leadbook.core.settings import PROJECT
from leadbook.rehearsal.servers import binaries

TEXT = (PROJECT / "Containerfile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", TEXT)).splitlines()
IGNORED = [line for line in (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
PACKAGES = {"libcurl.so.4": "libcurl4", "liblzma.so.5": "liblzma5", "libssl.so.3": "libssl3",
            "libcrypto.so.3": "libssl3", "libstdc++.so.6": "libstdc++6", "libgcc_s.so.1": "libgcc-s1"}  # fmt: skip
"""Library -> Debian's package; all others of the two servers are libc's own."""
OF_LIBC = re.compile(r"lib(c|m|dl|rt|pthread|resolv)\.so\.\d|ld-linux-x86-64\.so\.2")


def words(instruction: str) -> list[str]:
    return [line.removeprefix(f"{instruction} ") for line in LINES if line.startswith(f"{instruction} ")]


def test_it_is_a_slim_debian_with_a_python_that_leadbook_takes():
    assert words("FROM") == ["docker.io/library/python:3.12-slim-bookworm"]


def test_it_runs_as_nobody_special_and_only_volumes_are_the_users():
    instructions = [line.split()[0] for line in LINES if line]
    assert words("USER") == ["10001"] and instructions.index("USER") > max(
        number for number, name in enumerate(instructions) if name in ("RUN", "COPY")
    )
    assert words("VOLUME") == ['["/opt/leadbook/reports", "/opt/leadbook/.leadbook"]']
    assert "install -d -o leadbook -g leadbook -m 0700 .leadbook reports" in TEXT and "chown" not in TEXT
    assert words("ENTRYPOINT") == ['["/usr/bin/tini", "--", "/opt/leadbook/.venv/bin/leadbook"]']
    assert words("CMD") == ['["run"]']


def test_no_secret_comes_into_a_layer():
    assert not words("ENV") and not words("ARG") and not words("ADD")
    assert not re.search(r"mongodb(\+srv)?://|rediss?://|-e \w+=", TEXT)
    assert IGNORED[0] == "*", "all is left out that is not named"
    let_in = {line[1:] for line in IGNORED if line.startswith("!")}
    assert let_in == {"lib", "n8n", "notebooks", "params", "pyproject.toml", "README.md", "requirements.txt",
                      "requirements-dask.txt"}  # fmt: skip
    assert IGNORED.index("params/attestations.yaml") > IGNORED.index("!params"), "people's names stay outside"


def test_what_it_copies_is_let_through_and_what_it_installs_is_pinned():
    (first, everything) = words("COPY")
    assert first == "requirements.txt requirements-dask.txt ./" and everything == ". ."
    assert all(command.count("--no-deps") == command.count("pip install") for command in words("RUN"))


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf tells what a program is linked against")
@pytest.mark.parametrize("program", [binaries.mongod, binaries.redis_server], ids=["mongod", "redis-server"])
def test_every_library_of_the_servers_is_installed(program):
    told = subprocess.run(["readelf", "-d", program()], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"NEEDED.*\[(\S+)\]", told)
    (install,) = [command for command in words("RUN") if "apt-get install" in command]
    assert needed
    for library in needed:
        assert OF_LIBC.fullmatch(library) or f" {PACKAGES[library]} " in install, library
