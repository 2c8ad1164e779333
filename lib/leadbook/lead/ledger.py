"""The ledger: every record that was read has exactly one outcome, and the sums say so.

read = stored + filled + duplicate + rejected + failed, for each batch, each source and each run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from leadbook.core.errors import LeadbookError

STORED = "stored"
FILLED = "filled"
FAILED = "failed"
DUPLICATES = ("batch", "redis", "mongodb")
"""Who knew the lead already: the same batch, the cache, or the store itself."""


class UnbalancedError(LeadbookError):
    """A record has no outcome, or two: a defect of the pipeline, never of the data."""


def duplicate(by: str) -> str:
    """Outcome of a lead that was already known by `batch`, `redis` or `mongodb`."""
    return f"duplicate:{by}"


def rejected(reason: str) -> str:
    """Outcome of a record that is no valid lead; kept in the rejected collection."""
    return f"rejected:{reason}"


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What became of the records read.

    stored: new leads acknowledged by MongoDB.  filled: sightings that added fields to a stored lead.
    duplicate: by whom it was known.  rejected: by reason.  failed: not acknowledged; run the source again.
    """

    read: int = 0
    stored: int = 0
    filled: int = 0
    duplicate: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(DUPLICATES, 0))
    rejected: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[str | None], *, read: int) -> Ledger:
        """Count `outcomes`, one for each of `read` records. Raises UnbalancedError if one is missing or unknown."""
        counts = Counter(outcomes)
        known = dict.fromkeys(DUPLICATES, 0)
        reasons: dict[str, int] = {}
        for outcome in [outcome for outcome in counts if outcome and ":" in outcome]:
            kind, _, detail = outcome.partition(":")
            (known if kind == "duplicate" else reasons)[detail] = counts.pop(outcome)
        ledger = cls(
            read=read, stored=counts.pop(STORED, 0), filled=counts.pop(FILLED, 0), duplicate=known,
            rejected=reasons, failed=counts.pop(FAILED, 0),
        )  # fmt: skip
        if counts:
            raise UnbalancedError(
                f"{sum(counts.values())} records have no known outcome: {sorted(map(str, counts))[:3]}"
            )
        ledger.assert_balanced()
        return ledger

    @classmethod
    def counted(cls, counts: Mapping[str, int]) -> Ledger:
        """The ledger of counts by outcome, as `outcomes` gives them. Raises UnbalancedError for an unknown outcome."""
        return cls.of(Counter(counts).elements(), read=sum(counts.values()))

    @property
    def duplicates(self) -> int:
        """Duplicates, whoever knew them."""
        return sum(self.duplicate.values())

    @property
    def rejects(self) -> int:
        """Rejected records, whatever the reason."""
        return sum(self.rejected.values())

    @property
    def accounted(self) -> int:
        """Records with an outcome."""
        return self.stored + self.filled + self.duplicates + self.rejects + self.failed

    def outcomes(self) -> dict[str, int]:
        """Counts by outcome, as `of` takes them; those that are 0 are left out."""
        named = {STORED: self.stored, FILLED: self.filled, FAILED: self.failed}
        named |= {duplicate(by): count for by, count in self.duplicate.items()}
        named |= {rejected(reason): count for reason, count in self.rejected.items()}
        return {outcome: count for outcome, count in named.items() if count}

    def assert_balanced(self) -> None:
        """Raise UnbalancedError unless read = stored + filled + duplicate + rejected + failed."""
        if self.read != self.accounted or set(self.duplicate) != set(DUPLICATES):
            raise UnbalancedError(f"read {self.read} records but accounted for {self.accounted}: {self.as_dict()}")

    def __add__(self, other: Ledger) -> Ledger:
        total = Ledger(
            read=self.read + other.read,
            stored=self.stored + other.stored,
            filled=self.filled + other.filled,
            duplicate={by: self.duplicate[by] + other.duplicate[by] for by in DUPLICATES},
            rejected=dict(sorted((Counter(self.rejected) + Counter(other.rejected)).items())),
            failed=self.failed + other.failed,
        )
        total.assert_balanced()
        return total

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, in the order of the sentence above."""
        return {
            "read": self.read, "stored": self.stored, "filled": self.filled, "duplicate": dict(self.duplicate),
            "rejected": dict(sorted(self.rejected.items())), "failed": self.failed,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ledger:
        """The ledger that `as_dict` wrote; other keys are ignored. Raises UnbalancedError."""
        names = ("read", "stored", "filled", "duplicate", "rejected", "failed")
        ledger = cls(**{name: values[name] for name in names})
        ledger.assert_balanced()
        return ledger
