"""What n8n answered, as plain records: names are n8n's own, values None where it did not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class N8nCredential:
    """A credential's name and type; n8n tells nothing of what it holds."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class N8nNode:
    """A node of a workflow. kind: its type without the package, `mongoDb`.  credentials: by type.

    parameters: as n8n stores them; they may hold anything that somebody typed there, so the repr leaves them out.
    """

    name: str
    kind: str
    version: float
    disabled: bool = False
    credentials: Mapping[str, N8nCredential] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict, repr=False)

    def text(self, name: str, default: str = "") -> str:
        """A parameter that is a text, or the `value` of one that is chosen from a list; else `default`."""
        found = self.parameters.get(name, default)
        found = found.get("value", default) if isinstance(found, Mapping) else found
        return found if isinstance(found, str) else default

    def texts(self) -> Iterator[str]:
        """Every text in the parameters, however deep."""
        yield from _texts(self.parameters)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@dataclass(frozen=True, kw_only=True)
class N8nWorkflow:
    """A workflow. error_workflow: id of the one that is told of its failures.  keeps: whether n8n keeps executions of
    it that ended well; those that failed it keeps unless it is told not to."""

    id: str
    name: str
    active: bool
    nodes: tuple[N8nNode, ...]
    archived: bool = False
    error_workflow: str = ""
    keeps: bool = True

    def of_kind(self, kind: str) -> tuple[N8nNode, ...]:
        """Its nodes of a kind that are switched on."""
        return tuple(node for node in self.nodes if node.kind == kind and not node.disabled)


@dataclass(frozen=True, kw_only=True)
class N8nExecution:
    """An execution. status: `success`, `error`, `crashed`, `canceled`, `running`, `waiting`, …"""

    id: str
    workflow: str
    status: str
    started: datetime | None = None
    stopped: datetime | None = None

    @property
    def succeeded(self) -> bool:
        """It ended well."""
        return self.status == "success"

    @property
    def failed(self) -> bool:
        """It ended in an error, or with n8n itself."""
        return self.status in ("error", "crashed")


@dataclass(frozen=True, kw_only=True)
class N8nHistory:
    """Executions of one workflow. last, success, failure: the newest of all, that ended well, that failed.

    in_day, failures: executions, and failed ones, of the last 24 hours; at least so many where `whole` is False: there
    were more than were read.
    """

    last: N8nExecution | None = None
    success: N8nExecution | None = None
    failure: N8nExecution | None = None
    in_day: int = 0
    failures: int = 0
    whole: bool = True

    @property
    def recovered(self) -> bool:
        """Whether one ended well, and none failed after it. Ids grow, times may be missing."""
        if self.success is None:
            return False
        return self.failure is None or order(self.success) > order(self.failure)


def order(execution: N8nExecution) -> tuple[int, str]:
    """Executions in the order in which n8n began them: ids are numbers that grow."""
    return (int(execution.id), "") if execution.id.isdigit() else (-1, execution.id)
