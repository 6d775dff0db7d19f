"""A prefilter (`conditions.prefilter`) as the condition of an SQL statement.

Each kind of database reads JSON by functions of its own, and has a subclass of `PrefilterClauses`.
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

from whereupon.conditions.prefilter import (
    DAY,
    EVERYBODY,
    AllOf,
    AnyOf,
    Kind,
    Prefilter,
    Span,
    Texts,
    TextTest,
    Values,
)
from whereupon.messages.codec import encode

Clause: TypeAlias = ColumnElement[bool]
Json: TypeAlias = ColumnElement[Any]
"""A JSON value, or a text or number in it."""

_NUL: Final = "\\u0000"
"""The NUL character in JSON text: databases read it as another character, or not at all."""


class PrefilterClauses(ABC):
    """Writes prefilters for one kind of database.

    Attributes:
        position: the function that gives the position of one text in another; 0 if it is not in it.
        begins_with_a_day: the operator and the pattern by which a text begins like ``2026-01-31``.
    """

    position: ClassVar[str]
    begins_with_a_day: ClassVar[tuple[str, str]]

    def clause(self, attributes: Column[str], prefilter: Prefilter) -> Clause:
        """A person with these attributes (JSON text) passes."""
        if prefilter == EVERYBODY:
            return true()
        is_odd = self._contains(attributes, _NUL)
        return case((is_odd, true()), else_=self.read(attributes, prefilter))

    def _contains(self, text: Json, part: str) -> Clause:
        found: ColumnElement[int] = getattr(func, self.position)(text, part)
        return found > literal_column("0")

    @abstractmethod
    def read(self, attributes: Column[str], prefilter: Prefilter) -> Clause:
        """A person with these attributes (JSON text without NUL) passes."""

    @abstractmethod
    def values(self, json: Json, values: Values) -> Clause:
        """A JSON object has one of the values."""

    @abstractmethod
    def is_one_of(self, text: Json, options: Collection[str]) -> Clause:
        """A text is one of the options."""

    def passes(self, json: Json, prefilter: Prefilter) -> Clause:
        """A JSON object passes."""
        match prefilter:
            case AllOf(parts):
                return and_(true(), *(self.passes(json, part) for part in parts))
            case AnyOf(parts):
                return or_(false(), *(self.passes(json, part) for part in parts))
            case Values():
                return self.values(json, prefilter)
            case _:
                assert_never(prefilter)

    def text(self, text: Json, texts: Texts | None) -> Clause:
        """A text passes."""
        if texts is None:
            return false()
        match texts.test:
            case TextTest.ONE_OF:
                return self.is_one_of(text, texts.options)
            case TextTest.NONE_OF:
                return ~self.is_one_of(text, texts.options)
            case TextTest.STARTS_WITH:
                return func.substr(text, 1, len(texts.one)) == texts.one
            case TextTest.ENDS_WITH:
                return func.substr(text, func.length(text) - len(texts.one) + 1) == texts.one
            case TextTest.CONTAINS:
                return self._contains(text, texts.one)
            case TextTest.SINCE | TextTest.UP_TO:
                return self._is_on_time(text, texts)
            case _:
                assert_never(texts.test)

    def _is_on_time(self, text: Json, texts: Texts) -> Clause:
        operator, pattern = self.begins_with_a_day
        day = func.substr(text, 1, DAY)
        within = day >= texts.one if texts.test is TextTest.SINCE else day <= texts.one
        return case((text.bool_op(operator)(pattern), within), else_=true())


class SqlitePrefilterClauses(PrefilterClauses):
    """Prefilters by SQLite's functions for JSON text."""

    position = "instr"
    begins_with_a_day = ("GLOB", "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*")

    def read(self, attributes: Column[str], prefilter: Prefilter) -> Clause:
        """SQLite parses a text once, however often the statement mentions it."""
        return self.passes(attributes, prefilter)

    def values(self, json: Json, values: Values) -> Clause:
        """By the type of the value, as SQLite names it."""
        path = "$" + "".join(f'."{part}"' for part in values.path)
        value = func.json_extract(json, path)
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
            value=func.json_type(json, path),
            else_=_any(values, Kind.NULL),
        )

    def is_one_of(self, text: Json, options: Collection[str]) -> Clause:
        """Membership in a JSON array."""
        listed = func.json_each(encode(sorted(options)).decode()).table_valued("value")
        return text.in_(select(listed.c.value))


class PostgresPrefilterClauses(PrefilterClauses):
    """Prefilters by PostgreSQL's functions for parsed JSON (``jsonb``)."""

    position = "strpos"
    begins_with_a_day = ("~", "^[0-9]{4}-[0-9]{2}-[0-9]{2}")

    def read(self, attributes: Column[str], prefilter: Prefilter) -> Clause:
        """OFFSET 0 makes PostgreSQL parse a text once, however often the statement mentions it."""
        parsed = select(cast(attributes, postgresql.JSONB).label("json"))
        read = parsed.correlate(attributes.table).offset(literal_column("0")).subquery("read")
        return exists().select_from(read).where(self.passes(read.c.json, prefilter))

    def values(self, json: Json, values: Values) -> Clause:
        """By the type of the value, as PostgreSQL names it."""
        text = func.jsonb_extract_path_text(json, *values.path).collate("C")
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
            value=func.jsonb_typeof(func.jsonb_extract_path(json, *values.path)),
            else_=_any(values, Kind.NULL),
        )

    def is_one_of(self, text: Json, options: Collection[str]) -> Clause:
        """Membership in an array."""
        listed = literal(sorted(options), postgresql.ARRAY(Text()))
        return text.bool_op("=")(func.any(listed))


def _any(values: Values, kind: Kind, otherwise: Clause | None = None) -> Clause:
    """A value of this kind passes."""
    if kind in values.kinds:
        return true()
    return false() if otherwise is None else otherwise


def _between(number: Json, span: Span) -> Clause:
    above = true() if span.least is None else number >= _bound(span.least)
    below = true() if span.most is None else number <= _bound(span.most)
    return and_(true(), above, below)


def _bound(number: float) -> ColumnElement[Decimal]:
    """A literal that compares with numbers of any size."""
    return cast(literal(repr(number)), Numeric)
