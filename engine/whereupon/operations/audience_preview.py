"""Whom a broadcast would reach now: counted in one pass over the people, in bounded memory; nothing is written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from pydantic import JsonValue

from whereupon.decide.addresses import ADDRESSES, address_digests, normalized_address
from whereupon.decide.consent import reason_to_withhold
from whereupon.decide.holdouts import is_held_out
from whereupon.pipeline.batches import Pipeline
from whereupon.pipeline.capped import capped
from whereupon.ports import Session, Store
from whereupon.records import BroadcastRun, Delivery, Person
from whereupon.rules.model import Rule
from whereupon.rules.steps.send import Send

MOST_SAMPLED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AudiencePreview:
    """Whom a broadcast would reach, if it were sent now.

    Attributes:
        people: how many are in its audience.
        sample: user ids of the first of them.
        texts: what the people of the sample would be sent at once: each with its content, or with the reason why
            it would be withheld.
        held_out: how many of them belong to the broadcast's holdout, and would be sent nothing.
        unsubscribed: how many of them have opted out, of everything or of a topic, so that at least one of the
            sends would be withheld.
        suppressed: how many have a suppressed address on a channel of at least one send.
        without_address: how many have no address on a channel of at least one send. Channels whose addresses no
            attribute has, such as ``push``, do not count.
        capped: for how many of them a cap leaves no place for the first marketing send. As the settings say, they
            would be sent it later, or not at all.
        unreachable: how many would be sent nothing at all: held out, or each send withheld for another reason than
            a cap.
    """

    broadcast: str
    people: int = 0
    sample: tuple[str, ...] = ()
    texts: tuple[Delivery, ...] = ()
    held_out: int = 0
    unsubscribed: int = 0
    suppressed: int = 0
    without_address: int = 0
    capped: int = 0
    unreachable: int = 0


@dataclass(slots=True)
class _Counts:
    """The counts so far."""

    people: int = 0
    sample: list[str] = field(default_factory=list)
    texts: list[Delivery] = field(default_factory=list)
    held_out: int = 0
    unsubscribed: int = 0
    suppressed: int = 0
    without_address: int = 0
    capped: int = 0
    unreachable: int = 0


class AudienceCounter:
    """Counts the audience of one run that is not begun.

    Args:
        run: as it would begin.
        rule: its broadcast.
        sample: how many user ids to keep.
        progress: told after each stretch how many people are counted so far.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        run: BroadcastRun,
        rule: Rule,
        sample: int,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._run = run
        self._rule = rule
        self._sample = min(sample, MOST_SAMPLED)
        self._progress = progress
        self._sends = [step for step in rule.route.every_step() if isinstance(step, Send)]
        known = {**ADDRESSES, **pipeline.settings.addresses}
        self._attributes = {s.channel: known[s.channel] for s in self._sends if s.channel in known}

    def count(self, store: Store) -> AudiencePreview:
        """Go through all people, one stretch in a transaction."""
        counts, cursor = _Counts(), self._run.cursor
        while cursor is not None:
            with store.reading() as session:
                cursor = self._count_stretch(session, replace(self._run, cursor=cursor), counts)
        return AudiencePreview(
            broadcast=self._rule.id,
            people=counts.people,
            sample=tuple(counts.sample),
            texts=tuple(counts.texts),
            held_out=counts.held_out,
            unsubscribed=counts.unsubscribed,
            suppressed=counts.suppressed,
            without_address=counts.without_address,
            capped=counts.capped,
            unreachable=counts.unreachable,
        )

    def _count_stretch(self, session: Session, run: BroadcastRun, counts: _Counts) -> int | None:
        persons, cursor = self._pipeline.audience_after(session, run, self._rule)
        counts.people += len(persons)
        self._take_sample(session, persons[: self._sample - len(counts.sample)], counts)
        counts.capped += self._count_capped(session, persons)
        suppressed = self._suppressed(session, persons)
        for person in persons:
            self._count_person(person, suppressed, counts)
        if self._progress is not None:
            self._progress(counts.people)
        return cursor

    def _take_sample(self, session: Session, persons: Sequence[Person], counts: _Counts) -> None:
        """Keep these persons as examples, with what they would be sent."""
        if not persons:
            return
        counts.sample += [person.user_id for person in persons]
        led_to = self._pipeline.rehearse(session, self._run, self._rule, persons).emitted
        made = (each for each in led_to if isinstance(each, Delivery))
        counts.texts += (each for each in made if each.rule == self._rule.id)

    def _count_capped(self, session: Session, persons: Iterable[Person]) -> int:
        settings = self._pipeline.index.book.settings
        keys = {person.key for person in persons}
        return len(capped(session, keys, self._rule, settings, self._run.due_at))

    def _suppressed(self, session: Session, persons: Iterable[Person]) -> set[tuple[int, str]]:
        """The keys of persons, each with a channel on which their address is suppressed."""
        if not self._attributes or not session.has_suppressed():
            return set()
        found: set[tuple[int, str]] = set()
        for channel, attribute in self._attributes.items():
            digests_of = partial(address_digests, self._pipeline.settings, channel)
            theirs = {p.key: digests_of(p.attributes.get(attribute)) for p in persons}
            every = {digest for digests in theirs.values() for digest in digests}
            hit = session.suppressed_among(channel, every)
            found |= {(key, channel) for key, digests in theirs.items() if hit & {*digests}}
        return found

    def _count_person(
        self, person: Person, suppressed: set[tuple[int, str]], counts: _Counts
    ) -> None:
        """A person counts once under each reason, and as unreachable if each send meets one."""
        attributes: Mapping[str, JsonValue] = person.attributes
        met = [self._reasons(attributes, send, person.key, suppressed) for send in self._sends]
        every = {reason for reasons in met for reason in reasons}
        counts.unsubscribed += "unsubscribed" in every
        counts.suppressed += "suppressed" in every
        counts.without_address += "without_address" in every
        is_out = is_held_out(self._rule, person.user_id)
        counts.held_out += is_out
        counts.unreachable += is_out or (bool(met) and all(met))

    def _reasons(
        self,
        attributes: Mapping[str, JsonValue],
        send: Send,
        key: int,
        suppressed: set[tuple[int, str]],
    ) -> set[str]:
        reasons = set[str]()
        if reason_to_withhold(attributes, send.kind, send.topic) is not None:
            reasons.add("unsubscribed")
        attribute = self._attributes.get(send.channel)
        if attribute is not None and normalized_address(attributes.get(attribute)) is None:
            reasons.add("without_address")
        if (key, send.channel) in suppressed:
            reasons.add("suppressed")
        return reasons
