"""Wordings: rules as they were when people entered them, read again from where they are kept."""

from whereupon.codec import decode
from whereupon.matching import RuleIndex
from whereupon.ports import Session
from whereupon.rules import Rule


class Wordings:
    """The rules of a book, and the older wordings that people still follow."""

    def __init__(self, index: RuleIndex) -> None:
        self._index = index
        self._older: dict[str, Rule | None] = {}

    def rule_of(self, session: Session, rule_id: str, digest: str) -> Rule | None:
        """The rule as worded by that digest; None when the rulebook has no rule of that id."""
        if rule_id not in self._index.by_id:
            return None
        if digest in self._index.by_digest:
            return self._index.by_digest[digest]
        if digest not in self._older:
            wording = read_wording(session.wording(digest))
            if wording is not None:
                self._index.learn(wording)
            self._older[digest] = wording
        return self._older[digest]


def read_wording(stored: bytes | None) -> Rule | None:
    """A rule from its stored wording (see `Working.close`); None where none was stored."""
    if stored is None:
        return None
    wording = decode(stored)
    if not isinstance(wording, dict):
        return None
    source, segments = wording.get("rule"), wording.get("segments")
    if not isinstance(source, dict) or not isinstance(segments, dict):
        return None
    from whereupon.rulefiles import rule_from_source  # noqa: PLC0415 - its forms take a while to import

    return rule_from_source(source, segments)
