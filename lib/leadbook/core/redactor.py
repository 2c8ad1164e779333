"""Known secrets are replaced by a mask in everything that is shown, logged or written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from leadbook.core import addresses
from leadbook.core.settings import Settings

_NAMED_LIKE_SECRETS = ("_PASSWORD", "_API_KEY", "_TOKEN", "_SECRET", "_PRIVATE_KEY", "_WEBHOOK_URL")


class Redactor:
    """Replaces known secrets in text. Its repr shows how many it knows, never which."""

    MASK = "•••"

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[str] = []
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn further secrets, however they are escaped; longer ones are replaced first."""
        spelt = {spelling for secret in filter(None, secrets) for spelling in addresses.spellings(secret)}
        self._secrets = sorted({*self._secrets, *spelt}, key=len, reverse=True)

    @classmethod
    def from_environment(cls, settings: Settings | None = None) -> Redactor:
        """A redactor that knows the environment's secrets: in addresses, whatever their variable is called, and in
        variables named like secrets."""
        fields = Settings.model_fields
        names = {key: str(fields[key].default) for key in fields if key.endswith("_env")}
        if settings is not None:
            names = {key: str(settings.__dict__[key]) for key in names}
        held = [name for key, name in names.items() if key.endswith(("_uri_env", "_url_env"))]
        secrets = addresses.environment_secrets(os.environ, held)
        keys = [name for key, name in names.items() if key.endswith(("_api_key_env", "_token_env"))]
        secrets |= {value for name in keys if len(value := os.environ.get(name, "")) >= 6}
        for name in (name for key, name in names.items() if key.startswith("alert_")):
            secrets |= addresses.recipient_secrets(os.environ.get(name, ""))
        for name, value in os.environ.items():
            if name.endswith(_NAMED_LIKE_SECRETS) and len(value) >= 6:
                secrets.add(value)
        return cls(secrets)

    def known(self) -> set[str]:
        """The secrets themselves, for who must search files for them. Never show them."""
        return set(self._secrets)

    def text(self, text: str) -> str:
        """`text` with each known secret replaced by a mask."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, self.MASK)
        return text

    def tree(self, value: Any) -> Any:
        """The same for every string inside nested lists and mappings (keys too)."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.tree(key): self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.tree(item) for item in value)
        return value

    def address(self, url: str) -> str:
        """Scheme, hosts and path of an address: no user, no password, no options; of one in doubt, nothing."""
        try:
            read = addresses.parse(url)
        except addresses.AddressError:
            return addresses.UNREADABLE
        return f"{read.scheme}://{'' if read.scheme == 'unix' else read.shown}{read.path}"

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"
