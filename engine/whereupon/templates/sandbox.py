"""The sandbox: Liquid without a clock and files, within a budget, with an error for missing values."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from io import StringIO
from typing import ClassVar, Final, NoReturn, TextIO

from liquid import BoundTemplate, Environment, RenderContext, Token, Undefined
from liquid.exceptions import TemplateNotFoundError, UndefinedError
from liquid.output import LimitedStringIO
from liquid.utils import ReadOnlyChainMap

from whereupon.messages.codec import encode
from whereupon.templates.addressee import Addressee
from whereupon.templates.filters import AMPLIFYING, NAMES, OWN, cost_of, room_for
from whereupon.templates.html_places import guarded
from whereupon.templates.meter import ITEM, LARGEST, STEP, Meter
from whereupon.templates.partials import Partials, PartialTag
from whereupon.templates.syntax import nodes_of, width_of


class Object(dict[str, object]):
    """A JSON object of the data, which is written as JSON."""

    def __str__(self) -> str:
        return encode(self).decode()


class Missing(Undefined):
    """A variable without a value: false in a condition, replaced by a default, an error where it is written."""

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


def _buffer(limit: int) -> LimitedStringIO:
    """A buffer that leaves the line breaks of data as they are: Liquid's would make each a line feed."""
    return LimitedStringIO(limit=limit, newline="")


class Context(RenderContext):
    """A render context without Liquid's clock, in which a missing value never becomes a text.

    Everything that takes time or memory passes through here, and is counted before it is done.

    Attributes:
        meter: the work and sizes that are used.
        addressee: on whose clock dates are, and in which language numbers.
        step: the cost of a step of the template.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.meter = Meter()
        self.addressee = Addressee()
        self.step = STEP
        self._sizes: dict[str, int] = {}
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    @property
    def disabled_tags(self) -> list[str]:
        """No tag is disabled. Every node reads this when it is rendered, so a step is counted here."""
        self.meter.spend(self.step)
        return []

    @disabled_tags.setter
    def disabled_tags(self, _: list[str]) -> None:
        """Ignore the tags that Liquid would disable."""

    def get(self, path: list[object], **kwargs: object) -> object:
        """The value at a path."""
        self.meter.spend(len(path) * ITEM)
        value = super().get(path, **kwargs)  # type: ignore[arg-type]
        self.meter.measure(value)
        return value

    def assign(self, key: str, val: object) -> None:
        """Keep a value in a variable; the sum of all variables is bounded."""
        self._keep(key, self.meter.measure(val))
        self.locals[key] = val

    def cycle(self, key: object, length: int) -> int:
        """The next value of a cycle, whose state is kept."""
        name = f"cycle {key}"
        self._keep(name, self.meter.measure(name))
        return super().cycle(key, length)

    def ifchanged(self, val: str) -> bool:
        """Whether a text differs from the last one."""
        self.meter.measure(val)
        return super().ifchanged(val)

    def stopindex(self, key: str, index: int | None = None) -> int:
        """The stop index of a loop, which Liquid sets before the loop begins or is reversed."""
        if index is not None:
            self.meter.spend(index * ITEM)
        return super().stopindex(key, index)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """The filter of a name; every filter but `default` passes a missing value on."""
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

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        """A buffer for a part of the text, within the limit of the whole."""
        return _buffer(4 * LARGEST - (buf.size if isinstance(buf, LimitedStringIO) else 0))

    def copy(self, *args: object, **kwargs: object) -> "Context":
        """The context of a partial, which spends from the same budget."""
        made = super().copy(*args, **kwargs)  # type: ignore[arg-type]
        assert isinstance(made, Context)  # noqa: S101 - Liquid copies the class
        made.meter, made.addressee, made.step = self.meter, self.addressee, self.step
        made._sizes = {"": sum(self._sizes.values())}  # noqa: SLF001 - its own kind
        return made

    def _keep(self, name: str, size: int) -> None:
        self._sizes[name] = size
        self.meter.spend(len(self._sizes))
        self.meter.bound(sum(self._sizes.values()))


class _Bound(BoundTemplate):
    context_class = Context


class _Sandbox(Environment):
    """Liquid without `include`, with the partials that are given, and with limits far above what messages need.

    Args:
        partials: the only templates that `render` finds.
        is_markup: whether data are escaped.
    """

    block_nesting_limit: ClassVar[int] = 20
    loop_iteration_limit: ClassVar[int | None] = 10_000
    output_stream_limit: ClassVar[int | None] = 4 * LARGEST
    template_class: type[BoundTemplate] = _Bound

    def __init__(self, partials: Partials, *, is_markup: bool) -> None:
        super().__init__(undefined=Missing, strict_filters=True, autoescape=is_markup)
        self._sources = dict(partials)
        self._partials: dict[str, BoundTemplate] = {}

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """The standard tags without `include`; the filters whose cost is known."""
        super().setup_tags_and_filters(extra=extra)
        del self.tags["include"]
        self.add_tag(PartialTag)
        self.filters = {
            name: each for name, each in {**self.filters, **OWN}.items() if name in NAMES
        }

    def get_template(self, name: str, **_: object) -> BoundTemplate:
        """The partial of a name; in markup it is guarded as every text is."""
        if name not in self._partials:
            if name not in self._sources:
                raise TemplateNotFoundError(name)
            source = self._sources[name]
            source = guarded(source) if self.autoescape else source
            self._partials[name] = self.from_string(source, name=name)
        return self._partials[name]


@lru_cache(maxsize=256)
def _sandbox(partials: Partials, *, is_markup: bool) -> _Sandbox:
    return _Sandbox(partials, is_markup=is_markup)


@lru_cache(maxsize=4096)
def compiled(source: str, partials: Partials = (), *, is_markup: bool = False) -> BoundTemplate:
    """A compiled template, cached by its source; in markup it escapes the data that it writes."""
    return _sandbox(partials, is_markup=is_markup).from_string(source)


@lru_cache(maxsize=4096)
def _step_of(source: str, partials: Partials) -> int:
    """The most that a step of the template costs: the widest node counts, also of its partials."""
    texts = (source, *(text for _, text in partials))
    return STEP + 2 * ITEM * max(_widths(compiled(text) for text in texts), default=0)


def _widths(templates: Iterable[BoundTemplate]) -> Iterator[int]:
    for template in templates:
        context = RenderContext(template)
        yield from (width_of(node, context) for node in nodes_of(template))


_IN_TEXT: Final = 4
_IN_MARKUP: Final = 16


def render_source(
    source: str,
    shown: Mapping[str, object],
    *,
    partials: Partials = (),
    is_markup: bool,
    meter: Meter,
    addressee: Addressee,
) -> str:
    """Render the source of a template with the data."""
    template = compiled(source, partials, is_markup=is_markup)
    context = Context(template, globals=shown)
    context.meter, context.addressee = meter, addressee
    context.step = _step_of(source, partials)
    meter.item_work = _IN_MARKUP if is_markup else _IN_TEXT
    buffer = _buffer(4 * LARGEST)
    template.render_with_context(context, buffer)
    text = buffer.getvalue()
    meter.write(len(text))
    return text
