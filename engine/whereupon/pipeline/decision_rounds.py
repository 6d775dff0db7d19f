"""Deciding what was loaded, and writing the result, in the transaction of the caller."""

from collections.abc import Callable

from whereupon.decide import BatchResult, KeysExhausted, Settings, Snapshot
from whereupon.guards.audit_chain import seal
from whereupon.matching import RuleIndex
from whereupon.pipeline.load import CLAIM_CHUNK, BatchLoader
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.ports import Session
from whereupon.records import Changes

UNSCRUBBED = "unscrubbed"
"""The mark in the store for the row of the audit log by which a person was last erased (see `scrubber`)."""

BEYOND = 2**62
"""The first of the keys that no store hands out."""


class DecisionRounds:
    """A rulebook and settings. It decides a snapshot, with as many keys as that takes, and writes the result.

    What needs more keys than are usual is decided anew with twice as many, and so many are reserved from then on: where
    each message opens many entries, so does the next.

    Attributes:
        settings: the settings of deciding.
        claim_chunk: how many messages of one claim one transaction evaluates.
    """

    def __init__(self, versions: RuleVersions, settings: Settings) -> None:
        self.settings = settings
        self.claim_chunk = CLAIM_CHUNK
        self._versions = versions
        self._key_factor = 1

    @property
    def index(self) -> RuleIndex:
        """The rulebook's index, with the older rule versions that people still follow."""
        return self._versions.index

    def write(self, session: Session, changes: Changes) -> None:
        """Write changes, with their records for the audit log sealed into its chain."""
        if changes.records:
            changes.audit, changes.audit_head = seal(
                session.audit_head(), changes.records, self.settings.digest_key
            )
        session.flush(changes)
        if changes.erased_persons and changes.audit_head is not None:
            session.set_mark(UNSCRUBBED, changes.audit_head.sequence)

    def _loader(self, session: Session) -> BatchLoader:
        return BatchLoader(session, self.settings, self._versions, self.claim_chunk)

    def _decide_and_write(
        self,
        session: Session,
        snapshot: Snapshot,
        keys: int,
        attempt: Callable[[], BatchResult],
    ) -> BatchResult:
        """Decide, again with twice the keys if they do not suffice, and write the result.

        Args:
            snapshot: gets the keys; ``attempt`` decides it.
            keys: how many keys for new rows are usual.
        """
        while True:
            snapshot.keys = keys * self._key_factor
            snapshot.first_key = session.allocate(snapshot.keys)
            try:
                result = attempt()
            except KeysExhausted:
                self._key_factor *= 2
                continue
            break
        if result.versions_used or result.rule_lists:
            self._add_versions(session, result)
        self.write(session, result.changes)
        return result

    def _add_versions(self, session: Session, result: BatchResult) -> None:
        """Add the rule versions and lists that are not stored yet; rule lists come with the versions of their rules."""
        index, versions, used = self.index, result.changes.rule_versions, result.versions_used
        named = used | result.rule_lists.keys()
        stored = session.kept_versions(named)
        if len(stored) == len(named) and not versions:
            return
        for digest in used - stored:
            rule = index.by_digest.get(digest)
            if rule is not None:  # else it is an older version, which is stored
                versions[digest] = (rule.id, index.version_text(rule))
        for revision, rule_list in result.rule_lists.items():
            if revision not in stored:
                versions |= index.version_texts(rule_list)
        for digest in versions.keys() & stored:
            del versions[digest]
