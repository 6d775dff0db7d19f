"""What a batch mentions, and which of its messages split it into parts."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from typing import TypeAlias
from unicodedata import normalize

from whereupon.decide import Settings, Snapshot
from whereupon.decide.reentry import slot_at
from whereupon.matching import RuleIndex, TriggerMatch
from whereupon.messages.model import Message, MessageType, SenderClass, ref_of
from whereupon.records import MessageName

SMALL_BATCH = 20
"""Messages of a batch whose user ids are also looked up as they may be spelt otherwise."""

_ALIAS, _TRACK = MessageType.ALIAS, MessageType.TRACK  # looked up slowly, as of every enumeration
_SERVER = SenderClass.SERVER
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    *(str.lower, str.upper, str.capitalize),
    *(partial(normalize, form) for form in ("NFC", "NFD", "NFKC")),
)
Sender: TypeAlias = tuple[str | None, str | None]
"""Whose a message is: a user id, and an anonymous id."""


class BatchKeys:
    """What a batch mentions.

    Attributes:
        refs: what stands for every message (see `ref_of`).
        matches: by the type and name of every message, what the messages do.
        user_ids: every user id, and every previous id, which may be one.
        anonymous_ids: every anonymous id, and every previous id, which may be one.
        claims: the user id and the anonymous id of every claim, aliases included.
        aliases: the user id and previous id of every alias.
        watching: of the messages that may make rules ask about the past, by type and name, then by sender: when the
            first happened.
        takes_one: the anonymous ones of which some rule takes only one that a claim brings.
        oldest: when the first of them happened.
        first, last: when the first and the last of them arrived.

    Args:
        persons: user ids beside those of the messages.
    """

    __slots__ = (
        *("aliases", "anonymous_ids", "claims", "first", "last", "matches", "oldest", "refs"),
        *("takes_one", "user_ids", "watching", "_events", "_messages", "_users"),
    )

    def __init__(
        self, messages: Sequence[Message], index: RuleIndex, persons: Iterable[str] = ()
    ) -> None:
        refs: list[str] = []
        users: set[str] = set(persons)
        devices: set[str] = set()
        claims: set[tuple[str, str]] = set()
        self.matches: dict[MessageName, TriggerMatch] = {}
        watched: dict[MessageName, dict[Sender, datetime]] = {}
        self.watching = watched
        types: dict[str, MessageType] = {}  # of a name the last: to hash both costs more
        for message in messages:
            id_, source, user = message.message_id, message.source, message.user_id
            refs.append(id_ if source is _SERVER else ref_of(id_, source))
            if user is not None:
                users.add(user)
            device = message.anonymous_id
            if device is not None:
                devices.add(device)
                if user and device:
                    claims.add((user, device))
            type_, name = message.type, message.name
            if types.get(name) is not type_:
                types[name] = type_
                self._match((type_, name), index)
            if watched and (theirs := watched.get((type_, name))) is not None:
                sender, at = (user, device), message.timestamp
                if theirs.setdefault(sender, at) > at:
                    theirs[sender] = at
        self._messages = messages
        self.refs, self.claims = refs, claims
        self._users = self.user_ids = users
        self.anonymous_ids = devices
        self.oldest, self.first, self.last = _span(messages)
        self._add_aliases()
        self._ask()

    def _match(self, named: MessageName, index: RuleIndex) -> None:
        """Find what messages of a type and name do; mostly the first such message asks."""
        if named not in self.matches:
            match = self.matches[named] = index.trigger_match(*named)
            if match.history_window:
                self.watching[named] = {}

    def _add_aliases(self) -> None:
        """Add the aliases, which are claims, too."""
        self.aliases: set[tuple[str, str]] = set()
        if (_ALIAS, "") not in self.matches:
            return
        aliases = [message for message in self._messages if message.type is _ALIAS]
        self.aliases.update((m.user_id or "", m.target_id or "") for m in aliases)
        previous = {previous_id for _, previous_id in self.aliases}
        self.claims |= self.aliases
        self.user_ids = self._users | previous
        self.anonymous_ids |= previous

    def _ask(self) -> None:
        """Find the messages of which rules ask more than others."""
        self._events: set[str] = set()
        self.takes_one: list[Message] = []
        takes_one: set[MessageName] = set()
        for named, match in self.matches.items():
            if named[0] is _TRACK:
                self._events.add(named[1])
            if match.take_one_rules:
                takes_one.add(named)
        if takes_one:
            self.takes_one += [
                m for m in self._messages if m.user_id is None and (m.type, m.name) in takes_one
            ]

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
        if not anonymous:
            return {}
        said = [(name, m) for m in self._messages if (name := m.anonymous_id) in anonymous]
        if self.aliases:
            aliases = (m for m in self._messages if m.type is _ALIAS)
            said += [(name, m) for m in aliases if (name := m.target_id) in anonymous]
        found: dict[str | None, tuple[datetime, datetime]] = {}
        for name, message in said:
            at, span = message.timestamp, found.get(name)
            if span is None:
                found[name] = at, at
            elif at > span[1]:
                found[name] = span[0], at
            elif at < span[0]:
                found[name] = at, span[1]
        return {key: found[name] for name, key in anonymous.items() if name in found}

    def asks_for(self, events: AbstractSet[str]) -> bool:
        """Whether any of the messages is a track of one of these events."""
        return not self._events.isdisjoint(events)


def _span(
    messages: Sequence[Message],
) -> tuple[datetime | None, datetime | None, datetime | None]:
    """When the first of the messages happened, and when the first and the last of them arrived."""
    if not messages:
        return None, None, None
    oldest, first = messages[0].timestamp, messages[0].received_at
    last = first
    for message in messages:
        at, arrived = message.timestamp, message.received_at
        if at < oldest:  # noqa: PLR1730 - a call of `min` costs more
            oldest = at
        if arrived is last:  # mostly they arrive at one instant, or one after another
            continue
        if arrived > last:
            last = arrived
        elif arrived < first:
            first = arrived
    return oldest, first, last


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
    erasing = settings.registry.erasing
    for message in messages:
        if message.name in erasing or message.type is _ALIAS:
            return any(stands_alone(each, settings) for each in messages)
    return False


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
    names = {name for _, name in paths}
    for message in messages:
        if message.name not in names:  # as of most messages
            continue
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
