"""What rules ask about the past of those whom a batch touches: entries, earlier ones, events."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import chain, product

from whereupon.decide import Evaluation, Snapshot
from whereupon.decide.caps import counted_since
from whereupon.decide.idempotency import keys_at
from whereupon.matching import EntryWindow, SubjectKind, TimedSubject, TriggerMatch
from whereupon.messages.model import Message, MessageType
from whereupon.messages.times import FIRST_INSTANT, ZERO, earlier
from whereupon.pipeline.load.arrivals import arrivals_since
from whereupon.pipeline.load.batch_keys import (
    BatchKeys,
    MergeCandidates,
    matches_with,
    slots_of,
)
from whereupon.pipeline.load.load_plan import LoadPlan
from whereupon.pipeline.load.silences import last_messages, may_ring_anew
from whereupon.pipeline.load.waiting import first_of_each, messages_in
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.ports import HistoryNeed, Session
from whereupon.records import (
    NEVER,
    BroadcastRun,
    Entry,
    KeysAsked,
    MessageName,
    PastEvent,
    Person,
    StoredMessage,
    Timer,
)
from whereupon.rules.model import OPEN_FOR, Rule
from whereupon.rules.steps.run import Run
from whereupon.rules.steps.webhook import Webhook


class PastLoader:
    """Reads the past, as far as the rules that may be reached ask about it."""

    def __init__(self, session: Session, versions: RuleVersions) -> None:
        self._session = session
        self._versions = versions

    def for_audience(self, persons: Sequence[Person], rule: Rule, moment: datetime) -> Snapshot:
        """What a broadcast's `who` may ask of these persons."""
        loaded, load_plan = Snapshot(), LoadPlan()
        loaded.persons = {person.key: person for person in persons}
        watch = self._versions.index.history_window_of([rule]) if rule.who.performed else {}
        for key in loaded.persons if watch else ():
            load_plan.ask(key, watch, moment)
        self._load_history(loaded, load_plan)
        return loaded

    def for_arming(
        self, persons: Sequence[Person], subject: TimedSubject, moment: datetime
    ) -> Snapshot:
        """What a subject that time changes may ask of these persons, and what arrived of them after a moment."""
        loaded, load_plan = Snapshot(), LoadPlan(person_keys={person.key for person in persons})
        loaded.persons = {person.key: person for person in persons}
        loaded.arrived = arrivals_since(self._session, load_plan.person_keys, moment)
        if subject.kind is SubjectKind.INSIDE:
            self.load(loaded, load_plan)
            return loaded
        for key in loaded.persons:
            load_plan.ask(key, subject.history_window, moment)
        self._load_history(loaded, load_plan)
        last = last_messages(
            self._session, loaded.persons, subject, dict.fromkeys(loaded.persons, moment)
        )
        loaded.timed_past = {(key, subject.name): last.get(key) for key in loaded.persons}
        return loaded

    def _paused_rules(self) -> frozenset[str]:
        """The ids of the rules that operators have paused."""
        if not self._versions.index.book.rules:
            return frozenset()
        pauses = self._session.rule_pauses()
        return frozenset(pause.rule for pause in pauses) if pauses else frozenset()

    def without_entrants(self, persons: Sequence[Person], run: BroadcastRun) -> list[Person]:
        """The persons without those who entered this run already: as one who was merged into them."""
        since = run.timestamp if run.closes_at is None else earlier(run.closes_at, OPEN_FOR)
        keys = {person.key for person in persons}
        past = self._session.past_entries([run.rule], keys, since)
        there = {entry.person_key for entry in past if entry.occasion == run.occasion}
        return [person for person in persons if person.key not in there]

    def for_entering(self, persons: Sequence[Person], rule: Rule, moment: datetime) -> Snapshot:
        """What may be asked when these persons enter a broadcast, and what its steps lead to."""
        loaded = Snapshot()
        loaded.persons = {person.key: person for person in persons}
        loaded.rule_versions[rule.digest] = rule
        load_plan = LoadPlan(person_keys=set(loaded.persons), oldest=moment)
        leading = self._versions.index.reachable_from(rule)
        load_plan.look_back(leading.entry_window)
        load_plan.look_back(EntryWindow.of([rule]))  # in the version in which it was sent
        for key in loaded.persons:
            load_plan.ask(key, leading.history_window, moment)
        self.load(loaded, load_plan)
        return loaded

    def plan(
        self,
        loaded: Snapshot,
        load_plan: LoadPlan,
        mentioned: BatchKeys,
        messages: Sequence[Message],
        until: datetime | None,
    ) -> None:
        """Which rules the batch may lead to, and what they ask of whose past."""
        index = self._versions.index
        matches: Mapping[MessageName, TriggerMatch] = mentioned.matches
        waiting = messages_in(loaded.anonymous_messages)
        if mentioned.aliases:
            load_plan.kin = MergeCandidates(loaded, mentioned, load_plan.person_keys).families()
        moments = [] if mentioned.oldest is None else [mentioned.oldest]
        if waiting:
            moments += [message.timestamp for message in waiting]
        opened: Sequence[Message] = ()
        if index.gives_grace:
            since = min([*moments, *load_plan.wakes], default=until)
            opened = self._open_skips(loaded, load_plan, since)
            moments += [message.timestamp for message in opened]
        load_plan.oldest = min(moments) if moments else until
        matches = matches_with(matches, waiting, index) if waiting else matches
        if mentioned.watching or waiting:
            self._ask_of_the_past(loaded, load_plan, mentioned, matches)
        matches = matches_with(matches, opened, index) if opened else matches
        load_plan.look_back(*[each.entry_window for each in matches.values()])
        if index.awaited_names:
            late = (m for m in messages if m.timestamp < m.received_at)
            load_plan.late_names = {(m.type, m.name) for m in chain(late, waiting)}
        if not mentioned.aliases:  # those who become one ask for each other's keys
            load_plan.slots = slots_of(chain(messages, waiting, opened), matches)

    def _open_skips(
        self, loaded: Snapshot, load_plan: LoadPlan, since: datetime | None
    ) -> list[Message]:
        """The messages that a change of these persons may decide once more; their past is asked for, too.

        Args:
            since: the earliest time of a change.
        """
        if not load_plan.person_keys or since is None:
            return []
        found = self._session.open_skips(load_plan.person_keys, since)
        closed = {key: is_late for key, _, is_late in load_plan.again}
        keys = {skip.message_key for skip in found} | closed.keys()
        stored = {each.key: each for each in self._session.messages(keys)} if keys else {}
        for skip in found:
            each = stored.get(skip.message_key)
            if each is None or each.owner != skip.person_key:  # a claim gave it to another person
                continue
            again = Evaluation.of(each, skip.person_key, skip.until, retroactive=skip.retroactive)
            loaded.open_skips.append((skip, again))
            self._ask_for(load_plan, each)
        for each in (stored[key] for key in closed if key in stored):
            again = Evaluation.of(each, each.owner, each.timestamp, retroactive=closed[each.key])
            loaded.again.append(again)
            self._ask_for(load_plan, each)
        return [each.message for each in stored.values()]

    def _ask_for(self, load_plan: LoadPlan, stored: StoredMessage) -> None:
        """Note what deciding a message once more asks of its owner's past, or of a person who may become one with them."""
        window = self._versions.index.trigger_match(stored.type, stored.name).history_window
        for one in load_plan.kin.get(stored.owner, (stored.owner,)):
            load_plan.ask(one, window, stored.timestamp)

    def _ask_of_the_past(
        self,
        loaded: Snapshot,
        load_plan: LoadPlan,
        mentioned: BatchKeys,
        matches: Mapping[MessageName, TriggerMatch],
    ) -> None:
        """Each question is asked of an owner once, as seen from the first message that leads to it."""
        windows = {n: match.history_window for n, match in matches.items() if match.history_window}
        if not windows:
            return
        candidates = MergeCandidates(loaded, mentioned, load_plan.person_keys)
        owners: dict[tuple[str | None, str | None], set[int]] = {}
        for named, senders in mentioned.watching.items():
            for sender, moment in senders.items():
                if sender not in owners:
                    owners[sender] = candidates.owners(*sender)
                for owner in owners[sender]:
                    load_plan.ask(owner, windows[named], moment)
        for key, waiting in loaded.anonymous_messages.items():
            claimants = candidates.claimants(key)
            first = first_of_each(waiting) if claimants else {}
            for owner, named in product(claimants, first):
                load_plan.ask(owner, windows.get(named, {}), first[named])

    def load(
        self, loaded: Snapshot, load_plan: LoadPlan, *, may_open: Callable[[], bool] | None = None
    ) -> None:
        """The persons, if they are not read yet, and what was planned; see `opening.may_open`."""
        loaded.paused = self._paused_rules()
        self._versions.read_watched(self._session)
        keys = load_plan.person_keys
        if not keys:
            return
        if not loaded.persons:
            loaded.persons = {person.key: person for person in self._session.persons(keys)}
        self._load_timers(loaded, load_plan)
        loaded.active = self._running(load_plan, loaded.timers)
        for entry in loaded.active:
            self._plan_entry(loaded, load_plan, entry)
        if load_plan.due is None:
            self._load_ended(loaded, load_plan, load_plan.late_names)
        if loaded.active and load_plan.oldest is not None:
            due = [entry.due_at for entry in loaded.active if entry.due_at is not None]
            if load_plan.kin:  # where two merge, one that has long been inside may refuse the other
                due += [entry.timestamp for entry in loaded.active]
            load_plan.oldest = min([load_plan.oldest, *due])
        self._load_watched(loaded, load_plan)
        loaded.users |= {person.user_id: key for key, person in loaded.persons.items()}
        self._load_calls(loaded)
        self._load_sends(loaded, load_plan)
        loaded.opens_none = may_open is not None and not may_open()
        if not loaded.opens_none:
            self._load_past_entries(loaded, load_plan)
        self._load_history(loaded, load_plan)

    def behind(self, first: StoredMessage, person_key: int, until: datetime) -> list[PastEvent]:
        """The events that wait behind a chunk of a claim, as the claimant's, as far as entries listen to their names.

        Args:
            first: the first message behind the chunk.
            until: up to where the claims of the anonymous id reach.
        """
        names = self._versions.index.heard_names
        if not names:
            return []
        found = self._session.history([HistoryNeed(first.owner, names, first.timestamp)])
        begins = first.timestamp, first.key
        return [
            event._replace(owner=person_key)
            for event in found
            if begins <= (event.timestamp, event.key) and event.timestamp <= until
        ]

    def _load_ended(
        self, loaded: Snapshot, load_plan: LoadPlan, names: Collection[MessageName]
    ) -> None:
        """The entries that are over and that wait no longer for what comes now, though it happened before."""
        if not names:
            return
        heard = {name for type_, name in names if type_ is MessageType.TRACK}
        rules = self._versions.index.awaiting(heard)
        if rules and load_plan.oldest is not None and load_plan.person_keys:
            keys = load_plan.person_keys
            loaded.ended = self._session.ended_entries(rules, keys, load_plan.oldest)
            for entry in loaded.ended:
                self._plan_entry(loaded, load_plan, entry)

    def _load_calls(self, loaded: Snapshot) -> None:
        """How the calls ended that entries have waited for, and that are due since."""
        keys: list[str] = []
        for entry in loaded.active:
            person = loaded.persons.get(entry.person_key)
            is_due = entry.due_at is not None and entry.due_at != NEVER
            if is_due and entry.trail and person is not None:
                rule = loaded.rule_versions.get(entry.digest)
                place = None if rule is None else rule.route.place(entry.address)
                if place is not None and isinstance(place.step, Run | Webhook):
                    keys += keys_at(entry, person.user_id, [entry.address])
        if keys:
            found = self._session.deliveries_by_key(keys)
            loaded.deliveries = {**loaded.deliveries, **{d.idempotency_key: d for d in found}}

    def _load_sends(self, loaded: Snapshot, load_plan: LoadPlan) -> None:
        """What counts under the caps of the folder as steps send something, to those who are held now."""
        caps = self._versions.index.book.settings.caps
        if caps and load_plan.oldest is not None:
            since = counted_since(caps, load_plan.oldest)
            loaded.sends = self._session.counted_sends(load_plan.person_keys, since)

    def _load_timers(self, loaded: Snapshot, load_plan: LoadPlan) -> None:
        """The timers that are due by the end of the batch, and what is asked of the past when they ring."""
        subjects = self._versions.index.timed
        if not subjects or load_plan.until is None:
            return
        found = self._session.timers(load_plan.person_keys, load_plan.until)
        rings = self._versions.rings
        loaded.timers = [each for each in found if rings(each.subject, loaded.paused)]
        for timer in loaded.timers:
            subject = subjects.by_name[timer.subject]
            for rule in subject.rules:  # of the very moment: clocks of processes may differ
                load_plan.opened_by_time.add(rule.id)
            leading = self._versions.index.opened_by(subject)
            load_plan.look_back(leading.entry_window)
            windows = (subject.history_window, leading.history_window)
            for one in load_plan.kin.get(timer.person_key, (timer.person_key,)):
                for window in windows:
                    load_plan.ask(one, window, timer.due_at)
        for subject in subjects.triggers:
            self._load_timed_past(loaded, load_plan, subject)
        if loaded.timers:
            first = min(each.due_at for each in loaded.timers)
            load_plan.oldest = min(first, load_plan.oldest or first)

    def _load_timed_past(
        self, loaded: Snapshot, load_plan: LoadPlan, subject: TimedSubject
    ) -> None:
        """What tells whether a trigger by time opens its rule for the persons whose timer may ring in the batch."""
        since = {t.person_key: t.due_at for t in loaded.timers if t.subject == subject.name}
        if (first := load_plan.first) is not None and may_ring_anew(subject, load_plan):
            since = {key: min(first, since.get(key, first)) for key in load_plan.person_keys}
        if not since:
            return
        load_plan.look_back(EntryWindow.whole(subject.of))
        last = last_messages(self._session, loaded.persons, subject, since)
        loaded.timed_past |= {(key, subject.name): last.get(key) for key in since}

    def _running(self, load_plan: LoadPlan, timers: Collection[Timer]) -> list[Entry]:
        """The entries that may be woken, or end; an entry that only sends has to do with no other, if nothing limits sends."""
        # Where work is cut, an entry behind it may go first, and set what others ask.
        index = self._versions.index
        if load_plan.due is None or index.has_rivalry or (load_plan.is_cut and index.speaks):
            return self._session.active_entries(load_plan.person_keys)
        there = {entry.key for entry in load_plan.due}
        entries = {entry.digest: entry for entry in load_plan.due}
        speak = {digest for digest, entry in entries.items() if self._may_speak(entry)}
        speaking = {entry.person_key for entry in load_plan.due if entry.digest in speak}
        speaking.update(timer.person_key for timer in timers)
        load_plan.quiet = load_plan.person_keys - speaking
        others = self._session.active_entries(speaking) if speaking else []
        return [*load_plan.due, *(entry for entry in others if entry.key not in there)]

    def _may_speak(self, entry: Entry) -> bool:
        rule = self._versions.rule_of(self._session, entry.digest)
        return rule is not None and bool(rule.messages_sent)

    def _load_watched(self, loaded: Snapshot, load_plan: LoadPlan) -> None:
        """The ended entries that may still reach their goals, and what a merge may bring them of the past."""
        if not self._versions.index.goal_names:
            return
        keys = load_plan.person_keys - load_plan.quiet
        since = FIRST_INSTANT if load_plan.kin else load_plan.oldest
        if not keys or since is None:
            return
        there = {entry.key for entry in loaded.ended}
        watched = self._session.watched_entries(keys, since)
        loaded.ended += (entry for entry in watched if entry.key not in there)
        for entry in (*loaded.active, *loaded.ended):
            rule = self._versions.rule_of(self._session, entry.digest)
            if rule is None or rule.goal is None or entry.watched_until is None:
                continue
            loaded.rule_versions[entry.digest] = rule
            for one in load_plan.kin.get(entry.person_key, ()):
                load_plan.ask(one, {rule.goal.event: ZERO}, entry.timestamp)

    def _plan_entry(self, loaded: Snapshot, load_plan: LoadPlan, entry: Entry) -> None:
        digest, versions = entry.digest, loaded.rule_versions
        rule = versions.get(digest) or self._versions.rule_of(self._session, digest)
        if rule is None:
            return
        versions[digest] = rule
        kin = load_plan.kin.get(entry.person_key, (entry.person_key,))
        if window := self._versions.index.entry_history(rule) if entry.due_at is not None else None:
            for one in kin:
                load_plan.ask(one, window, entry.timestamp)
        if entry.person_key in load_plan.quiet:
            return
        leading = self._versions.index.reachable_from(rule)
        load_plan.look_back(leading.entry_window)
        for one in load_plan.kin.get(entry.person_key, ()) if entry.due_at is not None else ():
            load_plan.ask(one, leading.history_window, entry.timestamp)  # a merge may end it

    def _load_past_entries(self, loaded: Snapshot, load_plan: LoadPlan) -> None:
        """Earlier entries, as far as re-entry asks; those still running are loaded anyway."""
        if (window := load_plan.entry_window) is None:
            return
        ever, lately, reach = window.ever, window.lately, window.reach
        if ever or load_plan.opened_by_time:  # to copy many is not free
            lately = (lately | load_plan.opened_by_time) - ever
        asked: KeysAsked | None = None
        if load_plan.slots is not None and (keyed := window.keys.keys() - window.unkeyed):
            asked = KeysAsked(keyed, load_plan.slots)
            ever = ever if load_plan.slots else ever - keyed
        if load_plan.late is not None and (late := window.takes_one - ever):
            lately, reach = lately | late, max(reach, load_plan.late)
        keys = load_plan.person_keys
        if ever:
            loaded.past_entries += self._session.past_entries(ever, keys, asked=asked)
        if lately and load_plan.oldest is not None:
            since = earlier(load_plan.oldest, reach)
            loaded.past_entries += self._session.past_entries(lately, keys, since)

    def _load_history(self, loaded: Snapshot, load_plan: LoadPlan) -> None:
        if load_plan.needs:
            needs = load_plan.needs.items()
            asked = [HistoryNeed(owner, frozenset({name}), at) for (owner, name), at in needs]
            loaded.history = self._session.history(asked)
