"""What a host decides about the door."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOptions:
    """What a host decides about the door."""


DEFAULT = DoorOptions()
