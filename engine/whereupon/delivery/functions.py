"""The functions of the host's that `run` steps call: each is a channel, whose result is kept with the delivery."""

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias, TypedDict, cast

from pydantic import JsonValue

from whereupon.delivery.channel_policy import (
    BreakerValues,
    ChannelOptions,
    ChannelPolicy,
    RateText,
    policy_of,
)
from whereupon.delivery.host_code import check_callable, has_not_run, is_async
from whereupon.delivery.retries import Duration, GiveUp, Retry
from whereupon.messages.codec import JsonError, decode, encode
from whereupon.ports import Channel
from whereupon.records import Delivery
from whereupon.rules.steps.run import FUNCTION_NAME, LONGEST_RESULT, channel_of

Function: TypeAlias = Callable[[Delivery], object]
"""Returns, or for an ``async`` function gives, any JSON value."""


class FunctionOptions(TypedDict, total=False):
    """How a function is called, as a host says it; each as in `ChannelOptions`.

    Attributes:
        concurrency: the most calls side by side, in one process: 1 by default.
        rate: the most calls in a time, in all processes, such as ``100 per 1s``.
        timeout: how long one call may take.
        retry: how a call is tried again.
        breaker: the failures in a row after which no call is made, and for how long; None for never.
    """

    concurrency: int
    rate: RateText | None
    timeout: Duration | None
    retry: Retry | None
    breaker: BreakerValues | None


class Returned(NamedTuple):
    """What a function returned, as JSON has it."""

    value: JsonValue


def as_channel(name: str, function: Function) -> Channel:
    """The function as a channel that gives a `Returned`.

    The channel raises `GiveUp` if what the function returned is not JSON: the next call would return no other.
    """
    if is_async(function):
        waited = cast("Callable[[Delivery], Awaitable[object]]", function)

        async def call_and_wait(delivery: Delivery) -> Returned:
            return _returned(name, await waited(delivery))

        return call_and_wait

    def call(delivery: Delivery) -> object:
        returned = function(delivery)
        return returned if has_not_run(returned) else _returned(name, returned)  # the lane says it

    return call


def check_function(name: str, function: object) -> None:
    """Refuse what cannot be a function of that name.

    Raises:
        TypeError: it cannot be called, or it is a class or a generator.
        ValueError: no rule could name it.
    """
    check_name(name)
    if isinstance(function, type) or not callable(function):
        message = f"{name} is a function, or an object that can be called; this is {function!r:.60}"
        raise TypeError(message)
    check_callable(function)


def check_name(name: str) -> str:
    """The channel of a function.

    Raises:
        ValueError: no rule could name the function.
    """
    if not isinstance(name, str) or FUNCTION_NAME.fullmatch(name) is None:
        message = f"the name of a function is letters, digits, - and _, such as score-lead; this is {name!r}"
        raise ValueError(message)
    return channel_of(name)


def function_policy(name: str, options: FunctionOptions) -> ChannelPolicy:
    """The policy that a host says.

    Raises:
        ValueError, TypeError: a value is wrong, or there is no such option.
    """
    unknown = options.keys() - FunctionOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(sorted(FunctionOptions.__annotations__))
        message = f"a function has no option {sorted(unknown)[0]!r}; there are: {known}"
        raise TypeError(message)
    return policy_of(channel_of(name), cast("ChannelOptions", options), None)


def _returned(name: str, value: object) -> Returned:
    for where, kind in _not_json(value):
        reason = f"{name} returned what is not JSON: {kind}{where and f' at {where}'}"
        raise GiveUp(reason)
    try:
        text = encode(value)
    except JsonError as error:
        reason = f"{name} returned what is not JSON: {error}"
        raise GiveUp(reason) from error
    if len(text) > LONGEST_RESULT:
        reason = f"{name} returned {len(text):,} bytes of JSON; at most {LONGEST_RESULT:,} are kept"
        raise GiveUp(reason)
    return Returned(decode(text))


_MOST_LEVELS: Final = 100


def _not_json(value: object, where: str = "", level: int = 0) -> Iterator[tuple[str, str]]:
    """The place and the kind of each part that JSON cannot hold."""
    if level > _MOST_LEVELS:
        yield "", f"more than {_MOST_LEVELS} levels"
        return
    for key, inner in _members(value):
        if isinstance(key, int):
            place = f"{where}[{key}]"
        elif isinstance(key, str):
            place = f"{where}.{key}" if where else key
        else:
            yield where, "a key that is not a text"
            continue
        yield from _not_json(inner, place, level + 1)
    if isinstance(value, float) and not math.isfinite(value):
        yield where, str(value)
    elif type(value) not in _JSON:
        yield where, f"a value of type {type(value).__name__}"


_JSON: Final = (dict, list, tuple, str, int, float, bool, type(None))


def _members(value: object) -> Iterable[tuple[object, object]]:
    """The members of an object or an array, by their keys or positions."""
    if isinstance(value, dict):
        return [(key if isinstance(key, str) else (key,), each) for key, each in value.items()]
    return enumerate(value) if isinstance(value, list | tuple) else ()
