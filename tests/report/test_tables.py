"""Tables and plots as they are shown: explained, aligned, escaped."""

import datetime
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.made_run import check

from leadbook.core.checks import Verdict, judge
from leadbook.core.traces import concern_text
from leadbook.page import cards, palette, style, tables
from leadbook.page.prose import frame_table, number, pipe_table, with_profile
from leadbook.report.html import document_body


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,234,567"), (0.123456, "0.1235"), (12.5, "12.5"), (5321.7, "5,322"), (2.0, "2"), (math.nan, "–"),
     (math.inf, "∞"), (np.int64(7), "7"), (np.float32(0.5), "0.5")],
)  # fmt: skip
def test_numbers_are_written_for_people(value, text):
    assert number(value, missing="–") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (pd.NaT, "–"), (pd.NA, "–"), (True, "yes"), (np.bool_(False), "no"), ("<b>", "&lt;b&gt;"),
     (["a", 2], "a, 2"), (datetime.datetime(2026, 1, 2, 3, 4, 5, 6), "2026-01-02 03:04:05")],
)  # fmt: skip
def test_a_cell_shows_each_kind_of_value(value, text):
    assert tables.cell(value) == text


def test_a_long_identifier_may_break_and_nothing_else_may():
    assert tables.cell("storage.wiredTiger.engineConfig.cacheSizeGB").count("<wbr>") == 3
    assert "<wbr>" not in tables.cell("idx_email and a.b, 12.5 ms of https, and so on for longer than 20 characters")
    assert tables.cell("<b>a_very_long_identifier_indeed</b>").startswith("&lt;b&gt;a_<wbr>very_")


def test_a_table_has_a_caption_explained_columns_and_aligned_numbers():
    frame = pd.DataFrame({"name": ["a<b"], "rate": [1.5], "verdict": ["fail"]}, index=["row"])
    html = tables.render(frame, "Rates & more", {"rate": "documents/s", "absent": "not shown"})
    assert "<caption" in html and "Rates &amp; more" in html and "a&lt;b" in html
    assert "<b>rate</b> documents/s" in html and "not shown" not in html
    assert re.search(r'<td data-label="\w+" style="text-align:right[^"]*">1.5</td>', html)
    assert tables.badge("fail") in html
    assert ">row</td>" in html  # a textual index is data
    assert "nothing to show" in tables.render(pd.DataFrame({"a": []}), "Empty")


def test_checks_are_shown_blocking_ones_first_with_their_remedy():
    html = tables.checks_table([check(), check(verdict=Verdict.FAIL, id="X-2")])
    assert html.index("X-2") < html.index("TST-03-001")
    assert html.count("Do: use larger batches") == 1
    told = "stable id and what is checked"
    assert html.count(told) == tables.checks_table([check()], legend=False).count(told) + 1, "a page explains them once"
    assert "≥ 1,000 documents/s" in html and "Rate &lt;of&gt; inserts" in html


@pytest.mark.parametrize(
    ("target", "text"),
    [(">= 1000.0 documents/s", "≥ 1,000 documents/s"), ("<= 0.60 USD", "≤ 0.6 USD"), ("6.0.5", "6.0.5"),
     ("M30", "M30"), ("yes", "yes"), ("< 50.0 ms", "< 50 ms"), (">= 1.2 TLS", "TLS 1.2 or newer"),
     (">= 100.0 %", "100 %"), ("< 1000 us", "< 1,000 µs")],
)  # fmt: skip
def test_a_target_is_written_for_people(target, text):
    assert tables.target_text(check(target=target)) == tables.target_text(target) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1.3, "TLS", "TLS 1.3"), (35.07, "us", "35.07 µs"), (0.0005556, "h", "2 s"), (0.5, "h", "30 min"),
     (30, "h", "30 h"), (0, "h", "0 h"), (True, "", "yes"), (None, "ms", "–")],
)  # fmt: skip
def test_a_measured_value_is_written_for_people(value, unit, text):
    assert tables.measured_text(check(measured=value, unit=unit)) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [("documents_per_s", "documents/s"), ("p50_ms", "median, ms"), ("query_p50_ms", "query median, ms"),
     ("worst_ms", "slowest, ms"), ("p999_ms", "p99.9, ms"), ("per_s", "a second"), ("cost_us", "cost, µs"),
     ("linkedin_url", "linkedin_url"), ("check-outs", "check-outs"), ("window h", "window h")],
)  # fmt: skip
def test_a_column_is_headed_in_the_readers_words(name, text):
    frame = pd.DataFrame({name: [1.5], "why": [None]})
    html = tables.render(frame, "T", {name: "what it means"})
    assert f'data-label="{text}"' in html and f">{text}</th>" in html and f"<b>{text}</b> what it means" in html
    assert document_body(frame_table(frame)).th.get_text() == text
    assert document_body(frame_table(frame)).find_all("td")[1].get_text() == "–", "as in a cell of a page"


def test_a_command_in_backticks_is_shown_as_code_on_the_card_and_in_a_cell():
    blocking = check(verdict=Verdict.FAIL, remedy="run `leadbook run <x>`")
    card = cards.verdict_html("03", "Benchmarks", [blocking])
    assert "run <code>leadbook run &lt;x&gt;</code>" in card and "`" not in card
    assert tables.cell("see `a <b>`") == "see <code>a &lt;b&gt;</code>"


