"""What the forms of all rule files share."""

from pydantic import Field

from whereupon.rules.form import Form
from whereupon.rules.rule_reader import RuleReader


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
