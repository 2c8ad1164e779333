"""Three users of least rights: what each lacks, who is told how to grant it, and that no check needs more."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from redis.exceptions import NoPermissionError
from tests.conftest import SMALL, unmark_mongodb, unmark_redis

from leadbook.core import connect
from leadbook.core.allowed import ACTIONS
from leadbook.core.checks import BLOCKING, Check, Verdict, accepted, blockers
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings, load_profile
from leadbook.phases.blocked import unknown
from leadbook.phases.judging import acl, reason_of
from leadbook.provision.rights import RIGHTS, Holder
from leadbook.rehearsal.sample import documents
from leadbook.runner import chain

DATABASE, PASSWORD = "lead_generation", "Secret-word"
SHORT = {
    "bench_rounds": 2, "bench_documents": 100, "bench_leads": 1_000, "load_records": "500", "load_writers": "4",
    "duplicate_checks": 200, "trial_records": 1_000, "open_loop_percent": "50", "open_loop_seconds": 0.2,
    "monitor_seconds": 1, "attestations_file": "",
}  # fmt: skip
REFUSED = re.compile(r"not authori[sz]ed|may not|NOPERM|no permissions")
READ_ANEW = tuple(sorted({entry.phase for entry in catalogue().values() if entry.needs}))
"""Phases that ask what an application may not."""
SOMETIMES = {"MDB-HST-003", "MDB-SCH-005"}
"""Not measured without the right only where the database is empty, and where a validator has to be changed."""

ANOTHER_WAY = {"MDB-TOP-001"}
"""Answered another way without the right, and says so: members as hello lists them."""


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
            "ACL SETUSER n8n ~lead:* ~leadbook_scratch:*",
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


def run(phase: str, out: Path, **changed: str) -> chain.RunResult:
    """One phase in production, with all approvals."""
    approve = ", ".join(f"{action} on {DATABASE}" for action in ACTIONS)
    own = {**SHORT, "backup_dir": str(out / "backups"), "approve": approve, **changed}
    return chain.run({**load_profile("production"), **own}, only=phase, out=out)


def checks_of(phase: str, out: Path) -> dict[str, Check]:
    """Every check of a phase, run alone."""
    result = run(phase, out)
    assert result.exit_status in (0, 1), result.reason
    return {check.id: check for check in result.record.checks if check.phase == phase}


def store_leads(uri: str, settings: Settings) -> None:
    """See that there are leads, for phases that look at them."""
    with connect.mongodb(uri, settings) as client:
        leads = client[DATABASE][settings.collection]
        if not leads.estimated_document_count():
            leads.insert_many(documents(600, 3))


@pytest.mark.slow
@pytest.mark.parametrize("phase", READ_ANEW)
def test_the_catalogue_knows_what_an_application_user_cannot_see(
    elsewhere: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """Every check that needs a right is not measured without it, and says how to get it; no other check is refused."""
    monkeypatch.setenv("MONGODB_URI", elsewhere["app"])
    monkeypatch.setenv("REDIS_URL", elsewhere["redis"])
    settings = Settings.from_mapping({**SMALL, "database": DATABASE, "profile": "production"})
    needing = {entry.id for entry in catalogue().values() if entry.needs and entry.phase == phase}
    told = unknown(settings, (phase,))
    assert told.startswith("no MONGODB_ADMIN_URI: ")
    assert f"{len(needing)} check" in told and "NO-GO unless they are accepted" in told
    if phase in ("06", "09"):
        store_leads(elsewhere["app"], settings)
    found = checks_of(phase, tmp_path)
    blind = {one.id for one in found.values() if one.verdict is Verdict.NOT_MEASURED and "createUser" in one.remedy}
    assert needing - SOMETIMES <= blind <= needing, {one: found[one] for one in needing - blind if one in found}
    blocking = [one for one in found.values() if one.verdict in BLOCKING]
    refused = {one.id: one.evidence for one in blocking if REFUSED.search(one.evidence)}
    assert set(refused) <= needing | ANOTHER_WAY, refused
    assert not [one.id for one in found.values() if one.id in needing and "this tier" in one.evidence]


@pytest.mark.slow
def test_what_blocks_on_servers_of_somebodys_own_can_be_accepted(
    elsewhere: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cores, a release out of support, no Atlas: phase 01 passes with the risks that somebody signed."""
    monkeypatch.setenv("MONGODB_URI", elsewhere["app"])
    monkeypatch.setenv("MONGODB_ADMIN_URI", elsewhere["dba"])
    monkeypatch.setenv("REDIS_URL", elsewhere["redis"])
    before = [check.id for check in blockers(run("01", tmp_path).record.checks) if check.phase == "01"]
    assert {"MDB-VER-002", "ATL-CLU-001"} <= set(before)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    risk = {"who": "Ada Lovelace", "when": today, "until": today, "why": "this is a trial on servers of our own"}
    file = tmp_path / "signed.yaml"
    signed = {"target": f"{DATABASE} on 127.0.0.1", "accepted": {check_id: dict(risk) for check_id in before}}
    file.write_text(yaml.safe_dump(signed))
    result = run("01", tmp_path, attestations_file=str(file))
    assert result.exit_status == 0, result.reason
    risks = accepted(result.record.checks)
    assert [check.id for check in risks] == before and {check.verdict for check in risks} != {Verdict.PASS}
    page = (result.directory / "01_provisioning_checks.html").read_text()
    assert page.count("risk accepted") >= len(before)
