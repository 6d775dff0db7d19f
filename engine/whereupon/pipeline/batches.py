"""Load, decide, flush: the one way of a batch, for every sender.

A batch costs a fixed number of rounds with the store, however many messages it has. Everything happens in the
caller's session; nothing is sent here.
"""

import logging
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from whereupon.decide import (
    BatchResult,
    GivenUp,
    Notice,
    PoisonError,
    Settings,
    Snapshot,
    carry_on,
    decide,
    decide_together,
)
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message
from whereupon.messages.structs import Frozen
from whereupon.pipeline.cap_rounds import CapRounds
from whereupon.pipeline.decision_rounds import BEYOND
from whereupon.pipeline.load import TooManyClaimedError, erases, needs_split, stands_alone
from whereupon.pipeline.own_time_rounds import OwnTimeRounds
from whereupon.pipeline.request_rounds import RequestRounds
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.pipeline.timer_rounds import TimerRounds
from whereupon.pipeline.work_scope import (
    LeftAlone,
    Versions,
    due_subjects,
    due_versions,
    is_ours,
    left_alone,
    next_duty,
)
from whereupon.ports import Session
from whereupon.records import BroadcastRun, Changes, SetAside
from whereupon.rules.model import Rule, Rulebook
from whereupon.runtime.log_lines import log_event

_LOG = logging.getLogger("whereupon.pipeline")


class Waking(Frozen, frozen=True):
    """The due entries that a batch wakes, besides those that its messages wake.

    Attributes:
        until: what is due by then; None for nothing.
        now: the clock's time; with None nothing counts as late.
        versions: the rule versions whose entries are woken, if the batch has no messages.
        subjects: whose timers ring, if the batch has no messages.
        opens: whether time alone may let people into rules.
    """

    until: datetime | None
    now: datetime | None = None
    versions: Versions = None
    subjects: Collection[str] = ()
    opens: bool = True


class NotTogetherError(Exception):
    """A sender's messages cannot be taken with those of others."""


