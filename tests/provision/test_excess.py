"""What a user may do beyond its need is seen by privileges: roles of any name, and none that README or `leadbook roles`
asks for is blamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from leadbook.core import addresses, connect
from leadbook.core.checks import Check, Verdict
from leadbook.core.connect import Client, Endpoints
from leadbook.core.settings import Settings
from leadbook.phases.p01 import verdicts
from leadbook.provision import excess
from leadbook.provision.roles import ROLES
from leadbook.provision.server import inspect

DATABASE, NAME, PASSWORD = "leadbook_test", "some_user", "Secret-word"
NAMES = {"database": DATABASE, "collection": "performance_marketers", "staging_collection": "raw_leads"}
Made = Callable[..., Client]


def role(name: str, db: str = "admin") -> dict[str, str]:
    return {"role": name, "db": db}


@pytest.fixture
def user(admin: Client, endpoints: Endpoints, settings: Settings) -> Iterator[Made]:
    """`user(role, …)`: a client of a user with these roles; a list of privileges makes a role of its own."""
    clients: list[Client] = []
    custom: list[str] = []

    def made(*roles: Mapping[str, str] | list[dict[str, Any]]) -> Client:
        held: list[Any] = []
        for one in roles:
            if isinstance(one, list):
                custom.append(f"some_role_{len(custom)}")
                admin.admin.command("createRole", custom[-1], privileges=one, roles=[])
            held.append(role(custom[-1]) if isinstance(one, list) else one)
        admin.admin.command("createUser", NAME, pwd=PASSWORD, roles=held)
        parts = addresses.parse(endpoints.admin_uri)
        uri = endpoints.admin_uri.replace(f"{parts.user}:{parts.password}@", f"{NAME}:{PASSWORD}@")
        clients.append(connect.mongodb(uri, settings))
        return clients[-1]

    yield made
    for client in clients:
        client.close()
    admin.admin.command("dropUser", NAME)
    for name in custom:
        admin.admin.command("dropRole", name)


@pytest.fixture
def judged(mongo: Client, endpoints: Endpoints, production: Settings) -> Callable[..., dict[str, Check]]:
    def judge(application: Client, reporting: Client | None = None) -> dict[str, Check]:
        server = inspect(mongo, mongo, production)
        made = verdicts.access(application, reporting, endpoints.mongodb_uri, server, production)
        return {check.id: check for check in made}

    return judge


def privileges(short: str) -> list[dict[str, Any]]:
    """Those of a role that `leadbook roles` prints."""
    return ROLES[short].granted(NAMES)


@pytest.mark.parametrize("held", [[role("readWrite", DATABASE)], "pipeline", "application"])
def test_the_application_that_has_what_it_needs_passes(
    user: Made, judged: Callable[..., dict[str, Check]], held: Any
) -> None:
    client = user(privileges(held)) if isinstance(held, str) else user(*held)
    check = judged(client)["MDB-SEC-005"]
    assert (check.verdict, check.measured) == (Verdict.PASS, 0), check.evidence


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (role("dbAdmin", DATABASE), f"on {DATABASE}"),
        (role("readWrite", "admin"), "on admin"),
        (role("readWrite", "crm"), "on crm"),
        (role("read", "crm"), "on crm"),
        (role("readAnyDatabase"), "find"),
        (role("clusterMonitor"), "on the cluster"),
        (role("enableSharding"), "enableSharding"),
        ([{"resource": {"db": DATABASE, "collection": ""}, "actions": ["collMod"]}], f"collMod on {DATABASE}"),
        ([{"resource": {"db": "crm", "collection": "people"}, "actions": ["find"]}], "find on crm"),
        ([{"resource": {"anyResource": True}, "actions": ["find"]}], "find on every database"),
        ([{"resource": {"cluster": True}, "actions": ["shutdown"]}], "shutdown on the cluster"),
    ],
)
def test_what_the_application_may_beyond_that_warns_and_is_named(
    user: Made, judged: Callable[..., dict[str, Check]], extra: Any, said: str
) -> None:
    check = judged(user(role("readWrite", DATABASE), extra))["MDB-SEC-005"]
    assert check.verdict is Verdict.WARN and check.measured > 0
    assert said in check.evidence.partition("beyond")[2]


@pytest.mark.parametrize(
    "held",
    [[role("read", DATABASE)], [role("readAnyDatabase")], [role("read", DATABASE), role("clusterMonitor")],
     [role("read", DATABASE), role("readWrite", "reports_of_its_own")], "reporting", "monitor"],
)  # fmt: skip
def test_a_reporting_user_that_only_reads_passes(
    user: Made, judged: Callable[..., dict[str, Check]], mongo: Client, held: Any
) -> None:
    client = user(privileges(held)) if isinstance(held, str) else user(*held)
    check = judged(mongo, client)["MDB-SEC-006"]
    assert check.verdict is Verdict.PASS, check.evidence


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (role("dbAdmin", DATABASE), f"on {DATABASE}"),
        (role("dbAdminAnyDatabase"), "on every database"),
        (role("userAdmin", "admin"), "on admin"),
        (role("hostManager"), "on the cluster"),
        ([{"resource": {"db": DATABASE, "collection": "performance_marketers"}, "actions": ["find", "remove"]}],
         f"remove on {DATABASE}"),
        ([{"resource": {"db": "", "collection": "performance_marketers"}, "actions": ["update"]}],
         "update on every database"),
    ],
)  # fmt: skip
def test_a_reporting_user_that_may_change_something_though_its_insert_is_refused_fails(
    user: Made, judged: Callable[..., dict[str, Check]], mongo: Client, extra: Any, said: str
) -> None:
    check = judged(mongo, user(role("read", DATABASE), extra))["MDB-SEC-006"]
    assert check.verdict is Verdict.FAIL and check.evidence.startswith("its insert was refused")
    assert said in check.evidence


def test_a_rehearsals_own_users_pass(
    mongo: Client, endpoints: Endpoints, judged: Callable[..., dict[str, Check]], settings: Settings
) -> None:
    assert endpoints.reporting_uri
    with connect.mongodb(endpoints.reporting_uri, settings) as reporting:
        server = inspect(mongo, mongo, settings)
        made = verdicts.access(mongo, reporting, endpoints.mongodb_uri, server, settings)
    assert {check.verdict for check in made} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("name", "db", "known"),
    [
        ("read", DATABASE, excess.READS),
        ("readWrite", DATABASE, excess.WRITES),
        ("clusterMonitor", "admin", excess.LOOKS),
    ],
)
def test_the_actions_of_built_in_roles_are_those_of_the_server(
    admin: Client, name: str, db: str, known: frozenset[str]
) -> None:
    (told,) = admin[db].command("rolesInfo", role(name, db), showPrivileges=True)["roles"]
    held = {action for one in (*told["privileges"], *told["inheritedPrivileges"]) for action in one["actions"]}
    assert held <= known
