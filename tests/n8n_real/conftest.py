"""Servers, vendors and an n8n that imported what `leadbook n8n export` wrote, as a user does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from foreign import DATABASE, ForeignServers
from leadbook.core import connect
from leadbook.core.settings import Settings, load_profile
from leadbook.n8n import names
from leadbook.schema import state
from receivers import web

sys.path.insert(0, str(Path(__file__).parent))
import install  # type: ignore[import-not-found]
import vendor as vendors  # type: ignore[import-not-found]
from real import RealN8n  # type: ignore[import-not-found]

EACH, REPEATS = 200, 10


@dataclass
class World:
    """All that a test asks. settings: production's.  alerts: what the alert channel was sent."""

    servers: ForeignServers
    settings: Settings
    environment: dict[str, str]
    vendor: Any
    alerts: Any
    n8n: Any
    exported: Path

    def leadbook(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of leadbook, with the user's environment."""
        done = subprocess.run([sys.executable, "-m", "leadbook.cli", *words, "--profile", "production"], text=True,
                              env=self.environment, capture_output=True, check=False)  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def ledger(self) -> dict[str, Any]:
        """What one drain of the staging collection did."""
        return dict(json.loads(self.leadbook("ingest", "--staged", "--json").stdout.splitlines()[-1]))

    def database(self) -> Any:
        return connect.mongodb(self.servers.uri("dba"), self.settings)[DATABASE]

    def workflow(self, name: str) -> dict[str, Any]:
        """An exported workflow by its name."""
        made = [json.loads(path.read_text()) for path in (self.exported / "workflows").iterdir()]
        return dict(next(one for one in made if one["name"] == name))

    def id_of(self, stamp: str) -> str:
        """The workflow's id of a collector."""
        name = next(one.workflow for one in names.INSTANCES if one.stamp == stamp)
        return str(self.workflow(name)["id"])

    def hook(self, stamp: str) -> tuple[str, dict[str, str]]:
        """Address and header that start a collector."""
        nodes = self.workflow(next(one.workflow for one in names.INSTANCES if one.stamp == stamp))["nodes"]
        path = next(node["parameters"]["path"] for node in nodes if node["type"].endswith(".webhook"))
        held = json.loads((self.exported / "credentials.json").read_text())
        header = next(one["data"] for one in held if one["name"] == names.WEBHOOK_CREDENTIAL)
        return f"{self.n8n.url}/webhook/{path}", {header["name"]: header["value"]}


@pytest.fixture(scope="session")
def installed() -> Path:
    """n8n's folder; without it nothing here can be run."""
    if install.version(install.folder()) != install.N8N:
        pytest.skip(f"no n8n {install.N8N} in {install.folder()}: `make n8n-test` installs it")
    return Path(install.folder())


@pytest.fixture(scope="module")
def world(installed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    settings = Settings.from_mapping(load_profile("production"))
    servers = ForeignServers(folder)
    try:
        servers.start()
        with vendors.serving(vendors.feeds(EACH, repeats=REPEATS)) as vendor, web() as alerts:
            environment = {key: value for key, value in os.environ.items() if key != "LEADBOOK_STATE"}
            environment |= servers.environment | {"LEADBOOK_ALERTS_1": alerts.url}
            environment["MONGODB_URI"] += "&serverSelectionTimeoutMS=3000"
            with connect.mongodb(servers.uri("dba"), settings) as admin:
                approved = settings.model_copy(update={"approve": f"apply_schema on {DATABASE}"})
                state.apply(admin[DATABASE][settings.collection], admin, approved)
            n8n = RealN8n(tmp_path_factory.mktemp("n8n"))
            made = World(servers, settings, environment, vendor, alerts, n8n, folder / "export")
            urls = [word for url in vendor.urls() for word in ("--vendor-url", url)]
            made.leadbook("n8n", "export", "--out", str(made.exported), *urls)
            n8n.bring_in(made.exported)
            yield made
    finally:
        servers.stop()
