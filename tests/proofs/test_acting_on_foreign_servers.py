"""Acting on servers as somebody else runs them: three members with TLS, three users with least rights, a Redis with a
password; in production, by the command line, as a DBA would."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from foreign import DATABASE, ForeignServers
from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.ingest import control
from leadbook.schema.state import apply

pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The servers, with the leads' schema."""
    running = ForeignServers(tmp_path_factory.mktemp("foreign")).start()
    approved = {"profile": "production", "database": DATABASE, "approve": f"apply_schema on {DATABASE}"}
    settings = Settings.from_mapping({**approved, "min_pool_size": 0})
    with connect.mongodb(running.uri("n8n_app"), settings) as app, connect.mongodb(running.uri("dba"), settings) as dba:
        apply(app[DATABASE][settings.collection], dba, settings)
    yield running
    running.stop()


@pytest.fixture
def leadbook(foreign, tmp_path):
    """`leadbook("writers=3")`: (exit status, the report as JSON, what stood on standard error)."""

    def run(*words, **environment):
        argv = [sys.executable, "-m", "leadbook.cli", "act", *words, "--json", "--profile", "production"]
        argv += ["-p", f"database={DATABASE}"]
        own = {**os.environ, **foreign.environment, "LEADBOOK_STATE": str(tmp_path), **environment}
        done = subprocess.run(argv, env=own, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr

    return run


def act(leadbook, *words, **environment):
    status, report, err = leadbook(*words, **environment)
    assert status == 0, err
    status, report, err = leadbook(*words, "--approve", report["plan"]["hash"], **environment)
    assert (status, report["done"], report["so"]) == (0, True, True), err
    return report


def test_the_dba_acts_with_least_rights(leadbook, foreign):
    for words in (["writers=3"], ["profiler=on", "slowms=50"], ["hide_index=idx_company_name"],
                  ["redis_policy=volatile-lru"]):  # fmt: skip
        act(leadbook, *words)
        assert leadbook(*words)[1]["plan"]["is_so_already"], words
    foreign.step_down()  # the next primary knows the orders, and the profiler is put back on the member that has it
    assert leadbook("writers=3")[1]["plan"]["is_so_already"]
    settings = Settings.from_mapping({"profile": "production", "database": DATABASE, "min_pool_size": 0})
    with connect.mongodb(foreign.uri("n8n_app"), settings) as app:
        assert control.read(app[DATABASE]).writers == 3
        assert app[DATABASE]["leadbook_undo"].count_documents({"kept": True}) == 1
    act(leadbook, "unhide_index=idx_company_name")


def test_without_the_dbas_address_each_missing_right_is_named(leadbook):
    alone = {"MONGODB_ADMIN_URI": ""}
    act(leadbook, "batch_size=200", **alone)
    status, _, err = leadbook("profiler=on", **alone)
    assert status == 2 and "createUser" in err and "dbAdmin" in err and err.count("\n") == 1, err
