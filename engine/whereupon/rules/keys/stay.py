"""The key `stay`: whether `who` is asked again for those who are inside."""

from pydantic import Field

from whereupon.errors import Severity
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader


def _read(form: bool, reader: RuleReader) -> bool:
    if form and "who" not in reader.source:
        message = "stay asks who again, and there is no who; write who:, or leave stay out"
        reader.report(("stay",), "stay-without-who", message, Severity.WARNING)
    return form


STAY = Key(
    name="stay",
    attribute="stay",
    written=bool,
    field=Field(
        default=False,
        description=(
            "Whether `who` is asked again before every step and whenever the person changes; "
            "a person for whom it no longer holds leaves."
        ),
        examples=[True],
    ),
    read=_read,
)
