"""People: who somebody is, what happened to them and why, what they were sent, and asking for their deletion."""

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from whereupon.insight import Explanation, Happening, Profile, TimelinePlace, shown_values
from whereupon.messages.codec import decode
from whereupon.messages.times import as_micros
from whereupon.records import DeliveryState, InboxItem, Mark, MarkKind, Scope
from whereupon.web.management.deliveries import DeliveryShown, EndShown, delivery_shown
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Form,
    KeyCursor,
    Limit,
    NameCursor,
    Page,
    PersonId,
    PlaceCursor,
    as_named_place,
    as_place,
    from_named_place,
    from_ticks,
    page,
    plain_object,
)
from whereupon.web.management.requests import Asked, asked_shown
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("people")


class MomentShown(BaseModel):
    """When a rule's trigger by time comes for the person next, or why it does not."""

    rule: str
    at: AwareDatetime | None
    sentence: str = Field(examples=["7d before person.renews_at is 2026-03-25T08:00:00Z"])


class DeviceShown(BaseModel):
    """A device for push messages."""

    token: str
    platform: str | None
    attributes: dict[str, JsonValue]
    registered_at: AwareDatetime


class RelationshipShown(BaseModel):
    """A tie to an object, such as a company."""

    type_id: str
    object_id: str


class ConsentShown(BaseModel):
    """What a person wants to be sent.

    Attributes:
        is_unsubscribed: no marketing at all.
        topics: for each topic of the rules, whether the person is subscribed to it.
    """

    is_unsubscribed: bool
    topics: dict[str, bool]


class PersonShown(BaseModel):
    """What is known of a person now.

    Attributes:
        user_ids: the first one first.
        anonymous_ids: those that the person has claimed.
        attributes_set_at: when each attribute was sent.
        segments: those that the person is in now.
        counts: how many rows the store has of them, by kind.
        latest: when they did something last.
    """

    person: str = Field(examples=["ada"])
    user_ids: list[str]
    anonymous_ids: list[str]
    known_since: AwareDatetime
    attributes: dict[str, JsonValue]
    attributes_set_at: dict[str, AwareDatetime]
    segments: list[str]
    consent: ConsentShown
    devices: list[DeviceShown]
    relationships: list[RelationshipShown]
    counts: dict[str, int]
    latest: AwareDatetime | None
    moments: list[MomentShown]


def _person_shown(known: Profile) -> PersonShown:
    return PersonShown(
        person=known.person,
        user_ids=list(known.user_ids),
        anonymous_ids=list(known.anonymous_ids),
        known_since=known.known_since,
        attributes=plain_object(known.attributes),
        attributes_set_at=dict(known.attributes_set_at),
        segments=list(known.segments),
        consent=ConsentShown(is_unsubscribed=known.is_unsubscribed, topics=dict(known.topics)),
        devices=[
            DeviceShown(
                token=each.token,
                platform=each.platform,
                attributes=plain_object(each.attributes),
                registered_at=each.updated_at,
            )
            for each in known.devices
        ],
        relationships=[
            RelationshipShown(type_id=each.type_id, object_id=each.object_id)
            for each in known.relationships
        ],
        counts=dict(known.counts),
        latest=known.latest,
        moments=[
            MomentShown(rule=each.rule, at=each.at, sentence=each.sentence)
            for each in known.moments
        ],
    )


@routes.get("/people/{person}", **needs(Scope.VIEWER, 404))
def get_person(person: PersonId, engine: EngineGiven) -> PersonShown:
    """Who a person is: ids, attributes, segments, consent, devices."""
    return _person_shown(engine.profile(person))


# --- why --------------------------------------------------------------------------------------------


class MarkShown(BaseModel):
    """What an entry passed at a step: which arm it took and why, what it waited for, what it left out."""

    what: MarkKind
    step: str = Field(examples=["2"])
    at: AwareDatetime
    arm: str | None
    detail: str | None
    values: dict[str, JsonValue]
    by: str | None = Field(description="The id of the message that did it.")

    @classmethod
    def of(cls, mark: Mark) -> "MarkShown":
        """A mark of an entry's trail."""
        return cls(
            what=mark.kind,
            step=mark.address,
            at=mark.at,
            arm=mark.arm,
            detail=mark.detail,
            values=shown_values(mark),
            by=mark.message_id,
        )


class ExplanationShown(BaseModel):
    """One decision about one message: the person entered the rule and what came of it, or did not and why."""

    message_id: str
    subject: str
    timestamp: AwareDatetime
    decided_at: AwareDatetime
    rule: str
    outcome: str = Field(examples=["entered"])
    reason: str | None
    is_retroactive: bool
    is_reworded: bool
    sentence: str
    state: str | None
    waits_until: AwareDatetime | None
    ended: EndShown | None
    converted_at: AwareDatetime | None
    deliveries: list[DeliveryShown]
    step: str | None = Field(examples=["2.else.0"])
    trail: list[MarkShown]


def _explanation_shown(said: Explanation) -> ExplanationShown:
    return ExplanationShown(
        message_id=said.message_id,
        subject=said.subject,
        timestamp=said.timestamp,
        decided_at=said.decided_at,
        rule=said.rule,
        outcome=said.outcome.value,
        reason=said.reason,
        is_retroactive=said.retroactive,
        is_reworded=said.reworded,
        sentence=said.sentence,
        state=None if said.state is None else said.state.value,
        waits_until=said.waits_until,
        ended=None if said.ended is None else EndShown.of(said.ended),
        converted_at=said.converted_at,
        deliveries=[delivery_shown(each) for each in said.deliveries],
        step=said.step,
        trail=[MarkShown.of(each) for each in said.trail],
    )


