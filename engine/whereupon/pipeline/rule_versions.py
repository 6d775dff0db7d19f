"""Rule versions: rules as they were when people entered them, read again from the store."""

import logging
from collections.abc import Collection, Mapping

from whereupon.conditions.clocks import Clock
from whereupon.matching import RuleIndex, SubjectKind
from whereupon.messages.codec import decode
from whereupon.pipeline.earlier_transactions import EarlierTransactions
from whereupon.ports import Session
from whereupon.rules.model import ExitOnLeaving, Rule, Segment
from whereupon.runtime.forks import ProcessLock
from whereupon.runtime.log_lines import log_event

_LOG = logging.getLogger("whereupon.versions")


class RuleVersions:
    """The rules of a book, and the older versions that people still follow. Threads share it.

    Attributes:
        index: the rulebook's index, which also considers every version that was read so far. Reading a version puts
            another index in its place.
        has_begun_to_arm: whether this process has dropped what was noted of subjects that the book lacks.
        before_runs: what runs on each person's clock wait for before their passes over all people begin.
        before_arming: what the passes for new subjects wait for.
        has_looked_again: whether what waits for a place under a cap waits under the caps of the book.
    """

    def __init__(self, index: RuleIndex) -> None:
        self.index = index
        self._older: dict[str, Rule | None] = {}
        self._has_read_watched = self._has_read_followed = False
        self.before_runs, self.before_arming = EarlierTransactions(), EarlierTransactions()
        self.has_begun_to_arm = self.has_looked_again = False
        self._lock = ProcessLock()

    def read_watched(self, session: Session) -> None:
        """Read the versions whose goals are watched for though nobody follows them any more, once a process."""
        if not self._has_read_watched:
            for digest in session.watched_versions():
                self.rule_of(session, digest)
            self._has_read_watched = True

    def read_followed(self, session: Session) -> None:
        """Read the versions that people follow, once a process: time alone may end entries of theirs."""
        if not self._has_read_followed:
            for version in session.waiting_versions():
                if version.rule in self.index.by_id:
                    self.rule_of(session, version.digest)
            self._has_read_followed = True

    def rings(self, name: str, paused: Collection[str]) -> bool:
        """Whether timers of a subject ring here: those of people inside a rule wait while the rule stands still.

        Args:
            name: of the subject.
            paused: ids of the rules that operators have paused.
        """
        subject = self.index.timed.by_name.get(name)
        if subject is None or subject.kind is not SubjectKind.INSIDE:
            return subject is not None
        rule = self.index.by_id.get(subject.of)
        return rule is not None and rule.active.on and rule.id not in paused

    def rule_of(self, session: Session, digest: str) -> Rule | None:
        """The rule version with that digest, even if the rulebook does not have the rule any more.

        None if it cannot be read, since a newer library wrote it.
        """
        if digest in self.index.by_digest:
            return self.index.by_digest[digest]
        if digest not in self._older:
            self._keep(digest, *_read(session.rule_version(digest), self._clock))
        return self._older[digest]

    @property
    def _clock(self) -> Clock | None:
        """The clock of people, by the settings of today."""
        return self.index.book.settings.timezone

    def _keep(self, digest: str, rule: Rule | None, segments: Mapping[str, Segment]) -> None:
        with self._lock:
            if digest in self._older:  # another thread read it meanwhile
                return
            if rule is not None:
                self.index = self.index.with_version(rule, segments)
            self._older[digest] = rule


def read_rule_version(stored: bytes | None, clock: Clock | None = None) -> Rule | None:
    """A rule from the stored text of its version (see `RuleIndex.version_text`).

    None if none was stored, or if the text says what this library does not know: a newer one wrote it.

    Args:
        clock: the clock of people, by the settings of today; None if they do not say.
    """
    return _read(stored, clock)[0]


def _read(
    stored: bytes | None, clock: Clock | None = None
) -> tuple[Rule | None, Mapping[str, Segment]]:
    """A rule, and the segments that it leaves."""
    version = None if stored is None else decode(stored)
    if not isinstance(version, dict):
        return None, {}
    source, segments = version.get("rule"), version.get("segments")
    if not isinstance(source, dict) or not isinstance(segments, dict):
        return None, {}
    from whereupon.rules.reader import rule_from_source, segment_from_source  # noqa: PLC0415 - its forms take a while to import

    try:
        rule = rule_from_source(source, segments, clock)
        left = {leave.segment for leave in rule.exits if isinstance(leave, ExitOnLeaving)}
        return rule, {name: segment_from_source(name, segments, clock) for name in left}
    except ValueError as error:
        log_event(_LOG, logging.WARNING, "version-unreadable", reason=str(error))
        return None, {}
