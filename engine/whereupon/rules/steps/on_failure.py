"""The key `on_failure` of the steps that call the host: what happens to the entry if the call fails for good."""

from enum import StrEnum
from typing import Literal, TypeAlias


class OnFailure(StrEnum):
    """What an entry does that waits at a call, once the call is given up."""

    CONTINUE = "continue"
    EXIT = "exit"


OnFailureName: TypeAlias = Literal["continue", "exit"]
"""As it is written."""
