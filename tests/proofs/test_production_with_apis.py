"""The production stage *ready* on somebody else's servers, with Atlas and n8n on loopback: attested is only what no API
shows. Prints the attestations that are left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml

from atlas_server import AtlasServer, restore, user
from foreign import DATABASE, ForeignServers
from leadbook.core import connect
from leadbook.core.definitions import catalogue
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import PROJECT, Settings
from leadbook.schema.state import apply
from n8n_server import N8nServer
from sprint.test_sprint import APPROVED, NEVER_HERE, SMALL

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]
BY_A_PERSON = {"ATL-ACC-001", "ATL-USR-001", "BKP-ATL-002", "RDS-ATT-001"}
"""What no API shows: who administers Atlas, where passwords are kept, what was compared, what Redis' console says."""
PROJECT_ID = "32b6e34b3d91647abb20e7b8"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    found = ForeignServers(tmp_path_factory.mktemp("foreign"))
    try:
        yield found.start()
    finally:
        found.stop()


def signed(folder, port):
    """Attestations of BY_A_PERSON, and the risks that so small servers and measurements need."""
    until, who = str(date.today() + timedelta(days=3)), {"who": "Ada Lovelace", "when": str(date.today())}
    small = [
        e.id for e in catalogue().values() if e.phase in ("03", "04", "05") and e.kind == "measured" and e.acceptable
    ]
    why = {**who, "why": "a sprint in small on two trial machines", "until": until}
    file = {
        "target": f"{DATABASE} on 127.0.0.2:{port}",
        **{one: {**who, "seen": "looked at the console and saw it so"} for one in sorted(BY_A_PERSON)},
        "accepted": {one: dict(why) for one in [*NEVER_HERE, *small]},
    }
    path = folder / "attestations.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(file))))
    return path


def prepared(servers, settings):
    """The schema, made by the DBA before the workflows are exported, since the look-up names the collection's UUID."""
    with connect.mongodb(servers.uri("dba"), settings) as client:
        leads = client[DATABASE][settings.collection]
        apply(leads, client, settings.model_copy(update={"approve": f"apply_schema on {DATABASE}"}))
        return collection_uuid(leads)


def earlier(servers, settings):
    """Each workflow was tried two hours ago: within the hour the gate would take the trial for a slow sprint."""
    ago = datetime.now(UTC) - timedelta(hours=2)
    with connect.mongodb(servers.uri("n8n_app"), settings) as client:
        client[DATABASE][settings.staging_collection].update_many({}, {"$set": {"collected_at": ago}})


@pytest.fixture(scope="module")
def ready(servers, tmp_path_factory):
    """The stage's report folder and what the command printed, and what it asked of both APIs."""
    folder = tmp_path_factory.mktemp("ready")
    hosts = [f"127.0.0.2:{port}" for port in servers.ports]
    settings = Settings.from_mapping({"profile": "production", "rehearsal_servers": False, "database": DATABASE})
    users = [user("n8n_app", f"readWrite@{DATABASE}"), user("dba", "clusterMonitor@admin", f"dbAdmin@{DATABASE}")]
    leads = prepared(servers, settings)
    with (
        AtlasServer(hosts=hosts, state={"users": users}) as atlas,
        N8nServer(settings, servers.uri("n8n_app"), servers.redis_url, leads=leads) as n8n,
    ):
        atlas.state.restores = [restore(atlas.state.snapshots[0]["id"])]
        n8n.run_all()
        earlier(servers, settings)
        given = {
            **SMALL, "approve": APPROVED, "attestations_file": str(signed(folder, servers.ports[0])),
            "atlas_project": PROJECT_ID, "n8n_url": n8n.url,
        }  # fmt: skip
        words = [word for key, value in given.items() for word in ("-p", f"{key}={value}")]
        argv = [sys.executable, "-m", "leadbook.cli", "run", "--profile", "production", "--stage", "ready",
                "--out", str(folder), *words]  # fmt: skip
        env = {**os.environ, **servers.environment, **atlas.environment(), **n8n.environment()}
        done = subprocess.run(argv, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=850, check=False)
        asked = {path for _, path, _ in atlas.requests}
        assert not atlas.wrong
        secrets = [atlas.client_secret, *servers.passwords.values(), *n8n.environment().values()]
    return done, max(folder.glob("2*")), asked, [one for one in secrets if not one.startswith("http")]


def test_ready_is_go_with_named_risks(ready):
    done, *_ = ready
    sys.stdout.write(done.stdout)
    assert done.returncode == 0 and done.stdout.startswith("GO"), done.stdout + done.stderr


def test_at_most_five_attestations_are_left(ready):
    _, report, asked, _ = ready
    made = json.loads((report / "checks.json").read_text())["checks"]
    attested = {one["id"]: one["title"] for one in made if one["measured"] == "attested"}
    by_api = [one for one in made if one["kind"] == "attestation" and one["measured"] is True]
    sys.stdout.write(f"\nattestations left: {len(attested)}\n" + "".join(f"  {k} {v}\n" for k, v in attested.items()))
    sys.stdout.write(f"measured by an API instead: {', '.join(one['id'] for one in by_api)}\n")
    sys.stdout.write(f"Atlas was asked {len(asked)} different paths\n")
    assert set(attested) == BY_A_PERSON and len(by_api) >= 15


def test_no_secret_stands_in_the_report(ready):
    _, report, _, secrets = ready
    files = [
        path for path in report.rglob("*") if path.is_file() and path.suffix in (".html", ".json", ".md", ".ipynb")
    ]
    texts = {path.name: path.read_text(errors="replace") for path in files}
    assert not [name for name, text in texts.items() for secret in secrets if len(secret) > 7 and secret in text]


def test_the_documents_name_the_instance(ready):
    _, report, *_ = ready
    text = "".join(path.read_text() for path in report.rglob("*.md"))
    assert "M30 of AWS in EU_CENTRAL_1" in text and "NORMALIZED" not in text.partition("# Infrastructure")[0]
    assert "CPU > 80" in text
