"""Load, fold, flush: the one way of a batch, whoever sends it.

A batch costs a fixed number of rounds with the store, however many messages it has. Everything
happens in the session that the caller opened; nothing is dispatched here.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from whereupon.decide import (
    BatchResult,
    KeysExhausted,
    Notice,
    PoisonError,
    Settings,
    Snapshot,
    audience_of,
    broadcast_chunk,
    carry_on,
    decide,
    end_requests,
    plan_of_request,
    prefilter_for,
    resume_request,
)
from whereupon.guards.audit_chain import seal
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message, id_in_ref
from whereupon.messages.repairs import cut_reason
from whereupon.pipeline.load import (
    CLAIM_CHUNK,
    BatchLoader,
    TooManyClaimedError,
    apart,
    erasing,
    taken_apart,
)
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.pipeline.work_scope import (
    LeftAlone,
    Versions,
    due_versions,
    is_ours,
    left_alone,
    next_duty,
)
from whereupon.ports import Session, Stretch
from whereupon.records import BroadcastRun, Changes, Person, Plan, Request, RequestOutcome, SetAside
from whereupon.rules.model import Rule, Rulebook
from whereupon.runtime.log_lines import in_log

UNSCRUBBED = "unscrubbed"
"""The row of the audit log by which somebody was last erased, as the store remembers it (see `scrubbing`)."""

AUDIENCE_CHUNK = 1_000
"""Persons of a broadcast's audience in one transaction."""

AUDIENCE_REACH = 10_000
"""Persons among whom one transaction looks for them: more, and others would wait for it."""

_BEYOND = 2**62  # keys that no store hands out

_LOG = logging.getLogger("whereupon.pipeline")


class Waking(NamedTuple):
    """What a batch wakes besides what its messages wake themselves.

    Attributes:
        until: what is due by then; None for nothing.
        now: what the clock says; by None nothing is late.
        versions: whose entries, where the batch has no messages.
    """

    until: datetime | None
    now: datetime | None = None
    versions: Versions = None


