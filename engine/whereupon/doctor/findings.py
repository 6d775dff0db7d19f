"""Findings, briefly."""

from whereupon.ports import Finding, FindingLevel


def ok(said: str) -> Finding:
    """Nothing has to be done."""
    return Finding(FindingLevel.OK, said)


def warning(said: str, advice: str) -> Finding:
    """An engine would run, and something is likely not as it is meant."""
    return Finding(FindingLevel.WARNING, said, advice)


def error(said: str, advice: str) -> Finding:
    """An engine would not run, or not do a part of its work."""
    return Finding(FindingLevel.ERROR, said, advice)
