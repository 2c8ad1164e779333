"""What a killed process left is shown, removed once approved, and nothing else is touched."""

import subprocess
import sys

from leadbook.commands.cleanup import cleanup
from leadbook.schema.scratch import SCRATCH_PREFIX, scratch_name
from leadbook.schema.undo import Changes

APPROVED = "cleanup on leadbook_test"
KILLED = """
import os, sys
from leadbook.core import connect
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.lead.keys import encode, linkedin_key
from leadbook.backup.restore import KIND
from leadbook.schema.scratch import scratch_name
from leadbook.schema.undo import Changes, Member, address_of, set_profiler
from bson import ObjectId
settings = Settings.from_mapping({"database": "leadbook_test"})
client = connect.mongodb(os.environ["MONGODB_URI"], settings)
admin = connect.mongodb(os.environ["MONGODB_ADMIN_URI"], settings)
redis = connect.redis(os.environ["REDIS_URL"], settings)
database = client[settings.database]
trial, copy = database[scratch_name("trial")], database[scratch_name(KIND + "leads")]
trial.insert_one({"full_name": "Ana"}); copy.insert_one({"full_name": "Ana"})
redis.set(linkedin_key("trial"), encode(collection_uuid(trial), ObjectId(), 0))
redis.set(linkedin_key("real"), encode("0" * 12, ObjectId(), 0))
changes = Changes(database)
changes.begin(); admin.admin.command("ping")
redis.set(changes.keys + "x", 1)
with changes.changed("profiler", {"level": 0, "slowms": 100, "made": True}, admin) as member:
    set_profiler(admin[settings.database], {"level": 1, "slowms": 50}, member)
    os._exit(9)
"""


def killed():
    assert subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=60).returncode == 9


def test_a_killed_process_leaves_nothing_after_its_cleanup(production, database, leads, admin, clean_redis):
    leads.insert_one({"linkedin_url": "https://www.linkedin.com/in/real"})
    killed()
    at_work, mine = Changes(database), database[scratch_name("mine")]
    at_work.begin()
    mine.insert_one({})
    planned = cleanup(production())
    plan = planned.plan
    assert (len(plan.sessions), len(plan.scratch), len(plan.copies), plan.keys) == (1, 1, 1, 2)
    assert "profiler" in plan.sessions[0] and planned.left is None and APPROVED in planned.next
    assert database[plan.scratch[0]].count_documents({}) == 1
    done = cleanup(production(approve=APPROVED))
    assert done.left is not None and done.left.found == 0
    names = database.list_collection_names(filter={"name": {"$regex": f"^({SCRATCH_PREFIX}|system.profile)"}})
    assert names == [mine.name] and mine.count_documents({}) == 1
    assert admin[database.name].command("profile", -1)["was"] == 0
    assert list(clean_redis.scan_iter()) == [b"lead:linkedin:real"]
    assert leads.count_documents({}) == 1 and database["leadbook_undo"].count_documents({}) == 1
    mine.drop()
    at_work.end()
    assert cleanup(production(approve=APPROVED)).plan.found == 0


def test_a_profiler_that_somebody_else_switched_on_stays_and_is_told(production, leads, admin):
    name = leads.database.name
    admin[name].command("profile", 1, slowms=100)
    try:
        found = cleanup(production(approve=APPROVED)).plan
        assert found.found == 0 and "setProfilingLevel(0)" in found.spared[0]
        assert admin[name].command("profile", -1)["was"] == 1
    finally:
        admin[name].command("profile", 0)
