"""A judge of the live sprint's rules, with what is usual on this target."""

from __future__ import annotations

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.phases.live.baselines import read_baselines
from leadbook.phases.live.judge import Judge


def new_judge(client: connect.Client, settings: Settings, endpoints: connect.Endpoints) -> Judge:
    """A judge that has seen nothing yet. client: the application's; where MongoDB is away there are no baselines, and
    rules that need them say so."""
    return Judge(settings, read_baselines(client, settings, endpoints))
