"""A sample of what a rule's step would send to a person: rendered, and recorded nowhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from secrets import token_hex

from pydantic import JsonValue

from whereupon.decide.clocks import addressee_of, locale_of
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.template_data import TemplateData
from whereupon.errors import UnknownNameError, WhereuponError
from whereupon.insight.next_moments import said_by_time
from whereupon.messages.times import EPOCH
from whereupon.ports import Session
from whereupon.records import Delivery, Person, SendKind, StoredMessage
from whereupon.rules.files.settings import DEFAULT_SETTINGS
from whereupon.rules.model import FolderSettings, OnMessage, Rule, Send
from whereupon.rules.steps.webhook import Webhook
from whereupon.templates import Content, ContentValue, Template, TemplateError, render_content

MARK = "[test] "
_TITLES = ("subject", "title", "text", "body")
"""The keys of which the first that is there is marked."""

WEBHOOK = "webhook"


class SampleError(WhereuponError):
    """A sample cannot be made: the step is not clear, or its templates lack variables.

    Attributes:
        missing: the variables that lack.
    """

    def __init__(self, reason: str, *, missing: tuple[str, ...] = ()) -> None:
        self.missing = missing
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Sample:
    """A delivery that is a sample.

    Attributes:
        step: the address of its step.
        message: the recorded message whose data it was rendered with; None for data that were given.
    """

    delivery: Delivery
    step: str
    message: StoredMessage | None


def sample_delivery(  # noqa: PLR0913 - what the sample is of, by keyword
    session: Session,
    rule: Rule,
    person: str,
    channel: str,
    *,
    now: datetime,
    step: str | None = None,
    event: Mapping[str, JsonValue] | None = None,
    settings: FolderSettings = DEFAULT_SETTINGS,
) -> Sample:
    """Render what a step would send now.

    Args:
        person: one of the person's user ids.
        channel: which step is meant, unless ``step`` says it.
        step: the address of the step.
        event: the data of a message: ``properties`` and ``context``; by default those of the person's last
            message that triggers the rule, or of the next moment of a rule that time opens.
        settings: of the folder, for the person's timezone and language.

    Raises:
        UnknownNameError: nobody has that user id.
        SampleError: the step is not clear, or variables are missing.
    """
    found = session.identifiers([person], [])
    persons = session.persons([found[0].key]) if found else []
    if not persons:
        raise UnknownNameError(kind="person", name=person)
    known = persons[0]
    address, chosen = _step(rule, channel, step)
    message = _last_message(session, rule, known) if event is None else None
    if message is None and event is None:
        event = said_by_time(session, rule, known, settings, now)
    languages = chosen.languages if isinstance(chosen, Send) else None
    addressee = partial(addressee_of, known.attributes, settings, rule, languages)
    data = TemplateData(_facts(message, event, known, now), known, now, addressee)
    written = _content_for(known, chosen, settings)
    _check_variables(written, data)
    try:
        content = render_content(written, data, addressee=addressee)
    except TemplateError as error:
        reason = f"step {address}: {error}"
        raise SampleError(reason) from error
    return Sample(_delivery(rule, known, channel, chosen, content, now), address, message)


def _content_for(person: Person, step: Send | Webhook, settings: FolderSettings) -> Content:
    """The content of the step in the person's language."""
    if isinstance(step, Webhook):
        return step.content
    return step.content_in(locale_of(person.attributes, settings))


def _step(rule: Rule, channel: str, address: str | None) -> tuple[str, Send | Webhook]:
    """The step that sends to the channel."""
    sends = {
        address: place.step
        for address, place in rule.route.places.items()
        if isinstance(place.step, Send | Webhook) and _channel(place.step) == channel
    }
    if address is None and len(sends) == 1:
        ((address, _),) = sends.items()
    if address in sends:
        return address, sends[address]
    reason = f"say which step: --step is one of {', '.join(map(str, sends))}"
    if not sends:
        every = rule.route.every_step()
        others = {_channel(each) for each in every if isinstance(each, Send | Webhook)}
        names = ", ".join(sorted(others)) or "none"
        reason = f"{rule.id} has no step that sends to {channel}; its channels: {names}"
    raise SampleError(reason)


def _channel(step: Send | Webhook) -> str:
    return step.channel if isinstance(step, Send) else WEBHOOK


def _last_message(session: Session, rule: Rule, person: Person) -> StoredMessage | None:
    triggers = [each for each in rule.triggers if isinstance(each, OnMessage)]
    mine = session.owned_messages([person.key], EPOCH) if triggers else []
    matching = (m for m in reversed(mine) if any(t.names_message(m.type, m.name) for t in triggers))
    return next(matching, None)


def _facts(
    message: StoredMessage | None,
    event: Mapping[str, JsonValue] | None,
    person: Person,
    now: datetime,
) -> dict[str, JsonValue]:
    if message is not None:
        return dict(Evaluation.of(message, person.key, now).facts())
    return {"properties": {}, "context": {}, **(event or {})}


def _check_variables(content: Mapping[str, ContentValue], data: Mapping[str, JsonValue]) -> None:
    """Raise with all variables that are missing, and the names of those that are there."""
    asked = [name for value in content.values() for name in _required(value)]
    missing = tuple(
        dict.fromkeys(".".join(map(str, name)) for name in asked if _value(data, name) is None)
    )
    if missing:
        there = "; ".join(
            f"{root} has {', '.join(sorted(map(str, inner))) or 'nothing'}"
            for root in ("properties", "person")
            if isinstance(inner := data.get(root), Mapping)
        )
        reason = f"the templates lack {', '.join(missing)}, so nothing would be sent. {there}"
        raise SampleError(reason, missing=missing)


def _required(value: ContentValue) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, Template):
        yield from value.required_variables()
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _required(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _required(inner)


def _value(data: object, name: tuple[str | int, ...]) -> object:
    """The value of a variable; sizes and the like count as there, as Liquid finds them."""
    for part in name:
        if isinstance(data, Mapping):
            data = data.get(str(part))
        elif isinstance(data, Sequence) and not isinstance(data, str) and isinstance(part, int):
            data = data[part] if -len(data) <= part < len(data) else None
        elif data is not None:
            return data
    return data


def _delivery(
    rule: Rule,
    person: Person,
    channel: str,
    step: Send | Webhook,
    content: dict[str, JsonValue],
    now: datetime,
) -> Delivery:
    title = next((key for key in _TITLES if isinstance(content.get(key), str)), None)
    if title is not None:
        content = {**content, title: f"{MARK}{content[title]}"}
    return Delivery(
        key=0,
        idempotency_key=token_hex(16),  # of its own, so that no provider takes it for the real one
        rule=rule.id,
        person_key=person.key,
        person=person.user_id,
        channel=channel,
        due_at=now,
        content=content,
        recipient=person.attributes,
        kind=step.kind if isinstance(step, Send) else SendKind.INTERNAL,
        topic=step.topic if isinstance(step, Send) else None,
    )
