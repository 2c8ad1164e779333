"""What an action works on, what it would change, and what came of it: plain records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from redis import Redis

from leadbook.core import connect
from leadbook.core.errors import ParameterError, UnreachableError
from leadbook.core.journal import Journal
from leadbook.core.settings import Settings

if TYPE_CHECKING:
    from leadbook.atlas.project import AtlasProject

DIGITS = 12
"""Of a plan's hash: enough that nobody meets another plan's by chance, few enough to be typed."""


def at_atlas(settings: Settings, words: str) -> str:
    """What a command of an action at Atlas names besides its profile, whichever that one's project is."""
    named = {"atlas_project": settings.atlas_project, "atlas_cluster": settings.atlas_cluster}
    told = "".join(f" -p {name}={value}" for name, value in named.items() if value)
    return told if words.removeprefix("act ").startswith("atlas-") else ""


def _no_atlas() -> AtlasProject:
    raise ParameterError("atlas_project", "is not set, so Atlas is not asked", "set it to the project's id")


@dataclass(frozen=True, kw_only=True)
class ActScene:
    """Where one acts. database: the application's view.  admin: the DBA's client.  target: for people.

    redis: None where it is away; redis_problem says why.  redis_is_ours: False for a rehearsal in somebody's Redis.
    has_own_admin: False where the application's user stands in for the DBA's.  progress: takes a count while something
    lasts, tell a line.  atlas: the project that holds the cluster, asked anew; opened by who calls it first.
    Raises as `atlas.project.open_project`.
    """

    settings: Settings
    database: connect.Database
    client: connect.Client
    admin: connect.Client
    journal: Journal
    target: str
    redis: Redis | None = None
    redis_problem: str = ""
    redis_is_ours: bool = True
    has_own_admin: bool = True
    progress: Callable[[int], None] = lambda _: None
    tell: Callable[[str], None] = lambda _: None
    atlas: Callable[[], AtlasProject] = _no_atlas

    @property
    def leads(self) -> connect.Collection:
        """The leads, as the DBA's user."""
        return self.admin[self.settings.database][self.settings.collection]

    def command(self, words: str) -> str:
        """A leadbook command that works here: pasted without the profile it would work on a rehearsal."""
        return f"leadbook {words} --profile {self.settings.profile}{at_atlas(self.settings, words)}"

    def cache(self) -> Redis:
        """Redis. Raises UnreachableError where it is away."""
        if self.redis is None:
            raise UnreachableError("Redis", self.settings.redis_url_env, self.redis_problem or "is away", "try again")
        return self.redis


@dataclass(frozen=True, kw_only=True)
class ActPlan:
    """What an action would do. now, would: what is changed, by name.  about: facts that an approval covers besides,
    such as which operation.  evidence: facts that change by themselves; no approval covers them.

    why: what it is good for.  back: how it is undone.  warns: what somebody should know before.  rows: what there is
    to choose from, where nothing is chosen yet.  needs: rights of the DBA's user that are missing, as commands.
    lacks: what is wanted was ordered already, and who does not obey it yet.
    """

    action: str
    target: str
    now: Mapping[str, Any] = field(default_factory=dict)
    would: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    back: str = ""
    warns: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    needs: str = ""
    lacks: str = ""
    is_choice: bool = False

    @property
    def is_so_already(self) -> bool:
        """Whether there is nothing to change."""
        return not self.is_choice and self.now == self.would

    @property
    def hash(self) -> str:
        """Of everything that an approval covers: another situation, or another server, gives another."""
        covered = [self.action, self.target, self.now, self.would, self.about]
        text = json.dumps(covered, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON and the journal."""
        return {**asdict(self), "hash": self.hash, "is_so_already": self.is_so_already}


Given = Mapping[str, str]
"""What was given on the command line, by name, as text."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that can be done. does: in a sentence.  takes: what is given, by name, and what it means; the first may
    be given without its name.  needs: rights of the DBA's user, keys of `actions.rights.RIGHTS`.  also: rights of
    others, in words.  kind: what it counts as in what is told of a sprint: `optimisation`, `scaling` or `resolution`.

    plan: reads only. Raises ParameterError, RefusedError and what the drivers raise.  do: does what the plan says and
    tells what is so afterwards. Raises the same.  wait: looks, while others may act, until what `do` began has
    ended, or its patience has; tells what is so then.  moves: readings (`watch.names`) that measure its effect.
    """

    name: str
    does: str
    plan: Callable[[ActScene, Given], ActPlan]
    do: Callable[[ActScene, ActPlan], Mapping[str, Any]]
    wait: Callable[[ActScene, ActPlan, Mapping[str, Any]], Mapping[str, Any]] | None = None
    takes: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    also: str = ""
    kind: str = "optimisation"
    moves: tuple[str, ...] = ()


def number(given: Given, name: str, low: float, high: float, default: float | None = None) -> float:
    """A number that was given. Raises ParameterError: absent without a default, no number, out of bounds."""
    text = given.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        raise ParameterError(name, f"must be a number from {low:g} to {high:g}, got {text!r}") from None
    if not low <= value <= high:
        raise ParameterError(name, f"must be a number from {low:g} to {high:g}, got {text!r}")
    return value


def whole(given: Given, name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number that was given; as `number`."""
    value = number(given, name, low, high, default)
    if value != int(value):
        raise ParameterError(name, f"must be a whole number, got {given.get(name)!r}")
    return int(value)
