"""Money, numbers, plurals and the names of days and months by locale; the only module that imports Babel.

Babel is an extra, and has the data of Unicode's CLDR. It is imported when a template first asks.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from babel import Locale

NEEDED_BY: Final = frozenset(("money", "number", "pluralize"))
"""The filters that need the extra."""

NO_EXTRA: Final = "needs an extra: pip install 'whereupon[texts]'"

MOST_DECIMALS: Final = 20
_LONGEST_NUMBER: Final = 100
_LARGEST: Final = 30
"""Numbers have at most so many digits before the point."""
_WIDEST: Final = 128
_PRECISION: Final = 200
_NAMES: Final = re.compile(r"(?<!%)((?:%%)*)%([-_0^#]*)([aAbBh])")
_DAY_OF_MONTH: Final = re.compile(r"%[-_0^#]*[de]")
_MONTH_USES: Final = ("format", "stand-alone")
"""The grammar of a month beside the number of a day, and by itself."""
_WIDTHS: Final = {"a": "abbreviated", "b": "abbreviated", "h": "abbreviated"}


class UnlocalizableError(ValueError):
    """A value cannot be written; the text says why, and what to do."""


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("babel") is not None


def money_text(value: object, currency: object, locales: Sequence[str]) -> str:
    """An amount in units of a currency (ISO 4217): ``1.234,50 €``."""
    from babel.numbers import format_currency, is_currency  # noqa: PLC0415 - an extra

    code = str(currency).strip().upper()
    if not is_currency(code):
        message = f"there is no currency {str(currency)[:40]}; write its code, such as 'EUR'"
        raise UnlocalizableError(message)
    number = _number_in(value)
    with localcontext(prec=_PRECISION, rounding=ROUND_HALF_UP):
        return str(format_currency(number, code, locale=_locale(tuple(locales))))


def number_text(value: object, decimals: object, locales: Sequence[str]) -> str:
    """A number with its separators: ``1.234,5``; at most three decimals, or exactly as many as are asked for."""
    from babel.numbers import parse_pattern  # noqa: PLC0415 - an extra

    count = None if decimals is None else _decimals_in(decimals)
    number, locale = _number_in(value), _locale(tuple(locales))
    pattern = parse_pattern(locale.decimal_formats[None].pattern)
    if count is not None:
        pattern.frac_prec = (count, count)
    with localcontext(prec=_PRECISION, rounding=ROUND_HALF_UP):
        return str(pattern.apply(number, locale))


def plural_form(value: object, forms: Mapping[str, object], locales: Sequence[str]) -> object:
    """The form for a number, by the plural categories of the language.

    Args:
        forms: by category: ``zero one two few many other``. What is missing is ``other``, and ``zero`` is
            also said of 0 in every language.
    """
    if "other" not in forms:
        message = "say the form of all other numbers: 'item', 'items', or other: 'items'"
        raise UnlocalizableError(message)
    number = _number_in(value)
    if number == number.to_integral_value():
        number = Decimal(int(number))
    if number == 0 and "zero" in forms:
        return forms["zero"]
    category = _locale(tuple(locales)).plural_form(number)
    return forms.get(category, forms["other"])


def with_names(form: str, local: datetime, locales: Sequence[str]) -> str:
    """A form of ``strftime`` with the names of its day and month put in; English names are left to it."""
    if not _NAMES.search(form) or not is_installed():
        return form
    locale = _locale(tuple(locales))
    if locale.language == "en":
        return form
    months = locale.months[_MONTH_USES[_DAY_OF_MONTH.search(form) is None]]

    def name(found: re.Match[str]) -> str:
        width = _WIDTHS.get(found[3], "wide")
        if found[3] in "aA":
            written = locale.days["format"][width][local.weekday()]
        else:
            written = months[width][local.month]
        written = written.upper() if "^" in found[2] else written
        return f"{found[1]}{written.replace('%', '%%')}"

    return _NAMES.sub(name, form)


def _number_in(value: object) -> Decimal:
    """A number of JSON, or a text that is one."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _WIDEST:
        return _bounded(Decimal(value), value)
    if isinstance(value, float | str) and len(str(value)) <= _LONGEST_NUMBER:
        try:
            return _bounded(Decimal(str(value).strip()), value)
        except ArithmeticError:
            pass
    size = "; its length is | size" if isinstance(value, list | tuple | dict) else ""
    message = f"{str(value)[:40]} is not a number{size}"
    raise UnlocalizableError(message)


def _bounded(number: Decimal, value: object) -> Decimal:
    if not number.is_finite() or number.adjusted() >= _LARGEST:
        message = f"{str(value)[:40]} is too large, or not a number"
        raise UnlocalizableError(message)
    return number if number.adjusted() > -_PRECISION else Decimal(0)


def _decimals_in(value: object) -> int:
    text = str(value)
    if (
        isinstance(value, bool)
        or not re.fullmatch(r"[0-9]{1,2}", text)
        or int(text) > MOST_DECIMALS
    ):
        message = f"decimals are a number from 0 to {MOST_DECIMALS}, not {text[:40]}"
        raise UnlocalizableError(message)
    return int(text)


@lru_cache(maxsize=256)
def _locale(locales: tuple[str, ...]) -> "Locale":
    """The first of these locales, or of the languages that stand for them, that there is; else English."""
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - an extra

    for each in (*locales, "en"):
        parts = each.split("-")
        for end in range(len(parts), 0, -1):
            try:
                return Locale.parse("-".join(parts[:end]), sep="-")
            except (UnknownLocaleError, ValueError):
                continue
    raise AssertionError(locales)  # Babel always has English
