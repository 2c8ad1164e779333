"""docs/roles.md: which phase needs which privilege, and what each removal made it say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leadbook.core import files
from leadbook.provision.roles import ROLES, Privilege, Role

HEAD = """# Roles

Written by `pytest tests/proofs/test_roles.py -m proof`; do not edit.

`leadbook roles` prints five custom roles of least privilege, as mongosh commands or as curl commands for the Atlas
Admin API. The built-in roles of README (`readWrite`; `clusterMonitor`, `dbAdmin` and `readWrite`; `read`) hold all of
it and more; `killop` alone needs `hostManager` beside them. A privilege is listed under a phase or command only where
taking it away broke that: each row below was tried on a real server with authentication, and tells what was said.
Phases ran in production's profile with every approval, small; of 03 the sections that need more than others do.
`BKP-RST-001` and `MDB-TOP-001` may pass all the same and say what they could not see. Not needed and so in no role:
`createCollection` (`insert` is enough), `changeStream` (a follower then looks each second), `getCmdLineOpts`,
`getDefaultRWConcern` (a line of 09's document stays empty), `fsync`.

"""
_MOVING = (
    (re.compile(r"\b127\.0\.0\.1:\d+"), "HOST"), (re.compile(r"leadbook_scratch_\w+"), "SCRATCH"),
    (re.compile(r"a_leadbook_"), "leadbook_"), (re.compile(r"\bread \d[\d,]*: stored .*?failed \d+"), "…"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """One removal. said: the line that told it, and how many more did; empty where nothing did."""

    where: str
    role: str
    resource: str
    action: str
    said: str

    @classmethod
    def of(cls, where: str, role: Role, one: Privilege, said: Mapping[str, str]) -> Row:
        """A trial's row; the clearest line first: a check that is not measured, else a cell's or a command's error."""
        told = sorted(said.items(), key=lambda item: (not item[1].startswith("not measured"), item[0]))
        text = ""
        if told:
            about, line = told[0]
            line = line.partition(" -> ")[0]
            for moving, still in _MOVING:
                line = moving.sub(still, line)
            name = "" if about.startswith("cell") or about == where else f"`{about}` "
            text = f"{name}{line[:230].replace('|', '/')}" + (f"; and {len(told) - 1} more" if len(told) > 1 else "")
        return cls(where=where, role=role.name, resource=resource_of(one), action=one.action, said=text)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What was taken away, and where it was missed."""
        return self.where, self.role, self.resource, self.action


def resource_of(one: Privilege) -> str:
    """`cluster`, `{database}`, `{database}.system.profile`, `local.oplog.rs`."""
    return "cluster" if not one.db else one.db + (f".{one.collection}" if one.collection else "")


def listed() -> list[tuple[str, str, str, str]]:
    """Everything that the code lists, in its order."""
    return [
        (where, role.name, resource_of(one), one.action)
        for role in ROLES.values() for one in role.privileges for where in one.needed
    ]  # fmt: skip


def rows_of(page: Path) -> list[Row]:
    """The rows that a page holds."""
    found = re.findall(r"^\| (\S.*?) \| `(\w+)` \| `([^`]+)` \| `(\w+)` \| (.*?) \|$", _text(page), re.MULTILINE)
    return [
        Row(where=where, role=role, resource=resource, action=action, said="" if said == UNTRIED else said)
        for where, role, resource, action, said in found
    ]  # fmt: skip


UNTRIED = "**not tried yet**"


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8") if page.is_file() else ""


def write(page: Path, rows: Sequence[Row]) -> None:
    """Write the page of these rows."""
    files.write(page, rendered(rows))


def rendered(rows: Sequence[Row]) -> str:
    """The page of these rows, the earlier of two counts; what the code lists and no row tells is named as not tried."""
    known: dict[tuple[str, str, str, str], Row] = {}
    for row in rows:
        known.setdefault(row.key, row)
    parts = [HEAD, *_matrix(), "## Each removal, tried\n\n"]
    parts += ["| phase or command | role | resource | action | what was said without it |\n|---|---|---|---|---|\n"]
    for key in sorted(listed(), key=lambda one: (not one[0][:2].isdigit(), one[0])):
        said = known[key].said if key in known else ""
        parts.append(f"| {key[0]} | `{key[1]}` | `{key[2]}` | `{key[3]}` | {said or UNTRIED} |\n")
    tried = sum(1 for key in listed() if key in known and known[key].said)
    parts.append(f"\n{tried} of {len(listed())} removals tried and told.\n")
    return "".join(parts)


def _matrix() -> Iterable[str]:
    phases = [f"0{number}" for number in range(1, 10)]
    for role in ROLES.values():
        yield f"## {role.name}\n\nFor {role.what}"
        yield f": the address in `{role.variable}`.\n\n" if role.variable else ".\n\n"
        yield f"| resource | action | {' | '.join(phases)} | commands | why | built-in role |\n"
        yield f"|---|---|{'---|' * len(phases)}---|---|---|\n"
        for one in role.privileges:
            marks = " | ".join("x" if number in one.needed else "" for number in phases)
            others = ", ".join(name for name in one.needed if name not in phases)
            yield (f"| {resource_of(one)} | {one.action} | {marks} | {others} | {one.why} | {one.built_in} |\n")
        yield "\n"
