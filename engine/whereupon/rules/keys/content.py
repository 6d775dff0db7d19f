"""The key `content`: of which version of the rule its sends take their texts."""

from typing import Literal

from pydantic import Field

from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader


def _read(form: Literal["live", "pinned"], _: RuleReader) -> bool:
    return form == "live"


CONTENT = Key(
    name="content",
    attribute="live",
    written=Literal["live", "pinned"],
    field=Field(
        default="pinned",
        description=(
            "With live, sends take their texts from the step of the same address and channel in the newest "
            "version; with pinned, the default, from the version that the person entered with."
        ),
        examples=["live"],
    ),
    read=_read,
)
