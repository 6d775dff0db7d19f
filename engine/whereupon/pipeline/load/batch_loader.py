"""The reads of one batch, in their order."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial

from whereupon.decide import ClaimChunk, Settings, Snapshot
from whereupon.identity.algebra import settled_until
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message
from whereupon.messages.times import LAST_INSTANT, earlier, later
from whereupon.pipeline.load.batch_keys import BatchKeys
from whereupon.pipeline.load.claim_loader import ClaimLoader
from whereupon.pipeline.load.due_loader import DueLoader
from whereupon.pipeline.load.guard_facts import guard_snapshot
from whereupon.pipeline.load.history import PastLoader
from whereupon.pipeline.load.load_plan import LoadPlan
from whereupon.pipeline.load.open_runs import load_open_runs
from whereupon.pipeline.load.opening import may_open
from whereupon.pipeline.load.reports import (
    mentioned_with_reported,
    reported_deliveries,
    unsubscribing_by,
)
from whereupon.pipeline.load.similar_ids import near_ids
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.pipeline.work_scope import Versions
from whereupon.ports import Session
from whereupon.records import ClaimRun, Identifier, IdKind

_ANONYMOUS = IdKind.ANONYMOUS  # an attribute of an enumeration is looked up slowly
CLAIM_CHUNK = 300
"""Messages of one claim put to the rules in one transaction, where one message claims more."""


class UnfinishedClaimsError(Exception):
    """Claims that are not carried out yet come before what is asked.

    Attributes:
        keys: their anonymous keys.
    """

    def __init__(self, keys: Sequence[int]) -> None:
        self.keys = keys
        super().__init__(*keys)


class BatchLoader:
    """Reads for one batch, in its transaction.

    Attributes:
        past: the reads that ask about the past alone.

    Args:
        claim_chunk: see `CLAIM_CHUNK`.
    """

    def __init__(
        self,
        session: Session,
        settings: Settings,
        versions: RuleVersions,
        claim_chunk: int = CLAIM_CHUNK,
    ) -> None:
        self.past = PastLoader(session, versions)
        self._session = session
        self._versions = versions
        self._settings = settings
        self._claim_chunk = claim_chunk

    def for_batch(
        self,
        messages: Sequence[Message],
        until: datetime | None,
        now: datetime | None = None,
        *,
        versions: Versions = None,
        subjects: Collection[str] = (),
        chunked: bool = False,
    ) -> Snapshot:
        """All that deciding the messages, and waking what is due by ``until``, may need.

        Args:
            messages: the batch.
            until: None to wake nothing but what the messages themselves wake.
            now: when what the messages ask for is judged, if not as they arrive.
            versions: whose entries are woken, where there are no messages; else that is found out.
            subjects: whose timers ring, where there are no messages; else that is found out.
            chunked: what many claimed messages lead to may be left to later transactions; so may messages
                that come behind such a claim.

        Raises:
            UnfinishedClaimsError: so did one of a person whom the batch touches.
            TooManyClaimedError: the messages claim more than one transaction should.
            CrowdedError: so many entries are due that waking them comes first.
        """
        index = self._versions.index
        all_messages, mentioned = messages, BatchKeys(messages, index)
        reported = reported_deliveries(self._session, self._settings, mentioned, messages)
        if reported:
            all_messages = [*messages, *unsubscribing_by(messages, reported)]
            mentioned = mentioned_with_reported(all_messages, reported, index)
        loaded, load_plan = self._held(
            mentioned, messages, until, versions=versions, subjects=subjects
        )
        loaded.deliveries = reported
        if messages:
            loaded.alike = self._alike(mentioned) if load_plan.has_strangers else []
            if loaded.known:
                loaded.twins = self._session.twins(loaded.known)
            if mentioned.claims or loaded.claims:
                may = chunked and until is None
                loader = self._claim_loader(index)
                loader.load(loaded, load_plan, mentioned, messages, chunked=may)
            self._load_tombstones(loaded, mentioned)
            if mentioned.aliases or mentioned.asks_for(self._settings.registry.guarded):
                loaded.guards = guard_snapshot(self._session, self._settings, loaded, messages, now)
                asking = [m for m in messages if m.name in self._settings.registry.guarded]
                loaded.guards.near = near_ids(self._session, asking, loaded.users)
        self.past.plan(loaded, load_plan, mentioned, all_messages, until)
        self.past.load(
            loaded,
            load_plan,
            may_open=partial(
                may_open, loaded, load_plan, mentioned, all_messages, index, self._settings
            ),
        )
        if load_plan.until is not None:
            load_open_runs(self._session, index, loaded, load_plan.until)
        if (
            messages and self._versions.index is not index
        ):  # it asks more since it has read a version
            return self.for_batch(messages, until, now, chunked=chunked)
        return loaded

    def hold(self, messages: Sequence[Message], until: datetime | None) -> None:
        """Hold whom the messages touch, for a batch that is then taken in parts."""
        index = self._versions.index
        reported = reported_deliveries(
            self._session, self._settings, BatchKeys(messages, index), messages
        )
        mentioned = mentioned_with_reported(messages, reported, index)
        self._held(mentioned, messages, until)

    def for_ending(self, messages: Sequence[Message]) -> Snapshot:
        """What ending the requests of these messages asks: who is still there, and who is gone for good.

        Nobody is held: a transaction that changes that holds the ledger, as the caller does.
        """
        mentioned, loaded = BatchKeys(messages, self._versions.index), Snapshot()
        if messages:
            known = self._session.identifiers(mentioned.user_ids, ())
            loaded.users = {each.value: each.key for each in known}
            self._load_tombstones(loaded, mentioned)
        return loaded

    def for_chunk(self, anonymous_key: int) -> tuple[Snapshot, ClaimChunk] | None:
        """The next chunk of a claim, with its person held; None if nothing of the claim is left."""
        found = self._session.claim_jobs((), [anonymous_key])
        if not found:
            return None
        (own,) = self._session.messages([found[0].message_key])
        mentioned = BatchKeys([own.message], self._versions.index)
        loaded, load_plan = self._held(mentioned, [own.message], None, carrying_on=True)
        held = self._session.claim_jobs((), [anonymous_key])
        if not held:  # somebody else was at it until now
            return None
        waiting = self._claim_loader(self._versions.index).waiting(
            loaded, anonymous_key, held[0].after
        )
        loaded.anonymous_messages = {anonymous_key: waiting[: self._claim_chunk]}
        is_last = len(waiting) <= self._claim_chunk
        load_plan.again = held[0].again if is_last else ()
        self.past.plan(loaded, load_plan, mentioned, [own.message], None)
        self.past.load(loaded, load_plan)
        load_open_runs(self._session, self._versions.index, loaded, own.message.received_at)
        if not is_last:
            last = max(run.until for run in loaded.claims[anonymous_key])
            until = later(last, self._settings.identity.late_window)
            loaded.ahead = self.past.behind(waiting[-1], own.owner, until)
        again = {each.key: each for each in loaded.again}
        return loaded, ClaimChunk(held[0], own, is_last=is_last, again=again)

    def _claim_loader(self, index: RuleIndex) -> ClaimLoader:
        return ClaimLoader(self._session, self._settings.identity, index, self._claim_chunk)

    def require_claims(
        self, person_keys: Collection[int], anonymous_keys: Collection[int] = ()
    ) -> None:
        """Raise where claims by these persons, or of these ids, are to be carried out first."""
        if unfinished := self._session.claim_jobs(person_keys, anonymous_keys):
            raise UnfinishedClaimsError([each.anonymous_key for each in unfinished])

    def require_all_claims(self) -> None:
        """Raise where anybody's claim is to be carried out first."""
        if unfinished := self._session.due_claim_jobs(LAST_INSTANT, 1):
            raise UnfinishedClaimsError([each.anonymous_key for each in unfinished])

    def _held(
        self,
        mentioned: BatchKeys,
        messages: Sequence[Message],
        until: datetime | None,
        *,
        versions: Versions = None,
        subjects: Collection[str] = (),
        carrying_on: bool = False,
    ) -> tuple[Snapshot, LoadPlan]:
        """Whom the batch touches, read until it is held, so that others can change it no more."""
        asked: tuple[set[int], set[int], bool] | None = None
        while True:
            loaded, load_plan = Snapshot(), LoadPlan()
            if messages:
                self._load_identifiers(loaded, load_plan, mentioned)
                self._load_claims(loaded, load_plan, mentioned)
            load_plan.person_keys.update(loaded.users.values())
            load_plan.until = until if mentioned.last is None else mentioned.last
            load_plan.first = mentioned.first
            if until is not None:
                due = DueLoader(self._session, self._versions)
                due.plan(loaded, load_plan, messages, until, versions, subjects)
            keys = load_plan.person_keys, loaded.anonymous.values()
            if self._is_heard_of(loaded, mentioned):
                self._session.lock_requests()  # which comes before anybody
            is_news = self._session.lock(*keys)
            about = load_plan.person_keys, {*loaded.anonymous.values()}, load_plan.has_strangers
            if not is_news and until is None and asked == about:
                load_plan.person_keys = asked[0]  # as it was asked for, in the same order
            else:
                asked = about
                self._ask_ahead(mentioned, load_plan, again=is_news, carrying_on=carrying_on)
            if not is_news:
                break
        if not carrying_on:
            self._load_known(loaded, mentioned)  # which may also say whether anybody claims at all
            self.require_claims(*keys)
        return loaded, load_plan

    def _load_known(self, loaded: Snapshot, mentioned: BatchKeys) -> None:
        """Which of the messages are recorded already."""
        if mentioned.refs:
            loaded.known = self._session.known_messages(mentioned.refs)

    def _ask_ahead(
        self,
        mentioned: BatchKeys,
        load_plan: LoadPlan,
        *,
        again: bool,
        carrying_on: bool,
    ) -> None:
        """Ask together what every batch asks once its persons are held.

        Args:
            again: whether ids are read once more, since their persons were not held before.
            carrying_on: whether the batch is a chunk of a claim, whose message is known.
        """
        session = self._session
        if not (session.asks_ahead and mentioned.refs):
            return

        def read() -> None:
            if again:
                self._identifiers(mentioned)
            if load_plan.has_strangers:
                self._alike(mentioned)
            if carrying_on:
                session.has_tombstones()
            else:
                session.known_messages(mentioned.refs)  # and whether there are tombstones
            session.persons(load_plan.person_keys)
            session.active_entries(load_plan.person_keys)

        session.ahead(read)

    def _identifiers(self, mentioned: BatchKeys) -> list[Identifier]:
        return self._session.identifiers(mentioned.user_ids, mentioned.anonymous_ids)

    def _alike(self, mentioned: BatchKeys) -> list[str]:
        """The known user ids that differ from those of a small batch by their spelling only."""
        spelt = mentioned.other_spellings() - mentioned.user_ids
        return [known.value for known in self._session.identifiers(spelt, ())] if spelt else []

    def _is_heard_of(self, loaded: Snapshot, mentioned: BatchKeys) -> bool:
        """Whether the audit log hears of anything that the batch asks for, merges included."""
        if mentioned.asks_for(self._settings.registry.audited):
            return True
        if not mentioned.aliases:
            return False
        previous = [previous_id for _, previous_id in mentioned.aliases]
        if not loaded.users.keys().isdisjoint(previous):
            return True
        digests = {d for name in previous for d in self._settings.digests(IdKind.USER, name)}
        return bool(
            digests and self._session.has_tombstones() and self._session.tombstones(digests)
        )

    def _load_identifiers(
        self,
        loaded: Snapshot,
        load_plan: LoadPlan,
        mentioned: BatchKeys,
    ) -> None:
        self._session.expect_messages(mentioned.refs)
        if mentioned.user_ids and mentioned.anonymous_ids:  # two reads
            self._session.ahead(partial(self._identifiers, mentioned))
        for known in self._identifiers(mentioned):
            if known.kind is _ANONYMOUS:
                loaded.anonymous[known.value] = known.key
            else:
                loaded.users[known.value] = known.key
        load_plan.has_strangers = len(loaded.users) < len(mentioned.user_ids)
        if mentioned.asks_for(self._settings.registry.erasing):
            persons = set(loaded.users.values())  # of all: who is merged here may be erased next
            loaded.identifiers_of = self._session.identifiers_of(persons)
            for known in loaded.identifiers_of:
                if known.kind is _ANONYMOUS:
                    loaded.anonymous[known.value] = known.key

    def _load_claims(self, loaded: Snapshot, load_plan: LoadPlan, mentioned: BatchKeys) -> None:
        """The claims that the batch may change or ask for, and the persons who made them.

        An erasure removes a person from all of their claims. Any other message affects only the claims
        near to when it happened.
        """
        if not loaded.anonymous:
            return
        policy = self._settings.identity
        spans: dict[int, tuple[datetime, datetime]] = {}
        if mentioned.asks_for(self._settings.registry.erasing):
            found = self._session.claims(loaded.anonymous.values())
        else:
            spans = mentioned.spans(loaded.anonymous)
            window = policy.late_window
            reach = {key: (earlier(since, window), till) for key, (since, till) in spans.items()}
            found = self._session.claims_near(reach)
        runs: dict[int, list[ClaimRun]] = defaultdict(list)
        for claim in found:
            runs[claim.anonymous_key].append(claim)
        loaded.claims = {key: tuple(of_one) for key, of_one in runs.items()}
        load_plan.person_keys.update(run.person_key for run in found)
        for key, (since, _) in spans.items():
            settled = settled_until(loaded.claims.get(key, ()), since, policy)
            if settled is not None:
                load_plan.settled[key] = settled

    def _load_tombstones(self, loaded: Snapshot, mentioned: BatchKeys) -> None:
        loaded.has_tombstones = self._session.has_tombstones()
        if not loaded.has_tombstones:
            return
        digests_of = self._settings.digests
        named = [(IdKind.USER, user_id) for user_id in mentioned.user_ids]
        named += [(IdKind.ANONYMOUS, anonymous_id) for anonymous_id in mentioned.anonymous_ids]
        named += [(known.kind, known.value) for known in loaded.identifiers_of]
        named += [(IdKind.USER, previous_id) for _, previous_id in mentioned.aliases]
        digests = {digest for kind, value in named for digest in digests_of(kind, value)}
        loaded.tombstones = self._session.tombstones(digests)
        if mentioned.asks_for(self._settings.registry.lifting):
            users = mentioned.user_ids
            own = {digest for user in users for digest in digests_of(IdKind.USER, user)}
            loaded.tombstones += self._session.tombstones_laid_with(own)
