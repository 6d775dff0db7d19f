"""What a batch mentions, and what sets its messages apart from one another."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from unicodedata import normalize

from whereupon.decide import Settings, Snapshot
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message, MessageType, SenderClass

SMALL_BATCH = 20
"""Messages of a batch whose user ids are also looked up as they may be spelt otherwise."""

_SPELLINGS: tuple[Callable[[str], str], ...] = (
    *(str.lower, str.upper, str.capitalize),
    *(partial(normalize, form) for form in ("NFC", "NFD", "NFKC")),
)


class BatchKeys:
    """What a batch mentions.

    Attributes:
        pairs: the user id and anonymous id of every message.
        refs: what stands for every message (see `ref_of`).
        names: the type and name of every message.
        aliases: the user id and previous id of every alias.
        watching: the messages that may make rules ask about the past.
        take_one_rules: those of which some rule takes only one that a claim brings.
        oldest: when the first of them happened.
    """

    __slots__ = ("aliases", "names", "oldest", "pairs", "refs", "takes_one", "watching")

    def __init__(self, messages: Sequence[Message], index: RuleIndex) -> None:
        columns = list(zip(*messages, strict=True)) or [()] * 7
        ids, types, names, users, anonymous, _, timestamps = columns[:7]
        sources = columns[9] if messages else ()
        self.refs: Sequence[str] = ids
        if SenderClass.CLIENT in sources:
            self.refs = [message.ref for message in messages]
        self.pairs: set[tuple[str | None, str | None]] = set(zip(users, anonymous, strict=True))
        self.names: set[tuple[MessageType, str]] = set(zip(types, names, strict=True))
        self.oldest: datetime | None = min(timestamps, default=None)
        self.aliases: set[tuple[str, str]] = set()
        if (MessageType.ALIAS, "") in self.names:
            aliases = (m for m in messages if m.type is MessageType.ALIAS)
            self.aliases = {(m.user_id or "", m.target_id or "") for m in aliases}
        watched = {name for name in self.names if index.trigger_match(*name).history_window}
        self.watching = [m for m in messages if (m.type, m.name) in watched] if watched else []
        takes_one = {name for name in self.names if index.trigger_match(*name).take_one_rules}
        self.takes_one = [m for m in messages if (m.type, m.name) in takes_one] if takes_one else []

    def user_ids(self) -> set[str]:
        """Every user id, and every previous id, which may be one."""
        ids = {user_id for user_id, _ in self.pairs if user_id is not None}
        return ids | {previous for _, previous in self.aliases}

    def other_spellings(self) -> set[str]:
        """How else the user ids of a small batch may be spelt, as its sender's next call may do."""
        users = {user_id for user_id, _ in self.pairs if user_id is not None}
        if len(self.refs) > SMALL_BATCH:
            return set()
        return {spelt for user in users for spell in _SPELLINGS if (spelt := spell(user)) != user}

    def anonymous_ids(self) -> set[str]:
        """Every anonymous id, and every previous id, which may be one."""
        ids = {anonymous_id for _, anonymous_id in self.pairs if anonymous_id is not None}
        return ids | {previous for _, previous in self.aliases}

    def claims(self) -> set[tuple[str, str]]:
        """The user id and the anonymous id of every claim, aliases included."""
        both = {(user, anonymous) for user, anonymous in self.pairs if user and anonymous}
        return both | self.aliases


class MergeCandidates:
    """The persons to whom the messages may belong once the batch's own claims and aliases are decided.

    Args:
        persons: the keys of those whom the batch may concern at all.
    """

    def __init__(self, loaded: Snapshot, mentioned: BatchKeys, persons: Collection[int]) -> None:
        self._users = loaded.users
        self._anonymous = loaded.anonymous
        self._together: dict[int | str, set[int | str]] = {}
        self._claimants: dict[int | str, set[int | str]] = defaultdict(set)
        for anonymous_key, runs in loaded.claims.items():
            claimants = {run.person_key for run in runs}
            self._claimants[anonymous_key].update(claimants.intersection(persons))
        for user_id, anonymous_id in mentioned.claims():
            self._claim(anonymous_id, self._users.get(user_id, user_id))
        for user_id, previous_id in mentioned.aliases:
            self._relate(user_id, previous_id)

    def owners(self, user_id: str | None, anonymous_id: str | None) -> set[int]:
        """The known persons whose a message with these ids may be."""
        if user_id is not None:
            return self._known({self._users.get(user_id, user_id)})
        anonymous_id = anonymous_id or ""
        return self.claimants(self._anonymous.get(anonymous_id, anonymous_id))

    def families(self) -> dict[int, set[int]]:
        """The known persons who may become one by aliases, by each of them."""
        return {key: self._known({key}) for key in self._together if isinstance(key, int)}

    def claimants(self, anonymous: int | str) -> set[int]:
        """The known persons who claim an anonymous id, given by its key, or itself if it is new."""
        return self._known(self._claimants.get(anonymous, set()))

    def _relate(self, user_id: str, previous_id: str) -> None:
        person = self._users.get(user_id, user_id)
        other = self._users.get(previous_id, previous_id)
        one = self._together.get(person, {person}) | self._together.get(other, {other})
        self._together.update(dict.fromkeys(one, one))

    def _claim(self, anonymous_id: str, person: int | str) -> None:
        self._claimants[self._anonymous.get(anonymous_id, anonymous_id)].add(person)

    def _known(self, persons: set[int | str]) -> set[int]:
        together = {other for one in persons for other in self._together.get(one, (one,))}
        return {key for key in together if isinstance(key, int)}


def spans_of(
    messages: Sequence[Message], anonymous: Mapping[str, int]
) -> dict[int, tuple[datetime, datetime]]:
    """When the first and the last message with each of these anonymous ids happened.

    Args:
        messages: a batch.
        anonymous: keys by id; an alias's previous id may be among them.

    Returns:
        By key.
    """
    spans: dict[int, tuple[datetime, datetime]] = {}
    for message in messages:
        aliased = message.target_id if message.type is MessageType.ALIAS else None
        for name in (message.anonymous_id, aliased):
            key = None if name is None else anonymous.get(name)
            if key is not None:
                at = message.timestamp
                first, last = spans.get(key, (at, at))
                spans[key] = min(first, at), max(last, at)
    return spans


def erasing(messages: Sequence[Message], settings: Settings) -> bool:
    """Whether any of the messages asks for a person to be erased."""
    names = {message.name for message in messages}
    return not names.isdisjoint(settings.registry.erasing) and any(
        erases(message, settings) for message in messages
    )


def taken_apart(messages: Sequence[Message], settings: Settings) -> bool:
    """Whether any of the messages is to be taken apart from the others."""
    aliased = MessageType.ALIAS in {message.type for message in messages}
    return aliased or erasing(messages, settings)


def apart(message: Message, settings: Settings) -> str:
    """What sets a message apart, if anything: that it may merge two persons, or erases one."""
    if message.type is MessageType.ALIAS:
        return "merging"
    return "erasing" if erases(message, settings) else ""


def erases(message: Message, settings: Settings) -> bool:
    """Whether a message asks for a person to be erased."""
    return message.type is MessageType.TRACK and message.name in settings.registry.erasing
