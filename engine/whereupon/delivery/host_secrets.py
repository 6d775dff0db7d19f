"""The host's secrets: put into a call of a `webhook` step right before it is made, and nowhere else.

The store, hooks, logs and reports have the places, ``{{ secrets.NAME }}``. An error of the call that quotes a secret
is told with the place instead.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Final, TypeAlias
from urllib.parse import quote

from whereupon.decide.steps.webhook import CHANNEL
from whereupon.delivery.retries import GiveUp
from whereupon.records import Delivery
from whereupon.templates import fill_in

Secrets: TypeAlias = Mapping[str, str] | Callable[[str], str | None]
"""Secrets by name, or what is asked for the one of a name; None or a `LookupError` says that there is none."""

_SHORTEST_HIDDEN: Final = 4
"""Characters. What is shorter stands in any text by chance."""


class HostSecrets:
    """What a host gives as its secrets.

    Attributes:
        names: of all of them; None if they are not known.
    """

    def __init__(self, secrets: Secrets | None = None) -> None:
        self._secrets: Secrets = {} if secrets is None else secrets
        is_told = isinstance(secrets, Mapping)
        self.names: frozenset[str] | None = frozenset(secrets) if is_told else None  # type: ignore[arg-type]  # mypy forgets what is_told says

    def filled(self, delivery: Delivery) -> tuple[Delivery, Mapping[str, str]]:
        """The delivery with its secrets, and these by name.

        Raises:
            GiveUp: the host has no such secret.
        """
        used: dict[str, str] = {}

        def secret(name: str) -> str:
            used[name] = self._secret(name)
            return used[name]

        if not _has_places(delivery):
            return delivery, used
        return delivery.changed(content=fill_in(delivery.content, secret)), used

    def _secret(self, name: str) -> str:
        known = self._secrets
        try:
            found = known.get(name) if isinstance(known, Mapping) else known(name)
        except LookupError:
            found = None
        if found is None:
            reason = f"the host has no secret {name}: give it as one of its secrets, and retry"
            raise GiveUp(reason)
        return str(found)

    def around(self, call: Callable[[Delivery], object]) -> Callable[[Delivery], object]:
        """What fills in the secrets of a delivery and calls a channel with it."""

        def fill_and_call(delivery: Delivery) -> object:
            ready, used = self.filled(delivery)
            if not used:
                return call(ready)
            try:
                return call(ready)
            except Exception as error:  # noqa: BLE001 - raised again, without what it quotes
                raise _without(used, error) from None

        return fill_and_call

    def around_many(
        self, call: Callable[[Sequence[Delivery]], object]
    ) -> Callable[[Sequence[Delivery]], object]:
        """The same for a channel that takes several; those whose secrets the host lacks are not among them."""

        def fill_and_call(deliveries: Sequence[Delivery]) -> object:
            ends = [self._filled_or_not(delivery) for delivery in deliveries]
            ready = [end[0] for end in ends if isinstance(end, tuple)]
            used = {
                name: value
                for end in ends
                if isinstance(end, tuple)
                for name, value in end[1].items()
            }
            try:
                returned = call(ready) if ready else None
            except Exception as error:  # noqa: BLE001 - raised again, without what it quotes
                raise _without(used, error) from None
            if len(ready) == len(deliveries) and not used:
                return returned
            told = iter(returned) if isinstance(returned, Sequence) else repeat(None)
            outcomes = [end if isinstance(end, GiveUp) else next(told, _MISSING) for end in ends]
            return [_without(used, e) if isinstance(e, Exception) else e for e in outcomes]

        return fill_and_call

    def _filled_or_not(self, delivery: Delivery) -> tuple[Delivery, Mapping[str, str]] | GiveUp:
        try:
            return self.filled(delivery)
        except GiveUp as error:
            return error


_MISSING: Final = object()
"""In place of an outcome that a channel did not return."""


def _has_places(delivery: Delivery) -> bool:
    """Whether it is a call of a `webhook` step; no other delivery has places for secrets."""
    return delivery.channel == CHANNEL and "url" in delivery.content


def _without(used: Mapping[str, str], error: Exception) -> Exception:
    """An error that quotes none of the secrets: the same one, unless it does."""
    if _hidden(used, str(error)) == str(error):
        return error
    error.args = tuple(
        _hidden(used, each) if isinstance(each, str) else each for each in error.args
    )
    said = _hidden(used, str(error))
    if said == str(error):
        return error
    return RuntimeError(f"{type(error).__name__}: {said}")


def _hidden(used: Mapping[str, str], text: str) -> str:
    for name, value in used.items():
        place = f"{{{{ secrets.{name} }}}}"
        for form in _forms(value) if len(value) >= _SHORTEST_HIDDEN else ():
            text = text.replace(form, place)
    return text


def _forms(value: str) -> tuple[str, ...]:
    """A secret as it may be quoted: itself, in a URL, in Python and in JSON."""
    in_urls = (quote(value, safe=safe, errors="replace") for safe in ("/", ""))
    in_json = value.replace("\\", "\\\\").replace('"', '\\"')
    return (value, *in_urls, repr(value)[1:-1], in_json)