class MessageShown(BaseModel):
    """A message as it was recorded; ``body`` is what the sender wrote."""

    message_id: str
    type: str
    user_id: str | None
    anonymous_id: str | None
    source: str
    received_at: AwareDatetime
    body: JsonValue


class HappeningShown(BaseModel):
    """A message of the person's, or a scheduled broadcast that they got (without a message)."""

    timestamp: AwareDatetime
    subject: str
    message: MessageShown | None
    decisions: list[ExplanationShown]


def _happening_shown(happening: Happening) -> HappeningShown:
    stored = happening.message
    return HappeningShown(
        timestamp=happening.place.timestamp,
        subject=happening.subject,
        message=None
        if stored is None
        else MessageShown(
            message_id=stored.message_id,
            type=stored.type.value,
            user_id=stored.user_id,
            anonymous_id=stored.anonymous_id,
            source=stored.message.source.value,
            received_at=stored.message.received_at,
            body=plain_object(_read(stored.body)),
        ),
        decisions=list(map(_explanation_shown, happening.decisions)),
    )


def _read(body: bytes) -> JsonValue:
    return decode(body) if body else {}


@routes.get("/people/{person}/timeline", **needs(Scope.VIEWER, 404))
def get_timeline(
    person: PersonId, engine: EngineGiven, limit: Limit = DEFAULT_LIMIT, cursor: PlaceCursor = None
) -> Page[HappeningShown]:
    """What happened to a person, newest first: each message, and what it led to in sentences."""
    before = None
    if cursor is not None:
        ticks, message, entry = cursor.split("-")
        before = TimelinePlace(from_ticks(ticks), int(message), int(entry))
    found = engine.timeline(person, limit=limit + 1, before=before)
    return page(found, limit, _happening_shown, lambda each: as_place(*each.place))


@routes.get("/people/{person}/explain", **needs(Scope.VIEWER, 404))
def explain(
    person: PersonId,
    engine: EngineGiven,
    rule: Annotated[str, Query(max_length=200, examples=["sock-thanks"])],
    limit: Limit = 20,
) -> list[ExplanationShown]:
    """Why a person entered a rule or not: one explanation a message, newest first."""
    engine.profile(person)
    return list(map(_explanation_shown, engine.explain(person, rule, limit=limit)))


# --- what they were sent ----------------------------------------------------------------------------

StateAsked = Annotated[
    list[DeliveryState] | None, Query(alias="state", description="Repeat it for more states.")
]


@routes.get("/people/{person}/deliveries", **needs(Scope.VIEWER, 404))
def list_deliveries_of_person(
    person: PersonId,
    engine: EngineGiven,
    states: StateAsked = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Page[DeliveryShown]:
    """What a person was sent, is to be sent, or was not sent and why; newest first."""
    before = None if cursor is None else int(cursor)
    found = engine.deliveries(*(states or ()), limit=limit + 1, person=person, before=before)
    return page(found, limit, delivery_shown, lambda each: str(each.key))


class InboxItemShown(BaseModel):
    """A message that the host shows to the person itself."""

    key: str
    rule: str
    channel: str
    kind: str
    topic: str | None
    content: dict[str, JsonValue]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    read_at: AwareDatetime | None


def _item_shown(item: InboxItem) -> InboxItemShown:
    return InboxItemShown(
        key=item.key,
        rule=item.rule,
        channel=item.channel,
        kind=item.kind.value,
        topic=item.topic,
        content=plain_object(item.content),
        created_at=item.created_at,
        expires_at=item.expires_at,
        read_at=item.read_at,
    )


@routes.get("/people/{person}/inbox", **needs(Scope.VIEWER, 404))
def list_inbox(
    person: PersonId,
    engine: EngineGiven,
    unread: bool = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: NameCursor = None,
) -> Page[InboxItemShown]:
    """What is in a person's inbox and has not expired, newest first."""
    engine.profile(person)
    before = None
    if cursor is not None:
        at, key = from_named_place(cursor)
        before = f"{as_micros(at)}.{key}"
    found = engine.inbox(person, unread=unread, limit=limit + 1, before=before)
    return page(found, limit, _item_shown, lambda each: as_named_place(*each.place))


# --- deletion ---------------------------------------------------------------------------------------


class ErasureAsked(Form):
    """How to ask for a deletion.

    Attributes:
        dry_run: write nothing, and answer what the guards would say and what would go.
    """

    dry_run: bool = Field(default=True, examples=[True])


@routes.post("/people/{person}/erase", **needs(Scope.EDITOR, 400, 404, 409))
def erase_person(
    person: PersonId, asked: ErasureAsked, engine: EngineGiven, caller: CallerGiven
) -> Asked:
    """Ask for a person to be deleted. Every guard has its say: the request runs, is held, or is refused.

    First with ``dry_run``, which answers the plan: how many rows of each kind would go. The key that asks cannot
    approve.
    """
    engine.profile(person)
    said = asked_shown(engine.requests.erase(person, by=caller.name, dry_run=asked.dry_run))
    return said.model_copy(update={"request": None}) if asked.dry_run else said
