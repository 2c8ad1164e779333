"""Each fault of a rehearsal sprint is told by the right rule within two intervals, and eight quiet hours by none.

Writes docs/live-faults.md. About half an hour; on a machine that does nothing else, since a busy one is told as such.
"""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from leadbook import __version__
from leadbook.commands.rehearse.detected import SOON
from leadbook.core.settings import PROJECT

pytestmark = [pytest.mark.proof, pytest.mark.timeout(5_400)]
PAGE = PROJECT / "docs" / "live-faults.md"
DISK_MB = 2_560
"""A file system of the servers' own, in memory: three members need 1 GB, and `disk-full` fills it to 92 %."""
BUSY = "LIVE-HOST-003"
"""Tells of this machine, not of the sprint."""


def rehearse(folder, *arguments, small_disk=False):
    """A rehearsal's result; with servers in a small file system of their own where this user may mount one."""
    argv = [sys.executable, "-m", "leadbook.cli", "rehearse", "--json", *arguments]
    folder.mkdir(parents=True)
    if small_disk and shutil.which("unshare") and may_mount(folder):
        argv = ["unshare", "-Urm", "sh", "-c", f'mount -t tmpfs -o size={DISK_MB}m none "$0" && exec "$@"', str(folder),
                *argv]  # fmt: skip
    environment = {**os.environ, "LEADBOOK_STATE": str(folder)}
    run = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert run.returncode in (0, 1), run.returncode
    return json.loads(run.stdout)


def may_mount(folder):
    """Whether this user may mount a file system in a namespace of its own."""
    argv = ["unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    return subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return rehearse(tmp_path_factory.mktemp("faulty") / "servers", "--faults", "all", "--clock", "30", small_disk=True)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return rehearse(tmp_path_factory.mktemp("quiet") / "servers", "--clock", "60")


@pytest.fixture(scope="module", autouse=True)
def written(faulty, quiet):
    PAGE.write_text(page(faulty, quiet), encoding="utf-8")


def test_ten_faults_are_told_in_time_by_the_right_rule(faulty):
    assert not [one for one in faulty["faults"] if one["problem"]]
    late = [one["fault"] for one in faulty["faults"] if one["intervals"] is None or one["intervals"] > SOON]
    assert len(faulty["faults"]) >= 10 and not late


def test_eight_quiet_hours_raise_no_alarm(quiet):
    assert quiet["hours"] == 8 and quiet["snapshots"] >= 900
    assert not [one["key"] for one in quiet["alarms"] if one["key"] != BUSY]


def page(faulty, quiet):
    """The two tables, in Markdown."""
    rows = [
        "# Faults of a live sprint, and who tells them",
        "",
        "Written by `tests/proofs/test_ten_faults.py` (`make proof`); do not edit. "
        f"{datetime.now(UTC):%Y-%m-%d}, leadbook {__version__}.",
        "",
        f"Ten collectors, a follower and `leadbook watch` lived through {faulty['hours']:g} hours in "
        f"{faulty['seconds'] / 60:.0f} minutes, a snapshot each {faulty['interval_s']:g} s of the sprint, on three "
        f"mongods and a Redis. {len(faulty['faults'])} faults were put in and undone. The ledger was exact: "
        f"{ledger(faulty)}.",
        "",
        "*After* counts intervals from the fault until its rule told it; a rule that waits by design is counted from "
        "when there was something to tell. *Over* counts from the fault's end.",
        "",
        "| fault | what was done | told by | level | after | over | what to do |",
        "|---|---|---|---|---|---|---|",
        *(row(one) for one in faulty["faults"]),
        "",
        *waits(faulty),
        *(f"Not put in: {name}, since {why}." for name, why in faulty["unfit"].items()),
        "",
        "| rehearsal | snapshots | gaps | alarms without a fault | verdicts |",
        "|---|---|---|---|---|",
        total("with faults", faulty),
        total(f"undisturbed, {quiet['hours']:g} hours", quiet),
        "",
        f"Undisturbed, the ledger was exact, too: {ledger(quiet)}.",
        "",
        f"{BUSY} tells that this machine was busy with something else: times say nothing then. Rules that no snapshot "
        "of these servers allows (pages of a tier, a backup of a sprint) are told as not measurable.",
    ]
    return "\n".join(rows) + "\n"


def row(one):
    if one["intervals"] is None:
        told, after = one["problem"] or "nobody", "-"
    else:
        told, after = f"{one['rule']}", f"{one['intervals']}{' *' if one['waited'] else ''}"
    over = "-" if one["over"] is None else one["over"]
    return f"| {one['fault']} | {one['told']} | {told} | {one['level']} | {after} | {over} | {one['remedy']} |"


def waits(faulty):
    found = [one for one in faulty["faults"] if one["waited"]]
    lines = [f"\\* {one['fault']}: {one['why']}; here {one['waited']} intervals." for one in found]
    return [part for line in lines for part in (line, "")]


def ledger(told):
    sent = told["ledger"]
    return (
        f"{sent['read']:,} records = {sent['stored']:,} stored + {sent['filled']:,} filled + "
        f"{sum(sent['duplicate'].values()):,} duplicates + {sum(sent['rejected'].values()):,} rejected"
    )


def total(name, told):
    alarms = ", ".join(sorted({one["key"] for one in told["alarms"]})) or "none"
    verdicts = ", ".join(f"{verdict} {count:,}" for verdict, count in told["verdicts"].items())
    return f"| {name} | {told['snapshots']:,} | {told['gaps']:,} | {alarms} | {verdicts} |"
