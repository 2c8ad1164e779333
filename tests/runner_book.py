"""What the runner's test notebooks record with: the contract of a phase, without servers and heavy imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from IPython.display import display

from leadbook.core.checks import BLOCKING, Check, tally
from leadbook.core.definitions import Definition
from leadbook.core.settings import Settings


def definition(check_id: str) -> Definition:
    """The catalogue's entry of a test check `T-NN-…`."""
    return Definition(
        id=check_id, title="rate of inserts", phase=check_id[2:4], steps=("1.1.1.1",), compare=">=", target=10,
        unit="documents/s", remedy="insert faster",
    )  # fmt: skip


class Book:
    """Writes the same scraps and record file as `leadbook.phases.phase.Phase`."""

    def __init__(self, run_dir: str, phase: str, **opened: Any) -> None:
        self.phase, self.path = phase, Path(run_dir) / "records" / f"{phase}.json"
        self.record: dict[str, Any] = {"phase": phase, "checks": [], "facts": {}, "documents": [], "closed": None}
        if "parameters" in opened:
            opened["parameters"] = Settings.for_notebook(opened["parameters"]).model_dump()
        self._put("opened", {"phase": phase, "title": f"Title {phase}", **opened})

    def _put(self, part: str, data: Any) -> None:
        self.record[part] = data
        self._save(part, data)

    def _save(self, name: str, data: Any) -> None:
        payload = {"name": f"{self.phase}/{name}", "data": data, "encoder": "json", "version": 1}
        display({"application/scrapbook.scrap.json+json": payload}, raw=True)  # as scrapbook.glue, without its import
        self.path.write_text(json.dumps(self.record))

    def check(self, check_id: str, verdict: str, measured: Any = None, **changes: Any) -> None:
        entry = definition(check_id)
        data = {
            "id": check_id, "title": entry.title, "phase": self.phase, "steps": list(entry.steps), "verdict": verdict,
            "target": ">= 10 documents/s", "measured": measured, "unit": entry.unit, "evidence": "counted",
            "remedy": entry.remedy, "source": "", "kind": "measured", "taken_at": "2026-01-01T00:00:00+00:00",
            **changes,
        }  # fmt: skip
        self.record["checks"].append(data)
        self._save(f"check/{check_id}", data)

    def fact(self, name: str, value: Any) -> None:
        self.record["facts"][name] = value
        self._save(f"fact/{name}", value)

    def document(self, slug: str, text: str) -> None:
        (self.path.parents[1] / "documents" / f"{slug}.md").write_text(text)
        entry = {"title": slug, "audience": ["Technical Lead"], "path": f"documents/{slug}.md"}
        self.record["documents"].append({"slug": slug, **entry})
        self._save(f"document/{slug}", entry)

    def close(self, **changes: Any) -> None:
        made = [Check.from_dict(check) for check in self.record["checks"]]
        blocks = not made or any(check.verdict in BLOCKING for check in made)
        at = "2026-01-01T00:00:00+00:00"
        self._put("closed", {"verdict": "fail" if blocks else "pass", "counts": tally(made), "at": at, **changes})
