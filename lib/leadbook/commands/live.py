"""The rehearsal's live sprint: collectors that stage, a follower that drains and a watch, processes of their own as in
earnest.

A whole rehearsal begins with nothing (`start_from_nothing`), and lives through a sprint (`sprint`) beside phase 08.
Two mild faults belong to it: a collector falls silent for a while (`shape.live_plan`), and the duplicate cache is lost.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import yaml
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError
from rich.console import Console

from leadbook.actions.told import DRILL, KEYS
from leadbook.commands.rehearse.processes import FOLLOWER, OF_A_RUN, WATCH, of_sprint
from leadbook.core import connect, files
from leadbook.core.errors import LeadbookError, RefusedError, UnreachableError
from leadbook.core.journal import Journal
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.core.ticker import Ticker
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.ingest.trials import rehearsal
from leadbook.rehearsal import adoption, servers
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.rehearsal.shape import SILENT, SILENT_ONE
from leadbook.rehearsal.tether import Tethered
from leadbook.watch.place import folder_of, series_of

COLLECTORS_S = 60.0
"""Collectors may need so much longer than the sprint lasts."""
DRAIN_S = 120.0
"""The follower may need so long for what waits when the collectors have ended."""
STOP_S = 60.0
LOOK_S = 0.5
CLOCK = 60.0
"""So many times as fast goes the sprint's clock: its 25 s are 25 minutes to who watches."""
SNAPSHOTS, LEAST_S = 25, 0.5
"""The watch takes so many snapshots, each in so many real seconds at least."""
CACHE_LOST = 0.6
"""After this share of the sprint the leads' keys are gone from Redis."""
ONCE_S = 7 * 86_400.0
"""Until its next turn: a drill is done once."""


def _lose_cache(settings: Settings, endpoints: connect.Endpoints) -> None:
    """Remove the leads' keys of this collection, and no others: the pipeline writes them anew."""
    with (
        suppress(PyMongoError, RedisError, OSError), connect.mongodb(endpoints.mongodb_uri, settings) as client,
        connect.redis(endpoints.redis_url, settings) as redis,
    ):  # fmt: skip
        began, database = datetime.now(UTC), client[settings.database]
        keys = rehearsal.forget_keys(redis, collection_uuid(database[settings.collection]))
        Journal(database, endpoints.mongodb_uri).write(
            "action", action=DRILL, alarm="LIVE-RDS-006", began=began, plan={}, done={KEYS: keys},
            what=f"the rehearsal emptied the duplicate cache at {100 * CACHE_LOST:.0f} % of the sprint",
        )  # fmt: skip


def _tell_silence(settings: Settings, endpoints: connect.Endpoints) -> None:
    """One collector holds back what it has from now on (`shape.live_plan`): the journal tells that this is meant."""
    held = " to ".join(f"{100 * share:.0f}" for share in SILENT)
    with suppress(PyMongoError, OSError), connect.mongodb(endpoints.mongodb_uri, settings) as client:
        Journal(client[settings.database], endpoints.mongodb_uri).write(
            "action", action=DRILL, alarm=f"LIVE-COL-001/{SILENT_ONE}", began=datetime.now(UTC), plan={},
            what=f"the collector {SILENT_ONE} sent nothing from {held} % of the sprint", done={},
        )  # fmt: skip


def _tell_watch(watch: Tethered, console: Console) -> None:
    """A watch that did not end well is told; leads and ledger do not depend on it."""
    try:
        watch.result(STOP_S)
    except LeadbookError as error:
        console.print(f"live sprint: {error}", highlight=False, soft_wrap=True)


class Draining(Protocol):
    """A follower at work (`Tethered`)."""

    @property
    def running(self) -> bool:
        """Whether it is at work still."""

    def result(self, timeout_s: float) -> str:
        """What it printed, once it has ended. Raises LeadbookError."""


def start_from_nothing(settings: Settings) -> str:
    """Empty the rehearsal's database, its journal and the leads' keys, and set its series aside; says what was done.

    Nothing where MongoDB is away: the phases tell that. Raises RefusedError for production, and in a database that is
    neither a rehearsal's own nor adopted.
    """
    settings.refuse_in_production("empty the leads")
    try:
        endpoints = servers.resolve(settings)
        said = rehearsal.reset(Site(endpoints=endpoints, settings=settings))
    except UnreachableError as error:
        return f"Nothing was emptied: {error}"
    if folder_of(settings, endpoints).is_dir():
        with suppress(RefusedError, OSError), series_of(settings, endpoints) as series:  # somebody watches: it goes on
            series.set_aside()
    return said