class Pipeline:
    """A rulebook and settings, ready to take batches. Holds nothing of any person.

    Attributes:
        claim_chunk: how many messages of one claim are put to the rules in one transaction.
    """

    def __init__(self, index: RuleIndex, settings: Settings) -> None:
        self.settings = settings
        self.claim_chunk = CLAIM_CHUNK
        self._versions = RuleVersions(index)

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

    @property
    def index(self) -> RuleIndex:
        """The rulebook's index, with the older rule versions that people still follow."""
        return self._versions.index

    def take(
        self,
        session: Session,
        messages: Sequence[Message],
        *,
        until: datetime | None = None,
        now: datetime | None = None,
        chunked: bool = False,
    ) -> BatchResult:
        """Take a batch of messages, in the order they arrived.

        Args:
            session: where.
            messages: the batch.
            now: what the clock says: what was due before is done late, and as of now.
            until: also wake the entries that are due by then (at most `DUE_LIMIT`), each in its turn
                between the messages.
            chunked: a claim of many messages may only be begun: then it is carried out by `carry_on`, and
                the caller sees to it (see `BatchResult.unfinished`). What comes behind it, or would make the claims of
                one transaction too many, is left for the caller to take afterwards (see `BatchResult.left`).

        Raises:
            UnfinishedClaimsError: some are to be carried out first.
            CrowdedError: see `BatchLoader.for_batch`; only with both messages and ``until``.
        """
        parts = self._parts(messages)
        if erasing(messages, self.settings):
            self.prepare_erasing(session)  # what an erased message opened is blanked
            self._recall(session).hold(messages, until)
        elif len(parts) > 1:  # all of them now, for later parts must not hold more
            self._recall(session).hold(messages, until)
        if len(parts) == 1:
            return self._take_part(session, messages, Waking(until, now), chunked=chunked)
        whole, begun = BatchResult(), 0
        for number, part in enumerate(parts, 1):
            by_then = until if until is None or number == len(parts) else part[-1].received_at
            folded = self._take_part(session, part, Waking(by_then, now), chunked=chunked)
            whole.join(folded, offset=begun)
            begun += len(part) - folded.left
            if folded.left or folded.unfinished:
                break
        whole.left = len(messages) - begun
        return whole

    def wake(self, session: Session, until: datetime, *, now: datetime) -> BatchResult | None:
        """Wake entries that are due by an instant and may be run here; None where there are none.

        Args:
            session: where.
            until: at most `DUE_LIMIT` are woken.
            now: see `take`.
        """
        versions = due_versions(session, self._versions, until)
        if versions is not None and not versions:
            return None
        return self._take_part(session, [], Waking(until, now, versions))

    def is_ours(self, session: Session, run: BroadcastRun) -> bool:
        """Whether a broadcast's run may be sent here (see `work_scope`)."""
        return is_ours(session, self._versions, run)

    def is_paused(self, rule_id: str) -> bool:
        """Whether the rulebook has switched a rule off."""
        rule = self.index.by_id.get(rule_id)
        return rule is not None and not rule.active.on

    def next_duty(self, session: Session) -> datetime | None:
        """When the next entry or broadcast is due that may be run here."""
        return next_duty(session, self._versions)

    def left_alone(self, session: Session) -> list[LeftAlone]:
        """All entries and broadcasts that may not be run here."""
        return left_alone(session, self._versions)

    def _parts(self, messages: Sequence[Message]) -> list[Sequence[Message]]:
        """Messages that erase somebody, or may merge two, apart from the others.

        What the others make is then stored, so that it is found wherever it is, erased, and counted
        in what a request would take away. They are few; a batch without any is one part.
        """
        if not taken_apart(messages, self.settings):
            return [messages]
        kinds = [apart(message, self.settings) for message in messages]
        alone = (place if kind else -1 for place, kind in enumerate(kinds))
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
        """Take a part; what the fold fails on is set aside, and the rest goes in without it."""
        try:
            return self._take_sound(session, messages, waking, set(), chunked=chunked)
        except TooManyClaimedError as found:
            first = messages[: found.place]
            folded = self._take_part(session, first, waking, chunked=chunked)
            folded.left += len(messages) - found.place
            return folded
        except PoisonError as poison:
            return self._take_around(session, messages, waking, poison)

    def _take_around(
        self,
        session: Session,
        messages: Sequence[Message],
        waking: "Waking",
        poison: PoisonError,
    ) -> BatchResult:
        """Fold up to what fails, leave that out, and go on behind it.

        The fold changes nothing by itself and fails at the same place each time, so that what stands
        before it is sound.
        """
        parts, asides, given_up = list[BatchResult](), dict[int, SetAside](), set[int]()
        begun, end = 0, len(messages)
        found: PoisonError | None = poison
        while begun <= end:
            if found is not None and found.message is not None:
                end = begun + found.message
                asides[end] = _set_aside(messages[end], found)
            elif found is not None and found.entry is not None:
                given_up.add(found.entry)
                _LOG.error("entry-failed entry=%d", found.entry)
            by_then = waking
            if waking.until and end < len(messages):
                by_then = waking._replace(until=messages[end].received_at)
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
        given_up: set[int],
        *,
        chunked: bool = False,
    ) -> BatchResult:
        until, now, versions = waking
        recall = self._recall(session)
        loaded = recall.for_batch(messages, until, versions=versions, chunked=chunked)
        loaded.given_up = given_up
        return self._fold(
            session,
            loaded,
            64 + 12 * len(messages) + 4 * (len(loaded.active) + loaded.claimable),
            lambda: decide(loaded, messages, self.index, self.settings, until=until, now=now),
        )

    def carry_on(self, session: Session, anonymous_key: int) -> BatchResult | None:
        """Evaluate the next chunk of what was claimed of an anonymous id; None if nothing is left.

        What the fold fails on is the claimant's all the same, and is put to no rule.
        """
        given_up: set[int] = set()
        while True:
            found = self._recall(session).for_chunk(anonymous_key)
            if found is None:
                return None
            loaded, chunk = found
            loaded.given_up = given_up
            keys = 64 + 4 * (len(loaded.active) + loaded.claimable)
            try:
                return self._fold(
                    session,
                    loaded,
                    keys,
                    lambda: carry_on(loaded, chunk, self.index, self.settings),  # noqa: B023 - called here
                )
            except PoisonError as poison:
                if poison.claimed is None:
                    raise
                given_up.add(poison.claimed)
                _LOG.error("claimed-failed message=%d", poison.claimed)

    @staticmethod
    def prepare_erasing(session: Session) -> None:
        """Hold what an erasure touches beside its person, before anything else is held."""
        session.lock_runs()
        session.lock_requests()

    def resume(self, session: Session, requests: Sequence[Request], now: datetime) -> BatchResult:
        """Judge a request that waits again, as things are now; those past their time are given up together."""
        request = requests[0]
        if request.message is None:
            return BatchResult()
        if request.expires_at is not None and request.expires_at <= now:
            return self.give_up(session, requests, now, outcome=RequestOutcome.EXPIRED)
        approvals = session.approvals(request.key)
        loaded = self._recall(session).for_batch([request.message], None, now)
        return self._fold(
            session,
            loaded,
            64,
            lambda: resume_request(loaded, request, approvals, self.index, self.settings, now=now),
        )

    def give_up(
        self,
        session: Session,
        requests: Sequence[Request],
        now: datetime,
        *,
        outcome: RequestOutcome,
        by: str | None = None,
    ) -> BatchResult:
        """End requests that wait without carrying them out; ``by`` whom, where somebody decided it."""
        asked = [request.message for request in requests if request.message is not None]
        loaded = self._recall(session).for_ending(asked)

        def attempt() -> BatchResult:
            return end_requests(
                loaded, requests, self.index, self.settings, outcome=outcome, now=now, by=by
            )

        return self._fold(session, loaded, 1, attempt)

    def plan(self, session: Session, request: Request) -> Plan | None:
        """What a waiting request would take away now."""
        if request.message is None:
            return None
        loaded = self._recall(session).for_batch([request.message], None)
        return plan_of_request(loaded, request, self.index, self.settings)

    def write(self, session: Session, changes: Changes) -> None:
        """Write changes, what they record for the audit log sealed into its chain."""
        if changes.records:
            changes.audit, changes.audit_head = seal(
                session.audit_head(), changes.records, self.settings.digest_key
            )
        session.flush(changes)
        if changes.erased_persons and changes.audit_head is not None:
            session.set_mark(UNSCRUBBED, changes.audit_head.sequence)

    def preview(self, session: Session, message: Message) -> tuple[Snapshot, BatchResult]:
        """Load and fold one message that erases nobody, and leave it at that: nothing is written.

        No keys are reserved either: what it would make gets some that no store hands out.
        """
        loaded = self._recall(session).for_batch([message], None)
        loaded.first_key, loaded.keys = _BEYOND, _BEYOND
        return loaded, decide(loaded, [message], self.index, self.settings)

    def send(
        self, session: Session, run: BroadcastRun, *, now: datetime | None = None
    ) -> BatchResult:
        """Let the next chunk of a broadcast's audience in.

        Persons are gone through by key. So everybody is met who was known when the run began; who comes
        later may have a key that lies behind the cursor, where several processes hand out keys.
        """
        rule = self._versions.rule_of(session, run.digest)
        if rule is None or not rule.active.allows(run.timestamp):
            return self._send_to(session, run, rule, Stretch([], None), now)
        stretch = session.take_audience(
            run.cursor or 0, AUDIENCE_CHUNK, prefilter_for(run, rule), AUDIENCE_REACH
        )
        self._recall(session).gate_all()  # or the prefilter may have missed a person
        left_out: list[Notice] = []
        while True:
            try:
                folded = self._send_to(session, run, rule, stretch, now)
            except PoisonError as poison:
                person = next(each for each in stretch.persons if each.key == poison.person)
                others = [each for each in stretch.persons if each is not person]
                stretch = stretch._replace(persons=others)
                _LOG.error("person-left-out broadcast=%s person=%d", in_log(run.rule), person.key)
                text = f"{person.user_id} was left out of {run.rule}: {cut_reason(poison.reason)}"
                left_out.append(Notice("person-left-out", id_in_ref(run.occasion), text))
                continue
            folded.emitted += left_out
            return folded

    def _send_to(
        self,
        session: Session,
        run: BroadcastRun,
        rule: Rule | None,
        stretch: Stretch,
        now: datetime | None,
    ) -> BatchResult:
        admitted: list[Person] = []
        loaded = Snapshot(0, 0)
        if rule is not None and stretch.persons:
            past = self._recall(session).past
            known = past.for_audience(stretch.persons, rule, run.timestamp)
            admitted = past.without_entrants(
                audience_of(known, run, rule, stretch.persons, self.index, self.settings), run
            )
            loaded = past.for_entering(admitted, rule, run.timestamp)
        return self._fold(
            session,
            loaded,
            64 + 8 * len(admitted),
            lambda: broadcast_chunk(
                loaded,
                run,
                rule,
                admitted,
                self.index,
                self.settings,
                cursor=stretch.cursor,
                now=now,
            ),
        )

    def _fold(
        self, session: Session, loaded: Snapshot, keys: int, attempt: Callable[[], BatchResult]
    ) -> BatchResult:
        while True:
            loaded.first_key, loaded.keys = session.allocate(keys), keys
            try:
                folded = attempt()
            except KeysExhausted:
                keys *= 4
                continue
            break
        if folded.changes.rule_versions or folded.rule_lists:
            self._leave_out_what_is_kept(session, folded)
        self.write(session, folded.changes)
        return folded

    def _leave_out_what_is_kept(self, session: Session, folded: BatchResult) -> None:
        """Write rule versions once; those of a roll stand beside its revision."""
        versions = folded.changes.rule_versions
        kept = session.kept_versions(versions.keys() | folded.rule_lists.keys())
        for revision, rule_list in folded.rule_lists.items():
            if revision not in kept:
                versions |= self.index.version_texts(rule_list)
        for digest in versions.keys() & kept:
            del versions[digest]

    def _recall(self, session: Session) -> BatchLoader:
        chunk = self.claim_chunk
        return BatchLoader(session, self.settings, self._versions, claim_chunk=chunk)


def _set_aside(message: Message, poison: PoisonError) -> SetAside:
    _LOG.error("message-set-aside message_id=%s", in_log(message.message_id))
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
