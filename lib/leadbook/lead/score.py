"""Score, qualify and stamp a lead. Every weight and rule is a parameter; this page says which decision it rests on.

The task book gives +20 for each of four required fields, +20 for an e-mail and +20 for complete company data: 120
points for a field whose maximum is 100. So `data_quality_score` is min(100, points), and the points themselves stay
beside it in `additional_data.quality_points`: a valid lead cannot score below 80, and only points / 120 tells good
data from better.

"Qualified" is not defined there either. Here: a score of at least `qualified_min_score`, an e-mail, and a job title
holding one of `qualified_title_patterns` (see `title_pattern`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadbook.core.settings import Settings
from leadbook.lead.fields import DEFAULTS, MAX_SCORE, REQUIRED


def title_pattern(patterns: str) -> str:
    """A regular expression, for Python and for the server, of the job titles that `patterns` (commas between) mean.

    A pattern of one word is that whole word or its plural: `sem` is no part of "Semiconductor". Of several words the
    last may go on, and spaces or hyphens stand between them or not: `demand gen` finds "Demand Generation Director",
    "Demand-Gen Lead" and "DemandGen". Letters' case does not matter.
    """
    ways = []
    for words in filter(None, (re.findall(r"[^\s-]+", part) for part in patterns.split(","))):
        ways.append("[ -]*".join(map(re.escape, words)) + (r"\w*" if len(words) > 1 else "s?"))
    return rf"(?<!\w)(?:{'|'.join(ways) or '(?!)'})(?!\w)"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The scoring parameters. company: fields that make company data complete (besides the required name)."""

    required: int
    email: int
    company: int
    company_fields: tuple[str, ...]
    min_score: int
    title: re.Pattern[str]

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """The rules that `settings` state."""
        fields = [name.strip() for name in settings.complete_company_fields.split(",") if name.strip()]
        return cls(
            required=settings.points_required_field, email=settings.points_email, company=settings.points_company,
            company_fields=tuple(fields), min_score=settings.qualified_min_score,
            title=re.compile(title_pattern(settings.qualified_title_patterns), re.IGNORECASE),
        )  # fmt: skip

    @property
    def max_points(self) -> int:
        """Points of a lead that has everything: 120 with the task book's weights."""
        return len(REQUIRED) * self.required + self.email + self.company

    def points(self, lead: Mapping[str, Any]) -> int:
        """Quality points, 0 to `max_points`."""
        points = self.required * sum(1 for name in REQUIRED if lead.get(name))
        if lead.get("email"):
            points += self.email
        if all(lead.get(name) for name in self.company_fields):
            points += self.company
        return points

    def qualifies(self, lead: Mapping[str, Any], score: int) -> bool:
        """Whether `lead` is worth the sales team's time. A syntactically invalid e-mail never got this far."""
        title = lead.get("job_title")
        said = isinstance(title, str) and bool(self.title.search(title))  # other writers store other types
        return said and score >= self.min_score and bool(lead.get("email"))

    def qualifying(self) -> dict[str, Any]:
        """`qualifies` as an aggregation expression over a stored lead, for the server to judge by the same rule."""
        title = {"$cond": [{"$eq": [{"$type": "$job_title"}, "string"]}, "$job_title", ""]}
        words = f"(*UCP){self.title.pattern}"  # makes the server's \w Unicode's, as Python's is
        return {"$and": [
            {"$gte": ["$data_quality_score", self.min_score]}, {"$gt": ["$email", ""]},
            {"$regexMatch": {"input": title, "regex": words, "options": "i"}},
        ]}  # fmt: skip

    def judged(self, lead: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that follow from the others: score, points and qualification, as MongoDB paths."""
        points = self.points(lead)
        score = min(MAX_SCORE, points)
        return {
            "data_quality_score": score,
            "additional_data.quality_points": points,
            "is_qualified": self.qualifies(lead, score),
        }


def stamp(lead: dict[str, Any], rules: Rules, at: datetime) -> dict[str, Any]:
    """Complete `lead` in place (and return it): defaults, score, qualification and timestamps; no nulls.

    `data_collected_date` stays the vendor's where it gave one.
    """
    judged = rules.judged(lead)
    for name, value in DEFAULTS.items():
        lead.setdefault(name, value)
    lead["data_quality_score"] = judged["data_quality_score"]
    lead["is_qualified"] = judged["is_qualified"]
    lead.setdefault("additional_data", {})["quality_points"] = judged["additional_data.quality_points"]
    lead.setdefault("data_collected_date", at)
    lead["created_at"] = lead["updated_at"] = at
    return lead
