"""A process that a test kills in the middle of benchmarks: `python -m tests.measure.victim`, settings as JSON."""

from __future__ import annotations

import json
import sys
import time

from leadbook.bench import profiler
from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.measure.session import BenchmarkSession
from leadbook.rehearsal import servers
from leadbook.schema.indexes import INDEXES


def main() -> None:
    """Fill a scratch collection, set a key, switch the profiler on, say so, and wait to be killed."""
    settings = Settings.from_mapping(json.loads(sys.argv[1]))
    endpoints = servers.resolve(settings)
    mongo, admin = (connect.mongodb(uri, settings) for uri in (endpoints.mongodb_uri, endpoints.admin_uri))
    redis = connect.redis(endpoints.redis_url, settings)
    place = BenchmarkSession(mongodb=mongo, admin=admin, redis=redis, endpoints=endpoints, settings=settings)
    with place.lone({"alone": INDEXES[:1]}), profiler.profiling(place, slow_ms=5):
        place.keep("victim", 20)
        redis.set(f"{place.undo.keys}lead", b"1", ex=600)
        print("ready", flush=True)  # noqa: T201
        time.sleep(120)


if __name__ == "__main__":
    main()
