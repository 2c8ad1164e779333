"""Servers, vendors and an n8n that imported what `leadbook n8n export` wrote, as a user does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foreign import DATABASE, ForeignServers
from leadbook.core import connect
from leadbook.core.settings import Settings, load_profile
from leadbook.n8n import names
from leadbook.schema import state
from n8n_real import vendor as vendors
from n8n_real.real import RealN8n
from receivers import web


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
        told = dict(json.loads(self.leadbook("ingest", "--staged", "--json").stdout.splitlines()[-1]))
        return told | {"duplicates": sum(told["duplicate"].values())}

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

    def empty(self) -> None:
        """Nothing stored, staged or cached; the schema as phase 02 makes it."""
        approved = self.settings.model_copy(update={"approve": f"apply_schema on {DATABASE}"})
        with connect.mongodb(self.servers.uri("dba"), self.settings) as admin:
            for name in admin[DATABASE].list_collection_names():
                admin[DATABASE].drop_collection(name)
            state.apply(admin[DATABASE][self.settings.collection], admin, approved)
        with connect.redis(self.servers.redis_url, self.settings) as cache:
            cache.flushdb()


@contextmanager
def make_world(folder: Path, each: int, repeats: int, *, pause_s: int | None = None) -> Iterator[World]:
    """`each` records a collector, `repeats` of them of somebody again. pause_s: between pages, not the export's."""
    settings = Settings.from_mapping(load_profile("production"))
    (folder / "servers").mkdir()
    (folder / "n8n").mkdir()
    servers = ForeignServers(folder / "servers")
    try:
        servers.start()
        with vendors.serving(vendors.feeds(each, repeats=repeats)) as vendor, web() as alerts:
            environment = {key: value for key, value in os.environ.items() if key != "LEADBOOK_STATE"}
            environment |= servers.environment | {"LEADBOOK_ALERTS_1": alerts.url}
            environment["MONGODB_URI"] += "&serverSelectionTimeoutMS=3000"
            made = World(servers, settings, environment, vendor, alerts, RealN8n(folder / "n8n"), folder / "export")
            made.empty()
            urls = [word for url in vendor.urls() for word in ("--vendor-url", url)]
            made.leadbook("n8n", "export", "--out", str(made.exported), *urls)
            if pause_s is not None:
                set_pause(made.exported / "workflows", pause_s)
            made.n8n.bring_in(made.exported)
            yield made
    finally:
        servers.stop()


def set_pause(folder: Path, seconds: int) -> None:
    """What a person sets in the node Parameters of each collector."""
    for path in folder.iterdir():
        workflow = json.loads(path.read_text())
        for node in workflow["nodes"]:
            for one in node["parameters"].get("assignments", {}).get("assignments", []):
                if one["name"] == "pause_s":
                    one["value"] = seconds
        path.write_text(json.dumps(workflow))
