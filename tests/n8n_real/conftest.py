"""A world with a real n8n in it, for all tests of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from n8n_real import install
from n8n_real.world import make_world


@pytest.fixture(scope="session")
def installed() -> Path:
    """n8n's folder; without it nothing here can be run."""
    if install.version(install.folder()) != install.N8N:
        pytest.skip(f"no n8n {install.N8N} in {install.folder()}: `make n8n-test` installs it")
    return Path(install.folder())


@pytest.fixture(scope="module")
def world(installed, tmp_path_factory):
    """2,000 records, 100 of them of somebody again."""
    with make_world(tmp_path_factory.mktemp("world"), 200, 10) as made:
        yield made
