"""Score, qualify and stamp a lead. Every weight and rule is a parameter; this page says which decision it rests on.

The task book gives +20 for each of four required fields, +20 for an e-mail and +20 for complete company data: 120
points for a field whose maximum is 100. So `data_quality_score` is min(100, points), and the points themselves stay
beside it in `additional_data.quality_points`: a valid lead cannot score below 80, and only points / 120 tells good
data from better.

"Qualified" is not defined there either. Here: a score of at least `qualified_min_score`, an e-mail, and a job title
holding one of `qualified_title_patterns` as whole words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leadbook.settings import Settings

__all__ = ["MAX_SCORE", "REQUIRED", "Rules", "now_ms", "stamp"]

REQUIRED = ("linkedin_url", "full_name", "job_title", "company_name")
MAX_SCORE = 100
"""The validator's maximum of `data_quality_score`."""

DEFAULTS = {"is_qualified": False, "email_verified": False, "crm_synced": False}
"""The task book's defaults that are values; its nulls (`crm_sync_date`) are left out: the validator refuses them."""


def now_ms() -> datetime:
    """Now in UTC, cut to MongoDB's milliseconds, so that what was sent equals what is read back."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


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
        patterns = [
            re.escape(part.strip().lower()) for part in settings.qualified_title_patterns.split(",") if part.strip()
        ]
        fields = [name.strip() for name in settings.complete_company_fields.split(",") if name.strip()]
        return cls(
            required=settings.points_required_field, email=settings.points_email, company=settings.points_company,
            company_fields=tuple(fields), min_score=settings.qualified_min_score,
            title=re.compile(rf"(?<!\w)(?:{'|'.join(patterns) or '(?!)'})s?(?!\w)", re.IGNORECASE),
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
        return (
            score >= self.min_score and bool(lead.get("email")) and bool(self.title.search(lead.get("job_title", "")))
        )

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