def test_a_card_says_once_what_several_checks_wait_for():
    same = [check(verdict=Verdict.FAIL, id=f"X-{n}", remedy="apply the schema") for n in (1, 2)]
    other = check(verdict=Verdict.FAIL, id="X-3", remedy="raise the limit")
    card = cards.verdict_html("02", "Schema", [same[0], other, same[1]])
    assert card.count("apply the schema") == 1 and card.count("<b>Do:</b>") == 2
    assert card.index("X-1") < card.index("X-2") < card.index("X-3")


@pytest.mark.parametrize(
    ("document", "text"),
    [({"wtimeout": 5000, "w": "majority"}, "w: majority, wtimeout 5,000 ms"), ({"j": False, "w": 1}, "w: 1, j: false"),
     (None, "none"), ({}, "none")],
)  # fmt: skip
def test_a_write_concern_is_written_as_people_say_it(document, text):
    assert concern_text(document) == text


def test_an_accepted_risk_is_seen_on_the_page_and_asks_for_nothing():
    blocks = replace(judge("MDB-HST-001", 2, evidence="hostInfo"), accepted="accepted by Ada on 2026-11-01: a trial")
    other = judge("MDB-HST-002", 4, evidence="hostInfo")
    shown = tables.checks_table([blocks, other])
    assert shown.index("MDB-HST-002") < shown.index("MDB-HST-001") and shown.count("risk accepted") == 1
    assert "hostInfo. Accepted by Ada on 2026-11-01: a trial" in shown and shown.count("Do: ") == 1
    card = cards.verdict_html("01", "Provisioning", [blocks])
    assert "passes with 1 accepted risk" in card
    assert "1 fail; 1 of them an accepted risk" in card and "Accepted by Ada on 2026-11-01" in card


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_can_be_read_on_a_plot_and_white_words_on_a_badge():
    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in palette.SERIES)
    assert set(palette.VERDICT_COLOURS) == set(Verdict)
    assert all(1.05 / (luminance(colour) + 0.05) >= 4.5 for colour in palette.VERDICT_COLOURS.values())


def test_a_figure_has_a_title_labels_and_equal_bytes_each_time():
    drawn, axes = style.figure("Insert rate", "batch, documents", "documents/s")
    axes.plot([1, 2], [3, 4])
    style.target_line(axes, 3.5, "target")
    style.target_line(axes, 1.5, "here", vertical=True)
    assert (axes.get_title(loc="left"), axes.get_ylabel()) == ("Insert rate", "documents/s")
    assert style.png(drawn) == style.png(drawn)


def test_a_logarithmic_axis_has_plain_numbers():
    drawn, axes = style.figure("Waiting", "", "ms")
    axes.plot([1, 2, 3], [0.2, 3, 4_000])
    style.log_scale(axes)
    drawn.canvas.draw()
    shown = {tick.get_text() for tick in axes.get_yticklabels()} - {""}
    assert {"0.1", "1", "1,000"} <= shown
    narrow, axes = style.figure("Waiting", "", "ms")
    axes.plot([1, 2], [20, 60])
    style.log_scale(axes)
    narrow.canvas.draw()
    assert {"20", "60"} <= {tick.get_text() for tick in axes.get_yticklabels(minor=True)}


def test_an_axis_has_its_thousands_apart_and_keeps_names():
    drawn, axes = style.figure("Rates", "", "documents/s")
    axes.bar(["one", "two"], [900, 12_000])
    parts, several = style.panels(1, 1, size=(4, 3))
    style.panel(several[0], "One")
    several[0].plot([0, 26_000], [0.5, 1.5])
    drawn.canvas.draw()
    parts.canvas.draw()
    assert "12,000" in {tick.get_text() for tick in axes.get_yticklabels()}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["one", "two"]
    assert "20,000" in {tick.get_text() for tick in several[0].get_xticklabels()}


def test_commands_for_n8n_and_roles_name_the_profile_too():
    told = with_profile("`leadbook n8n export --out DIR`, `leadbook roles`", "production")
    assert told == "`leadbook n8n export --out DIR --profile production`, `leadbook roles --profile production`"


@pytest.mark.parametrize(
    "words",
    ["+6***81 (23 leads); +4***20 (22 leads)", "count({}, hint _id_)", "location_city, _state, _country", "~~gone~~",
     "mongodb://<username>:<password>@h/?a=1&amp;b=2", "[out](https://x.example)", r"a\b | c \| d", "2 * 3 * 4",
     "__x__ and a_b_c", "C*** T*** <i>x</i>", "a lone ` tick"],
)  # fmt: skip
def test_a_cell_of_a_document_reads_as_the_value_it_was_made_of(words):
    page = document_body(f"# T\n\n{pipe_table(['_a_', 'b'], [[words, 1]])}\n")
    assert [one.get_text() for one in page.find_all(["th", "td"])] == ["_a_", "b", words, "1"]
    assert not page.find_all(["em", "strong", "del", "a", "i"])


def test_code_in_a_cell_of_a_document_stays_code_and_plain_words_stay_as_they_are():
    told = pipe_table(["a"], [["see `leadbook run --x *_y_`, p50_ms < 50 ms [c]"]])
    assert told.endswith("| see `leadbook run --x *_y_`, p50_ms < 50 ms [c] |")
    piped = document_body(pipe_table(["a"], [["`x | y`"]]))
    assert piped.td.code.get_text() == "x | y"
