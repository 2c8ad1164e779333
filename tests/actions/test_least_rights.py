"""With the rights that production gives, and no more: each action works, or says which right is missing."""

from __future__ import annotations

import re
import threading
import time

import pytest
from pymongo.errors import PyMongoError

from foreign import DATABASE, ROLES
from leadbook.commands.act import act
from leadbook.core import connect
from leadbook.core.errors import RefusedError

PASSWORD = "Secret-word"


@pytest.fixture
def as_user(admin, endpoints, settings, monkeypatch, production, leads, clean_redis):
    """`as_user("dba")`: the DBA's address is that of a user with the roles of tests/foreign.py."""
    made = []

    def become(name: str, *more: str):
        roles = [{**role, "db": settings.database if role["db"] == DATABASE else role["db"]} for role in ROLES[name]]
        roles += [{"role": role, "db": "admin"} for role in more]
        admin.admin.command("createUser", f"some_{name}", pwd=PASSWORD, roles=roles)
        made.append(f"some_{name}")
        monkeypatch.setenv("MONGODB_ADMIN_URI", re.sub(r"//[^@]+@", f"//some_{name}:{PASSWORD}@", endpoints.admin_uri))
        return production

    yield become
    for name in made:
        admin.admin.command("dropUser", name)


def do(production, *words):
    return act(production(), words, approve=act(production(), words).plan.hash)


@pytest.fixture
def scan(leads, endpoints, admin, settings):
    """A runaway operation of a user who is neither the DBA nor the application's: ends with the test."""
    leads.insert_one({"linkedin_url": "https://www.linkedin.com/in/slow"})

    def run(uri: str) -> None:
        with connect.mongodb(f"{uri}&appName=n8n", settings) as client:
            try:
                client[settings.database][settings.collection].find_one({"$where": "sleep(8000) || true"})
            except PyMongoError:
                return

    return lambda uri: threading.Thread(target=run, args=(uri,), daemon=True).start()


def listed(production):
    deadline = time.monotonic() + 10
    while not (rows := act(production(), ["kill_operation", "older=0.2"]).plan.rows) and time.monotonic() < deadline:
        time.sleep(0.05)
    return rows


def test_the_dba_switches_the_profiler_and_hides_an_index(as_user):
    production = as_user("dba")
    assert do(production, "profiler=on", "slowms=50").so and do(production, "profiler=off").so
    assert do(production, "hide_index=idx_job_title").so and do(production, "unhide_index=idx_job_title").so
    assert do(production, "writers=3").so and do(production, "redis_clear").plan.is_so_already


def test_the_application_alone_is_told_what_the_dba_lacks(as_user):
    production = as_user("n8n_app")
    with pytest.raises(RefusedError, match=r"lacks dbAdmin on leadbook_test; to grant it: .*grantRolesToUser"):
        act(production(), ["profiler=on"])
    assert "dbAdmin" in act(production(), ["hide_index=idx_job_title"]).plan.needs
    with pytest.raises(RefusedError, match="lacks dbAdmin"):
        do(production, "hide_index=idx_job_title")
    assert do(production, "batch_size=200").so


def test_the_dba_ends_the_applications_operation_through_the_application(as_user, scan, endpoints):
    production = as_user("dba")
    scan(endpoints.mongodb_uri)
    (row,) = listed(production)
    assert do(production, "kill_operation", f"opid={row['opid']}", "older=0").so


def test_anothers_operation_needs_a_right_that_is_told(as_user, scan, endpoints):
    production = as_user("dba")
    scan(endpoints.admin_uri)
    (row,) = listed(production)
    words = ["kill_operation", f"opid={row['opid']}", "older=0"]
    assert "hostManager on admin" in act(production(), words).plan.needs
    with pytest.raises(RefusedError, match="lacks hostManager on admin; to grant it"):
        do(production, *words)