@contextmanager
def sprint(settings: Settings, console: Console) -> Iterator[None]:
    """A sprint of `live_seconds`: collectors stage, `leadbook ingest --staged --follow` drains.

    At the end of the `with` the collectors have ended, nothing waits, and the follower's ledger is what was sent.
    Whatever happens, both processes are gone then. Raises RefusedError where this profile may not work, and
    LeadbookError where the sprint went wrong.
    """
    settings.refuse_in_production("stage made records")
    endpoints = servers.resolve(settings)
    with ExitStack() as stack:
        client = stack.enter_context(connect.mongodb(endpoints.mongodb_uri, settings))
        adoption.require(client, settings, endpoints)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=passing_folder())))
        profile = folder / "sprint.yaml"
        files.write(profile, yaml.safe_dump({**settings.model_dump(), "clock": CLOCK}), mode=0o600)
        follower = stack.enter_context(of_sprint("the follower", folder, profile, *FOLLOWER))
        collectors = stack.enter_context(
            Tethered("the collectors", folder, "leadbook.rehearsal.crew", str(profile), more=OF_A_RUN)
        )
        every_s = CLOCK * max(LEAST_S, settings.live_seconds / SNAPSHOTS)
        watch = stack.enter_context(of_sprint("the watch", folder, profile, *WATCH, "--every", f"{every_s:.0f}s"))
        for drill, share in ((_tell_silence, SILENT[0]), (_lose_cache, CACHE_LOST)):
            begins_s = share * settings.live_seconds
            stack.enter_context(Ticker(partial(drill, settings, endpoints), ONCE_S, first_after_s=begins_s))
        yield
        sent = json.loads(collectors.result(settings.live_seconds + COLLECTORS_S))
        drained(Staging(client[settings.database][settings.staging_collection]), follower)
        watch.stop()
        follower.stop()
        ledger = json.loads(follower.result(STOP_S).splitlines()[-1])
        agree(sent, ledger)
        Journal(client[settings.database], endpoints.mongodb_uri).write(
            "action", action="rehearse_sprint", plan=sent, done=ledger, approved=""
        )
        _tell_watch(watch, console)
        console.print(f"live sprint: {told(sent, ledger)}", highlight=False, soft_wrap=True)


def drained(staging: Staging, follower: Draining, patience_s: float = DRAIN_S) -> None:
    """Wait until nothing waits. Raises LeadbookError where the follower died, or does not come to an end."""
    until = time.monotonic() + patience_s
    while left := staging.left():
        if not follower.running:
            follower.result(0)
            raise LeadbookError(f"the follower ended while {left:,} records waited")
        if time.monotonic() > until:
            raise LeadbookError(f"{left:,} records wait still, {patience_s:.0f} s after the collectors ended")
        time.sleep(LOOK_S)


def agree(sent: dict[str, Any], ledger: dict[str, Any], whose: str = "the follower's ledger") -> None:
    """Raise LeadbookError unless a ledger is what was sent."""
    expected = {"read": sent["records"], "stored": sent["unique"], "rejected": sum(sent["rejected"].values())}
    found = {"read": ledger["read"], "stored": ledger["stored"], "rejected": sum(ledger["rejected"].values())}
    if found != expected:
        unlike = ", ".join(f"{name} {found[name]:,} of {expected[name]:,}" for name in found
                           if found[name] != expected[name])  # fmt: skip
        raise LeadbookError(f"{whose} is not what the collectors sent: {unlike}")


def told(sent: dict[str, Any], ledger: dict[str, Any]) -> str:
    """What was sent and what became of it, in a line."""
    vendors = {one["vendor"] for one in sent["collectors"].values()}
    return (
        f"{sent['records']:,} records of {len(sent['collectors'])} collectors and {len(vendors)} vendors drained: "
        f"stored {ledger['stored']:,}, filled {ledger['filled']:,}, duplicate {sum(ledger['duplicate'].values()):,}, "
        f"rejected {sum(ledger['rejected'].values()):,}"
    )
