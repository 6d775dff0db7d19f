"""The filters: their names, costs, largest results and arguments.

A filter that is not listed here does not exist, so a new filter of a later Liquid has no effect before its
cost is known.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from difflib import get_close_matches
from functools import lru_cache
from html import unescape
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from liquid import Environment, Markup, RenderContext, escape
from liquid.builtin.expressions import Filter, KeywordArgument
from liquid.exceptions import LiquidError
from liquid.filter import liquid_filter, string_filter, with_context, with_environment

from whereupon.messages.times import parse_local
from whereupon.templates.addressee import Addressee
from whereupon.templates.localized import (
    NEEDED_BY,
    NO_EXTRA,
    UnlocalizableError,
    is_installed,
    money_text,
    number_text,
    plural_form,
    with_names,
)
from whereupon.templates.meter import LARGEST

LONGEST_FORM: Final = 200
"""The most characters of a date's form."""

_LONGEST_ZONE: Final = 100
_LONGEST_DAY: Final = len("2026-01-31")
_SECONDS: Final = re.compile(r"(?<!%)((?:%%)*)%s")
"""The code that ``strftime`` would compute in the timezone of the machine."""
_WIDTH: Final = re.compile(r"%[-_0^#]*[0-9]{2,}")
_TAG: Final = re.compile(r"<[a-zA-Z/!?]")
_IGNORED: Final = re.compile("[\0-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060\ufeff]+")
"""What browsers leave out of a link, and more."""
_RUNS: Final = re.compile(r"(?:javascript|vbscript|livescript|data|blob|filesystem):")
_PICTURE: Final = re.compile(r"data:image/(?:png|gif|jpe?g|webp|avif)[;,]")
_WITH_TEXT: Final = ("script", "style")


@with_context
@liquid_filter
def _date(value: object, form: object, *, timezone: object = None, context: RenderContext) -> str:
    """Write an instant in the ``strftime`` form given, on the clock of the person or of a timezone.

    A day without a time is that day in every timezone.
    """
    addressee = _addressee(context)
    if value in ("now", "today"):
        value = context.resolve("now")
    zone = addressee.zone if timezone is None else _zone(str(timezone))
    is_day = isinstance(value, str) and len(value.strip()) <= _LONGEST_DAY
    instant = parse_local(value, zone if is_day else addressee.zone)
    if instant is None:
        reason = f"date: {_brief(value)} is not a date; give ISO 8601, such as 2026-01-31T09:00:00Z"
        raise LiquidError(reason, token=None)
    local = instant.astimezone(zone)
    text = str(form)
    if len(text) > LONGEST_FORM or _WIDTH.search(text):
        reason = f"date: a form has at most {LONGEST_FORM} characters, and no widths"
        raise LiquidError(reason, token=None)
    text = _SECONDS.sub(lambda found: found[1] + str(int(instant.timestamp())), text)
    written = local.strftime(with_names(text, local, addressee.locales()))
    return Markup(written) if isinstance(form, Markup) else written


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name[:_LONGEST_ZONE])
    except (ValueError, KeyError, OSError) as error:
        reason = f"date: there is no timezone {_brief(name)}"
        raise LiquidError(reason, token=None) from error


def _brief(value: object) -> str:
    return str(value)[:40]


def _addressee(context: RenderContext) -> Addressee:
    found = getattr(context, "addressee", None)
    return found if isinstance(found, Addressee) else Addressee()


@contextmanager
def _written_by(name: str) -> Iterator[None]:
    try:
        yield
    except UnlocalizableError as error:
        reason = f"{name}: {error}"
        raise LiquidError(reason, token=None) from error


@with_context
@liquid_filter
def _money(value: object, currency: object, *, context: RenderContext) -> str:
    """An amount of a currency, as the person's locale writes it."""
    with _written_by("money"):
        return money_text(value, currency, _addressee(context).locales())


@with_context
@liquid_filter
def _number(value: object, decimals: object = None, *, context: RenderContext) -> str:
    """A number, as the person's locale writes it."""
    with _written_by("number"):
        return number_text(value, decimals, _addressee(context).locales())


@with_context
@liquid_filter
def _pluralize(  # noqa: PLR0913 - a form for each category of plurals
    value: object,
    singular: object = None,
    plural: object = None,
    *,
    zero: object = None,
    one: object = None,
    two: object = None,
    few: object = None,
    many: object = None,
    other: object = None,
    context: RenderContext,
) -> object:
    """The form for a number, by the plural categories of the person's language."""
    said = {
        "zero": zero,
        "one": singular if one is None else one,
        "two": two,
        "few": few,
        "many": many,
        "other": plural if other is None else other,
    }
    forms = {category: form for category, form in said.items() if form is not None}
    with _written_by("pluralize"):
        return plural_form(value, forms, _addressee(context).locales())


@with_environment
@string_filter
def _raw(value: str, *, environment: Environment) -> str:
    """The value without escapes."""
    return Markup(value) if environment.autoescape else value


@string_filter
def _link(value: str) -> str:
    """The link itself, which runs no script."""
    plain = _IGNORED.sub("", unescape(value) if isinstance(value, Markup) else value).lower()
    if _RUNS.match(plain) and not _PICTURE.match(plain):
        reason = f"link: {_brief(plain)} would run a script, and is no address"
        raise LiquidError(reason, token=None)
    return value


