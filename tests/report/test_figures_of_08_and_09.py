"""Plots of phases 08 and 09 draw what they are given, and say so where there is nothing."""

from types import SimpleNamespace

import pandas as pd
import pytest

from leadbook.page import style
from leadbook.phases.p08 import figures as monitoring
from leadbook.phases.p09 import figures as analysis

STATISTICS = SimpleNamespace(by_score={80: 2, 100: 8, None: 1}, by_points={80: 2, 120: 8}, max_points=120)
NOTHING = SimpleNamespace(by_score={}, by_points={}, max_points=120)
FIELDS = pd.DataFrame({"field": ["email", "email"], "source": ["all", "Apollo"], "percent": [45.0, 51.0]})
TIMELINE = pd.DataFrame(
    {"mongodb.inserts_per_s": [None, 10.0, 20.0], "mongodb.cpu_cores": [None, 0.5, 0.6]}, index=[0.0, 0.5, 1.0]
)
SIZES = pd.DataFrame({"batch size": [100, 500], "documents/s": [1500.0, 4000.0]})


def texts(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in [*axes.texts, axes.title, axes.yaxis.label])


@pytest.mark.parametrize(
    "figure",
    [
        analysis.sources({"Apollo": 8, None: 1}), analysis.quality(STATISTICS, 75), analysis.completeness(FIELDS),
        monitoring.timeline(TIMELINE), monitoring.batch_sizes(SIZES, 1000),
    ],
    ids=["sources", "quality", "completeness", "timeline", "batch sizes"],
)  # fmt: skip
def test_a_plot_draws(figure):
    assert style.png(figure).startswith(b"\x89PNG")
    assert figure.axes


def test_without_leads_the_plots_say_so():
    for figure in (analysis.sources({}), analysis.quality(NOTHING, 75), analysis.completeness(FIELDS.iloc[:0])):
        assert "no lead is stored" in texts(figure)


def test_a_panel_without_readings_says_not_measured():
    figure = monitoring.timeline(TIMELINE)
    assert len(figure.axes) == 8
    assert texts(figure).count("not measured") == 6


def test_every_panel_has_a_unit():
    assert all(axes.get_ylabel() for axes in monitoring.timeline(TIMELINE).axes)
