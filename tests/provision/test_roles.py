"""Custom roles: what makes them works, built-in roles hold them, a removal is told, docs/roles.md is of this code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.errors import OperationFailure
from tests.roles_document import listed, rendered, rows_of

from leadbook.cli.main import main
from leadbook.core import connect, write_errors
from leadbook.core.settings import PROJECT, Settings
from leadbook.provision import role_texts, roles
from leadbook.provision.rights import APPLICATION, REPORTING, RIGHTS, Holder
from leadbook.provision.roles import ROLES, Role

PASSWORD = "Secret-word"
BUILT_IN = {"pipeline": APPLICATION, "reporting": REPORTING, "dba": RIGHTS}


def names_of(settings: Settings) -> dict[str, str]:
    return {"database": settings.database, "collection": settings.collection,
            "staging_collection": settings.staging_collection}  # fmt: skip


@pytest.fixture
def commands(settings: Settings) -> dict[str, str]:
    """What `leadbook roles` prints, by role."""
    return {name: role_texts.mongosh(role, names_of(settings)) for name, role in ROLES.items()}


@pytest.fixture
def made(admin: connect.Client, endpoints: connect.Endpoints, commands: dict[str, str]) -> Iterator[Any]:
    """The roles as the printed commands make them, and `made(name)`: the address of a user who holds one."""
    for name, text in commands.items():
        body = re.search(r"createRole\((\{.*?\n\})\)", text, re.DOTALL)
        assert body is not None
        role = json.loads(re.sub(r"(?<=[{ ])(\w+):", r'"\1":', body[1]))
        assert role.pop("role") == f"leadbook_{name}"
        admin.admin.command("createRole", f"leadbook_{name}", **role)
        held = [{"role": f"leadbook_{name}", "db": "admin"}]
        admin.admin.command("createUser", f"some_{name}", pwd=PASSWORD, roles=held)
    yield lambda name: re.sub(r"//[^@]+@", f"//some_{name}:{PASSWORD}@", endpoints.admin_uri)
    for name in commands:
        admin.admin.command("dropUser", f"some_{name}")
        admin.admin.command("dropRole", f"leadbook_{name}")


@contextmanager
def without(admin: connect.Client, role: Role, action: str, settings: Settings) -> Iterator[None]:
    less = replace(role, privileges=tuple(one for one in role.privileges if one.action != action))
    admin.admin.command("updateRole", role.name, privileges=less.granted(names_of(settings)))
    yield
    admin.admin.command("updateRole", role.name, privileges=role.granted(names_of(settings)))


def test_with_the_printed_roles_nobody_lacks_anything_and_a_removal_is_told_by_name(
    made: Any, admin: connect.Client, settings: Settings
) -> None:
    for name, wanted in BUILT_IN.items():
        with connect.mongodb(made(name), settings) as client:
            assert Holder.of(client, settings.database, wanted=wanted).lacks == (), name
    with connect.mongodb(made("dba"), settings) as client:
        for action, right, place in (("getLog", "clusterMonitor", "admin"), ("validate", "dbAdmin", settings.database)):
            with without(admin, ROLES["dba"], action, settings):
                holder = Holder.of(client, settings.database)
                assert holder.told(holder.lacks) == f"{action} of {right} on {place}"
                assert f'role: "{right}"' in holder.grant(holder.lacks)


def test_key_operations_pass_and_what_is_refused_says_its_command_and_no_value(
    made: Any, admin: connect.Client, settings: Settings
) -> None:
    url = "https://www.linkedin.com/in/somebody"
    with connect.mongodb(made("application"), settings) as client:
        database = client[settings.database]
        database[settings.staging_collection].insert_one({"vendor": "apollo", "payload": {"url": url}})
        assert database[settings.collection].find_one({"linkedin_url": url}) is None
        with pytest.raises(OperationFailure) as refused:
            database[settings.collection].insert_one({"linkedin_url": url})
        told = write_errors.described(refused.value)
        assert told == f"OperationFailure: not authorized on {settings.database} to run insert"
        with pytest.raises(OperationFailure):
            database[settings.staging_collection].find_one({})
    with connect.mongodb(made("pipeline"), settings) as client, without(admin, ROLES["pipeline"], "remove", settings):
        with pytest.raises(OperationFailure) as refused:
            client[settings.database][settings.staging_collection].delete_many({"payload.url": url})
        assert write_errors.line(refused.value) == f"not authorized on {settings.database} to run delete"
    admin[settings.database][settings.staging_collection].drop()


def test_the_built_in_roles_hold_every_privilege(admin: connect.Client, settings: Settings) -> None:
    for role in ROLES.values():
        for one in role.privileges:
            everywhere = one.built_in in ("clusterMonitor", "hostManager")
            home = "admin" if everywhere else one.db.format_map(names_of(settings))
            asked = {"role": one.built_in, "db": home}
            (told,) = admin.admin.command("rolesInfo", asked, showPrivileges=True)["roles"]
            held = [*told["privileges"], *told["inheritedPrivileges"]]
            assert any(one.is_held(each, names_of(settings)) for each in held), one


def test_the_page_lists_exactly_what_the_code_does_and_each_removal_was_tried() -> None:
    page = PROJECT / "docs" / "roles.md"
    rows = rows_of(page)
    assert sorted(row.key for row in rows) == sorted(listed())
    assert not [row.key for row in rows if not row.said]
    assert page.read_text(encoding="utf-8") == rendered(rows)


def test_atlas_takes_the_bodies(settings: Settings) -> None:
    for role in ROLES.values():
        body, user = role_texts.atlas_role(role, names_of(settings)), role_texts.atlas_user(role, 24 * "a", "leads")
        assert {one["action"] for one in body["actions"]} <= set(role_texts.ATLAS_ACTIONS.values())
        for one in body["actions"]:
            assert one["resources"] and all(set(each) == {"cluster", "db", "collection"} for each in one["resources"])
        kept = {one.action for one in role.privileges if role_texts.is_offered(one)}
        assert body["inheritedRoles"] or {role_texts.ATLAS_ACTIONS[action] for action in kept} == {
            one["action"] for one in body["actions"]
        }
        _required(body, "UserCustomDBRole"), _required(user, "CloudDatabaseUser")
    assert {"db": "admin", "role": "clusterMonitor"} in role_texts.atlas_role(ROLES["dba"], names_of(settings))[
        "inheritedRoles"
    ]


def _required(body: dict[str, Any], name: str) -> None:
    """Holds a body against the published description, where it is there."""
    if (schema := _published().get(name)) is None:
        return
    assert set(schema["required"]) <= set(body) <= set(schema["properties"])


@cache
def _published() -> dict[str, Any]:
    file = Path(os.environ.get("ATLAS_OPENAPI", "/nowhere"))
    text = file.read_text(encoding="utf-8") if file.is_file() else "components: {schemas: {}}"
    return yaml.safe_load(text)["components"]["schemas"]


class _Atlas(BaseHTTPRequestHandler):
    """Challenges, then takes what is sent."""

    taken: list[tuple[str, str, dict[str, Any]]]

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        known = self.headers.get("Authorization", "")
        if known:
            self.taken.append((self.path, known, json.loads(sent)))
        self.send_response(201 if known else 401)
        self.send_header("Content-Length", "0")
        if not known:
            self.send_header("WWW-Authenticate", 'Digest realm="MMS", nonce="abc", qop="auth"')
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_the_curl_commands_send_the_bodies_and_keep_keys_from_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    group = 24 * "b"
    words = ["leadbook", "roles", "--as", "atlas", "--only", "application", "-p", f"atlas_project={group}"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    script = capsys.readouterr().out
    assert ended.value.code == 0
    _Atlas.taken = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Atlas) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = os.environ | {
            "ATLAS_API_URL": f"http://127.0.0.1:{server.server_port}", "ATLAS_PUBLIC_KEY": "public",
            "ATLAS_PRIVATE_KEY": "private-key", "LEADBOOK_APPLICATION_PASSWORD": "of-many-words",
        }  # fmt: skip
        done = subprocess.run(["bash", "-xc", script], env=env, capture_output=True, text=True, check=False, timeout=30)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    (role_path, known, role), (user_path, _, user) = _Atlas.taken
    assert role_path == f"/api/atlas/v2/groups/{group}/customDBRoles/roles" and 'username="public"' in known
    assert user_path.endswith("/databaseUsers") and user["password"] == "of-many-words"
    assert role["roleName"] == user["roles"][0]["roleName"] == "leadbook_application"
    curls = [line for line in done.stderr.splitlines() if line.startswith("+ curl")]
    assert len(curls) == 2 and not [line for line in curls if "private-key" in line or "of-many-words" in line]


def test_a_wrong_word_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for words, line in (
        (["--only", "dbo"], "there is no role 'dbo'; did you mean 'dba'?"),
        (["--as", "terraform"], "--as must be mongosh or atlas, not 'terraform'"),
    ):
        monkeypatch.setattr("sys.argv", ["leadbook", "roles", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2 and line in capsys.readouterr().err
    assert [role.name for role in roles.named("leadbook_dba")] == ["leadbook_dba"]


def test_the_first_line_names_the_database_and_what_to_export(settings: Settings) -> None:
    some = roles.named("application")
    pasted = role_texts.heading("mongosh", some, "lead_generation", "production", "")
    assert pasted.startswith("// roles on the database lead_generation, which profile production names")
    sent = role_texts.heading("atlas", some, "lead_generation", "production", "")
    known = {"ATLAS_PUBLIC_KEY": "a", "ATLAS_PRIVATE_KEY": "b", "ATLAS_PROJECT": "c"}
    for given, status in ((known, False), (known | {"LEADBOOK_APPLICATION_PASSWORD": "d"}, True)):
        done = subprocess.run(["bash", "-c", sent], env=given, capture_output=True, check=False)
        assert (done.returncode == 0) is status
