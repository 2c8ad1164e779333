"""Installs a real n8n from npm, 1.5 GB: `python tests/n8n_real/install.py [FOLDER]`; `make n8n-test` calls it.

n8n 2.20.12 with Node 22, both from npm, so that neither root nor another Node is needed. Newer n8n names packages that
the registry lacks. npm must not look at peers (--legacy-peer-deps: they contradict each other), so what only peers
would have brought is named here: OpenTelemetry 2, and the one @langchain/core that all others take. A folder in
LEADBOOK_N8N that holds n8n already is used instead.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

N8N, NODE = "2.20.12", "22"
PEERS = {"@opentelemetry/core": "^2.1.0", "@opentelemetry/sdk-trace-base": "^2.1.0"}
OVERRIDES = {"xlsx": "0.18.5", "@langchain/core": "1.1.48"}
HERE = Path(__file__).resolve().parents[2] / ".leadbook" / "n8n"


def folder() -> Path:
    """Where n8n is, or will be."""
    return Path(os.environ.get("LEADBOOK_N8N") or HERE)


def node(where: Path) -> Path:
    """The Node.js that n8n runs with."""
    return where / "node_modules" / "node" / "bin" / "node"


def program(where: Path) -> Path:
    """n8n's own program."""
    return where / "node_modules" / "n8n" / "bin" / "n8n"


def version(where: Path) -> str:
    """The version of an n8n that runs; empty where none does."""
    if not node(where).is_file() or not program(where).is_file():
        return ""
    argv = [node(where), program(where), "--version"]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False, env=quiet(where))
    lines = done.stdout.split()
    return lines[-1] if not done.returncode and lines else ""


def quiet(where: Path) -> dict[str, str]:
    """An environment in which n8n keeps to `where` and calls nobody."""
    return {
        **os.environ, "PATH": f"{node(where).parent}{os.pathsep}{os.environ['PATH']}", "N8N_USER_FOLDER": str(where),
        "N8N_DIAGNOSTICS_ENABLED": "false", "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
        "N8N_TEMPLATES_ENABLED": "false", "N8N_PERSONALIZATION_ENABLED": "false",
    }  # fmt: skip


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def install(where: Path) -> None:
    """Install n8n into `where`; ends the program with one line where that cannot be done."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("n8n-test: npm is missing; install Node.js with npm (Debian, Ubuntu: apt install npm), then try again")
    where.mkdir(parents=True, exist_ok=True)
    wanted = {"name": "n8n-here", "private": True, "dependencies": {"n8n": N8N, "node": NODE, **PEERS},
              "overrides": OVERRIDES}  # fmt: skip
    (where / "package.json").write_text(json.dumps(wanted, indent=1) + "\n")
    log = where / "install.log"
    say(f"installing n8n {N8N} into {where}: some minutes, 1.5 GB; {log} tells how far it is")
    with log.open("w") as told:
        for argv in (
            ["install", "--legacy-peer-deps", "--no-audit", "--no-fund"],
            ["rebuild", "sqlite3"],
        ):
            done = subprocess.run([npm, *argv], cwd=where, stdout=told, stderr=told, env=quiet(where), check=False)
            if done.returncode:
                sys.exit(f"n8n-test: `npm {' '.join(argv)}` failed; {log} says why")


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else folder()
    if version(place) != N8N:
        install(place)
    found = version(place)
    if found != N8N:
        sys.exit(f"n8n-test: n8n in {place} does not start; delete the folder and try again")
    say(f"n8n {found} is in {place}")
