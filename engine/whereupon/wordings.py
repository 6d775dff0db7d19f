"""Wordings: rules as they were when people entered them, read again from where they are kept."""

from whereupon.codec import decode
from whereupon.forking import ProcessLock
from whereupon.matching import RuleIndex
from whereupon.ports import Session
from whereupon.rules import Rule


class Wordings:
    """The rules of a book, and the older wordings that people still follow. Threads share it.

    Attributes:
        index: the rulebook's, which also looks out for every wording that was read so far. Reading one
            puts another index in its place.
    """

    def __init__(self, index: RuleIndex) -> None:
        self.index = index
        self._older: dict[str, Rule | None] = {}
        self._lock = ProcessLock()

    def rule_of(self, session: Session, rule_id: str, digest: str) -> Rule | None:
        """The rule as worded by that digest; None when the rulebook has no rule of that id."""
        if rule_id not in self.index.by_id:
            return None
        if digest in self.index.by_digest:
            return self.index.by_digest[digest]
        if digest not in self._older:
            self._keep(digest, read_wording(session.wording(digest)))
        return self._older[digest]

    def _keep(self, digest: str, wording: Rule | None) -> None:
        with self._lock:
            if digest in self._older:  # another thread has read it meanwhile
                return
            if wording is not None:
                self.index = self.index.with_version(wording)
            self._older[digest] = wording


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
