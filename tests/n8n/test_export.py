"""`leadbook n8n export`: what lies in the folder, who may read it, and what is refused."""

import json
import os
import subprocess
import sys
from urllib.parse import quote

import pytest
from pymongo.errors import OperationFailure

import readme
from leadbook.commands.n8n import export as commands
from leadbook.core.errors import InputFileError, ParameterError, RefusedError, UsageError
from leadbook.core.settings import PROJECT, Settings, load_profile
from leadbook.n8n import credentials, export, names, rights, workflows

ALERTS = "https://hooks.example.com/services/T0SECRET1/B0SECRET2/verysecretword3"


@pytest.fixture
def production(settings, endpoints, monkeypatch):
    """Production settings over the session's servers, as a user names them."""
    monkeypatch.setenv("MONGODB_URI", endpoints.mongodb_uri)
    monkeypatch.setenv("MONGODB_ADMIN_URI", endpoints.admin_uri)
    monkeypatch.setenv("REDIS_URL", endpoints.redis_url)
    monkeypatch.setenv("LEADBOOK_ALERTS_1", f"smtps://x@y.example,{ALERTS}")
    return settings.model_copy(update={"profile": "production", "rehearsal_servers": False})


def test_an_export_names_the_profile_and_only_its_owner_may_read_it(production, database, endpoints, tmp_path):
    database.create_collection(production.collection)
    told = []
    folder = tmp_path / "export"
    made = commands.export_to(
        production, folder, vendor_urls=["apollo=https://api.example.com/people"], notice=told.append
    )
    assert len(made.workflows) == 12
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*") if path.is_file())
    held = {one["name"]: one for one in json.loads((folder / "credentials.json").read_text())}
    assert set(held) == {
        names.MONGODB_CREDENTIAL, names.REDIS_CREDENTIAL, names.WEBHOOK_CREDENTIAL,
        *(names.vendor_credential(one.vendor) for one in names.INSTANCES),
    }  # fmt: skip
    mongodb = held[names.MONGODB_CREDENTIAL]["data"]
    assert mongodb["database"] == production.database
    assert "tlsCAFile" not in mongodb["connectionString"] and "BEGIN CERTIFICATE" in mongodb["ca"]
    text = "".join(path.read_text() for path in folder.rglob("*.json"))
    assert endpoints.admin_uri.split("@")[0] not in text
    each = {
        one["name"]: one for one in map(json.loads, (path.read_text() for path in (folder / "workflows").iterdir()))
    }
    collector = each[names.collector_name(3)]
    assert collector["settings"]["errorWorkflow"] == each[names.ERRORS]["id"]
    used = [named for node in collector["nodes"] for named in node.get("credentials", {}).values()]
    assert used and all(one["id"] == held[one["name"]]["id"] for one in used)
    assert "https://api.example.com/people" in json.dumps(collector)
    assert ALERTS in json.dumps(each[names.ERRORS]) and ALERTS not in json.dumps(collector)
    assert f"{production.staging_collection}" in json.dumps(collector)
    assert not any("•" in line or "secret" in line.lower() for line in told)
    with pytest.raises(InputFileError, match="overwrites nothing"):
        commands.export_to(production, folder)


def test_it_tells_of_a_user_with_more_than_is_needed(production, admin, mongo, database):
    beyond = rights.more_than_read_write(mongo, production.database)
    assert "the cluster" not in beyond  # other databases may be named: other tests let that user write there
    assert "the cluster" in rights.more_than_read_write(admin, production.database)


def test_away_mongodb_is_said_and_the_export_goes_on(production, monkeypatch, tmp_path):
    monkeypatch.setenv("MONGODB_URI", "mongodb://app:hidden-word@127.0.0.1:9/?serverSelectionTimeoutMS=200")
    told = []
    commands.export_to(production, tmp_path / "export", notice=told.append)
    assert any("could not be asked" in line for line in told)
    assert not any("hidden-word" in line for line in told)


def test_the_look_up_is_bound_where_only_the_dba_sees_the_collection(production, database, monkeypatch, tmp_path):
    """n8n's user of least privilege may not list collections."""
    database.create_collection(production.collection)
    asked, real = [], commands.collection_uuid

    def refused_first(collection):
        asked.append(1)
        if len(asked) == 1:
            raise OperationFailure("not authorized to list collections", 13)
        return real(collection)

    monkeypatch.setattr(commands, "collection_uuid", refused_first)
    told = []
    commands.export_to(production, tmp_path / "export", notice=told.append)
    look_up = (tmp_path / "export" / "workflows" / "look-up.json").read_text()
    assert len(asked) == 2 and real(database[production.collection]) in look_up
    assert not any("could not be asked" in line or "Redis" in line for line in told)


