"""The key `grace`: how long a skip by `who` stays open."""

from datetime import timedelta

from pydantic import Field

from whereupon.errors import Severity
from whereupon.rules.field_types import MaybeDuration
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader


def _read(form: timedelta | None, reader: RuleReader) -> timedelta | None:
    if form is not None and "who" not in reader.source:
        message = "grace asks who again, and there is no who; write who:, or leave grace out"
        reader.report(("grace",), "grace-without-who", message, Severity.WARNING)
    return form or None


GRACE = Key(
    name="grace",
    attribute="grace",
    written=MaybeDuration,
    field=Field(
        default=None,
        description=(
            "How long a skip by `who` stays open: a change of an attribute that `who` reads decides "
            "the message once more, if it happens within that time of the message. Off by default."
        ),
        examples=["30m", "0s"],
    ),
    read=_read,
)
