"""Runs are compared against noise, and only where hosts and environments are alike; edited records are refused."""

import json

import pytest

from leadbook.bench import compare
from leadbook.commands import tune
from leadbook.core import files
from leadbook.core.errors import InputFileError, UsageError
from leadbook.core.provenance import facts_of
from leadbook.measure.histograms import Latencies

SLOW, FAST, NOISY = [1_000, 1_010, 990, 1_005], [2_000, 2_010, 1_990, 2_005], [900, 1_400, 700, 1_100]


def run(rates, *, milliseconds=1.0, canary=0.010, **environment):
    return {
        "rates_by_round": {"insert_many 500 unordered": rates},
        "environment": {"mongodb": "6.0.5", "cores": 2, **environment},
        "canary_seconds": [canary] * 5,
        "histograms": {"Redis GET": Latencies([milliseconds / 1e3] * 1_000).encoded()},
    }


def of_runs(*folders):
    return compare.compare(*(facts_of(folder, "03") for folder in folders))


def test_unlike_environments_are_not_compared():
    with pytest.raises(UsageError, match="cores: 2 and 8"):
        compare.compare(run(SLOW), run(FAST, cores=8))
    with pytest.raises(UsageError, match="its phase 03 tells why, such as that nobody approved them"):
        compare.compare({}, run(SLOW))


def test_runs_are_read_from_their_records(tmp_path):
    for name, rates in (("a", FAST), ("b", SLOW)):
        records = tmp_path / name / "records"
        records.mkdir(parents=True)
        (records / "03.json").write_text(json.dumps({"facts": run(rates), "closed": {"verdict": "pass"}}))
        (records / "05.json").write_text(json.dumps({"facts": {"advice": []}, "closed": {"verdict": "pass"}}))
        files.seal(tmp_path / name, {"state": "ended", "profile": "rehearsal"})
    assert of_runs(tmp_path / "a", tmp_path / "b").regressions[0].change == "-50 %"
    assert tune.of_run(tmp_path / "a", "rehearsal") == []
    with pytest.raises(UsageError, match="is a run of profile rehearsal: it says nothing of production"):
        tune.of_run(tmp_path / "a", "production")
    with pytest.raises(InputFileError, match="is not a finished run"):
        of_runs(tmp_path / "a", tmp_path / "missing")


def test_differences_are_judged_against_noise():
    same = compare.compare(run(SLOW), run(NOISY))
    assert {row.verdict for row in same.rows} == {"no difference shown"}
    worse = compare.compare(run(FAST, milliseconds=1.0), run(SLOW, milliseconds=2.0))
    assert [row.verdict for row in worse.rows] == ["worse", "worse"]
    assert len(worse.regressions) == 2
    assert [row.verdict for row in compare.compare(run(SLOW), run(FAST)).rows] == ["better", "no difference shown"]


@pytest.mark.trust(
    way="Two runs are compared whose host was 1.6 times slower in one of them",
    status=2,
    says=("not comparable", "the host was 1.6 times slower", "run again"),
    leaves="Nothing; no figure is called better or worse.",
)
def test_runs_on_hosts_of_unlike_speed_are_not_comparable(trust):
    quiet, busy = run(FAST, canary=0.010), run(SLOW, milliseconds=1.9, canary=0.016)
    with pytest.raises(UsageError, match=r"1\.6 times faster"):
        compare.compare(busy, quiet)
    with pytest.raises(UsageError, match=r"than in run 2"):
        compare.compare(quiet, busy, quiet)
    with pytest.raises(UsageError) as raised:
        compare.compare(quiet, busy)
    trust.check(raised.value.exit_status, str(raised.value))


def test_a_small_drift_of_the_host_explains_as_small_a_change():
    slower = [rate / 1.6 for rate in FAST]
    found = compare.compare(run(FAST, canary=0.010), run(slower, canary=0.0115))
    assert found.rows[0].verdict == "worse", "the host did not become that much slower"
    assert len(compare.compare(run(FAST), {**run(SLOW), "canary_seconds": []}).regressions) == 1


def test_two_runs_of_the_same_code_differ_by_more_than_their_own_intervals_say():
    found = compare.compare(run([1_000, 1_001, 999, 1_000], milliseconds=1.0),
                            run([1_300, 1_301, 1_299, 1_300], milliseconds=1.3))  # fmt: skip
    assert {row.verdict for row in found.rows} == {"no difference shown"}
    assert "three" not in found.method and "3 or more earlier runs" in found.method


def test_three_earlier_runs_measure_the_noise_between_runs():
    def steady(rate, milliseconds):
        return run([rate, rate + 1, rate - 1, rate], milliseconds=milliseconds)

    earlier = [steady(1_000, 1.0), steady(1_010, 1.01), steady(990, 0.99)]
    worse = compare.compare(*earlier, steady(800, 1.0))
    assert [row.verdict for row in worse.rows] == ["worse", "no difference shown"]
    assert worse.rows[0].before == "1,000 (990 to 1,010)" and "3 earlier runs" in worse.method
    restless = [steady(1_000, 1.0), steady(1_400, 1.3), steady(700, 0.8)]
    assert not compare.compare(*restless, steady(800, 1.2)).regressions


def test_one_run_alone_cannot_be_compared():
    with pytest.raises(UsageError, match="two runs or more"):
        compare.compare(run(SLOW))


@pytest.mark.trust(
    way="A number in the record of a finished run is edited before `leadbook tune` or `leadbook compare` reads it",
    status=2, says=("records/05.json", "was changed since the run ended"), leaves="nothing; no file is written",
)  # fmt: skip
def test_a_record_edited_after_the_run_is_refused(tmp_path, trust):
    runs = [tmp_path / "a", tmp_path / "b"]
    for folder in runs:
        (folder / "records").mkdir(parents=True)
        for phase, told in (("03", run(SLOW)), ("05", {"advice": []})):
            text = json.dumps({"facts": told, "closed": {"verdict": "pass"}})
            (folder / "records" / f"{phase}.json").write_text(text)
        files.seal(folder, {"state": "ended"})
    record = runs[0] / "records" / "05.json"
    record.write_text(record.read_text().replace("[]", '[{"parameter": "batch_size"}]'))
    for read in (lambda: tune.of_run(runs[0], "rehearsal"), lambda: of_runs(*runs)):
        with pytest.raises(InputFileError) as refused:
            read()
        trust.check(refused.value.exit_status, str(refused.value))


def test_a_run_that_lacks_its_end_or_a_file_is_refused(tmp_path):
    (tmp_path / "records").mkdir()
    record = tmp_path / "records" / "05.json"
    record.write_text(json.dumps({"facts": {"advice": []}, "closed": None}))
    files.seal(tmp_path, {"state": "ended"})
    with pytest.raises(InputFileError, match="did not run to its end"):
        tune.of_run(tmp_path, "rehearsal")
    (tmp_path / "records" / "03.json").write_text("{}")
    with pytest.raises(InputFileError, match=r"03\.json: was put there by something else"):
        tune.of_run(tmp_path, "rehearsal")
    (tmp_path / "records" / "03.json").unlink()
    record.unlink()
    with pytest.raises(InputFileError, match=r"05\.json: is missing"):
        tune.of_run(tmp_path, "rehearsal")
    files.seal(tmp_path, {"state": "running"})
    with pytest.raises(InputFileError, match="has not ended, or was killed"):
        tune.of_run(tmp_path, "rehearsal")
