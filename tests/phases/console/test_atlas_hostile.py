"""Answers of Atlas that are no answer, or look better than they are, never pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import atlas_schema
from atlas_server import AtlasServer, ago, alert, snapshot
from leadbook.core.checks import Check, Verdict
from phases.console.test_atlas_checks import FAIL, NOT_MEASURED, atlas, judged, production, wrong  # noqa: F401

PASS = Verdict.PASS
OTHER = [{"fieldName": "CLUSTER_NAME", "operator": "EQUALS", "value": "other"}]
METRICS = ("NORMALIZED_SYSTEM_CPU_USER", "DISK_PARTITION_SPACE_USED_DATA", "CONNECTIONS_PERCENT",
           "OPLOG_SLAVE_LAG_MASTER_TIME")  # fmt: skip
EVERY_EIGHTH = [{"cidrBlock": f"{n}.0.0.0/8"} for n in range(256)]
OF_OTHERS = [alert("OUTSIDE_METRIC_THRESHOLD", metric, 80, matchers=OTHER) for metric in METRICS]


@pytest.mark.parametrize(
    ("check_id", "verdict", "words", "state"),
    [
        wrong("ATL-NET-001", FAIL, "0.0.0.0/0 is open", access_list=EVERY_EIGHTH),
        wrong("ATL-NET-001", FAIL, "0.0.0.0/0 is open", access_list=[{"cidrBlock": "::ffff:0:0/96"}]),
        wrong("ATL-NET-001", NOT_MEASURED, "no address that can be read", access_list=[{"comment": "of whom?"}]),
        wrong("BKP-ATL-003", NOT_MEASURED, "in the future", snapshots=[snapshot(hours=-24)]),
        wrong("BKP-ATL-001", NOT_MEASURED, "in the future", snapshots=[snapshot(hours=-24)]),
        wrong("BKP-ATL-003", NOT_MEASURED, "no completed", snapshots=[snapshot(hours=30, days=1)]),
        wrong("GATE-MON-001", FAIL, "limited to something else than cluster leads", alerts=OF_OTHERS),
    ],
)  # fmt: skip
def test_what_looks_good_at_first_sight_is_no_pass(atlas, check_id, verdict, words, state):  # noqa: F811
    for name, value in state.items():
        assert hasattr(atlas.state, name)
        setattr(atlas.state, name, value)
    found = judged(production(atlas))[check_id]
    assert (found.verdict, words in found.evidence) == (verdict, True), found.evidence


def forged(
    server: AtlasServer, monkeypatch: pytest.MonkeyPatch, path: str, make: Callable[[Any], Any]
) -> dict[str, Check]:
    """The checks where an answer is replaced by what is not of the published shape."""
    real = server.answer

    def answer(method: str, at: str, query: dict[str, list[str]], body: Any) -> tuple[str, Any]:
        key, told = real(method, at, query, body)
        return key, make(told) if path in at else told

    monkeypatch.setattr(server, "answer", answer)
    monkeypatch.setattr(atlas_schema, "faults_of", lambda *_: [])
    return judged(production(server))


@pytest.mark.parametrize(
    ("path", "make", "ids"),
    [
        ("accessList", lambda _: {"results": [], "totalCount": 5}, ["ATL-NET-001", "ATL-NET-002"]),
        ("slowQueryLogs", lambda _: {}, ["PIPE-QRY-003", "BCH-LOG-004"]),
        ("slowQueryLogs", lambda _: {"slowQueries": [{"line": "{"}]}, ["PIPE-QRY-003"]),
        ("suggestedIndexes", lambda _: {}, ["MON-ATL-002", "BCH-LOG-004"]),
        ("dropIndexSuggestions", lambda _: {}, ["MON-ATL-003"]),
        ("restoreJobs", lambda told: told | {"results": [one | {"failed": "true"} for one in told["results"]]},
         ["ATL-BCK-002", "BKP-ATL-004"]),
        ("databaseUsers", lambda told: told | {"results": [one | {"roles": "x"} for one in told["results"]]},
         ["ATL-USR-002"]),
        ("measurements", lambda told: {"measurements": [{"name": "DISK_PARTITION_IOPS_TOTAL", "dataPoints": [
            {"timestamp": ago(minutes=1), "value": float("inf")}]}]}, ["MON-ATL-001"]),
        ("/clusters", lambda told: told | {"results": [one | {"paused": "true"} for one in told["results"]]}
         if "results" in told else told, ["ATL-CLU-001"]),
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_no_pass(atlas, monkeypatch, path, make, ids):  # noqa: F811
    found = forged(atlas, monkeypatch, path, make)
    assert all(found[one].verdict is not PASS for one in ids), [str(found[one]) for one in ids]


def test_what_a_terminal_would_obey_is_not_told(atlas, monkeypatch):  # noqa: F811
    evil = "\x1b[31m\ud800\u202e\nCPU"
    found = forged(atlas, monkeypatch, "alertConfigs", lambda told: told | {
        "results": [one | {"enabled": False, "eventTypeName": evil, "metricThreshold": None}
                    for one in told["results"]]})  # fmt: skip
    assert found["GATE-MON-001"].verdict is FAIL and found["GATE-MON-001"].evidence.isprintable()
