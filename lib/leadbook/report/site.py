"""A run's whole report: machine-readable results, pages, documents, index."""

from __future__ import annotations

import json
from pathlib import Path

from leadbook.report.records import RunRecord
from leadbook.report.verdict import decide
from leadbook.settings import Redactor

__all__ = ["write"]


def write(record: RunRecord, directory: Path, redactor: Redactor) -> None:
    """Write the report of `record` into its run's `directory`."""
    decision = decide(record)
    results = {**record.as_dict(), "verdict": decision.verdict, "reason": decision.reason}
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (directory / "checks.json").write_text(redactor.text(text) + "\n", encoding="utf-8")
