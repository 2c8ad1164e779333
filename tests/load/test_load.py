"""Load from processes: shared out completely, counted afterwards, refused where it is not approved."""

import itertools
import subprocess
import sys
import time

import psutil
import pytest
from pymongo.errors import OperationFailure

from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError
from leadbook.load import tuning
from leadbook.load.load import Loader, numbers, share
from leadbook.measure.intervals import difference
from leadbook.measure.operations import LoadTarget, Task
from leadbook.measure.workers import TaskOutcome, run_tasks
from leadbook.phases.judging import checks_of, of_each
from leadbook.phases.p05 import checks, tables
from leadbook.phases.p05.figures import by_second
from leadbook.phases.p05.sections import LoadTest


@pytest.fixture
def loader(place):
    place.settings = place.settings.model_copy(update={"load_processes": 2, "duplicate_checks": 400})
    made = Loader(place=place)
    yield made
    made.close()


@pytest.mark.parametrize(("threads", "calls", "processes"), list(itertools.product((1, 3, 10), (1, 7, 20), (1, 2, 3))))
def test_sharing_deals_out_every_thread_call_and_document_once(threads, calls, processes):
    task = Task(name="t", kind="insert", threads=threads, calls=calls, size=5, first=100)
    parts = [part for place in range(processes) if (part := share(task, place, processes))]
    assert sum(part.threads for part in parts) == threads
    assert sum(part.calls for part in parts) == calls
    documents = [n for part in parts for n in range(part.first, part.first + part.calls * part.size)]
    assert documents == list(range(100, 100 + calls * 5))


def test_arrivals_are_dealt_out_without_overlapping_documents():
    task = Task(name="t", kind="insert", threads=4, size=10, arrivals=tuple(range(7)))
    parts = [share(task, place, 2) for place in range(2)]
    assert sorted(itertools.chain(*(part.arrivals for part in parts))) == list(range(7))
    assert [part.first for part in parts] == [0, 40]


def test_a_list_of_numbers_is_read():
    assert numbers("10000, 20000") == [10_000, 20_000]


def test_every_document_of_a_load_is_counted_and_duplicates_are_found_with_and_without_redis(loader, scratches):
    found = loader.insert(600, 6)
    assert (found.outcome.sent, found.stored, found.missing, found.outcome.processes) == (600, 600, 0, 2)
    assert sum(done for _, done, _ in found.outcome.ends) == 600
    up, away = loader.sources(), loader.sources(redis=False)
    assert (up.stored, up.duplicates, len(up.per_source)) == (up.expected, 180, 10)
    assert (away.stored, away.outcome.errors["duplicate"]) == (away.expected, 180)
    settings = loader.place.settings
    made = checks_of(of_each(checks.SOURCES, up), settings) + checks_of(of_each(checks.WITHOUT_REDIS, away), settings)
    assert {check.verdict.value for check in made} == {"pass"}
    assert scratches() == []
    assert loader.place.redis.dbsize() == 0


def test_everything_at_once_verifies_answers_and_leaves_nothing(loader, scratches):
    found = loader.mixed(known=300)
    assert {name: outcome.wrong for name, outcome in found.outcomes.items()} == dict.fromkeys(found.outcomes, 0)
    assert found.outcomes["insert"].sent == found.stored
    assert found.outcomes["duplicate check by Redis"].sent == 400
    assert found.readings.statistic("mongodb.connections_current", "max") > 0
    assert found.readings.statistic("host.cpu_percent", "max") is not None and not found.readings.problems
    assert scratches() == []
    assert loader.place.redis.dbsize() == 0


def test_the_keys_of_another_load_test_on_the_same_redis_stay(loader):
    others = "leadbook_scratch_of_another_run:lead:linkedin:u"
    loader.place.redis.set(others, b"1")
    try:
        with loader.keys(["u"]):
            assert loader.place.redis.dbsize() == 2
        assert loader.place.redis.keys("*") == [others.encode()]
    finally:
        loader.place.redis.delete(others)


def test_a_server_that_is_away_is_an_error_and_not_a_pass(loader):
    loader.place.endpoints = type(loader.place.endpoints)(
        mongodb_uri="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300", admin_uri="", reporting_uri=None,
        redis_url="redis://127.0.0.1:1/0", source="environment", redis_source="environment",
    )  # fmt: skip
    test = LoadTest(loader.place, {})
    try:
        made = [*test.capacity().checks, *test.one_pool().checks]
    finally:
        test.close()
    assert {check.verdict.value for check in made} == {"error"}


