"""Transactional sends: a broadcast whose ``when`` is ``api``, to the one person whom the call names.

The rule says what is sent, and from whom. What a call says beside the person and the data of the message is refused,
so that the data of events never choose a sender, a recipient or a text.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from whereupon.decide.addresses import normalized_address
from whereupon.engine import Engine
from whereupon.errors import OperationError, UnknownNameError
from whereupon.records import Delivery, DeliveryState, SendKind
from whereupon.rules.model import Rule, Send
from whereupon.web.customerio.answers import RefusedError, done
from whereupon.web.customerio.asked import Asked, Body, Calls, id_at, object_in
from whereupon.web.customerio.broadcasts import broadcast_named, refusal_of
from whereupon.web.customerio.persons import Persons
from whereupon.web.http import Answer

_CHANNELS: Mapping[str, frozenset[str]] = {
    "email": frozenset({"email"}),
    "push": frozenset({"push"}),
    "sms": frozenset({"sms"}),
    "whatsapp": frozenset({"whatsapp"}),
    "in_app": frozenset({"in_app"}),
    "inbox_message": frozenset({"inbox", "inbox_message"}),
}
"""The channels that each kind of send may take."""

_TAKEN = frozenset(
    {"transactional_message_id", "identifiers", "to", "message_data", "send_to_unsubscribed"}
)
_EVERYWHERE = "all"
"""The ``to`` of a push that means all of a person's devices."""


class Sends:
    """What answers below ``/v1/send``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._persons = Persons(engine)

    def calls_at(self, kind: str) -> Calls:
        """What answers for a kind of send; empty if there is no such kind."""
        channels = _CHANNELS.get(kind)
        return {} if channels is None else {"POST": lambda asked: self._send(asked, channels)}

    def _send(self, asked: Asked, channels: frozenset[str]) -> Answer:
        body = asked.body
        step = self._step(self._rule(body), channels)
        _check_fields(body, step)
        person = self._persons.existing(object_in(body, "identifiers"))
        self._check_address(body, person, step.channel)
        delivery = self._made(asked, person, object_in(body, "message_data"))
        if delivery.state is DeliveryState.WITHHELD:
            reason = f"it is not sent: {delivery.reason}"
            raise RefusedError(code="withheld", reason=reason)
        queued_at = int(asked.now.timestamp())
        return done({"delivery_id": delivery.idempotency_key, "queued_at": queued_at})

    def _rule(self, body: Body) -> Rule:
        name = id_at(body, "transactional_message_id")
        if name is None:
            reason = (
                "transactional_message_id is required: it names a broadcast whose `when` is api, which says "
                "what is sent"
            )
            raise RefusedError(
                code="missing-field", reason=reason, field="transactional_message_id"
            )
        return broadcast_named(self._engine, name, field="transactional_message_id")

    def _step(self, rule: Rule, channels: frozenset[str]) -> Send:
        step = rule.steps[0]
        if not isinstance(step, Send) or step.channel not in channels:
            reason = f"the first step of {rule.id} is not `send: {min(channels)}`"
            raise RefusedError(
                code="other-channel", reason=reason, field="transactional_message_id"
            )
        return step

    def _check_address(self, body: Body, person: str, channel: str) -> None:
        """Refuse an address that is not the person's own."""
        given = body.get("to")
        if given is None or (channel == "push" and given == _EVERYWHERE):
            return
        if channel == "push":
            reason = "a push goes to all devices of the person; leave to out, or send all"
            raise RefusedError(code="other-address", reason=reason, field="to")
        attribute = self._engine.pipeline.settings.addresses.get(channel)
        own = None if attribute is None else self._persons.attributes_of(person).get(attribute)
        if own is None or normalized_address(own) != normalized_address(given):
            reason = "to is not the person's own address; a delivery goes to the person whom identifiers names"
            raise RefusedError(code="other-address", reason=reason, field="to")

    def _made(self, asked: Asked, person: str, data: Mapping[str, JsonValue]) -> Delivery:
        name = id_at(asked.body, "transactional_message_id") or ""
        key = None if asked.key is None else f"send-{asked.key}"
        try:
            done = self._engine.trigger(name, people=[person], properties=data, key=key)
        except (OperationError, UnknownNameError) as error:
            raise refusal_of(error) from None
        if person in done.unknown:
            raise RefusedError(
                code="unknown-person", reason="nobody has that id", field="identifiers"
            )
        deliveries: Sequence[Delivery] = done.deliveries.get(person, ())
        if not deliveries:
            reason = f"the `who` of {name} does not admit the person"
            raise RefusedError(code="excluded", reason=reason, field="identifiers")
        return deliveries[0]


def _check_fields(body: Body, step: Send) -> None:
    """Refuse what the rule decides and not the call. An empty value asks for nothing."""
    for name, value in body.items():
        if name not in _TAKEN and value not in (None, "", False, [], {}):
            reason = f"{name} is not taken: the rule that transactional_message_id names says what is sent"
            raise RefusedError(code="unsupported-field", reason=reason, field=name)
    wanted = body.get("send_to_unsubscribed")
    asks_consent = step.kind is SendKind.MARKETING
    if isinstance(wanted, bool) and wanted is asks_consent:
        kind = "transactional" if wanted else "marketing"
        reason = (
            f"the rule says whether it goes to people who unsubscribed: write kind: {kind} there"
        )
        raise RefusedError(code="other-kind", reason=reason, field="send_to_unsubscribed")
