"""Facts as earlier phases leave them."""

from typing import Any


def batch_size_decision(proposed: int, effect: str) -> dict[str, Any]:
    """Facts of phase 03: its decision on batches of 500, of which batches of 1,000 are the fastest."""
    return {
        "batch_size_decision": {
            "configured": 500,
            "measured": 500,
            "proposed": proposed,
            "best": 1_000,
            "effect": effect,
        }
    }