WANTED = {
    "load-test-results": ("database load test results", "performance metrics", "optimization opportunities"),
    "optimized-settings": ("MongoDB settings", "Redis settings", "Connection pool settings"),
}
"""Sections that steps 3.1.1.10 and 3.2.1.5 of the task book ask for, by document."""
SECTIONS = ("collectors", "capacity", "one_pool", "everything", "rates", "before_and_after", "advice", "issues")


def test_an_unapproved_load_writes_nothing_and_is_not_measured(place, scratches):
    place.settings, place.action = place.settings.model_copy(update={"profile": "production"}), "load_test"
    test = LoadTest(place, {})
    made = [check for name in SECTIONS for check in getattr(test, name)().checks]
    assert {check.verdict.value for check in made} == {"not measured"}
    assert all("approve='load_test on " in check.remedy for check in made)
    wanted = {one.id for one in catalogue().values() if one.phase == "05" and one.kind == "measured"}
    documents = test.documents()
    assert {check.id for check in (*made, *documents.checks)} == wanted
    assert [check.verdict.value for check in documents.checks] == ["fail"], "documents without numbers are no documents"
    text = {one.slug: one.markdown.lower() for one in documents.documents}
    for slug, sections in WANTED.items():
        assert not [section for section in sections if section.lower() not in text[slug]], slug
    assert scratches() == [] and test.loader._crew is None
    test.close()


def test_a_section_can_be_run_again_also_after_the_end(place, scratches):
    test = LoadTest(place, {})
    first = test.one_pool()
    test.close()
    again = test.one_pool()
    test.close()
    assert [check.id for check in first.checks] == [check.id for check in again.checks]
    assert {check.verdict.value for check in again.checks} == {"pass"} and scratches() == []


def test_a_section_out_of_order_names_the_one_to_run_first(place):
    test = LoadTest(place, {})
    with pytest.raises(LeadbookError, match=r"section 5\.2 was not run: run its cell first"):
        test.rates()
    with pytest.raises(LeadbookError, match=r"section 5\.1 and 5\.2"):
        test.issues()


def test_a_trial_that_fails_is_not_measured_and_says_so_under_its_own_check(loader, monkeypatch, scratches):
    def refused(*_, **__):
        raise OperationFailure("the server would not")

    test = LoadTest(loader.place, {})
    try:
        test.everything()
        for name in ("first_burst", "insert_batches"):
            monkeypatch.setattr(tuning, name, refused)
        made = {one.id: one for one in test.before_and_after().checks}
        assert {trial.parameter for trial in test.found.trials.values()} == {"writers", "look-up"}
    finally:
        test.close()
    assert set(made) == {f"LOAD-TUN-00{number}" for number in range(1, 5)}
    assert made["LOAD-TUN-001"].measured is not None and made["LOAD-TUN-002"].verdict.value == "pass"
    for name in ("LOAD-TUN-003", "LOAD-TUN-004"):
        assert made[name].verdict.value == "not measured" and "the server would not" in made[name].evidence
    assert scratches() == []


@pytest.mark.parametrize(("before", "after", "verdict"), [([9, 9.1, 9.2], [20, 20.1, 20.3], "warn"),
                                                          ([20, 20.1, 20.3], [9, 9.1, 9.2], "pass"),
                                                          ([9, 20, 14], [10, 19, 15], "pass")])  # fmt: skip
def test_a_setting_that_a_better_one_was_shown_for_warns(settings, before, after, verdict):
    trial = tuning.SettingTrial(name="w", parameter="writers", before=2, after=8, unit="documents/s", better="higher",
                                effect=difference(before, after))  # fmt: skip
    (check,) = checks_of(of_each({"LOAD-TUN-001": checks.TRIALS["LOAD-TUN-001"][1]}, trial), settings)
    assert check.verdict.value == verdict and "8 writers against the 2 in force: " in check.evidence
    assert (": faster, +" in check.evidence) == (verdict == "warn")