@with_environment
@string_filter
def _strip_html(value: str, *, environment: Environment) -> str:
    """The text without tags, comments, scripts and styles, found in one pass from left to right."""
    texts: list[str] = []
    place, lowered = 0, value.lower()
    while (found := _TAG.search(value, place)) is not None:
        texts.append(value[place : found.start()])
        place = _behind(lowered, found.start())
    stripped = "".join([*texts, value[place:]])
    return Markup(stripped) if environment.autoescape and isinstance(value, Markup) else stripped


def _behind(text: str, start: int) -> int:
    """The end of the tag that starts there, or of the text if nothing closes it."""
    if text.startswith("<!--", start):
        return _end(text, "-->", start)
    end = _end(text, ">", start)
    for name in _WITH_TEXT:
        if text.startswith(f"<{name}", start):
            closing = text.find(f"</{name}", end)
            return len(text) if closing < 0 else _end(text, ">", closing)
    return end


def _end(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


def _replaced(left: object, args: Sequence[object], *, is_markup: bool) -> int:
    """The length of the text after every replacement."""
    text, old, new = str(left), str(args[0]), str(args[1]) if len(args) > 1 else ""
    if is_markup:
        old, new = str(escape(args[0])), str(escape(new))
    return len(text) + text.count(old) * len(new)


OWN: Final[Mapping[str, Callable[..., object]]] = MappingProxyType(
    {
        "date": _date,
        "link": _link,
        "raw": _raw,
        "safe": _raw,
        "strip_html": _strip_html,
        "money": _money,
        "number": _number,
        "pluralize": _pluralize,
    }
)
_OF_NUMBERS: Final = (
    *("abs", "at_least", "at_most", "ceil", "divided_by", "floor", "minus", "modulo", "money"),
    *("number", "pluralize", "plus", "round", "times"),
)
_OF_TEXTS: Final = (
    *("append", "base64_decode", "base64_encode", "base64_url_safe_decode"),
    *("base64_url_safe_encode", "capitalize", "date", "downcase", "escape", "escape_once"),
    *("escapejs", "link", "lstrip", "newline_to_br", "prepend", "raw", "remove", "remove_first"),
    *(
        "remove_last",
        "replace",
        "replace_first",
        "replace_last",
        "rstrip",
        "safe",
        "slice",
        "split",
    ),
    *("squish", "strip", "strip_html", "strip_newlines", "truncate", "truncatewords", "upcase"),
    *("url_decode", "url_encode"),
)
_OF_LISTS: Final = (
    *("compact", "concat", "find", "find_index", "first", "has", "join", "last", "map", "reject"),
    *("reverse", "size", "sort", "sort_natural", "sum", "uniq", "where"),
)
AMPLIFYING: Final = frozenset(("join", "replace", "times"))
"""The filters whose result may be many times larger than their input (see `room_for`)."""
NAMES: Final = frozenset((*_OF_NUMBERS, *_OF_TEXTS, *_OF_LISTS, "default"))
"""The names of all filters."""


def cost_of(name: str, left: object, sizes: int) -> int:
    """The work of a filter on values of these sizes together."""
    if name == "uniq" and isinstance(left, list | tuple):
        return len(left) * sizes  # each is compared with all before it
    return 20 * sizes if name in {"sort", "sort_natural"} else 4 * sizes


def room_for(
    name: str, left: object, args: Sequence[object], sizes: int, *, is_markup: bool
) -> int:
    """The largest size of the result of an `AMPLIFYING` filter."""
    if name == "replace" and args:
        return _replaced(left, args, is_markup=is_markup)
    if name == "join" and isinstance(left, list | tuple | range):
        separator = len(str(args[0])) if args else 1
        return sizes + separator * _flat_length(left)
    return sizes


def _flat_length(items: Sequence[object]) -> int:
    """The number of items of a list with its nested lists flattened, as `join` does."""
    if isinstance(items, range):
        return len(items)
    count, waiting = 0, list(items)
    while waiting and count <= LARGEST:
        item = waiting.pop()
        if isinstance(item, list | tuple):
            waiting.extend(item)
        else:
            count += 1
    return count


# --- arguments ------------------------------------------------------------------------------------


def call_fault(call: Filter, filters: Mapping[str, Callable[..., object]]) -> str | None:
    """What is wrong with the name or the arguments of a filter, and what to write; None if nothing is."""
    name = call.name
    if name not in filters:
        near = get_close_matches(name, filters, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"there is no filter {name!r}{hint}"
    if name in NEEDED_BY and not is_installed():
        return f"the filter {name!r} {NO_EXTRA}"
    least, most, keywords = _taken(filters[name])
    given = [arg for arg in call.args if not isinstance(arg, KeywordArgument)]
    for argument in call.args:
        if isinstance(argument, KeywordArgument) and argument.name not in keywords:
            known = f"; it takes {', '.join(sorted(keywords))}" if keywords else ""
            return f"the filter {name!r} takes no argument called {argument.name!r}{known}"
    if least <= len(given) <= most:
        return None
    hint = "; a timezone is written timezone: '…'" if name == "date" and len(given) > most else ""
    return f"the filter {name!r} takes {_count(least, most)}, and has {len(given)} here{hint}"


@lru_cache(maxsize=256)
def _taken(apply: Callable[..., object]) -> tuple[int, int, frozenset[str]]:
    """The least and the most positional arguments of a filter, and its keyword arguments."""
    parameters = list(inspect.signature(apply).parameters.values())[1:]
    placed = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    named = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    least = sum(each.default is each.empty for each in placed)
    return least, len(placed), frozenset(named - {"context", "environment"})


def _count(least: int, most: int) -> str:
    if most == 0:
        return "no argument"
    wanted = f"{least} to {most}" if least < most else f"{most}"
    return f"{wanted} argument{'s' if most > 1 else ''}"
