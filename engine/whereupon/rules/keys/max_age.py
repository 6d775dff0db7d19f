"""The key `max_age`: how old a message may be and still let a person in."""

from datetime import timedelta

from pydantic import Field

from whereupon.rules.field_types import MaybeDuration
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

DEFAULT_MAX_AGE = timedelta(hours=72)


def _read(form: timedelta | None, _: RuleReader) -> timedelta:
    return DEFAULT_MAX_AGE if form is None else form


MAX_AGE = Key(
    name="max_age",
    attribute="max_age",
    written=MaybeDuration,
    field=Field(
        default=None,
        description="How old a message may be and still let a person in; 72h by default.",
        examples=["24h"],
    ),
    read=_read,
)