def test_outcomes_of_processes_are_merged():
    first, second = (
        TaskOutcome(name="a", began=0.1, ended=1.0, done=10),
        TaskOutcome(name="a", began=0.0, ended=2.0, done=30),
    )
    first.latencies.extend([0.001] * 900)
    second.latencies.extend([0.1] * 100)
    second.errors = {"duplicate": 2}
    first.join(second)
    assert (first.done, first.seconds, first.rate, first.errors) == (40, 2.0, 20.0, {"duplicate": 2})
    assert first.latencies.summary().p95_ms == pytest.approx(100, rel=0.01)


def test_a_timeline_adds_up():
    slices = by_second([(0.1, 50, 0.01), (0.4, 50, 0.03), (0.9, 100, 0.02)], width=0.5)
    assert slices["rate"].tolist() == [200, 200]
    assert slices["worst_ms"].tolist() == [30, 20]
    begun = by_second([(0.1, 50, 0.01), (0.4, 50, 0.03), (0.6, 100, 0.4)], width=0.5)
    assert begun["rate"].isna().tolist() == [False, True], "a slice hardly begun has no rate"
    assert begun["worst_ms"].tolist() == [30, 400], "and hides no slow call"


def test_addresses_are_not_shown():
    secret = LoadTarget(mongodb_uri="mongodb://u:hunter2@h/", redis_url="redis://:hunter2@h", settings={}, database="d",
                    collection="c", seed=1)  # fmt: skip
    assert "hunter2" not in repr(secret)


def test_wrong_answers_are_counted(place):
    with place.scratch("wrong", documents=20) as collection:
        target = Loader(place=place).target(collection)
        task = Task(name="check", kind="mongodb check", threads=1, calls=4, size=5, first=5_000)
        (outcome,) = run_tasks(target, [task])
    assert (outcome.sent, outcome.wrong) == (20, 10), "leads said to be known were never inserted"


def test_load_processes_end_with_a_killed_parent():
    code = "from leadbook.measure.workers import Crew; import time; c = Crew(2); print(*c._pool._processes, flush=True)"
    parent = subprocess.Popen([sys.executable, "-c", f"{code}; time.sleep(60)"], stdout=subprocess.PIPE, text=True)
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    time.sleep(1.5)
    parent.kill()
    parent.wait()
    psutil.wait_procs(children, timeout=10)
    assert not [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_unplanned_errors_fail_and_late_confirmations_warn(settings):
    late, broken = TaskOutcome(name="a", planned=10), TaskOutcome(name="b", planned=10)
    late.errors = {"write concern WriteConcernFailed": 2, "duplicate": 5}
    (check,) = checks_of(of_each(checks.issues({}), [late]), settings)
    assert (check.verdict.value, check.measured) == ("warn", 2)
    broken.errors = {"AutoReconnect": 1}
    (check,) = checks_of(of_each(checks.issues({}), [late, broken]), settings)
    assert check.verdict.value == "fail"
    assert "AutoReconnect" in check.evidence
    (check,) = checks_of(
        of_each(checks.issues({"pool": OSError("gone")}), [TaskOutcome(name="c", planned=1)]), settings
    )
    assert check.verdict.value == "fail"


def test_batches_of_1000_5000_and_10000_are_measured_each_and_the_matrix_is_not_measured_twice(loader):
    settings = loader.place.settings = loader.place.settings.model_copy(update={"batch_size": 500})
    ten = loader.insert(10_000, 10)
    sizes = loader.sizes((ten,))
    assert [load.outcome.sent for load in sizes] == [1_000, 5_000, 10_000] and sizes[2] is ten
    rate, missing = checks_of(of_each(checks.SIZED, sizes), settings)
    assert "1,000, 5,000, 10,000 records" in rate.evidence and missing.measured == 0
    assert len(tables.inserts([*sizes, ten]).frame) == 3
    short, _ = checks_of(of_each(checks.SIZED, sizes[:2]), settings)
    assert short.verdict.value == "not measured" and "10,000 records were not sent" in short.evidence


def test_a_largest_load_below_the_task_books_is_not_measured(loader):
    settings = loader.place.settings
    (rate, *_) = checks_of(of_each(checks.MATRIX, (loader.insert(500, 10),)), settings)
    assert rate.verdict.value == "not measured" and "load_records" in rate.remedy
