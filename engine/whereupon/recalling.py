"""Load: what a batch touches and may ask about, read from the store in a fixed number of rounds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from whereupon.fold import Loaded, Settings
from whereupon.identity import claimant, claimed_by
from whereupon.matching import RuleIndex, Watch
from whereupon.messages import Message, MessageType
from whereupon.ports import HistoryNeed, Session
from whereupon.rules import Once, OncePer, OncePerKey, Rule
from whereupon.state import BroadcastRun, Claim, Entry, IdKind, Person
from whereupon.times import earlier
from whereupon.wordings import Wordings

DUE_LIMIT = 1_000
"""Waiting entries woken in one transaction."""


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


@dataclass(slots=True)
class Touched:
    """What a batch touches, found out while it is loaded.

    Attributes:
        late: where messages come after their claim: how far back it may have let somebody in.
        needs: by owner and event name, from when on the past is asked about (None: all of it).
    """

    person_keys: set[int] = field(default_factory=set)
    names: set[tuple[MessageType, str]] = field(default_factory=set)
    rules: dict[str, Rule] = field(default_factory=dict)
    oldest: datetime | None = None
    late: timedelta | None = None
    needs: dict[tuple[int, str], datetime | None] = field(default_factory=dict)

    def ask(self, owner: int, watch: Watch, moment: datetime) -> None:
        """Note what somebody's past is asked about, as seen from a moment."""
        for name, span in watch.items():
            since = None if span is None else earlier(moment, span)
            known = self.needs.get((owner, name), since)
            self.needs[owner, name] = None if since is None or known is None else min(since, known)


