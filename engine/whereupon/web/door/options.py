"""What a host decides about the door."""

from whereupon.config.door import DoorOptions

__all__ = ["DEFAULT", "DoorOptions"]

DEFAULT = DoorOptions()
