"""Made-up observations for judgements: nothing here asks a server."""

from datetime import UTC, datetime

import pandas as pd

from leadbook.core.checks import Unmeasured
from leadbook.core.settings import Settings
from leadbook.monitor.loop import Timeline
from leadbook.monitor.session import Observation
from leadbook.monitor.validation import BatchReview
from leadbook.phases.judging import checks_of
from leadbook.phases.p08.snapshot import Snapshot, Surroundings

SETTINGS = Settings()
NOW = datetime(2025, 5, 1, 12, tzinfo=UTC)
UNSEEN = Unmeasured("not looked at")


def observation(columns=None, **changed):
    """A snapshot with the readings `columns` (name -> values) in which nothing else happened."""
    review = BatchReview(what="first batch", sent=1, found=1, incomplete=0, undated=0, faulty=0, altered=0)
    values = {
        "started_at": NOW, "seconds": 9.0, "timeline": Timeline(frame=pd.DataFrame(columns or {}), expected=3),
        "batches": (), "lookups": (), "waits_ms": (), "pool_failures": (), "pool_maximum": 100, "wrote": True,
        "review": review, "replication": None, "slow": (), "slow_source": "log", "versions": {},
        "absent": {}, "cores": 2,
    }  # fmt: skip
    return Observation(**{**values, **changed})


def snapshot(seen, settings=SETTINGS, **changed):
    """That observation as phase 08 has it, with nothing looked at around it."""
    around = Surroundings(disk=UNSEEN, oplog=UNSEEN, redis=UNSEEN, pace=None, backup=None, staged=UNSEEN, losing=UNSEEN)
    return Snapshot(**{"settings": settings, "seen": seen, "around": around, **changed})


def by_id(checks):
    """Checks by their id."""
    return {check.id: check for check in checks}


def judged(told, settings=SETTINGS):
    """Checks of what was told, by their id."""
    return by_id(checks_of(told, settings))
