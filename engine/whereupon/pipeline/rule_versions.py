"""Wordings: rules as they were when people entered them, read again from where they are kept."""

import logging
from collections.abc import Mapping

from whereupon.matching import RuleIndex
from whereupon.messages.codec import decode
from whereupon.ports import Session
from whereupon.rules.model import ExitOnLeaving, Rule, Segment
from whereupon.runtime.forks import ProcessLock

_LOG = logging.getLogger("whereupon.wordings")


class RuleVersions:
    """The rules of a book, and the older wordings that people still follow. Threads share it.

    Attributes:
        index: the rulebook's, which also looks out for every wording that was read so far. Reading one
            puts another index in its place.
    """

    def __init__(self, index: RuleIndex) -> None:
        self.index = index
        self._older: dict[str, Rule | None] = {}
        self._lock = ProcessLock()

    def rule_of(self, session: Session, digest: str) -> Rule | None:
        """The rule as worded by that digest, also where the rulebook has it no more.

        None when it cannot be read: a newer library may have written it.
        """
        if digest in self.index.by_digest:
            return self.index.by_digest[digest]
        if digest not in self._older:
            self._keep(digest, *_read(session.rule_version(digest)))
        return self._older[digest]

    def _keep(self, digest: str, wording: Rule | None, segments: Mapping[str, Segment]) -> None:
        with self._lock:
            if digest in self._older:  # another thread has read it meanwhile
                return
            if wording is not None:
                self.index = self.index.with_version(wording, segments)
            self._older[digest] = wording


def read_wording(stored: bytes | None) -> Rule | None:
    """A rule from its stored wording (see `Working.close`).

    None where none was stored, or where it says what this library does not know: a newer one wrote it.
    """
    return _read(stored)[0]


def _read(stored: bytes | None) -> tuple[Rule | None, Mapping[str, Segment]]:
    """A rule, and the segments that it leaves."""
    wording = None if stored is None else decode(stored)
    if not isinstance(wording, dict):
        return None, {}
    source, segments = wording.get("rule"), wording.get("segments")
    if not isinstance(source, dict) or not isinstance(segments, dict):
        return None, {}
    from whereupon.rules.reader import rule_from_source, segment_from_source  # noqa: PLC0415 - its forms take a while to import

    try:
        rule = rule_from_source(source, segments)
        left = {leave.segment for leave in rule.exits if isinstance(leave, ExitOnLeaving)}
        return rule, {name: segment_from_source(name, segments) for name in left}
    except ValueError as error:
        _LOG.warning("version-unreadable reason=%s", error)
        return None, {}
