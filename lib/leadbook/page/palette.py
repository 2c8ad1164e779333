"""The one palette of pages and plots; no library is loaded for it.

Colours are Okabe and Ito's, darkened where they would be pale on white, so that they differ for colour-blind readers
and keep a contrast of 3:1 on the white card that every plot is drawn on (light and dark pages show the same card).
"""

from __future__ import annotations

from leadbook.core.checks import Verdict

SERIES = ("#0072b2", "#d55e00", "#008a64", "#b24c8a", "#2b8fc9", "#8a6d00", "#5b6472")
"""Colours of series, in order of use: blue, vermilion, green, purple, sky, olive, slate."""

INK, MUTED, GRID, PAPER = "#1b1f24", "#5b6472", "#e3e6ea", "#ffffff"
TARGET = "#b3261e"
"""Colour of a target line (always dashed too, never told by colour alone)."""
GOOD, BAD = "#1a7a4c", "#b3261e"

VERDICT_COLOURS: dict[Verdict, str] = {
    Verdict.PASS: GOOD,
    Verdict.WARN: "#8f5b00",
    Verdict.FAIL: BAD,
    Verdict.ERROR: "#8c1d6b",
    Verdict.NOT_MEASURED: "#6d3fb0",
    Verdict.MANUAL: "#0b6a88",
    Verdict.NOT_APPLICABLE: MUTED,
}
"""Badge colours; white text on each has a contrast of at least 4.5:1."""