class Recall:
    """Reads for one batch, in its transaction."""

    def __init__(
        self, session: Session, index: RuleIndex, settings: Settings, wordings: Wordings
    ) -> None:
        self._session = session
        self._index = index
        self._settings = settings
        self._wordings = wordings

    def for_batch(self, messages: Sequence[Message], until: datetime | None) -> Loaded:
        """All that folding the messages, and waking what is due by ``until``, may ask for."""
        loaded = Loaded(0, 0)
        touched = Touched()
        if messages:
            loaded.known = self._session.known_messages(
                [message.message_id for message in messages]
            )
            self._load_identifiers(loaded, messages)
            self._load_claims(loaded, touched, messages)
            self._load_tombstones(loaded, messages)
        due = self._session.due_entries(until, DUE_LIMIT) if until is not None else []
        touched.person_keys.update(loaded.users.values())
        touched.person_keys.update(entry.person_key for entry in due)
        self._plan(loaded, touched, messages, until)
        self._load_past(loaded, touched)
        return loaded

    def _load_identifiers(self, loaded: Loaded, messages: Sequence[Message]) -> None:
        user_ids = {message.user_id for message in messages if message.user_id is not None}
        anonymous_ids = {m.anonymous_id for m in messages if m.anonymous_id is not None}
        previous = {m.target_id for m in messages if m.type is MessageType.ALIAS and m.target_id}
        for known in self._session.identifiers(user_ids | previous, anonymous_ids | previous):
            if known.kind is IdKind.USER:
                loaded.users[known.value] = known.key
            else:
                loaded.anonymous[known.value] = known.key
        if erasing(messages, self._settings):
            erased = {
                loaded.users[message.user_id]
                for message in messages
                if message.user_id in loaded.users and erases(message, self._settings)
            }
            loaded.identifiers_of = self._session.identifiers_of(erased)
            for known in loaded.identifiers_of:
                if known.kind is IdKind.ANONYMOUS:
                    loaded.anonymous[known.value] = known.key

    def _load_claims(self, loaded: Loaded, touched: Touched, messages: Sequence[Message]) -> None:
        if not loaded.anonymous:
            return
        runs: dict[int, list[Claim]] = defaultdict(list)
        for claim in self._session.claims(loaded.anonymous.values()):
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
        if claiming:
            oldest = min(message.timestamp for _, message in claiming)
            since = earlier(oldest, self._settings.identity.retention)
            for stored in self._session.owned_messages({key for key, _ in claiming}, since):
                loaded.anonymous_messages.setdefault(stored.owner, []).append(stored)
        if loaded.claims:
            self._load_claimed(loaded, touched, claiming, messages)

    def _load_claimed(
        self,
        loaded: Loaded,
        touched: Touched,
        claiming: Sequence[tuple[int, Message]],
        messages: Sequence[Message],
    ) -> None:
        """What was claimed already, and by which claims, where the batch asks about it."""
        sought = _Sought()
        self._seek_out_of_order(sought, loaded, claiming)
        if self._index.takes_one:
            self._seek_brought_before(sought, loaded, messages)
            touched.late = self._settings.identity.reach if sought.late else None
        for key, (since, owners) in sought.places.items():
            for stored in self._session.owned_messages(owners, since):
                if loaded.anonymous.get(stored.anonymous_id or "") == key and not stored.user_id:
                    loaded.anonymous_messages.setdefault(key, []).append(stored)
                elif any(loaded.anonymous.get(name) == key for name in claimed_by(stored)):
                    at, by = stored.timestamp, stored.message_id
                    loaded.points.setdefault(key, []).append(Claim(key, stored.owner, at, at, by))

    def _seek_out_of_order(
        self, sought: _Sought, loaded: Loaded, claiming: Sequence[tuple[int, Message]]
    ) -> None:
        """What claims by others took already that one of these, being earlier, may be due."""
        for key, message in claiming:
            claimant = loaded.users.get(message.user_id or "")
            later = [
                run
                for run in loaded.claims.get(key, ())
                if run.person_key != claimant and run.until >= message.timestamp
            ]
            if later:
                reach = earlier(message.timestamp, self._settings.identity.retention)
                since = min(reach, *(run.since for run in later))
                sought.add(key, since, {run.person_key for run in later})

    def _seek_brought_before(
        self, sought: _Sought, loaded: Loaded, messages: Sequence[Message]
    ) -> None:
        """What a claim brought before one of these, for rules that take only one of it."""
        policy = self._settings.identity
        for message in messages:
            if message.user_id is not None:
                continue
            key = loaded.anonymous.get(message.anonymous_id or "", 0)
            if not (runs := loaded.claims.get(key)):
                continue
            run = claimant(runs, message.timestamp, policy)
            if run is not None and self._index.asks_for_one(message.type, message.name):
                sought.add(key, earlier(message.timestamp, policy.reach), {run.person_key})
                sought.late = True

    def _load_tombstones(self, loaded: Loaded, messages: Sequence[Message]) -> None:
        loaded.has_tombstones = self._session.has_tombstones()
        if not loaded.has_tombstones:
            return
        digest = self._settings.digest
        named = [(IdKind.USER, m.user_id) for m in messages]
        named += [(IdKind.ANONYMOUS, m.anonymous_id) for m in messages]
        named += [(IdKind.USER, m.target_id) for m in messages if m.type is MessageType.ALIAS]
        named += [(known.kind, known.value) for known in loaded.identifiers_of]
        digests = {digest(kind, value) for kind, value in named if value is not None}
        loaded.tombstones = self._session.tombstones(digests)
        lifting = self._settings.registry.lifting
        lifted = {digest(IdKind.USER, m.user_id or "") for m in messages if m.name in lifting}
        if lifted:
            loaded.tombstones += self._session.buried_with(lifted)

    def _plan(
        self,
        loaded: Loaded,
        touched: Touched,
        messages: Sequence[Message],
        until: datetime | None,
    ) -> None:
        """Which rules the batch may lead to, and what they ask of whose past."""
        waiting = [stored for of_one in loaded.anonymous_messages.values() for stored in of_one]
        moments = [m.timestamp for m in messages] + [stored.timestamp for stored in waiting]
        touched.oldest = min(moments, default=until)
        touched.names = {(m.type, m.name) for m in messages} | {(s.type, s.name) for s in waiting}
        watches = {name: watch for name in touched.names if (watch := self._index.watch_for(*name))}
        if watches:
            self._ask_of_the_past(loaded, touched, messages, watches)
        for rule in self._index.reachable(touched.names):
            touched.rules[rule.id] = rule

    def _ask_of_the_past(
        self,
        loaded: Loaded,
        touched: Touched,
        messages: Sequence[Message],
        watches: Mapping[tuple[MessageType, str], Watch],
    ) -> None:
        kinship = _Kinship(loaded, messages)
        for message in messages:
            watch = watches.get((message.type, message.name))
            for owner in kinship.owners(message) if watch else ():
                touched.ask(owner, watch or {}, message.timestamp)
        for key, waiting in loaded.anonymous_messages.items():
            claimants = kinship.claimants(key)
            for stored in waiting:
                watch = watches.get((stored.type, stored.name))
                for owner in claimants if watch else ():
                    touched.ask(owner, watch or {}, stored.timestamp)

    def for_audience(self, persons: Sequence[Person], rule: Rule, moment: datetime) -> Loaded:
        """What a broadcast's `who` may ask of these persons."""
        loaded = Loaded(0, 0)
        loaded.persons = {person.key: person for person in persons}
        touched = Touched()
        watch = self._index.watch_of([rule]) if rule.who.performed else {}
        for key in loaded.persons if watch else ():
            touched.ask(key, watch, moment)
        self._load_history(loaded, touched)
        return loaded

    def without_entrants(self, persons: Sequence[Person], run: BroadcastRun) -> list[Person]:
        """The persons without those who entered this run already: as one who was merged into them."""
        keys = {person.key for person in persons}
        past = self._session.past_entries([run.rule], keys, run.timestamp)
        there = {entry.person_key for entry in past if entry.occasion == run.occasion}
        return [person for person in persons if person.key not in there]

    def for_entering(self, persons: Sequence[Person], rule: Rule, moment: datetime) -> Loaded:
        """What may be asked when these persons enter a broadcast, and what its steps lead to."""
        loaded = Loaded(0, 0)
        loaded.persons = {person.key: person for person in persons}
        loaded.wordings[rule.digest] = rule
        touched = Touched(set(loaded.persons), oldest=moment)
        led_to, watch = self._index.led_to_by(rule)
        touched.rules = {found.id: found for found in led_to}
        for key in loaded.persons:
            touched.ask(key, watch, moment)
        self._load_past(loaded, touched)
        return loaded

    def _load_past(self, loaded: Loaded, touched: Touched) -> None:
        keys = touched.person_keys
        if not keys:
            return
        if not loaded.persons:
            loaded.persons = {person.key: person for person in self._session.persons(keys)}
        loaded.active = self._session.active_entries(keys)
        for entry in loaded.active:
            self._plan_entry(loaded, touched, entry)
        due = [entry.due_at for entry in loaded.active if entry.due_at is not None]
        if touched.oldest is not None:
            touched.oldest = min([touched.oldest, *due])
        loaded.users |= {person.user_id: key for key, person in loaded.persons.items()}
        self._load_past_entries(loaded, touched)
        self._load_history(loaded, touched)

    def _load_history(self, loaded: Loaded, touched: Touched) -> None:
        needs = [HistoryNeed(o, frozenset({n}), at) for (o, n), at in touched.needs.items()]
        if needs:
            loaded.history = self._session.history(needs)

    def _load_past_entries(self, loaded: Loaded, touched: Touched) -> None:
        """Earlier entries, as far as re-entry asks; those still running are loaded anyway."""
        ever: list[str] = []
        lately: dict[str, timedelta] = {}
        for rule in touched.rules.values():
            if isinstance(rule.reentry, Once | OncePerKey):
                ever.append(rule.id)
            elif isinstance(rule.reentry, OncePer):
                lately[rule.id] = rule.reentry.period
            if touched.late is not None and rule.retroactive.takes_one and rule.id not in ever:
                lately[rule.id] = max(touched.late, lately.get(rule.id, touched.late))
        if ever:
            loaded.past_entries += self._session.past_entries(ever, touched.person_keys)
        if lately and touched.oldest is not None:
            since = earlier(touched.oldest, max(lately.values()))
            loaded.past_entries += self._session.past_entries(lately, touched.person_keys, since)

    def _plan_entry(self, loaded: Loaded, touched: Touched, entry: Entry) -> None:
        rule = self._wordings.rule_of(self._session, entry.rule, entry.digest)
        if rule is None:
            return
        loaded.wordings[entry.digest] = rule
        led_to, watch = self._index.led_to_by(rule)
        for found in led_to:
            if found.id in self._index.by_id:  # as worded now: that is what will be decided
                touched.rules[found.id] = self._index.by_id[found.id]
        if watch and entry.due_at is not None:
            touched.ask(entry.person_key, watch, entry.timestamp)


