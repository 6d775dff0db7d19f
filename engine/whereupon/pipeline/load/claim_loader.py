"""What a batch may claim: messages that wait, and messages that others claimed and may have to give up."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from whereupon.decide import Snapshot
from whereupon.identity.algebra import IdentityPolicy, claimant, claimed_by
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message
from whereupon.messages.times import earlier, later
from whereupon.pipeline.load.batch_keys import BatchKeys
from whereupon.pipeline.load.load_plan import LoadPlan
from whereupon.ports import Session
from whereupon.records import ClaimRun, StoredMessage

_TOGETHER = 3
"""How many chunks the claims of one batch may bring in one transaction."""


class TooManyClaimedError(Exception):
    """A batch claims more messages than one transaction evaluates.

    Attributes:
        place: how many of the batch's messages can be taken together, at least one.
    """

    def __init__(self, place: int) -> None:
        self.place = place
        super().__init__(place)


@dataclass(slots=True)
class _Sought:
    """Messages that were claimed already: of which anonymous key, from when on, by whom.

    Attributes:
        late: whether anonymous messages are why.
    """

    places: dict[int, tuple[datetime, set[int]]] = field(default_factory=dict)
    late: bool = False

    def add(self, key: int, since: datetime, owners: set[int]) -> None:
        """Look for these too."""
        earliest, known = self.places.get(key, (since, set()))
        self.places[key] = min(earliest, since), known | owners


class ClaimLoader:
    """Reads the messages that a batch may claim.

    Args:
        chunk: how many messages of one message's claim are evaluated in one transaction. The claims of a
            batch may bring three times as many together.
    """

    def __init__(
        self, session: Session, policy: IdentityPolicy, index: RuleIndex, chunk: int
    ) -> None:
        self._session = session
        self._policy = policy
        self._index = index
        self._chunk = chunk

    def load(
        self,
        loaded: Snapshot,
        plan: LoadPlan,
        mentioned: BatchKeys,
        messages: Sequence[Message],
        *,
        chunked: bool,
    ) -> None:
        """The messages that the batch may claim, and those claimed already that it asks about.

        Args:
            chunked: what one transaction should not do may be left to others.

        Raises:
            TooManyClaimedError: it is to be taken in several transactions.
        """
        claiming = {
            loaded.anonymous[anonymous_id]: anonymous_id
            for _, anonymous_id in mentioned.claims
            if anonymous_id in loaded.anonymous
        }
        if claiming and mentioned.oldest is not None:
            since = earlier(mentioned.oldest, self._policy.retention)
            waiting = self._waiting(loaded, messages, claiming, since, chunked=chunked)
            if plan.settled:
                waiting = [m for m in waiting if not plan.is_settled(m.owner, m.timestamp)]
            for stored in waiting:
                loaded.anonymous_messages.setdefault(stored.owner, []).append(stored)
        contested = {
            anonymous_id: loaded.anonymous[anonymous_id]
            for user_id, anonymous_id in mentioned.claims
            if _others_claimed(loaded, anonymous_id, loaded.users.get(user_id))
        }
        sought = _Sought()
        if contested:
            self._seek_out_of_order(sought, loaded, contested, messages)
        if loaded.claims and mentioned.takes_one:
            self._seek_brought_before(sought, loaded, mentioned)
            plan.late = self._policy.reach if sought.late else None
        self._load_sought(loaded, plan, sought)

    def waiting(
        self, loaded: Snapshot, key: int, after: tuple[datetime, int]
    ) -> list[StoredMessage]:
        """The next that wait under an anonymous id, up to where its claims reach; one more than a chunk."""
        last = max(run.until for run in loaded.claims[key])
        until = later(last, self._policy.late_window)
        return self._session.waiting_messages(key, after, until, self._chunk + 1)

    def _waiting(
        self,
        loaded: Snapshot,
        messages: Sequence[Message],
        claiming: Mapping[int, str],
        since: datetime,
        *,
        chunked: bool,
    ) -> list[StoredMessage]:
        """What waits from an instant on.

        With ``chunked``, of more messages than one transaction evaluates: none that is inert, and of
        the others only as many as show that it is so.
        """
        owners, most = claiming.keys(), self._chunk * (1 if len(messages) == 1 else _TOGETHER)
        if not chunked:
            return self._session.owned_messages(owners, since)
        waiting = self._session.owned_messages(owners, since, most + 1)
        if len(waiting) <= most:
            return waiting
        if (place := _claimed_by_two(messages, claiming.values())) is not None:
            raise TooManyClaimedError(place)
        until = later(max(each.timestamp for each in messages), self._policy.late_window)
        live = self._leave_inert(loaded, messages, owners, (since, until))
        waiting = self._session.live_messages(owners, since, loaded.inert, most + 1)
        if len(waiting) <= most:
            return waiting
        if len(messages) > 1:
            raise TooManyClaimedError(_place_within(messages, most, claiming, live))
        loaded.chunked_id = self._claimed_by_job(loaded, messages[0], live)
        if loaded.chunked_id is not None:
            return waiting
        return self._session.live_messages(owners, since, loaded.inert)

    def _leave_inert(
        self,
        loaded: Snapshot,
        messages: Sequence[Message],
        owners: Collection[int],
        span: tuple[datetime, datetime],
    ) -> dict[int, int]:
        """Find out which of the messages that wait are inert; returns how many are not, by owner."""
        every = self._session.owned_counts(owners, *span)
        names = {name for counts in every.values() for name in counts}
        loaded.inert = self._index.inert(names, min(each.received_at for each in messages))
        named = [name for name in names if self._index.trigger_match(*name).campaigns]
        live = self._session.owned_counts(owners, *span, left_out=loaded.inert)
        for owner, counts in every.items():
            left = live.get(owner, {})
            skipped = {name: counts.get(name, 0) - left.get(name, 0) for name in named}
            loaded.partly[owner] = {name: count for name, count in skipped.items() if count}
        return {owner: sum(counts.values()) for owner, counts in live.items()}

    @staticmethod
    def _claimed_by_job(
        loaded: Snapshot, message: Message, counts: Mapping[int, int]
    ) -> str | None:
        """The one anonymous id of which a message claims anything, if nobody else claimed it before.

        An alias may claim two, and what others claimed has to be asked for: that is done as a whole.
        """
        known = loaded.users.get(message.user_id or "")
        named = {message.anonymous_id, message.target_id}
        claimed = [name for name in named if counts.get(loaded.anonymous.get(name or "", 0))]
        if len(claimed) != 1 or message.target_id in loaded.users:
            return None
        runs = loaded.claims.get(loaded.anonymous.get(claimed[0] or "", 0), ())
        is_plain = all(r.person_key == known or r.until < message.timestamp for r in runs)
        return claimed[0] if is_plain else None

    def _load_sought(self, loaded: Snapshot, plan: LoadPlan, sought: _Sought) -> None:
        """What was claimed already, and by which claims."""
        for key, (since, owners) in sought.places.items():
            for stored in self._session.owned_messages(owners, since):
                if loaded.anonymous.get(stored.anonymous_id or "") == key and not stored.user_id:
                    if plan.is_settled(key, stored.timestamp):
                        continue
                    loaded.anonymous_messages.setdefault(key, []).append(stored)
                elif any(loaded.anonymous.get(name) == key for name in claimed_by(stored)):
                    at, by = stored.timestamp, stored.message_id
                    loaded.single_claims.setdefault(key, []).append(
                        ClaimRun(key, stored.owner, at, at, by)
                    )

    def _seek_out_of_order(
        self,
        sought: _Sought,
        loaded: Snapshot,
        contested: Mapping[str, int],
        messages: Sequence[Message],
    ) -> None:
        """What claims by others took already that one of these, being earlier, may be due.

        A claim brings nothing older than the retention. It may split a run between two single claims, which
        lie no further apart than the reach.

        Args:
            contested: keys by anonymous id, of those that one person claimed before and another claims now.
        """
        claims = [
            (contested[anonymous_id], message)
            for message in messages
            if message.user_id is not None
            for anonymous_id in (message.anonymous_id, message.target_id)
            if anonymous_id is not None and anonymous_id in contested
        ]
        for key, message in claims:
            claimant = loaded.users.get(message.user_id or "")
            owners = {
                run.person_key
                for run in loaded.claims[key]
                if run.person_key != claimant and run.until >= message.timestamp
            }
            if owners:
                sought.add(key, earlier(message.timestamp, self._policy.reach), owners)

    def _seek_brought_before(self, sought: _Sought, loaded: Snapshot, mentioned: BatchKeys) -> None:
        """What a claim brought before a late message, for rules that take only one of it.

        Claims that come in the same batch may yet change whose it is. Which claim brought a message is told
        by the first claim from its late window on. Two claims of one run lie no further apart than the reach.
        """
        policy = self._policy
        coming: dict[int, set[int]] = defaultdict(set)
        for user_id, anonymous_id in mentioned.claims:
            key, person = loaded.anonymous.get(anonymous_id), loaded.users.get(user_id)
            if key is not None and person is not None:
                coming[key].add(person)
        for message in mentioned.takes_one:
            key = loaded.anonymous.get(message.anonymous_id or "", 0)
            runs = loaded.claims.get(key)
            if not runs:
                continue
            run = claimant(runs, message.timestamp, policy)
            owners = set() if run is None else {run.person_key}
            if key in coming:
                owners |= coming[key] | {run.person_key for run in runs}
            if owners:
                since = earlier(message.timestamp, policy.late_window + policy.reach)
                sought.add(key, since, owners)
                sought.late = True


def _others_claimed(loaded: Snapshot, anonymous_id: str, person_key: int | None) -> bool:
    """Whether anybody else claimed an id before."""
    runs = loaded.claims.get(loaded.anonymous.get(anonymous_id, 0), ())
    return any(run.person_key != person_key for run in runs)


def _claimed_by_two(messages: Sequence[Message], anonymous_ids: Collection[str]) -> int | None:
    """The place of the first message that claims an id which a message before it claims for another person.

    None if there is none. Which of the two gets a waiting message is found out message by message.
    """
    claimants: dict[str, str] = {}
    for place, message in enumerate(messages):
        if message.user_id is None:
            continue
        for name in {message.anonymous_id, message.target_id}.intersection(anonymous_ids):
            if name is not None and claimants.setdefault(name, message.user_id) != message.user_id:
                return place
    return None


def _place_within(
    messages: Sequence[Message],
    most: int,
    claiming: Mapping[int, str],
    counts: Mapping[int, int],
) -> int:
    """How many of the messages come before their claims bring more than ``most``: at least one, and not all.

    Where their claims bring less, what waits lies behind the reach of all claims, and half of them are taken.
    """
    left = {claiming[key]: count for key, count in counts.items()}
    brought = 0
    for place, message in enumerate(messages):
        if message.user_id is not None:
            brought += left.pop(message.anonymous_id or "", 0)
            brought += left.pop(message.target_id or "", 0)
        if brought > most:
            return max(place, 1)
    return len(messages) // 2
