"""What a batch mentions, and which of its messages split it into parts."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from itertools import compress
from operator import itemgetter
from typing import TypeAlias
from unicodedata import normalize

from whereupon.decide import Settings, Snapshot
from whereupon.decide.reentry import slot_at
from whereupon.matching import RuleIndex, TriggerMatch
from whereupon.messages.columns import is_uniform
from whereupon.messages.model import Message, MessageType, refs_of
from whereupon.records import MessageName

SMALL_BATCH = 20
"""Messages of a batch whose user ids are also looked up as they may be spelt otherwise."""

_ALIAS, _TRACK = MessageType.ALIAS, MessageType.TRACK  # looked up slowly, as of every enumeration
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    *(str.lower, str.upper, str.capitalize),
    *(partial(normalize, form) for form in ("NFC", "NFD", "NFKC")),
)
Saying: TypeAlias = tuple[str | None, str | None, MessageName]
"""Who says what: a user id, an anonymous id, and the type and name of a message."""


class BatchKeys:
    """What a batch mentions, column by column, for its messages are many.

    Attributes:
        refs: what stands for every message (see `ref_of`).
        matches: by the type and name of every message, what the messages do.
        user_ids: every user id, and every previous id, which may be one.
        anonymous_ids: every anonymous id, and every previous id, which may be one.
        claims: the user id and the anonymous id of every claim, aliases included.
        aliases: the user id and previous id of every alias.
        watching: of the messages that may make rules ask about the past, by the user id, the anonymous id, and the type
            and name: when the first happened.
        takes_one: the anonymous ones of which some rule takes only one that a claim brings.
        oldest: when the first of them happened.
        first, last: when the first and the last of them arrived.

    Args:
        persons: user ids beside those of the messages.
    """

    __slots__ = (
        *("aliases", "anonymous_ids", "claims", "first", "last", "matches", "oldest", "refs"),
        *("takes_one", "user_ids", "watching", "_devices", "_events", "_moments", "_users"),
    )

    def __init__(
        self, messages: Sequence[Message], index: RuleIndex, persons: Iterable[str] = ()
    ) -> None:
        ids, sources = [each.message_id for each in messages], [each.source for each in messages]
        self.refs: Sequence[str] = refs_of(ids, sources)
        named = [(each.type, each.name) for each in messages]
        users = [each.user_id for each in messages]
        devices = [each.anonymous_id for each in messages]
        moments = [each.timestamp for each in messages]
        self.matches = {name: index.trigger_match(*name) for name in {*named}}
        self._events = {name for type_, name in self.matches if type_ is _TRACK}
        self.claims: set[tuple[str, str]] = set()
        if any(devices):
            pairs = zip(compress(users, devices), compress(devices, devices), strict=True)
            self.claims = {(user, device) for user, device in pairs if user and device}
        said = zip(zip(users, devices, named, strict=True), moments, strict=True)
        self._ask(messages, said, named)
        self.aliases: set[tuple[str, str]] = set()
        if (_ALIAS, "") in self.matches:
            aliases = [message for message in messages if message.type is _ALIAS]
            self.aliases = {(m.user_id or "", m.target_id or "") for m in aliases}
            self.claims |= self.aliases
            devices += [message.target_id or "" for message in aliases]
            moments += [message.timestamp for message in aliases]
        self._devices: Sequence[str | None] = devices
        self._moments: Sequence[datetime] = moments
        self._users = {user for user in [*users, *persons] if user is not None}
        self.user_ids = self._users
        if self.aliases:
            self.user_ids = self._users | {previous for _, previous in self.aliases}
        self.anonymous_ids = {device for device in devices if device is not None}
        self.oldest: datetime | None = min(moments, default=None)
        self.first, self.last = _span([each.received_at for each in messages])

    def _ask(
        self,
        messages: Sequence[Message],
        said: Iterable[tuple[Saying, datetime]],
        named: Sequence[MessageName],
    ) -> None:
        """Find the messages of which rules ask more than others."""
        matches = self.matches.items()
        self.watching: dict[Saying, datetime] = {}
        self.takes_one: list[Message] = []
        if watched := {name for name, match in matches if match.history_window}:
            watching = compress(said, map(watched.__contains__, named))
            self.watching.update(sorted(watching, key=itemgetter(1), reverse=True))
        if takes_one := {name for name, match in matches if match.take_one_rules}:
            late = compress(messages, map(takes_one.__contains__, named))
            self.takes_one += [message for message in late if message.user_id is None]

    @property
    def names(self) -> AbstractSet[MessageName]:
        """The type and name of every message."""
        return self.matches.keys()

    def other_spellings(self) -> set[str]:
        """How else the user ids of a small batch may be spelt, as its sender's next call may do."""
        if len(self.refs) > SMALL_BATCH:
            return set()
        users = self._users
        return {spelt for user in users for spell in _SPELLINGS if (spelt := spell(user)) != user}

    def spans(self, anonymous: Mapping[str, int]) -> dict[int, tuple[datetime, datetime]]:
        """When the first and the last message with each of these anonymous ids happened.

        Args:
            anonymous: keys by id; an alias's previous id may be among them.

        Returns:
            By key.
        """
        moments: dict[int, list[datetime]] = defaultdict(list)
        keys = [*map(anonymous.get, self._devices)] if anonymous else []  # type: ignore[arg-type]  # None is no id
        for key, moment in zip(compress(keys, keys), compress(self._moments, keys), strict=True):
            moments[key].append(moment)  # type: ignore[index]  # those without a key are left out
        return {key: (min(of_one), max(of_one)) for key, of_one in moments.items()}

    def asks_for(self, events: AbstractSet[str]) -> bool:
        """Whether any of the messages is a track of one of these events."""
        return not self._events.isdisjoint(events)


