"""What goes wrong in the sandbox, and how often.

Which fault a request meets follows from what it asks (a hash), so that runs repeat whatever the order of threads; a
passing fault ends at the next try. A script says fault by fault what the next calls meet.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from hashlib import sha256

Kind = int | str
"""An HTTP status, or one of: `reset` (the connection breaks), `slow` (an answer after `slow_s`), `garbage` (half a
JSON), `html` (a proxy's page with status 200), `odd` (JSON of another shape)."""

FAULTS: Mapping[str, tuple[tuple[Kind, float], ...]] = {
    "email-finder": ((403, 0.06), (500, 0.03), ("reset", 0.01), ("garbage", 0.01), (202, 0.03), (400, 0.02),
                     (404, 0.05), (451, 0.02)),
    "email-verifier": ((202, 0.08), (222, 0.03), (403, 0.05), ("html", 0.01), (451, 0.02)),
    "combined": ((202, 0.05), (404, 0.2), (422, 0.02), (429, 0.05), (503, 0.03), ("odd", 0.01)),
    "upsert": ((423, 0.1), (429, 0.15), (477, 0.05), (502, 0.05), ("reset", 0.03)),
}  # fmt: skip
"""Shares of the answers that are faults, by call. Those of PASSING pass; 451 and other 4xx stay."""

RESETS = frozenset({"reset", "garbage", "html", "slow"})
PASSING: frozenset[Kind] = frozenset({202, 222, 403, 423, 429, 477, 500, 502, 503, *RESETS})


class Faults:
    """Decides what a request meets. shares: as FAULTS; seed: another seed, other requests."""

    def __init__(self, shares: Mapping[str, Sequence[tuple[Kind, float]]], seed: int) -> None:
        self.shares, self.seed = shares, seed
        self.tries: Counter[str] = Counter()
        self._scripts: dict[str, deque[Kind]] = defaultdict(deque)
        self._lock = threading.Lock()

    def script(self, call: str, *kinds: Kind) -> None:
        """The next requests of `call` meet these; 0 is none. Afterwards the shares count again."""
        with self._lock:
            self._scripts[call].extend(kinds)

    def meet(self, call: str, asked: str) -> Kind:
        """The fault of this request, 0 for none; counts the try."""
        with self._lock:
            self.tries[asked] += 1
            again = self.tries[asked] > 1
            if self._scripts[call]:
                return self._scripts[call].popleft()
        share = part(str(self.seed), call, asked)
        for kind, size in self.shares.get(call, ()):
            if share < size:
                return 0 if again and kind in PASSING else kind
            share -= size
        return 0


def part(*words: str) -> float:
    """A number from 0 to 1 that follows from the words."""
    return int.from_bytes(sha256("\0".join(words).encode()).digest()[:6]) / 2**48
