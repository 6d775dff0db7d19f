"""Liquid without a clock or other templates, within a budget, where nothing missing is ever written."""

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import ClassVar, Final, NoReturn

from liquid import BoundTemplate, Environment, RenderContext, Token, Undefined
from liquid.exceptions import UndefinedError
from liquid.output import LimitedStringIO
from liquid.utils import ReadOnlyChainMap

from whereupon.messages.codec import encode
from whereupon.templates.expressions import nodes_of, width_of
from whereupon.templates.filters import AMPLIFYING, NAMES, OWN, cost_of, room_for
from whereupon.templates.metering import ITEM, LARGEST, STEP, Meter


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


class Context(RenderContext):
    """A render context without Liquid's clock, where nothing turns a missing value into a text.

    Everything that takes time or room passes by here, and is counted before it is done.

    Attributes:
        meter: what is counted.
        zone: whose clock dates are on.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.meter = Meter()
        self.zone: tzinfo = UTC
        self.step = STEP
        self._sizes: dict[str, int] = {}
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    @property
    def disabled_tags(self) -> list[str]:
        """None are disabled; every node asks as it is rendered, which is a step."""
        self.meter.spend(self.step)
        return []

    @disabled_tags.setter
    def disabled_tags(self, _: list[str]) -> None:
        """See above."""

    def get(self, path: list[object], **kwargs: object) -> object:
        """The value at a path."""
        self.meter.spend(len(path) * ITEM)
        value = super().get(path, **kwargs)  # type: ignore[arg-type]
        self.meter.measure(value)
        return value

    def assign(self, key: str, val: object) -> None:
        """Keep a value in a variable: all of them together are bounded."""
        self._keep(key, self.meter.measure(val))
        self.locals[key] = val

    def cycle(self, key: object, length: int) -> int:
        """The next of a cycle; which it is, is kept."""
        name = f"cycle {key}"
        self._keep(name, self.meter.measure(name))
        return super().cycle(key, length)

    def ifchanged(self, val: str) -> bool:
        """Whether a text is another than the last time."""
        self.meter.measure(val)
        return super().ifchanged(val)

    def stopindex(self, key: str, index: int | None = None) -> int:
        """Where a loop stops: told before it begins, and before it is turned round."""
        if index is not None:
            self.meter.spend(index * ITEM)
        return super().stopindex(key, index)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """The filter of that name; all but `default` pass a missing value on as it is."""
        apply = super().filter(name, token)
        if name == "default":
            return apply

        def checked(left: object, *args: object, **kwargs: object) -> object:
            meter, sizes = self.meter, 0
            for value in (left, *args, *kwargs.values()):
                if isinstance(value, Missing):
                    return value
                sizes += meter.measure(value)
            meter.spend(STEP + cost_of(name, left, sizes))
            if name in AMPLIFYING:
                meter.bound(room_for(name, left, args, sizes, is_markup=self.autoescape))
            result = apply(left, *args, **kwargs)
            meter.measure(result)
            return Missing(f"what `{name}` gives", token=token) if result is None else result

        return checked

    def _keep(self, name: str, size: int) -> None:
        self._sizes[name] = size
        self.meter.spend(len(self._sizes))
        self.meter.bound(sum(self._sizes.values()))


class _Bound(BoundTemplate):
    context_class = Context


class _Sandbox(Environment):
    """Liquid without what reads other templates, and with limits that no honest message reaches."""

    block_nesting_limit: ClassVar[int] = 20
    loop_iteration_limit: ClassVar[int | None] = 10_000
    output_stream_limit: ClassVar[int | None] = 4 * LARGEST
    template_class: type[BoundTemplate] = _Bound

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """The standard tags but for `include` and `render`; the filters of which the cost is known."""
        super().setup_tags_and_filters(extra=extra)
        del self.tags["include"], self.tags["render"]
        self.filters = {
            name: each for name, each in {**self.filters, **OWN}.items() if name in NAMES
        }


@lru_cache(maxsize=2)
def _sandbox(*, is_markup: bool) -> _Sandbox:
    return _Sandbox(undefined=Missing, strict_filters=True, autoescape=is_markup)


@lru_cache(maxsize=4096)
def compiled(source: str, *, is_markup: bool = False) -> BoundTemplate:
    """A template, compiled once per source; one of markup escapes what it writes of the data."""
    return _sandbox(is_markup=is_markup).from_string(source)


@lru_cache(maxsize=4096)
def _step_of(source: str) -> int:
    """What a step of the template costs at most: one that evaluates much costs more."""
    template = compiled(source)
    context = RenderContext(template)
    return STEP + 2 * ITEM * max(
        (width_of(node, context) for node in nodes_of(template)), default=0
    )


_IN_TEXT: Final = 4
_IN_MARKUP: Final = 16


def written(
    source: str, shown: Mapping[str, object], *, is_markup: bool, meter: Meter, zone: tzinfo
) -> str:
    """The text that a template makes of the data."""
    template = compiled(source, is_markup=is_markup)
    context = Context(template, globals=shown)
    context.meter, context.zone, context.step = meter, zone, _step_of(source)
    meter.item_work = _IN_MARKUP if is_markup else _IN_TEXT
    buffer = LimitedStringIO(limit=4 * LARGEST)
    template.render_with_context(context, buffer)
    text = buffer.getvalue()
    meter.write(len(text))
    return text
