"""The form of a folder's settings file as it is written."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from whereupon.rules.fields import TYPE_WORDS, KeepingTime, Name, ValueSchema
from whereupon.rules.form import Form, invalid, shown, there


class KeepForm(Form):
    """How long what is done with is kept."""

    skips: KeepingTime = Field(
        default=None,
        description="Decisions that a person does not enter; 30d by default.",
        examples=["30d"],
    )
    deliveries: KeepingTime = Field(
        default=None, description="Deliveries that are over; 90d by default.", examples=["2w"]
    )
    entries: KeepingTime = Field(
        default=None, description="Entries that have ended; 1y by default.", examples=["forever"]
    )
    set_aside: KeepingTime = Field(
        default=None,
        description="Messages on which the engine failed; 90d by default.",
        examples=["90d"],
    )


SETTINGS_FORMS: dict[str, type[Form]] = {"keep": KeepForm}


def _type_word(word: object) -> object:
    if word is not None and not (isinstance(word, str) and word in TYPE_WORDS):
        raise invalid(
            code="unknown-type",
            text="{found} is no type; write one of {known}, or a JSON Schema",
            found=shown(word),
            known=", ".join(TYPE_WORDS),
        )
    return word


def _attribute_tag(raw: object) -> str:
    return "<schema>" if isinstance(raw, dict) else "<type>"


_TypeWord = Annotated[
    str, BeforeValidator(_type_word), Field(json_schema_extra={"enum": [*TYPE_WORDS]})
]
AttributeType = Annotated[
    Annotated[_TypeWord, Tag("<type>")] | Annotated[ValueSchema, Tag("<schema>")],
    Discriminator(_attribute_tag),
]


class SettingsForm(Form):
    """What holds for all files of the folder; at most one such file."""

    settings: Literal["settings"] = Field(
        description="Always settings: the file is settings.yaml.", examples=["settings"]
    )
    description: str = Field(
        default="",
        description="What the file is for, in one sentence.",
        examples=["What holds for every rule of the shop."],
    )
    channels: Annotated[
        Annotated[list[Name], Field(min_length=1)] | None, BeforeValidator(there)
    ] = Field(
        default=None,
        description="The names of all channels; any other in a rule or a test is an error.",
        examples=[["email", "push", "sms"]],
    )
    attributes: Annotated[dict[Name, AttributeType] | None, BeforeValidator(there)] = Field(
        default=None,
        description="The attributes that people have, each with its type or its JSON Schema; any other "
        "in a rule or a test is an error.",
        examples=[{"first_name": "text", "plan": {"enum": ["free", "pro", "team"]}}],
    )
    keep: Annotated[KeepForm | None, BeforeValidator(there)] = Field(
        default=None,
        description="How long the store keeps what is over; what is older is deleted.",
        examples=[{"skips": "30d", "deliveries": "90d", "entries": "1y", "set_aside": "90d"}],
    )
