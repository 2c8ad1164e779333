"""SANDBOX: Hunter, Clearbit and HubSpot on loopback, with their shapes and their faults. Nothing leaves this machine.

`with Sandbox() as sandbox:` for rehearsals and tests; `python -m leadbook.rehearsal.sandbox` to look at by hand.
"""
