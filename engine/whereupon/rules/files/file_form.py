"""What the forms of all rule files share."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue

from whereupon.errors import Diagnostic
from whereupon.rules.form import Form
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


class FileForm(Form):
    """One kind of rule file as it is written. Its first key says the kind, and gives the id."""

    description: str = Field(
        default="",
        description="What the file is for, in one sentence.",
        examples=["Thank people who buy socks."],
    )

    def read(self, reader: RuleReader) -> object:
        """The value of the file; diagnostics go to the reader."""
        raise NotImplementedError

    @classmethod
    def check(
        cls,
        source: Mapping[str, JsonValue],  # noqa: ARG003 - some kinds of file name nothing
        checker: "PlanChecker",  # noqa: ARG003
    ) -> Iterator[Diagnostic]:
        """Check the names that are written in the file against the tracking plan."""
        return iter(())
