"""The `leadbook` command. Each command parses its words, calls one function of the library and prints one result."""

import sys
from importlib import import_module

from leadbook.core.errors import missing_package

try:
    for name in ("typer", "rich.console", "pydantic", "yaml"):
        import_module(name)
except ImportError as absent:  # nothing is there yet to say it with
    sys.stderr.write(f"leadbook: {missing_package(absent)}\n")
    sys.exit(2)
