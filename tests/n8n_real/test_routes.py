"""20,000 leads by the task book's route (GET, insert, SET in n8n) against this one (n8n stages, the pipeline goes on).

One run, one machine; it writes docs/n8n-routes.md. Needs a quiet machine and some minutes:
`LEADBOOK_N8N=FOLDER .venv/bin/python -m pytest -p no:xdist -m "n8n and proof" -o timeout=3600 -s tests/n8n_real`
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import psutil
import pytest

from leadbook.core.settings import PROJECT
from leadbook.n8n import names
from n8n_real import install, task_book
from n8n_real import vendor as vendors
from n8n_real.real import RealN8n, memory_mib, put
from n8n_real.world import make_world

pytestmark = [pytest.mark.n8n, pytest.mark.proof, pytest.mark.timeout(3_600)]
PAGE = EACH_BATCH = 200
LEADS = 20_000
PATIENCE_S = 1_200


@dataclass(frozen=True, kw_only=True)
class Route:
    """What one route did. collected: leads that the vendors gave.  failed: executions that ended in an error."""

    name: str
    collected: int
    stored: int
    failed: int
    n8n_s: float
    pipeline_s: float
    peak_mib: float
    load: float
    error: str = ""


def people(each, repeats=0):
    """Ten feeds of Apollo's shape for the task book's workflows."""
    made = {f"apollo-{100 + number}": [vendors.record("apollo", number * 1_000_000 + place) for place in range(each)]
            for number in range(1, 11)}  # fmt: skip
    for mine in made.values():
        for place in range(repeats):
            mine[place * 3 + 1] = dict(mine[0 if place % 2 else place * 3])
    return made


def drive(world, started, hooks, ids):
    """Start all, wait until all have ended; seconds, most memory in MiB, errors."""
    peak, over = [0.0], threading.Event()

    def look():
        while not over.wait(0.2):
            peak[0] = max(peak[0], memory_mib(started.pid))

    threading.Thread(target=look, daemon=True).start()
    began = time.monotonic()
    for url, header in hooks:
        assert httpx.post(url, json={}, headers=header, timeout=60.0).status_code == 200
    ended = [started.ended(one, 1, PATIENCE_S)[0] for one in ids]
    seconds = time.monotonic() - began
    over.set()
    return seconds, peak[0], [one for one in ended if one["status"] != "success"]


def by_the_task_book(world, each, repeats=0):
    """Ten workflows at once, each 200 leads a turn: 10 turns of GET, insert, SET."""
    world.empty()
    feeds = people(each, repeats)
    held = json.loads((world.exported / "credentials.json").read_text())
    ids = {one["type"]: one["id"] for one in held if one["type"] in ("mongoDb", "redis")}
    folder = world.exported.parent / f"task-book-{each}"
    folder.mkdir()
    with vendors.serving(feeds) as vendor:
        n8n = RealN8n(world.exported.parent / f"n8n-task-book-{each}")
        n8n.folder.mkdir()
        n8n.run("import:credentials", f"--input={world.exported / 'credentials.json'}")
        made = [
            task_book.workflow(number, f"{vendor.url}/apollo-{100 + number}?by=task-book", batch=EACH_BATCH, page=PAGE,
                               pages=-(-each // PAGE), ids=ids, collection=world.settings.collection)
            for number in range(1, 11)
        ]  # fmt: skip
        for one in made:
            put(folder, one)
        n8n.run("import:workflow", "--separate", f"--input={folder}")
        with n8n.started() as started:
            for one in made:
                started.activate(one["id"])
            hooks = [(f"{n8n.url}/webhook/task-book-{number}", {}) for number in range(1, 11)]
            seconds, peak, failed = drive(world, started, hooks, [one["id"] for one in made])
            why = started.error_of(failed[0]["id"]) if failed else ""
    leads = world.database()[world.settings.collection]
    told = f", {10 * repeats} of them repeats" if repeats else ""
    return Route(
        name=f"task book: GET, insert, SET in n8n{told}", collected=10 * each, stored=leads.count_documents({}),
        failed=len(failed), n8n_s=seconds, pipeline_s=0.0, peak_mib=peak, load=os.getloadavg()[0], error=why,
    )  # fmt: skip


def by_leadbook(world):
    """The ten exported collectors, then one drain."""
    world.empty()
    with world.n8n.started() as started:
        for name in (names.ERRORS, *(one.workflow for one in names.INSTANCES)):
            started.activate(world.workflow(name)["id"])
        hooks = [world.hook(stamp) for stamp in names.STAMPS]
        seconds, peak, failed = drive(world, started, hooks, [world.id_of(stamp) for stamp in names.STAMPS])
    staged = world.database()[world.settings.staging_collection].count_documents({})
    began = time.monotonic()
    ledger = world.ledger()
    took = time.monotonic() - began
    assert ledger["read"] == staged == sum(map(len, world.vendor.feeds.values()))
    return Route(
        name="leadbook: n8n stages, the pipeline goes on", collected=staged, stored=ledger["stored"],
        failed=len(failed), n8n_s=seconds, pipeline_s=took, peak_mib=peak, load=os.getloadavg()[0],
    )  # fmt: skip


def test_both_routes(installed, tmp_path):
    with make_world(tmp_path, LEADS // 10, 0, pause_s=0) as world:
        routes = []
        for route in (
            lambda: by_the_task_book(world, 200, repeats=10), lambda: by_the_task_book(world, LEADS // 10),
            lambda: by_leadbook(world),
        ):  # fmt: skip
            routes.append(route())
            print(routes[-1], flush=True)  # noqa: T201
        doubled, theirs, ours = routes
    write([theirs, ours, doubled])
    assert (ours.stored, ours.failed) == (LEADS, 0)


def write(routes):
    """docs/n8n-routes.md, as it was measured."""
    rows = "\n".join(
        f"| {one.name} | {one.collected:,} | {one.stored:,} | {one.failed} of 10 | {one.n8n_s:.0f} s | "
        f"{f'{one.pipeline_s:.0f} s' if one.pipeline_s else 'none'} | {one.n8n_s + one.pipeline_s:.0f} s | "
        f"{one.peak_mib:,.0f} MiB | {one.load:.1f} |"
        for one in routes
    )
    why = next((one.error for one in routes if one.error), "")
    text = PAGE_TEXT.format(
        rows=rows, cores=psutil.cpu_count(), when=datetime.now(UTC).strftime("%Y-%m-%d"), n8n=install.N8N,
        why=f"\nThe first error of a failed execution of the task book's route was: `{why}`.\n" if why else "",
    )  # fmt: skip
    (PROJECT / "docs" / "n8n-routes.md").write_text(text)
    print(text)  # noqa: T201


PAGE_TEXT = """# Two routes from n8n into MongoDB, measured

