"""The calls on broadcasts that are asked for most: start one, and say whom it would reach."""

from collections.abc import Callable, Iterable, Mapping

from whereupon.api.parts import EngineParts
from whereupon.operations.audience_preview import AudiencePreview
from whereupon.operations.broadcasts import Triggered, own_properties
from whereupon.ports import HostTransaction


class BroadcastCalls(EngineParts):
    """Start a broadcast, and preview one; `EngineParts.broadcasts` has the calls that look after its runs."""

    def trigger(
        self,
        broadcast: str,
        *,
        people: Iterable[str] | None = None,
        per_person: Mapping[str, Mapping[str, object]] | None = None,
        recipients: Iterable[Mapping[str, object]] | None = None,
        properties: Mapping[str, object] | None = None,
        key: str | None = None,
        connection: HostTransaction | None = None,
    ) -> Triggered:
        """Start a broadcast whose ``when`` is ``api``.

        Without ``people`` it goes, once, to every person who is known by then and meets its `who` when their turn
        comes; a person who becomes known during the run may get it too. With ``people`` it goes to those of them who
        are known and meet its `who`, all within this call, so that the answer has their deliveries.

        Args:
            people: user ids, at most 10,000. Two ids of one person count as one. Nobody is created.
            per_person: by user id, properties of one person's own, over those of all. Without ``people`` its
                keys are the people.
            recipients: the same in one list, instead of both: each has a ``user_id``, and beside it the properties of
                that person's own.
            properties: what its templates and its `who` see as ``properties``.
            key: makes the call idempotent: one key starts the broadcast once, ever. A second call with people
                answers with the deliveries of the first, as long as entries are kept.
            connection: the host's connection, whose transaction is used.

        Raises:
            UnknownNameError: there is no such broadcast, or it does not take ``api``.
            OperationError: with ``people``: there are none (``no-people``) or too many (``too-many-people``), the
                broadcast is switched off (``inactive``) or paused (``paused``), ``per_person`` has another person
                (``not-named``), ``recipients`` has one without a ``user_id`` (``bad-recipient``) or one twice (``named-twice``), or there are more people than
                the broadcast's `rate` lets in at once (``over-rate``).
        """
        if recipients is not None:
            if people is not None or per_person is not None:
                message = "recipients names the people: leave out people and per_person"
                raise TypeError(message)
            per_person = own_properties(broadcast, recipients)
        named = _named(people, per_person)
        if named is None:
            return self.broadcasts.trigger(
                broadcast, properties=properties, key=key, connection=connection
            )
        return self.broadcasts.trigger_people(
            broadcast,
            named,
            per_person or {},
            properties=properties,
            key=key,
            connection=connection,
        )

    def preview_broadcast(
        self,
        broadcast: str,
        *,
        properties: Mapping[str, object] | None = None,
        sample: int = 10,
        progress: Callable[[int], object] | None = None,
    ) -> AudiencePreview:
        """Whom a broadcast would reach, if it were sent now (see `Broadcasts.preview`)."""
        return self.broadcasts.preview(
            broadcast, properties=properties, sample=sample, progress=progress
        )


def _named(
    people: Iterable[str] | None, per_person: Mapping[str, Mapping[str, object]] | None
) -> list[str] | None:
    if people is None:
        return None if per_person is None else list(per_person)
    if isinstance(people, str):
        message = "people is a list of user ids, not one user id"
        raise TypeError(message)
    return list(dict.fromkeys(people))