def test_readmes_folder_is_one_that_git_does_not_take():
    (line,) = [one for one in readme.SPRINT if "n8n export" in one]
    export.refuse_folder(PROJECT / line.split("--out ")[1])


def test_a_folder_that_git_would_take_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="git"):
        export.refuse_folder(PROJECT / "docs" / "made-export")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("secret/\n")
    export.refuse_folder(tmp_path / "secret" / "n8n")
    with pytest.raises(RefusedError):
        export.refuse_folder(tmp_path / "open")
    (tmp_path / ".gitignore").write_text("credentials.json\n")
    with pytest.raises(RefusedError):  # errors.json names the alert channel, which is a secret too
        export.refuse_folder(tmp_path / "open")


def test_redis_addresses(settings):
    data, told = credentials.redis("rediss://app:p%2Fw@cache.example.com/3?ssl_ca_certs=/ca.pem", settings)
    assert data == {
        "host": "cache.example.com",
        "port": 6379,
        "database": 3,
        "user": "app",
        "password": "p/w",
        "ssl": True,
    }
    assert "NODE_EXTRA_CA_CERTS" in told[0]
    with pytest.raises(ParameterError, match="socket"):
        credentials.redis("unix:///run/redis.sock", settings)


def test_mongodb_addresses(settings, tmp_path):
    ca, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    ca.write_text("CA"), key.write_text("CERT AND KEY")
    uri = (
        f"mongodb+srv://app:p%2Fw@c.example.net/?tlsCAFile={quote(str(ca), safe='')}&uuidRepresentation=standard"
        f"&tlsCertificateKeyFile={quote(str(key), safe='')}&w=2&appName=mine"
    )
    data, told = credentials.mongodb(uri, settings)
    assert data["connectionString"] == (
        f"mongodb+srv://app:p%2Fw@c.example.net/?w=2&retryWrites=true&appName={credentials.APP_NAME}"
    )
    assert (data["tls"], data["ca"], data["key"]) == (True, "CA", "CERT AND KEY")
    assert "uuidRepresentation" in told[0]
    assert "p%2Fw" not in repr(credentials.Credential(id="1", name="n", type="mongoDb", data=data))
    ca.unlink()
    with pytest.raises(InputFileError, match="cannot be read"):
        credentials.mongodb(uri, settings)


def test_the_same_names_get_the_same_ids_and_another_database_others():
    made = workflows.all_workflows(Settings.from_mapping(load_profile("production")))
    first, again = (export.bound(made, [], "leads") for _ in range(2))
    other = export.bound(made, [], "others")
    assert first == again and {one["id"] for one in first}.isdisjoint(one["id"] for one in other)
    assert "id" not in made[0]


@pytest.mark.parametrize(
    "words", ["nobody=https://a.example", "apollo=ftp://a.example", "apollo=https://a:b@c.example", "apollo"]
)
def test_a_wrong_vendor_address(words, settings, tmp_path):
    with pytest.raises(UsageError, match="vendor-url"):
        commands.export_to(settings, tmp_path / "x", vendor_urls=[words])


def test_the_command_says_what_to_type_and_shows_no_password(production, database, tmp_path, endpoints, monkeypatch):
    words = [sys.executable, "-m", "leadbook.cli", "n8n", "export", "--out", str(tmp_path / "e"),
             "--profile", "production", "-p", f"database={production.database}"]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    ids = [json.loads(path.read_text())["id"] for path in (tmp_path / "e" / "workflows").iterdir()]
    assert len(ids) == 12 and all(f" {one}" in done.stdout for one in ids) and "restart n8n" in done.stdout
    assert "import:credentials" in done.stdout and "alert channel's address; delete it after the import" in done.stdout
    monkeypatch.delenv(production.alert_level_1_env)
    made = export.Exported(folder=tmp_path, workflows=(), ids=(), credentials=())
    assert "holds passwords; delete it" in commands.what_next(made, production)[-1]
    held = json.loads((tmp_path / "e" / "credentials.json").read_text())
    for word in (held[1]["data"]["password"], "verysecretword3", *endpoints.mongodb_uri.split("@")[0].split(":")[2:]):
        assert word not in done.stdout + done.stderr
