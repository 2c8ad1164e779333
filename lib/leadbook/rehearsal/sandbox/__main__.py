"""Serve the sandbox until Ctrl-C: `python -m leadbook.rehearsal.sandbox`."""

from __future__ import annotations

import sys
import threading

from leadbook.rehearsal.sandbox.server import Sandbox

with Sandbox() as sandbox:
    lines = [f"{service.name}: {service.url}  key {service.key}" for service in sandbox.each]
    sys.stdout.write("SANDBOX (nobody real is asked)\n" + "\n".join(lines) + "\nCtrl-C ends it\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        sys.stdout.write("\n")
