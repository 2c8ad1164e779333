"""The commands of README and of the guide, as a user would type them."""

from __future__ import annotations

import re

from leadbook.core.settings import PROJECT

TEXT = "\n".join((PROJECT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/guide.md"))
COMMANDS = [
    line.partition("  #")[0].split(" # ")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    for line in block.splitlines()
    if line.strip()
]
SPRINT = [command for command in COMMANDS if "--profile production" in command]
"""The real sprint's, in order: `sprint/test_sprint.py` runs them on servers of somebody else."""
MAKE = {"make run", "make test", "make lab"}
SHOWN = {"export", "cp"}