def _span(instants: Sequence[datetime]) -> tuple[datetime | None, datetime | None]:
    """The first and the last; all messages of a batch mostly arrive at one instant."""
    if instants and is_uniform(instants):
        return instants[0], instants[0]
    return min(instants, default=None), max(instants, default=None)


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
        for user_id, anonymous_id in mentioned.claims:
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


def needs_split(messages: Sequence[Message], settings: Settings) -> bool:
    """Whether any of the messages is a part of its own."""
    names, types = {each.name for each in messages}, {each.type for each in messages}
    if _ALIAS not in types and names.isdisjoint(settings.registry.erasing):
        return False
    return any(stands_alone(message, settings) for message in messages)


def stands_alone(message: Message, settings: Settings) -> bool:
    """Whether a message is a part of its own: it may merge two persons, or erases one."""
    return message.type is _ALIAS or erases(message, settings)


def erases(message: Message, settings: Settings) -> bool:
    """Whether a message asks for a person to be erased."""
    return message.type is _TRACK and message.name in settings.registry.erasing


def matches_with(
    matches: Mapping[MessageName, TriggerMatch], messages: Iterable[Message], index: RuleIndex
) -> Mapping[MessageName, TriggerMatch]:
    """What messages of some names do, and of the names of these messages."""
    names = {(message.type, message.name) for message in messages}
    return {**matches, **{name: index.trigger_match(*name) for name in names}}


def slots_of(
    messages: Iterable[Message], matches: Mapping[MessageName, TriggerMatch]
) -> set[str] | None:
    """The slots of the keys that messages ask for; None where one of them cannot be read."""
    keyed = {name: keys for name, match in matches.items() if (keys := match.entry_window.keys)}
    slots: set[str] = set()
    if not keyed:
        return slots
    paths = {name: {*keys.values()} for name, keys in keyed.items()}
    for message in messages:
        asked_for = paths.get((message.type, message.name))
        if not asked_for:
            continue
        try:
            data = {"properties": message.data, "context": message.context}
            asked = {slot_at(path, data) for path in asked_for}
        except Exception:  # noqa: BLE001 - deciding meets it too, and says in which message
            return None
        slots.update(slot for slot in asked if slot is not None)
    return slots
