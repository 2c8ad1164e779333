"""Every privilege of every custom role is taken away, one at a time: what it is listed under breaks, in one clear line.

Writes docs/roles.md. `ROLES=pipeline` or `WHERE=03,04` tries a part; rows of what was not tried stay as they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.roles_commands import Places
from tests.roles_document import Row, rows_of, write
from tests.roles_ground import Ground, Outcome, complaints

from leadbook.core.settings import PROJECT
from leadbook.provision.roles import ROLES, Privilege, Role

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]
PAGE = PROJECT / "docs" / "roles.md"
ONLY = os.environ.get("ROLES", "").split(",") if os.environ.get("ROLES") else list(ROLES)
WHERE = os.environ.get("WHERE", "").split(",") if os.environ.get("WHERE") else []
ORDER = ("02", "03", "04", "05", "06", "07", "08", "09", "01")
"""Phases in the order in which they leave most for each other; commands come first."""
TRIALS = sorted(
    ((where, role, one) for name, role in ROLES.items() if name in ONLY for one in role.privileges
     for where in one.needed if not WHERE or where in WHERE),
    key=lambda trial: (ORDER.index(trial[0][:2]) if trial[0][:2] in ORDER else -1, trial[0], trial[1].name),
)  # fmt: skip
TRIED: list[Row] = []


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """The server and its users, with everything that they may; what was tried is written down at the end."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("roles")
        patch.setenv("LEADBOOK_STATE", str(folder / "servers"))
        patch.setenv("LEADBOOK_RUN_ID", "proof")
        ground = Ground(folder)
        for name, value in ground.environment().items():
            patch.setenv(name, value)
        try:
            yield Places(ground)
        finally:
            ground.close()
            write(PAGE, [*TRIED, *rows_of(PAGE)])


@pytest.fixture(scope="module")
def whole(places: Places) -> dict[tuple[str, bool], Outcome]:
    """What each place tells with all privileges, asked once."""
    return {}


def _whole(places: Places, whole: dict[tuple[str, bool], Outcome], where: str, role: Role) -> Outcome:
    key = where, role.name == "leadbook_monitor"
    if key not in whole:
        whole[key] = places.go(where, role)
    return whole[key]


def ids(value: object) -> str:
    """A trial's name."""
    if isinstance(value, Privilege):
        return f"{value.db or 'cluster'}.{value.collection}.{value.action}"
    return value.name if isinstance(value, Role) else str(value)


@pytest.mark.parametrize(("where", "role", "privilege"), TRIALS, ids=ids)
def test_without_a_privilege_what_it_is_listed_under_breaks_in_one_clear_line(
    places: Places, whole: dict[tuple[str, bool], Outcome], where: str, role: Role, privilege: Privilege
) -> None:
    before = _whole(places, whole, where, role)
    assert not before.refused(), before.refused()
    with places.ground.without(role, privilege):
        after = places.go(where, role)
    said = complaints(before, after)
    TRIED.append(Row.of(where, role, privilege, said))
    assert said, f"nothing was told; denied: {after.denied}"
    assert not [line for line in said.values() if "Traceback" in line or "\n" in line or "fault of leadbook" in line]


@pytest.mark.parametrize("where", ["ingest --follow", "recover", "cleanup", "replay", "act writers", "doctor"])
def test_commands_that_need_no_more_are_refused_nothing(places: Places, where: str) -> None:
    told = places.go(where, ROLES["pipeline"])
    assert not told.refused(), told.refused()
