"""How far the forecast's own intervals are to be believed, as measured on made sprints."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from leadbook.forecast.records import ForecastAccuracy

FILE = Path(__file__).with_name("accuracy.yaml")


@cache
def accuracy() -> ForecastAccuracy | None:
    """What `tests/proofs/test_forecast_coverage.py` wrote last; None before it ever ran."""
    if not FILE.exists():
        return None
    return ForecastAccuracy(**yaml.safe_load(FILE.read_text(encoding="utf-8")))
