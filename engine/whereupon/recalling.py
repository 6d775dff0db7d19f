"""Load: what a batch touches and may ask about, read from the store in a fixed number of rounds."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from whereupon.fold import Loaded, Part, Settings
from whereupon.identity import claimant, claimed_by
from whereupon.matching import Lookback, RuleIndex, Watch
from whereupon.messages import Message, MessageType
from whereupon.ports import HistoryNeed, Session
from whereupon.rules import Rule
from whereupon.standing import asks_for_something, standing_for
from whereupon.state import BroadcastRun, Claim, Entry, IdKind, Person, StoredMessage
from whereupon.times import LAST_INSTANT, earlier, later
from whereupon.wordings import Wordings

DUE_LIMIT = 1_000
"""Waiting entries woken in one transaction."""


CLAIM_PART = 300
"""Messages of one claim put to the rules in one transaction, where one message claims more."""


class UnfinishedClaimsError(Exception):
    """Claims that are not carried out yet come before what is asked.

    Attributes:
        keys: their anonymous keys.
    """

    def __init__(self, keys: Sequence[int]) -> None:
        self.keys = keys
        super().__init__(*keys)


class CrowdedError(Exception):
    """More entries come due among the messages than one batch wakes: wake some, or take fewer."""


class Survey:
    """What a batch mentions.

    Attributes:
        pairs: the user id and anonymous id of every message.
        names: the type and name of every message.
        aliases: the user id and previous id of every alias.
        watching: the messages that may make rules ask about the past.
        choosy: those of which some rule takes only one that a claim brings.
        oldest: when the first of them happened.
    """

    __slots__ = ("aliases", "choosy", "message_ids", "names", "oldest", "pairs", "watching")

    def __init__(self, messages: Sequence[Message], index: RuleIndex) -> None:
        columns = list(zip(*messages, strict=True)) or [()] * 7
        ids, types, names, users, anonymous, _, timestamps = columns[:7]
        self.message_ids: Sequence[str] = ids
        self.pairs: set[tuple[str | None, str | None]] = set(zip(users, anonymous, strict=True))
        self.names: set[tuple[MessageType, str]] = set(zip(types, names, strict=True))
        self.oldest: datetime | None = min(timestamps, default=None)
        self.aliases: set[tuple[str, str]] = set()
        if (MessageType.ALIAS, "") in self.names:
            aliases = (m for m in messages if m.type is MessageType.ALIAS)
            self.aliases = {(m.user_id or "", m.target_id or "") for m in aliases}
        watched = {name for name in self.names if index.meaning(*name).watch}
        self.watching = [m for m in messages if (m.type, m.name) in watched] if watched else []
        choosy = {name for name in self.names if index.meaning(*name).choosy}
        self.choosy = [m for m in messages if (m.type, m.name) in choosy] if choosy else []

    def user_ids(self) -> set[str]:
        """Every user id, and every previous id, which may be one."""
        ids = {user_id for user_id, _ in self.pairs if user_id is not None}
        return ids | {previous for _, previous in self.aliases}

    def anonymous_ids(self) -> set[str]:
        """Every anonymous id, and every previous id, which may be one."""
        ids = {anonymous_id for _, anonymous_id in self.pairs if anonymous_id is not None}
        return ids | {previous for _, previous in self.aliases}

    def claims(self) -> set[tuple[str, str]]:
        """The user id and the anonymous id of every claim, aliases included."""
        both = {(user, anonymous) for user, anonymous in self.pairs if user and anonymous}
        return both | self.aliases


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
        due: the entries to wake, where that is all there is to do.
        quiet: those whose entries only send as they are woken: nothing is decided about them.
        erased_unknown: user ids that are to be erased, though nobody has them yet.
        late: where messages come after their claim: how far back it may have let somebody in.
        spans: by rule, how far back earlier entries have a say (None: for ever).
        choosy: see `Lookback.choosy`.
        needs: by owner and event name, from when on the past is asked about (None: all of it).
    """

    person_keys: set[int] = field(default_factory=set)
    due: list[Entry] | None = None
    quiet: set[int] = field(default_factory=set)
    erased_unknown: set[str] = field(default_factory=set)
    spans: dict[str, timedelta | None] = field(default_factory=dict)
    choosy: set[str] = field(default_factory=set)
    oldest: datetime | None = None
    late: timedelta | None = None
    needs: dict[tuple[int, str], datetime | None] = field(default_factory=dict)

    def look_back(self, lookback: Lookback) -> None:
        """Note which earlier entries have a say; of one rule it is always the same."""
        self.spans.update(lookback.spans)
        self.choosy.update(lookback.choosy)

    def ask(self, owner: int, watch: Watch, moment: datetime) -> None:
        """Note what somebody's past is asked about, as seen from a moment."""
        for name, span in watch.items():
            since = None if span is None else earlier(moment, span)
            known = self.needs.get((owner, name), since)
            self.needs[owner, name] = None if since is None or known is None else min(since, known)