class Pipeline(RequestRounds, OwnTimeRounds, TimerRounds, CapRounds):
    """A rulebook and settings, ready to take batches. It holds no data of any person."""

    def __init__(self, index: RuleIndex, settings: Settings) -> None:
        super().__init__(RuleVersions(index), settings)

    def with_settings(self, settings: Settings) -> "Pipeline":
        """A pipeline of the same rulebook under other settings."""
        return self._made(settings, self._versions)

    def with_book(self, book: Rulebook, settings: Settings) -> "Pipeline":
        """A pipeline of another rulebook; entries keep the rule version that they began with."""
        return self._made(settings, RuleVersions(self.index.with_book(book)))

    def _made(self, settings: Settings, versions: RuleVersions) -> "Pipeline":
        made = Pipeline(versions.index, settings)
        made.claim_chunk, made._versions = self.claim_chunk, versions
        return made

    def take(
        self,
        session: Session,
        messages: Sequence[Message],
        *,
        until: datetime | None = None,
        now: datetime | None = None,
        chunked: bool = False,
    ) -> BatchResult:
        """Take a batch of messages, in the order in which they arrived.

        Args:
            session: the transaction.
            messages: the batch.
            now: the clock's time; entries that were due before are woken late, as of now.
            until: also wake the entries that are due by then (at most `DUE_LIMIT`), each in its turn
                between the messages.
            chunked: a claim of many messages may only be begun; then the caller carries it out with
                `carry_on` (see `BatchResult.unfinished`). The messages after it, and those that would bring
                too many claims into one transaction, are left for the caller to take afterwards (see
                `BatchResult.left`).

        Raises:
            UnfinishedClaimsError: other claims have to be carried out first.
            CrowdedError: see `BatchLoader.for_batch`; only with both messages and ``until``.
        """
        if not needs_split(messages, self.settings):
            return self._take_part(session, messages, Waking(until, now), chunked=chunked)
        parts = self._parts(messages)
        is_erasing = any(erases(message, self.settings) for message in messages)
        if is_erasing:
            self.prepare_erasing(session)  # entries that an erased message opened are blanked
        if is_erasing or len(parts) > 1:  # all persons now, since later parts must not lock more
            self._loader(session).hold(messages, until)
        if len(parts) == 1:
            return self._take_part(session, messages, Waking(until, now), chunked=chunked)
        whole, begun = BatchResult(), 0
        for number, part in enumerate(parts, 1):
            by_then = until if until is None or number == len(parts) else part[-1].received_at
            result = self._take_part(session, part, Waking(by_then, now), chunked=chunked)
            whole.join(result, offset=begun)
            begun += len(part) - result.left
            if result.left or result.unfinished:
                break
        whole.left = len(messages) - begun
        return whole

    def take_together(
        self, session: Session, batches: Sequence[tuple[Sequence[Message], datetime]]
    ) -> list[BatchResult]:
        """Take the batches of several senders as one, each with its own result.

        Args:
            session: the transaction.
            batches: the messages of each, and the clock's time when they came.

        Raises:
            NotTogetherError: one of them needs transactions of its own. Nothing is written.
            PoisonError: deciding fails on one of them; likewise, and for everything else that is raised.
        """
        messages = [message for batch, _ in batches for message in batch]
        if needs_split(messages, self.settings):
            raise NotTogetherError
        snapshot = self._loader(session).for_batch(messages, None, chunked=True)
        parts: list[BatchResult] = []

        def attempt() -> BatchResult:
            whole, parts[:] = decide_together(snapshot, batches, self.index, self.settings)
            if whole.unfinished:
                raise NotTogetherError
            return whole

        keys = 64 + 12 * len(messages) + 4 * (len(snapshot.active) + snapshot.claimable)
        self._decide_and_write(session, snapshot, keys, attempt)
        return parts

    def wake(
        self, session: Session, until: datetime, *, now: datetime, opens: bool = True
    ) -> BatchResult | None:
        """Wake entries and let timers ring that are due by an instant and that are this engine's; None for none.

        Args:
            session: the transaction.
            until: at most `DUE_LIMIT` entries and as many timers are taken, and what their persons have due.
            now: see `take`.
            opens: whether time alone may let people into rules.
        """
        versions = due_versions(session, self._versions, until)
        subjects = due_subjects(session, self._versions, until, opens=opens)
        if versions is not None and not versions and not subjects:
            return None
        return self._take_part(session, [], Waking(until, now, versions, subjects, opens))

    def is_ours(self, session: Session, run: BroadcastRun) -> bool:
        """Whether this engine may send a broadcast's run (see `work_scope`)."""
        return is_ours(session, self._versions, run)

    def rule_version(self, session: Session, digest: str) -> Rule | None:
        """The rule version with that digest; None if it cannot be read."""
        return self._versions.rule_of(session, digest)

    def is_paused(self, rule_id: str) -> bool:
        """Whether the rulebook has switched a rule off."""
        rule = self.index.by_id.get(rule_id)
        return rule is not None and not rule.active.on

    def next_duty(self, session: Session) -> datetime | None:
        """When the next entry or broadcast is due that this engine may run."""
        return next_duty(session, self._versions)

    def left_alone(self, session: Session) -> list[LeftAlone]:
        """All entries and broadcasts that this engine may not run."""
        return left_alone(session, self._versions)

    def _parts(self, messages: Sequence[Message]) -> list[Sequence[Message]]:
        """The batch divided at messages that erase a person or may merge two.

        What the other messages make is then stored before, so that it is found, erased, and counted in the plan of
        a request. Such messages are few.
        """
        alone = (
            place if stands_alone(message, self.settings) else -1
            for place, message in enumerate(messages)
        )
        return [
            [message for message, _ in part]
            for _, part in groupby(zip(messages, alone, strict=True), key=itemgetter(1))
        ]

    def _take_part(
        self,
        session: Session,
        messages: Sequence[Message],
        waking: "Waking",
        *,
        chunked: bool = False,
    ) -> BatchResult:
        """Take a part; a message on which deciding fails is set aside, and the rest goes in without it."""
        try:
            return self._take_sound(session, messages, waking, frozenset(), chunked=chunked)
        except TooManyClaimedError as found:
            first = messages[: found.place]
            result = self._take_part(session, first, waking, chunked=chunked)
            result.left += len(messages) - found.place
            return result
        except PoisonError as poison:
            return self._take_around(session, messages, waking, poison)

    def _take_around(
        self,
        session: Session,
        messages: Sequence[Message],
        waking: "Waking",
        poison: PoisonError,
    ) -> BatchResult:
        """Decide up to the message that fails, leave it out, and go on after it.

        Deciding changes nothing by itself and fails at the same place each time, so the messages before that place
        are sound.
        """
        parts, asides, given_up = list[BatchResult](), dict[int, SetAside](), GivenUp()
        begun, end = 0, len(messages)
        found: PoisonError | None = poison
        while begun <= end:
            if found is not None and found.message is not None:
                end = begun + found.message
                asides[end] = _set_aside(messages[end], found)
            elif found is not None and found.timer is not None:
                given_up.add(found.timer)
                log_event(_LOG, logging.ERROR, "timer-failed", subject=found.timer[1])
            elif found is not None and found.entry is not None:
                given_up.add(found.entry)
                log_event(_LOG, logging.ERROR, "entry-failed", entry=found.entry)
            by_then = waking
            if waking.until and end < len(messages):
                by_then = waking.changed(until=messages[end].received_at)
            try:
                parts.append(self._take_sound(session, messages[begun:end], by_then, given_up))
            except PoisonError as error:
                found = error
                continue
            begun, end, found = end + 1, len(messages), None
        session.flush(Changes(set_aside=[*asides.values()]))
        whole, *others = parts
        for part in others:
            whole.join(part)
        whole.set_aside = asides
        whole.emitted += [Notice("poison", each.message_id, each.shown) for each in asides.values()]
        return whole

    def _take_sound(
        self,
        session: Session,
        messages: Sequence[Message],
        waking: "Waking",
        given_up: AbstractSet[int | tuple[int, str]],
        *,
        chunked: bool = False,
    ) -> BatchResult:
        until, now = waking.until, waking.now
        loader = self._loader(session)
        snapshot = loader.for_batch(
            messages, until, versions=waking.versions, chunked=chunked, subjects=waking.subjects
        )
        snapshot.given_up, snapshot.opens = given_up, waking.opens
        until = snapshot.until or until
        return self._decide_and_write(
            session,
            snapshot,
            64 + 12 * len(messages) + 4 * (len(snapshot.active) + snapshot.claimable),
            lambda: decide(snapshot, messages, self.index, self.settings, until=until, now=now),
        )

    def carry_on(self, session: Session, anonymous_key: int) -> BatchResult | None:
        """Evaluate the next chunk of what was claimed of an anonymous id; None if nothing is left.

        A message on which deciding fails becomes the claimant's all the same, and is not evaluated.
        """
        given_up = GivenUp()
        while True:
            found = self._loader(session).for_chunk(anonymous_key)
            if found is None:
                return None
            snapshot, chunk = found
            snapshot.given_up = given_up
            keys = 64 + 4 * (len(snapshot.active) + snapshot.claimable)
            try:
                return self._decide_and_write(
                    session,
                    snapshot,
                    keys,
                    lambda: carry_on(snapshot, chunk, self.index, self.settings),  # noqa: B023 - called here
                )
            except PoisonError as poison:
                if poison.claimed is None:
                    raise
                given_up.add(poison.claimed)
                log_event(_LOG, logging.ERROR, "claimed-failed", message_key=poison.claimed)

    def preview(self, session: Session, message: Message) -> tuple[Snapshot, BatchResult]:
        """Load and decide one message that erases nobody, and write nothing.

        No keys of the store are used up: the result has keys that no store hands out.
        """
        snapshot = self._loader(session).for_batch([message], None)
        snapshot.first_key, snapshot.keys = BEYOND, BEYOND
        return snapshot, decide(snapshot, [message], self.index, self.settings)


def _set_aside(message: Message, poison: PoisonError) -> SetAside:
    log_event(_LOG, logging.ERROR, "message-set-aside", message_id=message.message_id)
    return SetAside(
        message_id=message.message_id,
        user_id=message.user_id,
        anonymous_id=message.anonymous_id,
        received_at=message.received_at,
        source=message.source,
        origin=message.origin,
        body=message.body,
        reason=poison.reason,
        set_aside_at=message.received_at,
    )
