"""Notices about a message that is taken: what a human should look at, and what changes nothing."""

from whereupon.decide.batch_state import BatchState
from whereupon.decide.people import look_alike
from whereupon.decide.result import Notice
from whereupon.messages.model import Message, MessageType
from whereupon.messages.repairs import MOST_QUOTED, quoted
from whereupon.records import IdKind, Twin


def note_duplicate(work: BatchState, message: Message, twin: Twin | Message | None) -> None:
    """Emit a notice if a duplicate differs from the message that was recorded under its id.

    Args:
        twin: the recorded message; None if nothing is known of it.
    """
    differing = [] if twin is None or message.depth else _differing(message, twin)
    if differing:
        text = (
            f"a message of the same messageId was recorded before, with another {' and '.join(differing)};"
            " this one changed nothing"
        )
        work.out.emitted.append(Notice("duplicate-differs", message.message_id, text))


def _differing(message: Message, twin: Twin | Message) -> list[str]:
    """The parts in which a duplicate differs from the recorded message."""
    differing = []
    if twin.type is not message.type:
        differing.append("type")
    if twin.name != message.name:
        differing.append("event" if message.type is MessageType.TRACK else "name")
    if {twin.user_id, twin.anonymous_id} != {None} and (
        (twin.user_id, twin.anonymous_id) != (message.user_id, message.anonymous_id)
    ):
        differing.append("person")
    return differing


def note_look_alikes(work: BatchState, message: Message) -> None:
    """Emit a notice for each new id of a message that differs from another id by its spelling only."""
    if message.user_id is not None and message.user_id not in work.users:
        _note_look_alike(work, message, IdKind.USER, message.user_id)
    if message.anonymous_id is not None and message.anonymous_id not in work.anonymous:
        _note_look_alike(work, message, IdKind.ANONYMOUS, message.anonymous_id)


def _note_look_alike(work: BatchState, message: Message, kind: IdKind, value: str) -> None:
    other = look_alike(work, kind, value)
    if other is not None:
        name = "userId" if kind is IdKind.USER else "anonymousId"
        one, two = (repr(quoted(each, MOST_QUOTED)) for each in (other, value))
        text = f"{name} {one} and {two} differ by case or Unicode form only, and are two"
        work.out.alike.append(Notice("ids-alike", message.message_id, text))


def note_repairs(work: BatchState, message: Message) -> Message:
    """Emit what was repaired in a message when it was read; gives the message as it is recorded."""
    for code, text in message.remarks:
        work.out.emitted.append(Notice(code, message.message_id, text))
    return message.changed(remarks=())


def is_ordinary(work: BatchState, name: str) -> bool:
    """Whether an event's name is neither that of a semantic event nor nearly so."""
    if name in work.ordinary_events:
        return True
    registry = work.settings.registry
    if registry.action_for(name) is not None or registry.near_miss(name) is not None:
        return False
    work.ordinary_events.add(name)
    return True


def note_near_miss(work: BatchState, message: Message) -> None:
    """Emit a notice if an ordinary event's name is nearly that of a semantic event."""
    near = work.settings.registry.near_miss(message.name)
    if near is not None:
        text = (
            f"{message.name!r} is an ordinary event and ran nothing; the action's name is {near!r}"
        )
        work.out.emitted.append(Notice("near-miss", message.message_id, text))