Written by `tests/n8n_real/test_routes.py` on {when}: n8n {n8n}, a three-member replica set with TLS and users, Redis,
the vendors and n8n on one machine of {cores} cores, one run. Ten workflows at once, started by webhook; each asks a
vendor on loopback for its leads, page by page without a pause. Load is the machine's over the last minute, which other
work had a part in.

| route | collected | stored | executions failed | n8n | pipeline | in all | n8n's memory at most | load |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}
{why}
What limits them:

- **The task book's route** asks Redis twice a lead (a call each, one after the other within a workflow) and holds every
  turn's items until the execution ends. To keep it from running out of memory it was given batches of 200 and ten
  executions of 2,000 leads; every lead was given an e-mail of its own, because n8n writes an absent one as null and the
  unique index refuses the second null; and n8n does nothing else for a lead: no cleaning, no score, no rejected record.
- **A repeat within a batch ends it.** n8n's insert is ordered: the first repeat ends the batch, and the workflow with
  it. What the vendor gave after that is lost. In the row with repeats each workflow's second record repeats its first;
  a first repeat that comes later leaves what stood before it.
- **leadbook's route** inserts 100 raw records a call and asks Redis nothing. Cleaning, duplicates and score are the
  pipeline's, on all cores and out of n8n's memory. In a sprint both work at the same time; here the pipeline began when
  n8n had ended, so that "in all" is the most it takes.
"""
