"""Every snippet, run by the real mongosh on a real server, and its answer looked at. Not part of `make test`.

`make mongosh-test` installs mongosh from npm below .leadbook; MONGOSH names another one.
"""

import os
import re
import shutil
import subprocess

import pytest

from leadbook.core.definitions import catalogue
from leadbook.page.by_hand import SCRATCH, snippet
from leadbook.schema.state import pending

pytestmark = [pytest.mark.mongosh, pytest.mark.timeout(300)]

MAKES = ("MDB-SCH-001", *(f"MDB-IDX-{number:03d}" for number in range(1, 12)))
PASTED = [entry.id for entry in catalogue().values() if entry.mongosh]
ERRORS = {"MDB-PRB-002": "E11000", "MDB-PRB-005": "Document failed validation", "PIPE-INS-003": "E11000"}
PLANS = [check_id for check_id in PASTED if re.fullmatch(r"MDB-PLAN-0(0\d|1[0-3])|BCH-FND-002", check_id)]


def pasted(uri: str, scripts: dict[str, str], home) -> dict[str, str]:
    """What mongosh prints for each script, typed into it one after the other; the address only by the environment."""
    program = os.environ.get("MONGOSH") or shutil.which("mongosh")
    if not program:
        pytest.skip("mongosh is not installed: make mongosh-test")
    lines = ["db = connect(process.env.MONGODB_URI)"]
    for name, script in scripts.items():
        lines += [f'print("@@" + "{name}@@")', script]
    told = subprocess.run(
        [program, "--nodb", "--quiet"], input="\n".join(lines) + "\n", text=True, capture_output=True, timeout=240,
        env={**os.environ, "MONGODB_URI": uri, "HOME": str(home), "NO_COLOR": "1"}, check=True,
    ).stdout  # fmt: skip
    parts = re.split(r"@@([A-Z0-9-]+)@@\n", told)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def answers(endpoints, settings, mongo, admin, tmp_path_factory):
    """The answers of all snippets on a small collection that the first of them made; (answers, leads before)."""
    home, names = tmp_path_factory.mktemp("home"), settings.model_dump()
    admin.drop_database(settings.database)
    scripts = {check_id: snippet(check_id, names).mongosh for check_id in PASTED}
    first = pasted(endpoints.admin_uri, {name: scripts[name] for name in MAKES}, home)
    leads = mongo[settings.database][settings.collection]
    changes = pending(leads, settings)
    leads.insert_many([_lead(number) for number in range(300)])
    rest = {name: script for name, script in scripts.items() if name not in MAKES}
    return {**first, **pasted(endpoints.admin_uri, rest, home)}, changes, names


def _lead(number: int) -> dict:
    text = {name: f"{name} {number % 7}" for name in ("full_name", "job_title", "company_name", "company_industry")}
    mail = {"email": f"a{number}@example.com"} if number % 3 else {}
    known = {"linkedin_url": f"https://www.linkedin.com/in/somebody-{number}", "data_source": "Apollo"}
    return {**known, **text, **mail, "data_quality_score": 60 + number % 40}


def test_each_is_answered_and_none_ends_in_an_error_that_it_does_not_announce(answers):
    told, _, _ = answers
    assert sorted(told) == sorted(PASTED)
    errors = {name: text for name, text in told.items() if re.search(r"Uncaught|Error:|Error\b.*:|undefined", text)}
    assert sorted(errors) == sorted(ERRORS), errors
    assert all(sign in told[name] for name, sign in ERRORS.items())


def test_the_collection_made_by_hand_is_the_one_that_leadbook_wants(answers):
    _, changes, names = answers
    assert [change.line for change in changes if change.collection == names["collection"]] == []


def test_each_find_is_served_by_an_index(answers):
    told, _, _ = answers
    for check_id in PLANS:
        assert "COLLSCAN" not in told[check_id] and re.search(r"stage: '(EXPRESS_)?IXSCAN'|COUNT_SCAN", told[check_id])
    assert "stage: 'FETCH'" in told["MDB-PLAN-001"], "what stands where the task book looks for IXSCAN"


def test_counts_are_those_of_the_leads_and_nothing_is_left_of_what_was_tried(answers, mongo, settings):
    told, _, _ = answers
    database = mongo[settings.database]
    assert database[settings.collection].count_documents({}) == 300
    assert SCRATCH not in database.list_collection_names()
    assert "> 300" in told["BCH-CNT-001"] and "unique: 300" in told["FIN-COUNT-002"]
    assert "> 200" in told["FIN-QUAL-002"] and "> 300" in told["FIN-QUAL-003"]
    assert "leads: 300" in told["FIN-SRC-001"] and "mean: " in told["FIN-QUAL-001"]
    assert "shared" not in told["FIN-COUNT-003"].split('shared" }])')[-1]
    assert "valid: true" in told["FIN-INT-001"] and "ok: 1" in told["MDB-CON-001"]
    assert len(re.findall(r"\b(?:100|250|500): \d+ documents/s", told["BCH-INS-003"])) == 3
    assert "was: 0" in told["BCH-LOG-001"], "the profiler is as it was"


def test_a_write_concern_where_the_task_book_writes_it_is_not_read(endpoints, settings, tmp_path):
    """Nine members are asked for and there is one: heard, it would fail."""
    many, name = "db.leadbook_scratch_by_hand.insertMany([{ a: 1 }], ", settings.database
    told = pasted(endpoints.admin_uri, {
        "BOOK": f"use {name}\n{many}{{ ordered: false, w: 9, wtimeout: 500 }})",
        "OURS": f"{many}{{ ordered: false, writeConcern: {{ w: 9, wtimeout: 500 }} }})\n{many[:28]}.drop()",
    }, tmp_path)  # fmt: skip
    assert "acknowledged: true" in told["BOOK"] and "Not enough data-bearing nodes" in told["OURS"]
