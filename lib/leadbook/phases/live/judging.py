"""A judge of the live sprint's rules, with what is usual on this target."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.phases.live.records import Finding
from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot


class PlainJudge:
    """SEAM _judge: stands in for the rules until they are there: what was not measured is worth attention."""

    def __init__(self) -> None:
        self.findings: Sequence[Finding] = ()
        self.over: Sequence[Finding] = ()
        self.unknown: dict[str, str] = {}
        self.verdict = "HEALTHY"

    def take(self, snapshot: LiveSnapshot, history: History) -> Sequence[Finding]:
        """Judge the next snapshot."""
        self.unknown = dict(snapshot.unmeasured)
        self.verdict = "ATTENTION" if self.unknown else "HEALTHY"
        return ()


def new_judge(client: connect.Client, settings: Settings, endpoints: connect.Endpoints) -> Any:
    """A judge that has seen nothing yet. client: the application's; where MongoDB is away there are no baselines, and
    rules that need them say so."""
    if find_spec("leadbook.phases.live.judge") is None:
        return PlainJudge()
    baselines = import_module("leadbook.phases.live.baselines").read_baselines(client, settings, endpoints)
    return import_module("leadbook.phases.live.judge").Judge(settings, baselines)
