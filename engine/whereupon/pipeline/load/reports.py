"""Reports among the messages of a batch: the deliveries that they are about, and what these bring in."""

from collections.abc import Mapping, Sequence

from whereupon.decide import Settings
from whereupon.decide.reports import subject_of, unsubscribing
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message
from whereupon.pipeline.load.batch_keys import BatchKeys
from whereupon.ports import Session
from whereupon.records import Delivery


def reported_deliveries(
    session: Session, settings: Settings, mentioned: BatchKeys, messages: Sequence[Message]
) -> dict[str, Delivery]:
    """The deliveries that the messages report about, by idempotency key."""
    names = settings.registry.reporting
    if not mentioned.asks_for(names):
        return {}
    keys = {subject_of(each) for each in messages if each.name in names}
    found = session.deliveries_by_key(keys) if keys else ()
    return {delivery.idempotency_key: delivery for delivery in found}


def unsubscribing_by(
    messages: Sequence[Message], reported: Mapping[str, Delivery]
) -> list[Message]:
    """The identifies that reports among the messages lead to."""
    about = ((each, reported.get(subject_of(each))) for each in messages)
    made = (unsubscribing(each, delivery) for each, delivery in about if delivery is not None)
    return [each for each in made if each is not None]


def mentioned_with_reported(
    messages: Sequence[Message], reported: Mapping[str, Delivery], index: RuleIndex
) -> BatchKeys:
    """What a batch mentions; of a report, the person of its delivery, too."""
    return BatchKeys(messages, index, (delivery.person for delivery in reported.values()))
