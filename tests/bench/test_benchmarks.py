"""Both benchmarks measure what they say and leave nothing behind; their figures are nobody's business here."""

import pytest

from leadbook.bench import pipeline as benchmark
from leadbook.bench import scale
from leadbook.core.errors import RefusedError
from leadbook.schema import undo


def test_pipeline_beside_raw_inserts(site, database, leads, clean_redis):
    before = set(database.list_collection_names())
    (one,) = benchmark.run(site.settings, records=1_500, rounds=1)
    assert one.share > 0 and one.mixed_records > 0 and {"read", "clean", "insert", "cache write"} <= set(one.stages)
    assert [name for name, _ in benchmark.table([one])][2] == "pipeline over raw, round by round"
    assert set(database.list_collection_names()) - {undo.COLLECTION} == before and not clean_redis.keys()


def test_scale_counts_all_records_and_the_memory_of_each_process(site, database, leads, clean_redis):
    before = set(database.list_collection_names())
    found = scale.run(site.settings, records=6_000, small=1_000, rounds=1)
    assert found.records == 6_000 and 4_500 < found.stored < 6_000
    assert (len(found.small), len(found.raw_small)) == (2, 2)
    assert found.growth > 0 and found.raw_growth > 0
    assert found.peak_bytes and min(found.peak_bytes) > 1e6
    assert "times as much" in dict(scale.table(found))["pipeline, large input"]
    assert set(database.list_collection_names()) - {undo.COLLECTION} == before and not clean_redis.keys()


@pytest.mark.parametrize("run", [benchmark.run, scale.run])
def test_production_is_refused(at, run):
    with pytest.raises(RefusedError):
        run(at(profile="production").settings)
