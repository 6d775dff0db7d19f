"""Load, fold, flush: the one way of a batch, whoever sends it (design §2).

A batch costs a fixed number of rounds with the store, however many messages it has. Everything
happens in the session that the caller opened; nothing is dispatched here.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from whereupon.codec import decode
from whereupon.fold import Folded, KeysExhausted, Loaded, Settings, broadcast_chunk, fold
from whereupon.identity import claimed_by
from whereupon.matching import RuleIndex, Watch, remembers
from whereupon.messages import Message, MessageType
from whereupon.ports import HistoryNeed, Session
from whereupon.rulefiles import rule_from_source
from whereupon.rules import Rule
from whereupon.semantics import ERASING
from whereupon.state import BroadcastRun, Claim, Entry, IdKind
from whereupon.times import earlier

DUE_LIMIT = 1_000
"""Waiting entries woken in one transaction."""

AUDIENCE_CHUNK = 1_000
"""Persons of a broadcast's audience in one transaction."""


@dataclass(slots=True)
class _Touched:
    """What a batch touches, found out while it is loaded."""

    person_keys: set[int] = field(default_factory=set)
    names: set[tuple[MessageType, str]] = field(default_factory=set)
    rules: dict[str, Rule] = field(default_factory=dict)
    needs: dict[int, list[tuple[Watch, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )


class Pipeline:
    """A rulebook and settings, ready to take batches. Holds nothing of any person."""

    def __init__(self, index: RuleIndex, settings: Settings) -> None:
        self.index = index
        self.settings = settings
        self._written: set[str] = set()
        self._old_wordings: dict[str, Rule | None] = {}

    def take(
        self, session: Session, messages: Sequence[Message], *, until: datetime | None = None
    ) -> Folded:
        """Take a batch of messages, in the order they arrived.

        Args:
            until: also wake the entries that are due by then (at most `DUE_LIMIT`), each in its turn
                between the messages.
        """
        parts = self._parts(messages)
        whole = self._take_part(session, parts[0], until if len(parts) == 1 else None)
        for part in parts[1:]:
            whole.join(self._take_part(session, part, until if part is parts[-1] else None))
        return whole

    def _parts(self, messages: Sequence[Message]) -> list[Sequence[Message]]:
        """Messages that erase somebody apart from the others: what these make is then stored, so
        that it is found wherever it is, and erased. They are few; a batch without any is one part.
        """
        if not any(self._erases(message) for message in messages):
            return [messages]
        return [list(part) for _, part in groupby(messages, self._erases)]

    def _take_part(
        self, session: Session, messages: Sequence[Message], until: datetime | None
    ) -> Folded:
        loaded = self._load(session, messages, until)
        return self._fold(
            session,
            loaded,
            64 + 12 * len(messages) + 4 * len(loaded.active),
            lambda: fold(loaded, messages, self.index, self.settings, until=until),
        )

    def send(self, session: Session, run: BroadcastRun) -> Folded:
        """Let the next chunk of a broadcast's audience in."""
        rule = self._rule_of(session, run.rule, run.digest)
        audience = session.persons_after(run.cursor or 0, AUDIENCE_CHUNK)
        last = len(audience) < AUDIENCE_CHUNK
        touched = _Touched({person.key for person in audience})
        loaded = Loaded(0, 0)
        loaded.persons = {person.key: person for person in audience}
        loaded.users = {person.user_id: person.key for person in audience}
        if rule is not None:
            loaded.wordings[rule.digest] = rule
            touched.rules = {found.id: found for found in self.index.led_to_by(rule)}
            watch = self.index.watch_of(list(touched.rules.values()))
            for person in audience:
                touched.needs[person.key].append((watch, run.timestamp))
        self._load_past(session, loaded, touched)
        return self._fold(
            session,
            loaded,
            64 + 8 * len(audience),
            lambda: broadcast_chunk(
                loaded, run, rule, audience, self.index, self.settings, last=last
            ),
        )

    def _fold(
        self, session: Session, loaded: Loaded, keys: int, attempt: Callable[[], Folded]
    ) -> Folded:
        while True:
            loaded.first_key, loaded.keys = session.allocate(keys), keys
            try:
                folded = attempt()
            except KeysExhausted:
                keys *= 4
                continue
            break
        wordings = folded.changes.wordings
        for digest in wordings.keys() & self._written:
            del wordings[digest]
        session.flush(folded.changes)
        return folded

    def committed(self, folded: Folded) -> None:
        """Note that a batch is committed, so that rules' wordings are written once."""
        self._written |= folded.changes.wordings.keys()

    # --- load ---------------------------------------------------------------------------------

    def _load(
        self, session: Session, messages: Sequence[Message], until: datetime | None
    ) -> Loaded:
        loaded = Loaded(0, 0)
        touched = _Touched()
        if messages:
            loaded.known = session.known_messages([message.message_id for message in messages])
            self._load_identifiers(session, loaded, messages)
            self._load_claims(session, loaded, touched, messages)
            self._load_tombstones(session, loaded, messages)
        due = session.due_entries(until, DUE_LIMIT) if until is not None else []
        touched.person_keys.update(loaded.users.values())
        touched.person_keys.update(entry.person_key for entry in due)
        self._plan(loaded, touched, messages)
        self._load_past(session, loaded, touched)
        return loaded

    def _load_identifiers(
        self, session: Session, loaded: Loaded, messages: Sequence[Message]
    ) -> None:
        user_ids = {message.user_id for message in messages if message.user_id is not None}
        anonymous_ids = {m.anonymous_id for m in messages if m.anonymous_id is not None}
        previous = {m.target_id for m in messages if m.type is MessageType.ALIAS and m.target_id}
        for known in session.identifiers(user_ids | previous, anonymous_ids | previous):
            if known.kind is IdKind.USER:
                loaded.users[known.value] = known.key
            else:
                loaded.anonymous[known.value] = known.key
        erased = {
            loaded.users[message.user_id]
            for message in messages
            if message.user_id in loaded.users and self._erases(message)
        }
        if erased:
            loaded.identifiers_of = session.identifiers_of(erased)
            for known in loaded.identifiers_of:
                if known.kind is IdKind.ANONYMOUS:
                    loaded.anonymous[known.value] = known.key

    def _erases(self, message: Message) -> bool:
        if message.type is not MessageType.TRACK:
            return False
        action = self.settings.registry.action_for(message.name)
        return action is not None and action.name in ERASING

    def _load_claims(
        self, session: Session, loaded: Loaded, touched: _Touched, messages: Sequence[Message]
    ) -> None:
        if not loaded.anonymous:
            return
        runs: dict[int, list[Claim]] = defaultdict(list)
        for claim in session.claims(loaded.anonymous.values()):
            runs[claim.anonymous_key].append(claim)
            touched.person_keys.add(claim.person_key)
        loaded.claims = {key: tuple(of_one) for key, of_one in runs.items()}
        claiming = [
            (loaded.anonymous[anonymous_id], message)
            for message in messages
            if message.user_id is not None
            for anonymous_id in (message.anonymous_id, message.target_id)
            if anonymous_id in loaded.anonymous
        ]
        if not claiming:
            return
        oldest = min(message.timestamp for _, message in claiming)
        since = earlier(oldest, self.settings.identity.retention)
        for stored in session.owned_messages({key for key, _ in claiming}, since):
            loaded.anonymous_messages.setdefault(stored.owner, []).append(stored)
        self._load_out_of_order(session, loaded, claiming)

    def _load_out_of_order(
        self, session: Session, loaded: Loaded, claiming: Sequence[tuple[int, Message]]
    ) -> None:
        """What claims by others took already that one of these, being earlier, may be due."""
        sought: dict[int, tuple[datetime, set[int]]] = {}
        for key, message in claiming:
            claimant = loaded.users.get(message.user_id or "")
            later = [
                run
                for run in loaded.claims.get(key, ())
                if run.person_key != claimant and run.until > message.timestamp
            ]
            if later:
                reach = earlier(message.timestamp, self.settings.identity.retention)
                since, owners = sought.get(key, (reach, set()))
                since = min(since, reach, *(run.since for run in later))
                sought[key] = since, owners | {run.person_key for run in later}
        for key, (since, owners) in sought.items():
            for stored in session.owned_messages(owners, since):
                if loaded.anonymous.get(stored.anonymous_id or "") == key and not stored.user_id:
                    loaded.anonymous_messages.setdefault(key, []).append(stored)
                elif any(loaded.anonymous.get(name) == key for name in claimed_by(stored)):
                    loaded.moments.setdefault(key, []).append(stored.timestamp)

    def _load_tombstones(
        self, session: Session, loaded: Loaded, messages: Sequence[Message]
    ) -> None:
        loaded.has_tombstones = session.has_tombstones()
        if not loaded.has_tombstones:
            return
        digest = self.settings.digest
        named = [(IdKind.USER, m.user_id) for m in messages]
        named += [(IdKind.ANONYMOUS, m.anonymous_id) for m in messages]
        named += [(known.kind, known.value) for known in loaded.identifiers_of]
        digests = {digest(kind, value) for kind, value in named if value is not None}
        loaded.tombstones = {stone.digest: stone for stone in session.tombstones(digests)}

    def _plan(self, loaded: Loaded, touched: _Touched, messages: Sequence[Message]) -> None:
        """Which rules the batch may lead to, and what they ask of whose past."""
        kinship = _Kinship(loaded, messages) if self.index.counted_names else None
        for message in messages:
            touched.names.add((message.type, message.name))
            watch = self.index.watch_for(message.type, message.name)
            if kinship is not None and watch.names:
                for owner in kinship.owners(message):
                    touched.needs[owner].append((watch, message.timestamp))
        for key, waiting in loaded.anonymous_messages.items():
            claimants = kinship.claimants(key) if kinship is not None else ()
            for stored in waiting:
                touched.names.add((stored.type, stored.name))
                watch = self.index.watch_for(stored.type, stored.name)
                for owner in claimants if watch.names else ():
                    touched.needs[owner].append((watch, stored.timestamp))
        for rule in self.index.reachable(touched.names):
            touched.rules[rule.id] = rule

    def _load_past(self, session: Session, loaded: Loaded, touched: _Touched) -> None:
        keys = touched.person_keys
        if not keys:
            return
        if not loaded.persons:
            loaded.persons = {person.key: person for person in session.persons(keys)}
        loaded.active = session.active_entries(keys)
        for entry in loaded.active:
            self._plan_entry(session, loaded, touched, entry)
        loaded.users |= {person.user_id: key for key, person in loaded.persons.items()}
        remembering = [rule.id for rule in touched.rules.values() if remembers(rule)]
        if remembering:
            loaded.past_entries = session.past_entries(remembering, keys)
        needs = [_need(owner, watches) for owner, watches in touched.needs.items()]
        if needs:
            loaded.history = session.history(needs)

    def _plan_entry(
        self, session: Session, loaded: Loaded, touched: _Touched, entry: Entry
    ) -> None:
        rule = self._rule_of(session, entry.rule, entry.digest)
        if rule is None:
            return
        loaded.wordings[entry.digest] = rule
        led_to = self.index.led_to_by(rule)
        touched.rules |= {found.id: found for found in led_to if found.id in self.index.by_id}
        watch = self.index.watch_of(led_to)
        if watch.names and entry.due_at is not None:
            touched.needs[entry.person_key].append((watch, entry.timestamp))

    def _rule_of(self, session: Session, rule_id: str, digest: str) -> Rule | None:
        """The rule as worded by that digest; None when the rulebook has no rule of that id."""
        if rule_id not in self.index.by_id:
            return None
        if digest in self.index.by_digest:
            return self.index.by_digest[digest]
        if digest not in self._old_wordings:
            wording = read_wording(session.wording(digest))
            if wording is not None:
                self.index.learn(wording)
            self._old_wordings[digest] = wording
        return self._old_wordings[digest]


def read_wording(stored: bytes | None) -> Rule | None:
    """A rule from its stored wording (see `Working.close`); None where none was stored."""
    if stored is None:
        return None
    wording = decode(stored)
    if not isinstance(wording, dict):
        return None
    source, segments = wording.get("rule"), wording.get("segments")
    if not isinstance(source, dict) or not isinstance(segments, dict):
        return None
    return rule_from_source(source, segments)


class _Kinship:
    """Whose the messages may be once the batch's own claims and aliases have been folded."""

    def __init__(self, loaded: Loaded, messages: Sequence[Message]) -> None:
        self._users = loaded.users
        self._anonymous = loaded.anonymous
        self._together: dict[int | str, set[int | str]] = {}
        self._claimants: dict[int | str, set[int | str]] = defaultdict(set)
        for anonymous_key, runs in loaded.claims.items():
            self._claimants[anonymous_key].update(run.person_key for run in runs)
        for message in messages:
            if message.user_id is not None:
                self._relate(message, message.user_id)

    def owners(self, message: Message) -> set[int]:
        """The known persons whose the message may be."""
        if message.user_id is not None:
            return self._known({self._users.get(message.user_id, message.user_id)})
        anonymous_id = message.anonymous_id or ""
        return self.claimants(self._anonymous.get(anonymous_id, anonymous_id))

    def claimants(self, anonymous: int | str) -> set[int]:
        """The known persons who claim an anonymous id, given by its key, or itself if it is new."""
        return self._known(self._claimants.get(anonymous, set()))

    def _relate(self, message: Message, user_id: str) -> None:
        person = self._users.get(user_id, user_id)
        if message.anonymous_id is not None:
            self._claim(message.anonymous_id, person)
        if message.type is MessageType.ALIAS and message.target_id is not None:
            self._claim(message.target_id, person)
            other = self._users.get(message.target_id, message.target_id)
            one = self._together.get(person, {person}) | self._together.get(other, {other})
            self._together.update(dict.fromkeys(one, one))

    def _claim(self, anonymous_id: str, person: int | str) -> None:
        self._claimants[self._anonymous.get(anonymous_id, anonymous_id)].add(person)

    def _known(self, persons: set[int | str]) -> set[int]:
        together = {other for one in persons for other in self._together.get(one, (one,))}
        return {key for key in together if isinstance(key, int)}


def _need(owner: int, watches: Sequence[tuple[Watch, datetime]]) -> HistoryNeed:
    names = frozenset[str]().union(*(watch.names for watch, _ in watches))
    spans = [(watch.within, moment) for watch, moment in watches]
    if any(within is None for within, _ in spans):
        return HistoryNeed(owner, names, None)
    since = min(earlier(moment, within) for within, moment in spans if within is not None)
    return HistoryNeed(owner, names, since)
