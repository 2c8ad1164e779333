"""What watching costs: 3,000 snapshots of a whole sprint's data, in memory here and in time there."""

import gc
import json
import os
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from time import perf_counter

import psutil
import pytest
from bson import ObjectId

from leadbook.core import connect
from leadbook.core.settings import PROJECT
from leadbook.ingest.staging import Staging
from leadbook.lead.ledger import STORED
from leadbook.rehearsal import servers
from leadbook.schema.state import apply
from leadbook.watch.clock import SprintClock
from leadbook.watch.snapshot import SnapshotReader

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1_800)]
SNAPSHOTS = int(os.environ.get("LEADBOOK_SNAPSHOTS", "3000"))
INTERVAL_S = 30.0
LEADS, STAGED = 20_000, 26_000


def filled(database, settings):
    """A sprint's leads and staged records, a day's worth, all but 200 ended."""
    leads = [{"linkedin_url": f"https://www.linkedin.com/in/p{n}", "company_name": f"c{n % 900}", "job_title": "x" * 30,
              "additional_data": {"text": "y" * 800}} for n in range(LEADS)]  # fmt: skip
    database[settings.collection].insert_many(leads)
    began, pipeline = datetime.now(UTC) - timedelta(hours=20), {"state": "done", "token": ObjectId()}
    kinds = [STORED] * 7 + ["filled", "duplicate:redis", "rejected:missing_name"]
    records = [
        {"_id": ObjectId(str(ObjectId.from_datetime(began + timedelta(seconds=2.7 * n)))[:8] + f"{n:016x}"),
         "vendor": ("apollo", "brightdata")[n % 2], "payload": {"text": "z" * 1_200, "n": n},
         "collector": {"workflow": f"{('apollo', 'brightdata')[n % 2]}-{n % 10}", "batch": n // 200, "size": 200},
         "pipeline": {**pipeline, "outcome": kinds[n % 10]} if n < STAGED - 200 else {}}
        for n in range(STAGED)
    ]  # fmt: skip
    database[settings.staging_collection].insert_many(records)


def write_table(figures):
    rows = "\n".join(f"| {name} | {value} |" for name, value in figures.items())
    text = (
        "# What watching costs\n\nWritten by `tests/proofs/test_snapshot_cost.py`, which read these snapshots one "
        f"after the other, while records came and ended.\n\n| | |\n|---|---|\n{rows}\n"
    )
    (PROJECT / "docs" / "watch-cost.md").write_text(text, encoding="utf-8")


def cpu_s(processes):
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def test_three_thousand_snapshots(settings, own_servers):
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    with (
        connect.mongodb(endpoints.mongodb_uri, settings) as client,
        connect.mongodb(endpoints.admin_uri, settings) as admin,
    ):
        database = client[settings.database]
        apply(database[settings.collection], admin, settings)
        filled(database, settings)
        staging, me = Staging(database[settings.staging_collection]), psutil.Process()
        processes = [psutil.Process(process.pid) for process in state.processes]
        costs, told, memory, sizes = [], [], [], []
        with SnapshotReader(settings, endpoints, SprintClock(), watch="proof") as watch:
            watch.read(0, INTERVAL_S)
            cpu = 0.0
            for number in range(1, SNAPSHOTS + 1):
                if number % 10 == 0:
                    staging.collection.insert_many([
                        {"vendor": "apollo", "payload": {"n": n}, "collector": {"workflow": "apollo-1"}}
                        for n in range(20)
                    ])  # fmt: skip
                    claim = staging.claim(20)
                    staging.end(claim, dict.fromkeys([one["_id"] for one in claim.records], STORED))
                before, began = cpu_s(processes), perf_counter()
                snapshot = watch.read(number, INTERVAL_S)
                costs.append(1000 * (perf_counter() - began))
                cpu += cpu_s(processes) - before
                told.append(snapshot.readings["watch.server_ms"])
                assert not {"mongodb", "redis", "sprint"} & snapshot.unmeasured.keys()
                if number in (SNAPSHOTS // 10, SNAPSHOTS // 2, SNAPSHOTS):
                    gc.collect()
                    memory.append(me.memory_info().rss / 1e6)
                    sizes.append(len(snapshot.as_json()))
                    if number < SNAPSHOTS // 2:
                        tracemalloc.start()
                        traced = tracemalloc.get_traced_memory()[0]
            grown = (tracemalloc.get_traced_memory()[0] - traced) / 1e6
            tracemalloc.stop()
        share = 100 * cpu / SNAPSHOTS / INTERVAL_S
        costs.sort(), told.sort()
        figures = {
            "snapshots": SNAPSHOTS, "leads and staged records": f"{LEADS:,} and {STAGED:,}",
            "processor time of mongod and Redis, a snapshot, ms": round(1000 * cpu / SNAPSHOTS, 1),
            "of the servers' time at one each 30 s, %": round(share, 3),
            "time of a snapshot, median, ms": round(costs[len(costs) // 2], 1),
            "time of a snapshot, p99, ms": round(costs[int(len(costs) * 0.99)], 1),
            "of that, in which servers worked, median, ms": round(told[len(told) // 2], 1),
            "memory of the watching process after a tenth, half and all, MB": ", ".join(f"{mb:.1f}" for mb in memory),
            "growth of its Python objects from a tenth to the end, MB": round(grown, 2),
            "size of a snapshot, bytes": sizes[-1],
        }  # fmt: skip
        sys.stdout.write(json.dumps({**figures, "cost_ms": snapshot.cost_ms}) + "\n")
        if SNAPSHOTS >= 3_000:
            write_table(figures)
        staged = database[settings.staging_collection].count_documents({})
        assert snapshot.readings["sprint.staged"] == staged
        assert share < 1.0 and told[len(told) // 2] < 10 * INTERVAL_S
        assert memory[-1] - memory[0] < 15.0 and grown < 3.0
