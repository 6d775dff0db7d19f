"""A test file and a test as they are written."""

from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from whereupon.rules.field_types import MaybeInstant, Name
from whereupon.rules.form import Form, IfMissing, there
from whereupon.testing.item_fields import Label, Offset

_Functions = Annotated[dict[Name, JsonValue] | None, BeforeValidator(there)]


class TestFileForm(Form):
    """The tests of a rule or a guard: what happens, and everything that the rule then does."""

    functions: _Functions = Field(
        default=None,
        description="What functions of the host's return in these tests, by their names; nothing without it.",
        examples=[{"score-lead": {"score": 80}}],
    )
    tests: Annotated[
        list[JsonValue], IfMissing("start the file with tests: and a list of tests")
    ] = Field(
        min_length=1,
        description="The tests of the rule or guard whose name the file has.",
        examples=[[{"name": "nothing happens", "given": [], "expect": []}]],
    )


class TestForm(Form):
    """One test: what happens, and everything that the rule then does."""

    __test__ = False  # no test of pytest's

    name: Annotated[Name, IfMissing("give the test a name: what holds, in a few words")] = Field(
        description="What holds, in a few words.", examples=["cheap socks are left alone"]
    )
    start: MaybeInstant = Field(
        default=None,
        description="When the test starts; Monday 5 January 2026, 09:00 UTC by default.",
        examples=["2026-03-01T09:00:00Z"],
    )
    until: Offset = Field(
        default=None,
        description="When the test ends; without it everything that is due is done, and time alone lets people in for "
        "a year.",
        examples=["+1d"],
    )
    arms: Annotated[
        dict[Name, Label] | None,
        BeforeValidator(there),
        WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "integer"]}}),
    ] = Field(
        default=None,
        description="The arm that everybody takes of a split, by the split's name.",
        examples=[{"subject-june": "a"}],
    )
    holdout: Annotated[bool | None, BeforeValidator(there), WithJsonSchema({"type": "boolean"})] = (
        Field(
            default=None,
            description=(
                "Whether a holdout keeps everybody out (true) or nobody (false); without it the user id "
                "decides."
            ),
            examples=[False],
        )
    )
    functions: _Functions = Field(
        default=None,
        description="What functions of the host's return in this test; those of the file are there, too.",
        examples=[{"score-lead": {"score": 80}}],
    )
    given: Annotated[
        list[JsonValue], IfMissing("add given: with the messages that arrive; given: [] for none")
    ] = Field(
        description="What happens: messages that arrive, and what people decide, in their order.",
        examples=[[{"track": "purchase", "user": "ada"}]],
    )
    expect: Annotated[
        list[JsonValue],
        IfMissing("add expect: with all that the rule does; expect: [] for silence"),
    ] = Field(
        description="Everything that the rule then does: each entry and delivery; [] for silence.",
        examples=[[{"entered": "ada"}, {"delivery": "push", "to": "ada"}]],
    )
