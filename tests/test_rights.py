"""Three users of least rights: what each lacks, who is told how to grant it, and that no check needs more."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.exceptions import NoPermissionError
from tests.conftest import SMALL, unmark_mongodb, unmark_redis

from leadbook.core import connect
from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.settings import ACTIONS, Settings, load_profile
from leadbook.phases.blocked import unknown
from leadbook.phases.judging import acl, reason_of
from leadbook.provision.rights import RIGHTS, Holder
from leadbook.rehearsal.sample import documents
from leadbook.runner import chain

DATABASE, PASSWORD = "lead_generation", "Secret-word"
SHORT = {
    "bench_rounds": 2, "bench_documents": 200, "bench_leads": 1_000, "load_records": "500, 1000", "load_writers": "10",
    "open_loop_seconds": 1, "monitor_seconds": 1, "attestations_file": "",
}  # fmt: skip
REFUSED = re.compile(r"not authori[sz]ed|may not|NOPERM|no permissions")
READ_ANEW = ("01", "02", "03", "06", "08", "09")
"""Phases that ask what an application may not."""


def as_user(uri: str, user: str) -> str:
    """The same address for another user, whose password is PASSWORD."""
    return re.sub(r"//[^@]+@", f"//{user}:{PASSWORD}@", uri)


@pytest.fixture
def dba(admin: connect.Client, endpoints: connect.Endpoints, settings: Settings) -> Iterator[Callable[..., Holder]]:
    """`dba("clusterMonitor", …)`: what a DBA's user with these rights of leadbook's table, and no other, holds."""

    def made(*rights: str, own: bool = True) -> Holder:
        roles = [{"role": RIGHTS[name].role, "db": RIGHTS[name].place(settings.database)} for name in rights]
        admin.admin.command("createUser", "some_dba", pwd=PASSWORD, roles=roles)
        uri = endpoints.admin_uri.replace(
            endpoints.admin_uri[10 : endpoints.admin_uri.index("@")], "some_dba:Secret-word"
        )
        with connect.mongodb(uri, settings) as client:
            found = Holder.of(client, settings.database, own=own)
        admin.admin.command("dropUser", "some_dba")
        return found

    yield made


def test_a_user_lacks_what_no_role_of_theirs_allows(dba: Callable[..., Holder], admin: connect.Client) -> None:
    assert dba().lacks == tuple(RIGHTS)
    for name in RIGHTS:
        assert name not in dba(name).lacks and set(dba(*(set(RIGHTS) - {name})).lacks) == {name}, name
    assert dba(*RIGHTS).lacks == Holder.of(admin, "whatever", own=True).lacks == ()


def test_what_is_missing_is_told_as_a_command_to_paste(dba: Callable[..., Holder], settings: Settings) -> None:
    user = dba("readWrite")
    assert (user.name, user.lacks) == ("some_dba@admin", ("clusterMonitor", "dbAdmin"))
    assert user.grant(user.missing(["dbAdmin", "readWrite", "clusterMonitor"])) == (
        'db.getSiblingDB("admin").grantRolesToUser("some_dba", [{role: "clusterMonitor", db: "admin"}, '
        f'{{role: "dbAdmin", db: "{settings.database}"}}])'
    )
    made = dba("readWrite", own=False).grant(["clusterMonitor"])
    assert made.startswith('db.getSiblingDB("admin").createUser({') and all(
        f'role: "{name}"' in made for name in RIGHTS
    )


@pytest.mark.parametrize(
    ("refusal", "command"),
    [
        ("User n8n has no permissions to run the 'config|get' command", "ACL SETUSER n8n +config|get"),
        (
            "User n8n has no permissions to access one of the keys used as arguments",
            "ACL SETUSER n8n ~lead:* ~leadbook:*",
        ),
        ("this user has no permissions to run the 'bgsave' command", "ACL SETUSER NAME +bgsave"),
    ],
)
def test_what_redis_forbids_names_the_command_that_allows_it(refusal: str, command: str) -> None:
    found = reason_of(NoPermissionError(refusal))
    assert acl(refusal) == command and getattr(found, "remedy", "") == f"allow it: `{command}`"


# ------------------------------------------------------------------------------------ the catalogue's list is true


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of servers of somebody's own with leads: `app`, `dba` of least roles, `redis`."""
    from leadbook.rehearsal import servers

    folder = tmp_path_factory.mktemp("elsewhere")
    settings = Settings.from_mapping({**SMALL, "database": DATABASE})
    state = servers.up(settings, owner_pid=os.getpid(), folder=folder)
    unmark_mongodb(state.admin_uri, settings)
    unmark_redis(state.redis_url, settings)
    roles = [{"role": right.role, "db": right.place(DATABASE)} for right in RIGHTS.values()]
    with connect.mongodb(state.admin_uri, settings) as client:
        client.admin.command("createUser", "dba", pwd=PASSWORD, roles=roles)
    yield {"app": state.mongodb_uri, "dba": as_user(state.admin_uri, "dba"), "redis": state.redis_url}
    servers.down(folder)


def checks_of(phases: tuple[str, ...], out: Path) -> dict[str, Check]:
    """Every check of these phases, each run alone, in production with all approvals."""
    approve = ", ".join(f"{action} on {DATABASE}" for action in ACTIONS)
    values = {**load_profile("production"), **SHORT, "backup_dir": str(out / "backups"), "approve": approve}
    found = {}
    for phase in phases:
        result = chain.run(values, only=phase, out=out)
        assert result.exit_status in (0, 1), result.reason
        found |= {check.id: check for check in result.record.checks if check.phase == phase}
    return found


@pytest.mark.slow
def test_the_catalogue_knows_what_an_application_user_cannot_see(
    elsewhere: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every check that needs a right is not measured without it, and says how to get it; no other check is refused."""
    monkeypatch.setenv("MONGODB_URI", elsewhere["app"])
    monkeypatch.setenv("REDIS_URL", elsewhere["redis"])
    found = checks_of(("01",), tmp_path)  # while the database is empty
    settings = Settings.from_mapping({**SMALL, "database": DATABASE, "profile": "production"})
    needing = {entry.id for entry in catalogue().values() if entry.needs}
    told = unknown(settings, ("01",))
    assert (
        told.startswith("no MONGODB_ADMIN_URI: clusterMonitor on admin; ") and "NO-GO unless they are accepted" in told
    )
    with connect.mongodb(elsewhere["app"], settings) as client:
        client[DATABASE][settings.collection].insert_many(documents(600, 3))
    found |= checks_of((*READ_ANEW[1:], "05"), tmp_path)
    blind = {one.id for one in found.values() if one.verdict is Verdict.NOT_MEASURED and "createUser" in one.remedy}
    assert blind == needing, json.dumps({i: found[i].as_dict() for i in needing - blind if i in found}, indent=1)
    refused = {one.id for one in found.values() if REFUSED.search(one.evidence) and one.verdict is not Verdict.PASS}
    assert refused <= needing, {one: found[one].evidence for one in refused - needing}
    assert not [one.id for one in found.values() if one.id in needing and "this tier" in one.evidence]


@pytest.mark.slow
def test_a_dba_of_least_rights_sees_everything(
    elsewhere: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", elsewhere["app"])
    monkeypatch.setenv("MONGODB_ADMIN_URI", elsewhere["dba"])
    monkeypatch.setenv("REDIS_URL", elsewhere["redis"])
    assert unknown(Settings.from_mapping({"database": DATABASE, "profile": "production"}), READ_ANEW) == ""
    found = checks_of(READ_ANEW, tmp_path).values()
    assert not {one.id: one.evidence for one in found if REFUSED.search(one.evidence)}
