"""What people may choose of what they are shown, apart from the showing."""

from enum import StrEnum


class Skipping(StrEnum):
    """How much is said of who did not enter: like skips counted together, each one, or nothing."""

    BRIEF = "brief"
    ALL = "all"
    NONE = "none"
