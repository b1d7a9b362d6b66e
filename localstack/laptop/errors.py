"""The laptop cloud's errors, which the command line prints as one line that says the fix.

LaptopError
├── PortTakenError      a port someone else listens on
├── NotReadyError       a part that did not come up in its time
├── DeployError         resources the engine refused
├── NotRunningError     a command that needs a running stack
├── InvocationError     a function that failed (laptop.stack)
└── NotQuietError       work that did not come to rest in its time (laptop.quiescence)
"""

from __future__ import annotations


class LaptopError(Exception):
    """Something the user can mend; the message says how."""


class PortTakenError(LaptopError):
    """A port is in use by another program."""


class NotReadyError(LaptopError):
    """A part did not come up in its time."""


class DeployError(LaptopError):
    """The engine refused a part of the template; the message has a line for each."""


class RolledBackError(DeployError):
    """An upgrade failed, and the stack is again what it was before."""


class NotRunningError(LaptopError):
    """The command needs a stack that is up."""
