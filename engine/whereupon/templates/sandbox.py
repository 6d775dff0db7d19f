"""Liquid without a clock, other templates or unlimited loops, where nothing missing is ever written."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar, NoReturn

from liquid import BoundTemplate, Environment, RenderContext, Token, Undefined
from liquid.exceptions import LiquidError, UndefinedError
from liquid.filter import with_context
from liquid.utils import ReadOnlyChainMap

from whereupon.codec import encode
from whereupon.times import parse_instant

_SECONDS = re.compile(r"(?<!%)((?:%%)*)%s")
"""What ``strftime`` would count in the timezone of the machine."""


class Object(dict[str, object]):
    """A JSON object among the data, written out as JSON (and not as Python would write it)."""

    def __str__(self) -> str:
        return encode(self).decode()


class Missing(Undefined):
    """A variable without a value: false in a condition, replaced by a default, never written."""

    __slots__ = ()
    force_liquid_default = True

    def _refuse(self, *_: object) -> NoReturn:
        where = str(self.name)
        if self.hint is not None and self.hint.endswith(" is undefined"):
            where = self.hint.removesuffix(" is undefined").strip("'")
        elif self.hint == "index out of range":
            where = f"an item of a list in {where}"
        message = f"{where} has no value; add | default: '…' where it may be missing"
        raise UndefinedError(message, token=self.token)

    __str__ = __iter__ = __len__ = __int__ = __getitem__ = __reversed__ = _refuse

    def __bool__(self) -> bool:
        return False


class _Context(RenderContext):
    """A render context without Liquid's clock, where nothing turns a missing value into a text."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """The filter of that name; all but `default` pass a missing value on as it is."""
        apply = super().filter(name, token)
        if name == "default":
            return apply

        def checked(left: object, *args: object, **kwargs: object) -> object:
            missing = next((v for v in (left, *args) if isinstance(v, Missing)), None)
            if missing is not None:
                return missing
            result = apply(left, *args, **kwargs)
            return Missing(f"what `{name}` gives", token=token) if result is None else result

        return checked


class _Bound(BoundTemplate):
    context_class = _Context


class _Sandbox(Environment):
    """Liquid without what reads other templates, and with limits that no honest message reaches."""

    block_nesting_limit: ClassVar[int] = 20
    loop_iteration_limit: ClassVar[int | None] = 10_000
    local_namespace_limit: ClassVar[int | None] = 256 * 1024
    output_stream_limit: ClassVar[int | None] = 256 * 1024
    template_class: type[BoundTemplate] = _Bound

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """The standard tags and filters, but for `include` and `render`, and with our `date`."""
        super().setup_tags_and_filters(extra=extra)
        del self.tags["include"], self.tags["render"]
        self.add_filter("date", _date)


@with_context
def _date(value: object, form: str, *, context: RenderContext) -> str:
    """Write an instant (ISO 8601 or Unix time, in UTC) in the ``strftime`` form given."""
    if value in ("now", "today"):
        value = context.resolve("now")
    instant = parse_instant(value)
    if instant is None:
        reason = f"date: {value!s} is no date; give ISO 8601, such as 2026-01-31T09:00:00Z"
        raise LiquidError(reason, token=None)
    if isinstance(form, str):
        form = _SECONDS.sub(lambda found: found[1] + str(int(instant.timestamp())), form)
    return instant.strftime(form)


@lru_cache(maxsize=1)
def _sandbox() -> _Sandbox:
    return _Sandbox(undefined=Missing, strict_filters=True)


@lru_cache(maxsize=4096)
def compiled(source: str) -> BoundTemplate:
    """A template, compiled once per source."""
    return _sandbox().from_string(source)
