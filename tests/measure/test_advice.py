"""Advice needs a difference that was shown; a tuned copy says why, and the profile itself is never touched."""

import json

import pytest
import yaml

from leadbook.bench import compare
from leadbook.core import files
from leadbook.core.errors import InputFileError, UsageError
from leadbook.core.settings import PROJECT, Settings
from leadbook.load import advice
from leadbook.load.advice import Advice, advise, tune
from leadbook.load.tuning import Trial
from leadbook.measure.histograms import Latencies
from leadbook.measure.intervals import difference

SLOW, FAST, NOISY = [1_000, 1_010, 990, 1_005], [2_000, 2_010, 1_990, 2_005], [900, 1_400, 700, 1_100]


def facts(now, then):
    return {
        "best_batch_size": 1_000,
        "rates_by_round": {"insert_many 500 unordered": now, "insert_many 1000 unordered": then},
    }


def test_a_batch_size_is_advised_only_where_a_difference_was_shown():
    (better,) = advise(Settings(), facts(SLOW, FAST), [], None)
    assert (better.proposed, better.changes) == (1_000, True)
    (same,) = advise(Settings(), facts(SLOW, NOISY), [], None)
    assert (same.proposed, same.effect) == (None, "no difference shown")


def trial(before, after, better):
    return Trial(name="writers", parameter="writers", before=2, after=8, unit="documents/s", better=better,
                 effect=difference(before, after))  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "better", "proposed"),
    [(SLOW, FAST, "higher", 8), (FAST, SLOW, "higher", None), (SLOW, NOISY, "higher", None), (FAST, SLOW, "lower", 8)],
)
def test_a_change_for_the_worse_or_in_the_noise_is_not_advised(before, after, better, proposed):
    (found,) = advise(Settings(), {}, [trial(before, after, better)], None)
    assert found.proposed == proposed


def test_majority_is_never_advised_away():
    rates = {"rates_by_concern": {"majority": SLOW, "w: 1, j: false": FAST}}
    assert advise(Settings(), rates, [], None)[0].proposed is None
    assert advise(Settings(write_concern="1"), rates, [], None)[0].proposed == "majority"


@pytest.fixture
def profile():
    return PROJECT / "params" / "rehearsal.yaml"


def test_a_tuned_copy_has_a_comment_on_each_changed_line_and_the_profile_is_untouched(profile, tmp_path):
    before, out = profile.read_text(), tmp_path / "tuned.yaml"
    wanted = [
        Advice(parameter="writers", current=2, proposed=8, effect="+100 %", evidence="1,000 and 2,000 documents/s"),
        Advice(parameter="batch_size", current=500, proposed=None, effect="no difference shown", evidence="-"),
        Advice(parameter="cache", current=1, proposed=2, effect="+5 %", evidence="-", in_profile=False),
    ]
    assert [one.parameter for one in tune(profile, wanted, out)] == ["writers"]
    lines = zip(before.splitlines(), out.read_text().splitlines(), strict=True)
    (changed,) = [new for old, new in lines if old != new]
    assert changed.startswith("writers: 8  # tuned: was 2; +100 %")
    assert Settings.from_mapping(yaml.safe_load(out.read_text())).writers == 8
    assert profile.read_text() == before


def test_the_profile_itself_and_existing_files_are_refused(profile, tmp_path):
    with pytest.raises(UsageError, match="itself"):
        tune(profile, [], profile)
    existing = tmp_path / "there.yaml"
    existing.write_text("x: 1")
    with pytest.raises(UsageError, match="exists"):
        tune(profile, [], existing)


def test_advice_survives_its_way_through_the_records():
    one = Advice(parameter="writers", current=2, proposed=8, effect="+100 %", evidence="-")
    assert advice.from_facts({"advice": [one.as_dict()]}) == [one]
    with pytest.raises(UsageError, match="phase 05"):
        advice.from_facts({})


def run(rates, *, milliseconds=1.0, canary=0.010, **environment):
    return {
        "rates_by_round": {"insert_many 500 unordered": rates},
        "environment": {"mongodb": "6.0.5", "cores": 2, **environment},
        "canary_seconds": [canary] * 5,
        "histograms": {"Redis GET": Latencies([milliseconds / 1e3] * 1_000).encoded()},
    }


def test_unlike_environments_are_not_compared():
    with pytest.raises(UsageError, match="cores: 2 and 8"):
        compare.compare(run(SLOW), run(FAST, cores=8))
    with pytest.raises(UsageError, match="run 1 holds no benchmarks"):
        compare.compare({}, run(SLOW))


def test_runs_are_read_from_their_records(tmp_path):
    for name, rates in (("a", FAST), ("b", SLOW)):
        records = tmp_path / name / "records"
        records.mkdir(parents=True)
        (records / "03.json").write_text(json.dumps({"facts": run(rates), "closed": {"verdict": "pass"}}))
        (records / "05.json").write_text(json.dumps({"facts": {"advice": []}, "closed": {"verdict": "pass"}}))
        files.seal(tmp_path / name, {"state": "ended", "profile": "rehearsal"})
    assert compare.compare_runs(tmp_path / "a", tmp_path / "b").regressions[0].change == "-50 %"
    assert advice.of_run(tmp_path / "a", "rehearsal") == []
    with pytest.raises(UsageError, match="is a run of profile rehearsal: it says nothing of production"):
        advice.of_run(tmp_path / "a", "production")
    with pytest.raises(InputFileError, match="is not a finished run"):
        compare.compare_runs(tmp_path / "a", tmp_path / "missing")


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
    assert found.drift == pytest.approx(1.15)
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
    for read in (lambda: advice.of_run(runs[0], "rehearsal"), lambda: compare.compare_runs(*runs)):
        with pytest.raises(InputFileError) as refused:
            read()
        trust.check(refused.value.exit_status, str(refused.value))


def test_a_run_that_lacks_its_end_or_a_file_is_refused(tmp_path):
    (tmp_path / "records").mkdir()
    record = tmp_path / "records" / "05.json"
    record.write_text(json.dumps({"facts": {"advice": []}, "closed": None}))
    files.seal(tmp_path, {"state": "ended"})
    with pytest.raises(InputFileError, match="did not run to its end"):
        advice.of_run(tmp_path, "rehearsal")
    (tmp_path / "records" / "03.json").write_text("{}")
    with pytest.raises(InputFileError, match=r"03\.json: was put there by something else"):
        advice.of_run(tmp_path, "rehearsal")
    (tmp_path / "records" / "03.json").unlink()
    record.unlink()
    with pytest.raises(InputFileError, match=r"05\.json: is missing"):
        advice.of_run(tmp_path, "rehearsal")
    files.seal(tmp_path, {"state": "running"})
    with pytest.raises(InputFileError, match="has not ended, or was killed"):
        advice.of_run(tmp_path, "rehearsal")
