"""Screens as the condition of a statement; what they are is said in `conditions.screens`.

Each kind of database reads JSON by functions of its own, and so has a `Screening` of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeAlias, assert_never

from sqlalchemy import (
    Column,
    ColumnElement,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import Numeric, Text

from whereupon.conditions.screens import (
    DAY,
    EVERYBODY,
    AllOf,
    AnyOf,
    How,
    Kind,
    Screen,
    Span,
    Texts,
    Values,
)
from whereupon.messages.codec import encode

Admitted: TypeAlias = ColumnElement[bool]
Said: TypeAlias = ColumnElement[Any]
"""A JSON value, or a text or number in it."""

_NUL: Final = "\\u0000"
"""As JSON writes the character that databases read as another, or not at all."""


class Screening(ABC):
    """How one kind of database says that somebody comes through a screen.

    Attributes:
        holds: the function that says where in a text another one is.
        begins_with_a_day: what stands behind a text to say that it begins like ``2026-01-31``.
    """

    holds: ClassVar[str]
    begins_with_a_day: ClassVar[tuple[str, str]]

    def clause(self, attributes: Column[str], screen: Screen) -> Admitted:
        """That whoever has these attributes, as JSON text, comes through."""
        if screen == EVERYBODY:
            return true()
        is_odd = self._holds(attributes, _NUL)
        return case((is_odd, true()), else_=self.read(attributes, screen))

    def _holds(self, text: Said, part: str) -> Admitted:
        found: ColumnElement[int] = getattr(func, self.holds)(text, part)
        return found > literal_column("0")

    @abstractmethod
    def read(self, attributes: Column[str], screen: Screen) -> Admitted:
        """That the attributes, being JSON without a NUL, come through."""

    @abstractmethod
    def values(self, said: Said, values: Values) -> Admitted:
        """That a JSON object has one of the values."""

    @abstractmethod
    def is_one_of(self, text: Said, options: Collection[str]) -> Admitted:
        """That a text is one of the options."""

    def admits(self, said: Said, screen: Screen) -> Admitted:
        """That a JSON object comes through."""
        match screen:
            case AllOf(parts):
                return and_(true(), *(self.admits(said, part) for part in parts))
            case AnyOf(parts):
                return or_(false(), *(self.admits(said, part) for part in parts))
            case Values():
                return self.values(said, screen)
            case _:
                assert_never(screen)

    def text(self, text: Said, texts: Texts | None) -> Admitted:
        """That a text is among these."""
        if texts is None:
            return false()
        match texts.how:
            case How.ONE_OF:
                return self.is_one_of(text, texts.given)
            case How.NONE_OF:
                return ~self.is_one_of(text, texts.given)
            case How.BEGINS:
                return func.substr(text, 1, len(texts.one)) == texts.one
            case How.ENDS:
                return func.substr(text, func.length(text) - len(texts.one) + 1) == texts.one
            case How.HOLDS:
                return self._holds(text, texts.one)
            case How.SINCE | How.UP_TO:
                return self._is_on_time(text, texts)
            case _:
                assert_never(texts.how)

    def _is_on_time(self, text: Said, texts: Texts) -> Admitted:
        operator, pattern = self.begins_with_a_day
        day = func.substr(text, 1, DAY)
        within = day >= texts.one if texts.how is How.SINCE else day <= texts.one
        return case((text.bool_op(operator)(pattern), within), else_=true())


class SqliteScreening(Screening):
    """By SQLite's functions for JSON text."""

    holds = "instr"
    begins_with_a_day = ("GLOB", "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*")

    def read(self, attributes: Column[str], screen: Screen) -> Admitted:
        """SQLite reads a text once, however often it is asked about."""
        return self.admits(attributes, screen)

    def values(self, said: Said, values: Values) -> Admitted:
        """By the type that SQLite tells of a value."""
        path = "$" + "".join(f'."{part}"' for part in values.path)
        value = func.json_extract(said, path)
        spans = [_between(value, span) for span in values.spans]
        number = _any(values, Kind.NUMBER, or_(false(), *spans))
        return case(
            {
                "text": _any(values, Kind.TEXT, self.text(value, values.texts)),
                "integer": number,
                "real": number,
                "true": _any(values, Kind.TRUE),
                "false": _any(values, Kind.FALSE),
                "object": _any(values, Kind.OTHER),
                "array": _any(values, Kind.OTHER),
            },
            value=func.json_type(said, path),
            else_=_any(values, Kind.NULL),
        )

    def is_one_of(self, text: Said, options: Collection[str]) -> Admitted:
        """Membership in a JSON array."""
        listed = func.json_each(encode(sorted(options)).decode()).table_valued("value")
        return text.in_(select(listed.c.value))


class PostgresScreening(Screening):
    """By PostgreSQL's functions for JSON that has been read."""

    holds = "strpos"
    begins_with_a_day = ("~", "^[0-9]{4}-[0-9]{2}-[0-9]{2}")

    def read(self, attributes: Column[str], screen: Screen) -> Admitted:
        """Behind an OFFSET a text is read once, however often it is asked about."""
        said = select(cast(attributes, postgresql.JSONB).label("said"))
        read = said.correlate(attributes.table).offset(literal_column("0")).subquery("read")
        return exists().select_from(read).where(self.admits(read.c.said, screen))

    def values(self, said: Said, values: Values) -> Admitted:
        """By the type that PostgreSQL tells of a value."""
        text = func.jsonb_extract_path_text(said, *values.path).collate("C")
        spans = [_between(cast(text, Numeric), span) for span in values.spans]
        is_true = text == literal_column("'true'")
        return case(
            {
                "string": _any(values, Kind.TEXT, self.text(text, values.texts)),
                "number": _any(values, Kind.NUMBER, or_(false(), *spans)),
                "boolean": case((is_true, _any(values, Kind.TRUE)), else_=_any(values, Kind.FALSE)),
                "object": _any(values, Kind.OTHER),
                "array": _any(values, Kind.OTHER),
            },
            value=func.jsonb_typeof(func.jsonb_extract_path(said, *values.path)),
            else_=_any(values, Kind.NULL),
        )

    def is_one_of(self, text: Said, options: Collection[str]) -> Admitted:
        """Membership in an array."""
        listed = literal(sorted(options), postgresql.ARRAY(Text()))
        return text.bool_op("=")(func.any(listed))


def _any(values: Values, kind: Kind, otherwise: Admitted | None = None) -> Admitted:
    """That a value of this kind comes through."""
    if kind in values.kinds:
        return true()
    return false() if otherwise is None else otherwise


def _between(number: Said, span: Span) -> Admitted:
    above = true() if span.least is None else number >= _bound(span.least)
    below = true() if span.most is None else number <= _bound(span.most)
    return and_(true(), above, below)


def _bound(number: float) -> ColumnElement[Decimal]:
    """A number that may stand beside one of any size."""
    return cast(literal(repr(number)), Numeric)