class Recall:
    """Reads for one batch, in its transaction.

    Args:
        claim_part: see `CLAIM_PART`.
    """

    def __init__(
        self,
        session: Session,
        index: RuleIndex,
        settings: Settings,
        wordings: Wordings,
        *,
        claim_part: int = CLAIM_PART,
    ) -> None:
        self._session = session
        self._index = index
        self._settings = settings
        self._wordings = wordings
        self._claim_part = claim_part

    def for_batch(
        self,
        messages: Sequence[Message],
        until: datetime | None,
        now: datetime | None = None,
        *,
        in_parts: bool = False,
    ) -> Loaded:
        """All that folding the messages, and waking what is due by ``until``, may ask for.

        Args:
            now: when what the messages ask for is judged, if not as they arrive.
            in_parts: a message that comes alone and claims many may leave them to later transactions.

        Raises:
            UnfinishedClaimsError: so did one of somebody whom the batch touches.
            CrowdedError: so many entries are due that waking them comes first.
        """
        survey = Survey(messages, self._index)
        loaded, touched = self._held(survey, messages, until)
        if messages:
            loaded.known = self._session.known_messages(survey.message_ids)
            may = in_parts and until is None and self._is_plain_claim(loaded, messages)
            self._load_claimed(loaded, touched, survey, messages, in_parts=may)
            self._load_tombstones(loaded, survey)
            if survey.aliases or asks_for_something(survey.names, self._settings):
                loaded.standing = standing_for(
                    self._session.ledger, self._settings, loaded, messages, now
                )
        self._plan(loaded, touched, survey, until)
        self._load_past(loaded, touched)
        return loaded

    def hold(self, messages: Sequence[Message], until: datetime | None) -> None:
        """Hold whom the messages touch, for a batch that is then taken in parts."""
        self._held(Survey(messages, self._index), messages, until)

    def for_part(self, anonymous_key: int) -> tuple[Loaded, Part] | None:
        """The next part of a claim, held; None when nothing of it is left."""
        found = self._session.claimings((), [anonymous_key])
        if not found:
            return None
        (own,) = self._session.messages([found[0].message_key])
        survey = Survey([own.message], self._index)
        loaded, touched = self._held(survey, [own.message], None, carrying_on=True)
        held = self._session.claimings((), [anonymous_key])
        if not held:  # somebody else was at it until now
            return None
        waiting = self._waiting(loaded, anonymous_key, held[0].after)
        loaded.anonymous_messages = {anonymous_key: waiting[: self._claim_part]}
        self._plan(loaded, touched, survey, None)
        self._load_past(loaded, touched)
        return loaded, Part(held[0], own, is_last=len(waiting) <= self._claim_part)

    def _waiting(
        self, loaded: Loaded, key: int, after: tuple[datetime, int]
    ) -> list[StoredMessage]:
        """The next that wait under an anonymous id, up to where its claims reach; one more than a part."""
        last = max(run.until for run in loaded.claims[key])
        until = later(last, self._settings.identity.late_window)
        return self._session.waiting_messages(key, after, until, self._claim_part + 1)

    def gate(self, person_keys: Collection[int], anonymous_keys: Collection[int] = ()) -> None:
        """Raise where claims by these, or of these, are to be carried out first."""
        if unfinished := self._session.claimings(person_keys, anonymous_keys):
            raise UnfinishedClaimsError([each.anonymous_key for each in unfinished])

    def gate_all(self) -> None:
        """Raise where anybody's claim is to be carried out first."""
        if unfinished := self._session.due_claimings(LAST_INSTANT, 1):
            raise UnfinishedClaimsError([each.anonymous_key for each in unfinished])

    def _held(
        self,
        survey: Survey,
        messages: Sequence[Message],
        until: datetime | None,
        *,
        carrying_on: bool = False,
    ) -> tuple[Loaded, Touched]:
        """Whom the batch touches, read until it is held, so that others can change it no more."""
        while True:
            loaded, touched = Loaded(0, 0), Touched()
            if messages:
                self._load_identifiers(loaded, touched, survey, messages)
                self._load_claims(loaded, touched)
            touched.person_keys.update(loaded.users.values())
            if until is not None:
                due = self._due(messages, until)
                touched.person_keys.update(entry.person_key for entry in due)
                touched.due = None if messages else due
            keys = touched.person_keys, loaded.anonymous.values()
            if not self._session.hold(*keys, touched.erased_unknown):
                break
        if not carrying_on:
            self.gate(*keys)
        return loaded, touched

    def _due(self, messages: Sequence[Message], until: datetime) -> list[Entry]:
        """What is due; where nothing else is to do, only what others are not at already."""
        if not messages:
            return self._session.take_due_entries(until, DUE_LIMIT)
        due = self._session.due_entries(until, DUE_LIMIT)
        if len(due) == DUE_LIMIT:
            raise CrowdedError
        return due

    def _load_identifiers(
        self, loaded: Loaded, touched: Touched, survey: Survey, messages: Sequence[Message]
    ) -> None:
        for known in self._session.identifiers(survey.user_ids(), survey.anonymous_ids()):
            if known.kind is IdKind.USER:
                loaded.users[known.value] = known.key
            else:
                loaded.anonymous[known.value] = known.key
        if erasing(messages, self._settings):
            named = {m.user_id for m in messages if m.user_id and erases(m, self._settings)}
            touched.erased_unknown = named - loaded.users.keys()
            persons = set(loaded.users.values())  # of all: who is merged here may be erased next
            loaded.identifiers_of = self._session.identifiers_of(persons)
            for known in loaded.identifiers_of:
                if known.kind is IdKind.ANONYMOUS:
                    loaded.anonymous[known.value] = known.key

    def _load_claims(self, loaded: Loaded, touched: Touched) -> None:
        if not loaded.anonymous:
            return
        runs: dict[int, list[Claim]] = defaultdict(list)
        for claim in self._session.claims(loaded.anonymous.values()):
            runs[claim.anonymous_key].append(claim)
            touched.person_keys.add(claim.person_key)
        loaded.claims = {key: tuple(of_one) for key, of_one in runs.items()}

    def _load_claimed(
        self,
        loaded: Loaded,
        touched: Touched,
        survey: Survey,
        messages: Sequence[Message],
        *,
        in_parts: bool,
    ) -> None:
        """The messages that the batch may claim, and those claimed already that it asks about."""
        claiming = {
            loaded.anonymous[anonymous_id]: anonymous_id
            for _, anonymous_id in survey.claims()
            if anonymous_id in loaded.anonymous
        }
        if claiming and survey.oldest is not None:
            since = earlier(survey.oldest, self._settings.identity.retention)
            waiting = self._claimable(claiming.keys(), since, in_parts=in_parts)
            loaded.in_parts = in_parts and len(waiting) > self._claim_part
            for stored in waiting:
                loaded.anonymous_messages.setdefault(stored.owner, []).append(stored)
        contested = {
            anonymous_id: key for key, anonymous_id in claiming.items() if key in loaded.claims
        }
        sought = _Sought()
        if contested:
            self._seek_out_of_order(sought, loaded, contested, messages)
        if loaded.claims and survey.choosy:
            self._seek_brought_before(sought, loaded, survey)
            touched.late = self._settings.identity.reach if sought.late else None
        self._load_sought(loaded, sought)

    def _is_plain_claim(self, loaded: Loaded, messages: Sequence[Message]) -> bool:
        """Whether it is one message, which claims one anonymous id and nothing that others claimed before."""
        message = messages[0]
        if len(messages) > 1 or message.type is MessageType.ALIAS or message.user_id is None:
            return False
        runs = loaded.claims.get(loaded.anonymous.get(message.anonymous_id or "", 0), ())
        known = loaded.users.get(message.user_id)
        return all(run.person_key == known or run.until < message.timestamp for run in runs)

    def _claimable(
        self, keys: Collection[int], since: datetime, *, in_parts: bool
    ) -> list[StoredMessage]:
        """What waits from an instant on; where it may be claimed in parts, as many as show whether it is."""
        if not in_parts:
            return self._session.owned_messages(keys, since)
        (key,) = keys
        return self._session.waiting_messages(key, (since, 0), LAST_INSTANT, self._claim_part + 1)

    def _load_sought(self, loaded: Loaded, sought: _Sought) -> None:
        """What was claimed already, and by which claims."""
        for key, (since, owners) in sought.places.items():
            for stored in self._session.owned_messages(owners, since):
                if loaded.anonymous.get(stored.anonymous_id or "") == key and not stored.user_id:
                    loaded.anonymous_messages.setdefault(key, []).append(stored)
                elif any(loaded.anonymous.get(name) == key for name in claimed_by(stored)):
                    at, by = stored.timestamp, stored.message_id
                    loaded.points.setdefault(key, []).append(Claim(key, stored.owner, at, at, by))

    def _seek_out_of_order(
        self,
        sought: _Sought,
        loaded: Loaded,
        contested: Mapping[str, int],
        messages: Sequence[Message],
    ) -> None:
        """What claims by others took already that one of these, being earlier, may be due.

        Args:
            contested: keys by anonymous id, of those that were claimed before and are claimed now.
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
            later = [
                run
                for run in loaded.claims[key]
                if run.person_key != claimant and run.until >= message.timestamp
            ]
            if later:
                reach = earlier(message.timestamp, self._settings.identity.retention)
                since = min(reach, *(run.since for run in later))
                sought.add(key, since, {run.person_key for run in later})

    def _seek_brought_before(self, sought: _Sought, loaded: Loaded, survey: Survey) -> None:
        """What a claim brought before a late message, for rules that take only one of it."""
        policy = self._settings.identity
        for message in survey.choosy:
            if message.user_id is not None:
                continue
            key = loaded.anonymous.get(message.anonymous_id or "", 0)
            run = claimant(loaded.claims.get(key, ()), message.timestamp, policy)
            if run is not None:
                sought.add(key, earlier(message.timestamp, policy.reach), {run.person_key})
                sought.late = True

    def _load_tombstones(self, loaded: Loaded, survey: Survey) -> None:
        loaded.has_tombstones = self._session.has_tombstones()
        if not loaded.has_tombstones:
            return
        digests_of = self._settings.digests
        named = [(IdKind.USER, user_id) for user_id in survey.user_ids()]
        named += [(IdKind.ANONYMOUS, anonymous_id) for anonymous_id in survey.anonymous_ids()]
        named += [(known.kind, known.value) for known in loaded.identifiers_of]
        named += [(IdKind.USER, previous_id) for _, previous_id in survey.aliases]
        digests = {digest for kind, value in named for digest in digests_of(kind, value)}
        loaded.tombstones = self._session.tombstones(digests)
        if not self._settings.registry.lifting.isdisjoint(name for _, name in survey.names):
            users = survey.user_ids()
            own = {digest for user in users for digest in digests_of(IdKind.USER, user)}
            loaded.tombstones += self._session.buried_with(own)

    def _plan(
        self, loaded: Loaded, touched: Touched, survey: Survey, until: datetime | None
    ) -> None:
        """Which rules the batch may lead to, and what they ask of whose past."""
        waiting = [stored for of_one in loaded.anonymous_messages.values() for stored in of_one]
        moments = [stored.timestamp for stored in waiting]
        if survey.oldest is not None:
            moments.append(survey.oldest)
        touched.oldest = min(moments, default=until)
        if survey.watching or waiting:
            self._ask_of_the_past(loaded, touched, survey)
        names = survey.names | {(stored.type, stored.name) for stored in waiting}
        for name in names:
            touched.look_back(self._index.meaning(*name).lookback)

    def _ask_of_the_past(self, loaded: Loaded, touched: Touched, survey: Survey) -> None:
        """Each question is asked of an owner once, as seen from the first message that leads to it."""
        kinship = _Kinship(loaded, survey)
        meaning = self._index.meaning
        first: dict[tuple[str | None, str | None, MessageType, str], datetime] = {}
        for message in survey.watching:
            place = (message.user_id, message.anonymous_id, message.type, message.name)
            first[place] = min(message.timestamp, first.get(place, message.timestamp))
        for (user_id, anonymous_id, type_, name), moment in first.items():
            for owner in kinship.owners(user_id, anonymous_id):
                touched.ask(owner, meaning(type_, name).watch, moment)
        for key, waiting in loaded.anonymous_messages.items():
            claimants = kinship.claimants(key)
            since: dict[tuple[MessageType, str], datetime] = {}
            for stored in waiting if claimants else ():
                named = (stored.message.type, stored.message.name)
                moment = stored.message.timestamp
                since[named] = min(moment, since.get(named, moment))
            for named, moment in since.items():
                for owner in claimants:
                    touched.ask(owner, meaning(*named).watch, moment)

    def for_audience(self, persons: Sequence[Person], rule: Rule, moment: datetime) -> Loaded:
        """What a broadcast's `who` may ask of these persons."""
        loaded = Loaded(0, 0)
        loaded.persons = {person.key: person for person in persons}
        touched = Touched()
        watch = self._index.watch_of([rule]) if rule.who.performed or rule.exits else {}
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
        leading = self._index.led_to_by(rule)
        touched.look_back(leading.lookback)
        touched.look_back(Lookback.of([rule]))  # as it was worded when it was sent
        for key in loaded.persons:
            touched.ask(key, leading.watch, moment)
        self._load_past(loaded, touched)
        return loaded

    def _load_past(self, loaded: Loaded, touched: Touched) -> None:
        keys = touched.person_keys
        if not keys:
            return
        if not loaded.persons:
            loaded.persons = {person.key: person for person in self._session.persons(keys)}
        loaded.active = self._running(touched)
        for entry in loaded.active:
            self._plan_entry(loaded, touched, entry)
        due = [entry.due_at for entry in loaded.active if entry.due_at is not None]
        if touched.oldest is not None:
            touched.oldest = min([touched.oldest, *due])
        loaded.users |= {person.user_id: key for key, person in loaded.persons.items()}
        self._load_past_entries(loaded, touched)
        self._load_history(loaded, touched)

    def _running(self, touched: Touched) -> list[Entry]:
        """The entries that may be woken, or end; an entry that only sends has to do with no other."""
        if touched.due is None:
            return self._session.active_entries(touched.person_keys)
        there = {entry.key for entry in touched.due}
        wordings = {entry.digest: entry for entry in touched.due}
        speak = {digest for digest, entry in wordings.items() if self._may_speak(entry)}
        speaking = {entry.person_key for entry in touched.due if entry.digest in speak}
        touched.quiet = touched.person_keys - speaking
        others = self._session.active_entries(speaking) if speaking else []
        return [*touched.due, *(entry for entry in others if entry.key not in there)]

    def _may_speak(self, entry: Entry) -> bool:
        rule = self._wordings.rule_of(self._session, entry.rule, entry.digest)
        return rule is not None and rule.speaks

    def _load_history(self, loaded: Loaded, touched: Touched) -> None:
        needs = [HistoryNeed(o, frozenset({n}), at) for (o, n), at in touched.needs.items()]
        if needs:
            loaded.history = self._session.history(needs)

    def _load_past_entries(self, loaded: Loaded, touched: Touched) -> None:
        """Earlier entries, as far as re-entry asks; those still running are loaded anyway."""
        ever = [rule for rule, span in touched.spans.items() if span is None]
        lately = {rule: span for rule, span in touched.spans.items() if span is not None}
        if touched.late is not None:
            for rule in touched.choosy.difference(ever):
                lately[rule] = max(touched.late, lately.get(rule, touched.late))
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
        if entry.person_key in touched.quiet:
            return
        leading = self._index.led_to_by(rule)
        touched.look_back(leading.lookback)
        if leading.watch and entry.due_at is not None:
            touched.ask(entry.person_key, leading.watch, entry.timestamp)


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


class _Kinship:
    """Whose the messages may be once the batch's own claims and aliases have been folded."""

    def __init__(self, loaded: Loaded, survey: Survey) -> None:
        self._users = loaded.users
        self._anonymous = loaded.anonymous
        self._together: dict[int | str, set[int | str]] = {}
        self._claimants: dict[int | str, set[int | str]] = defaultdict(set)
        for anonymous_key, runs in loaded.claims.items():
            self._claimants[anonymous_key].update(run.person_key for run in runs)
        for user_id, anonymous_id in survey.claims():
            self._claim(anonymous_id, self._users.get(user_id, user_id))
        for user_id, previous_id in survey.aliases:
            self._relate(user_id, previous_id)

    def owners(self, user_id: str | None, anonymous_id: str | None) -> set[int]:
        """The known persons whose a message with these ids may be."""
        if user_id is not None:
            return self._known({self._users.get(user_id, user_id)})
        anonymous_id = anonymous_id or ""
        return self.claimants(self._anonymous.get(anonymous_id, anonymous_id))

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
