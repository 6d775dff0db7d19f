"""Choices that options of the command line offer; importing them brings no output with it."""

from enum import StrEnum


class SkipDetail(StrEnum):
    """How skips are shown: similar ones counted together, each one, or none."""

    BRIEF = "brief"
    ALL = "all"
    NONE = "none"
