"""What a step is run with, and what it returns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TypeAlias

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.decide.batch_state import BatchState
from whereupon.decide.clocks import addressee_of, clock_of, locale_of
from whereupon.decide.consent import reason_to_withhold
from whereupon.decide.evidence import all_events
from whereupon.decide.history import HistoryUntil, trigger_of
from whereupon.decide.idempotency import step_key, step_message_id
from whereupon.decide.template_data import TemplateData
from whereupon.messages.codec import read_object
from whereupon.messages.structs import Unfrozen
from whereupon.messages.times import format_local
from whereupon.records import (
    NO_EXEMPTION,
    Delivery,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    Mark,
    MarkKind,
    Person,
    SendKind,
    results_of,
)
from whereupon.rules.model import END, Place, Rule
from whereupon.templates import Addressee, Content, TemplateError, render_content

_PENDING, _MARKETING = DeliveryState.PENDING, SendKind.MARKETING  # looked up slowly as attributes
_COMPLETED = EndReason.COMPLETED
"""What is noted of a delivery later: its reports, its address, who waits for it, its result and facts."""


@dataclass(frozen=True, slots=True)
class StepMessage:
    """A message that a step sends into the engine: a ``track``, or the ``identify`` of a `set` step.

    Attributes:
        event: the event's name; None for an ``identify``.
        message_id: the same however often the step is run.
    """

    event: str | None
    data: Mapping[str, JsonValue]
    message_id: str


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step that could not be done, such as for a variable that its template lacks; the entry goes on.

    Attributes:
        address: of the step.
    """

    address: str
    reason: str


StepEffect: TypeAlias = Delivery | StepMessage | StepFailed
StepResult: TypeAlias = tuple[Entry, StepEffect | None]
"""The entry after a step, and what the step asks to be done."""


class StepContext(Unfrozen, gc=False):
    """What a step is run with.

    Attributes:
        work: the batch, for what a step asks of the person's past.
        entry: as it stands at the step.
        rule: in the version that the entry follows.
        place: the step on its route.
        now: when the step is done.
        languages: in which the texts of the step are there, beside their own; None if they are in one language.
    """

    work: BatchState
    entry: Entry
    rule: Rule
    person: Person
    place: Place
    now: datetime
    languages: Collection[str] | None = None

    @property
    def locale(self) -> str | None:
        """The locale of the person."""
        return locale_of(self.person.attributes, self.work.index.book.settings)

    def addressee(self) -> Addressee:
        """Whom the texts of the step are for."""
        settings = self.work.index.book.settings
        return addressee_of(self.person.attributes, settings, self.rule, self.languages)

    # --- where to -------------------------------------------------------------------------------

    @property
    def following(self) -> str:
        """The address of the step after this one."""
        place = self.place
        return self.rule.route.after(self.entry.address) if place.loops else place.following

    def next_step(self, due_at: datetime | None = None) -> Entry:
        """The entry at its next step.

        Args:
            due_at: when that step is due; by default at once.
        """
        return self.entry.moved(self.following, due_at or self.now)

    def into_arm(self, label: str, *marks: Mark) -> Entry:
        """The entry at the first step of an arm, at once."""
        first = self.rule.route.arm(self.entry.address, label)
        return self.entry.moved(first, self.now, *marks)

    def stay_until(self, due_at: datetime, *marks: Mark) -> Entry:
        """The entry at this step still, which is due again then."""
        return self.entry.moved(self.entry.address, due_at, *marks)

    def mark(
        self,
        kind: MarkKind,
        *,
        arm: str | None = None,
        detail: str | None = None,
        values: Mapping[str, JsonValue] | None = None,
        message_id: str | None = None,
    ) -> Mark:
        """A mark of this step, now."""
        seen = {} if values is None else values
        return Mark(kind, self.entry.address, self.now, arm, detail, seen, message_id)

    def clock(self) -> tzinfo:
        """The timezone of the person's clock."""
        return clock_of(self.person.attributes, self.work.index.book.settings, self.rule.clock)

    # --- conditions -----------------------------------------------------------------------------

    def data(self) -> dict[str, JsonValue]:
        """What the conditions of steps read: the person, and the message that opened the entry."""
        facts = read_object(self.entry.facts)
        data: dict[str, object] = {
            **facts,
            "person": self.person.attributes,
            "timestamp": format_local(self.now, self.rule.zone),
        }
        if self.entry.trail:
            data["run"] = results_of(self.entry.trail)
        return data  # type: ignore[return-value]  # mappings of JSON, never written to

    def history(self) -> HistoryUntil:
        """What the person has done up to now."""
        trigger, attributes = trigger_of(self.entry.facts), self.person.attributes
        events, key = all_events(self.work), self.person.key
        return HistoryUntil(events, key, self.now, trigger, attributes)

    def holds(self, condition: Condition) -> bool:
        """Whether a condition holds for the person now."""
        return condition.holds(self.data(), self.history())

    # --- what a step asks to be done --------------------------------------------------------------

    def deliver(
        self,
        channel: str,
        content: Content,
        kind: SendKind = SendKind.MARKETING,
        topic: str | None = None,
        texts: str | None = None,
        withheld: str | None = None,
    ) -> StepResult:
        """Make a delivery; an entry whose last step this is, is completed by it.

        The delivery is withheld if the person may not be sent it, or if a template cannot be rendered.

        Args:
            texts: the digest of the version whose texts the content is, if the rule's are live.
            withheld: why the delivery is withheld in any case.
        """
        place, now = self.place, self.now
        following = self.following if place.loops else place.following
        sent = self.made(channel, content, kind, topic, texts, withheld)
        if following != END:
            return self.entry.moved(following, now), sent
        return self.entry.finished(EntryEnd(_COMPLETED, now)), sent

    def made(
        self,
        channel: str,
        content: Content,
        kind: SendKind,
        topic: str | None = None,
        texts: str | None = None,
        withheld: str | None = None,
    ) -> Delivery:
        """The step's delivery; withheld if the person may not be sent it, or if a template cannot be rendered."""
        entry, rule, person = self.entry, self.rule, self.person
        user_id, attributes = person.user_id, person.attributes
        reason = withheld or reason_to_withhold(attributes, kind, topic)
        rendered: dict[str, JsonValue] = {}
        if reason is None:
            try:
                rendered = self._rendered(content)
            except TemplateError as error:
                reason = f"template: {error}"
        return Delivery(
            self.work.new_key(),
            step_key(entry, user_id),
            rule.id,
            person.key,
            user_id,
            channel,
            self.now,
            rendered,
            attributes,
            _PENDING if reason is None else DeliveryState.WITHHELD,
            reason,
            0,
            entry.occasion,
            kind,
            topic,
            texts=texts,
            exempt=rule.exempt if kind is _MARKETING else NO_EXEMPTION,
        )

    def emit(self, event: str | None, content: Content) -> StepResult:
        """Send a message of the person's into the engine.

        Args:
            event: the name of a ``track``; None for an ``identify``.
            content: its properties, or the attributes.
        """
        try:
            data = self._rendered(content)
        except TemplateError as error:
            return self.next_step(), StepFailed(self.entry.address, f"template: {error}")
        key = step_key(self.entry, self.person.user_id)
        return self.next_step(), StepMessage(event, data, step_message_id(key))

    def _rendered(self, content: Content) -> dict[str, JsonValue]:
        """The content with its templates rendered."""
        entry, addressee = self.entry, self.addressee
        data = TemplateData(entry.facts, self.person, self.now, addressee, entry.trail)
        return render_content(content, data, addressee=addressee)
