"""What can come of asking Atlas, each one line: denied, not offered, too often, in doubt.

AtlasError (LeadbookError)
├── AtlasDeniedError   401 or 403: the credentials, their role in the project, or their own access list
├── AtlasAbsentError   this cluster's tier does not offer it
├── AtlasBusyError     429, and Atlas asks for more patience than there is
└── AtlasDoubtError    a change was sent, and no answer came: it may have been done
"""

from __future__ import annotations

from leadbook.core.errors import LeadbookError


class AtlasError(LeadbookError):
    """Atlas refused, or answered what cannot be understood."""


class AtlasDeniedError(AtlasError):
    """401 or 403. role: the project role that is missing; empty where another thing is."""

    def __init__(self, text: str, role: str = "") -> None:
        self.role = role
        super().__init__(text)


class AtlasAbsentError(AtlasError):
    """This cluster, or its tier, does not have what was asked for."""


class AtlasBusyError(AtlasError):
    """Too many requests. after_s: what Atlas asked to wait, in seconds; 0 where it did not say."""

    def __init__(self, text: str, after_s: float = 0.0) -> None:
        self.after_s = after_s
        super().__init__(text)


class AtlasDoubtError(AtlasError):
    """A change was sent and its answer never came: look before it is sent again."""