def erasing(messages: Sequence[Message], settings: Settings) -> bool:
    """Whether any of the messages asks for a person to be erased."""
    names = {message.name for message in messages}
    return not names.isdisjoint(settings.registry.erasing) and any(
        erases(message, settings) for message in messages
    )


def erases(message: Message, settings: Settings) -> bool:
    """Whether a message asks for a person to be erased."""
    return message.type is MessageType.TRACK and message.name in settings.registry.erasing


class _Kinship:
    """Whose the messages may be once the batch's own claims and aliases have been folded."""

    def __init__(self, loaded: Loaded, messages: Sequence[Message]) -> None:
        self._users = loaded.users
        self._anonymous = loaded.anonymous
        self._together: dict[int | str, set[int | str]] = {}
        self._claimants: dict[int | str, set[int | str]] = defaultdict(set)
        for anonymous_key, runs in loaded.claims.items():
            self._claimants[anonymous_key].update(run.person_key for run in runs)
        for user_id, anonymous_id in {(m.user_id, m.anonymous_id) for m in messages}:
            if user_id is not None and anonymous_id is not None:
                self._claim(anonymous_id, self._users.get(user_id, user_id))
        for message in messages:
            if message.type is MessageType.ALIAS:
                self._relate(message.user_id or "", message.target_id or "")

    def owners(self, message: Message) -> set[int]:
        """The known persons whose the message may be."""
        if message.user_id is not None:
            return self._known({self._users.get(message.user_id, message.user_id)})
        anonymous_id = message.anonymous_id or ""
        return self.claimants(self._anonymous.get(anonymous_id, anonymous_id))

    def claimants(self, anonymous: int | str) -> set[int]:
        """The known persons who claim an anonymous id, given by its key, or itself if it is new."""
        return self._known(self._claimants.get(anonymous, set()))

    def _relate(self, user_id: str, previous_id: str) -> None:
        person = self._users.get(user_id, user_id)
        self._claim(previous_id, person)
        other = self._users.get(previous_id, previous_id)
        one = self._together.get(person, {person}) | self._together.get(other, {other})
        self._together.update(dict.fromkeys(one, one))

    def _claim(self, anonymous_id: str, person: int | str) -> None:
        self._claimants[self._anonymous.get(anonymous_id, anonymous_id)].add(person)

    def _known(self, persons: set[int | str]) -> set[int]:
        together = {other for one in persons for other in self._together.get(one, (one,))}
        return {key for key in together if isinstance(key, int)}
