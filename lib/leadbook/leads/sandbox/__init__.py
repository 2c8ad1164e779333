"""SANDBOX: Hunter, Clearbit and HubSpot on loopback, with their shapes and their faults. Nothing leaves this machine.

`with Sandbox() as sandbox:` for rehearsals and tests; `python -m leadbook.leads.sandbox` to look at by hand.
"""

from leadbook.leads.sandbox.faults import FAULTS, PASSING
from leadbook.leads.sandbox.server import Sandbox

__all__ = ["FAULTS", "PASSING", "Sandbox"]
