"""Duplicates within a batch: leads of one LinkedIn URL become one candidate, with every sighting accounted for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from leadbook.ingest.store.merge import FIELDS, additions
from leadbook.lead.ledger import FILLED, duplicate


@dataclass(slots=True)
class Follower:
    """A later sighting of a candidate in the same batch. gave: the fields it added to the candidate."""

    position: int
    lead: dict[str, Any]
    gave: tuple[str, ...] = ()


@dataclass(slots=True)
class Candidate:
    """One lead of a batch. position: its record's place in the batch. lead: what to store; own: the fields that its
    first sighting had (followers may have added more)."""

    position: int
    lead: dict[str, Any]
    own: frozenset[str] = frozenset()
    followers: list[Follower] = field(default_factory=list)

    def follow(self, position: int, lead: dict[str, Any], *, filling: bool) -> None:
        """A further sighting. With `filling` it adds what the candidate lacks."""
        gave = additions(self.lead, lead) if filling else {}
        if gave and not self.followers:
            self.own = frozenset(self.lead)
        self.lead.update(gave)
        self.followers.append(Follower(position, lead, tuple(name for name in gave if name in FIELDS)))

    @property
    def positions(self) -> list[int]:
        """Places of all its sightings."""
        return [self.position, *(one.position for one in self.followers)]

    def outcomes(self, first: str, added: Iterable[str] | None = None) -> dict[int, str]:
        """Outcome by position: `first` for the first sighting; a follower filled where MongoDB took a field it gave.

        added: the fields that a stored lead gained; None when the whole candidate was stored.
        """
        taken = None if added is None else set(added)
        said = {self.position: first}
        for follower in self.followers:
            useful = [name for name in follower.gave if taken is None or name in taken]
            said[follower.position] = FILLED if useful else duplicate("batch")
        return said


def group(leads: Iterable[tuple[int, dict[str, Any]]], *, filling: bool) -> list[Candidate]:
    """Candidates of a batch, from (position, lead), in order of first sighting."""
    candidates: dict[str, Candidate] = {}
    for position, lead in leads:
        known = candidates.get(lead["linkedin_url"])
        if known is None:
            candidates[lead["linkedin_url"]] = Candidate(position, lead)
        else:
            known.follow(position, lead, filling=filling)
    return list(candidates.values())
