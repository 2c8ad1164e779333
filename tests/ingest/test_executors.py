"""Batches run in any executor: threads, processes, a Dask cluster; the result is the same."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import distributed
import pytest
from distributed import Client, LocalCluster

from leadbook.core.errors import ParameterError, UnreachableError
from leadbook.core.settings import Settings
from leadbook.ingest import pipeline
from leadbook.rehearsal import sample


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return sample.write_sample(tmp_path_factory.mktemp("sample"), records=1500, seed=3)


def sources(made):
    return [pipeline.file_source(one.path, one.vendor) for one in made.files]


@pytest.fixture
def small(at):
    """Enough batches that a few would not do without an executor."""
    return at(batch_size=100)


def check(result, leads, made):
    assert (result.ledger.stored, result.ledger.failed, result.problem) == (made.unique, 0, "")
    assert leads.count_documents({}) == made.unique


def test_threads_of_the_callers(small, leads, made):
    with ThreadPoolExecutor(4) as pool:
        check(pipeline.run(sources(made), small, executor=pool, workers=4), leads, made)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_executors_by_one_parameter(at, leads, made, executor):
    check(pipeline.run(sources(made), at(batch_size=100, executor=executor), workers=2), leads, made)


def test_a_dask_cluster_by_one_parameter(at, leads, made):
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        site = at(batch_size=100, executor=cluster.scheduler_address)
        check(pipeline.run(sources(made), site, workers=2), leads, made)


def test_a_scheduler_that_is_away_is_one_line(small, made, monkeypatch):
    monkeypatch.setattr(distributed, "Client", lambda address, **_: Client(address, timeout=1))
    site = replace(small, settings=small.settings.model_copy(update={"executor": "tcp://127.0.0.1:9"}))
    with pytest.raises(UnreachableError, match=r"Dask scheduler at tcp://127\.0\.0\.1:9"):
        pipeline.run(sources(made), site, workers=2)


def test_an_unknown_executor_is_a_parameter_error():
    with pytest.raises(ParameterError, match="executor"):
        Settings.from_mapping({"executor": "proceses"})
