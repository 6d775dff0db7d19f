"""The settings file of a rules folder: what holds for all of its files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, JsonValue
from typing_extensions import override

from whereupon.conditions.clocks import Clock
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import Name
from whereupon.rules.files.file_form import FileForm
from whereupon.rules.form import there
from whereupon.rules.keys.attributes import AttributeType, read_attributes
from whereupon.rules.keys.cap import Cap, Caps, check_caps, read_caps
from whereupon.rules.keys.keep import DEFAULT_RETENTION, KeepForm, Retention, read_keep
from whereupon.rules.keys.locale import AnyLocaleForm, check_locale, read_locale
from whereupon.rules.keys.quiet_hours import (
    QuietHours,
    QuietHoursForm,
    check_channels,
    read_quiet_hours,
)
from whereupon.rules.keys.timezone import AnyClockForm, check_clock, read_clock
from whereupon.rules.locales import LocaleSource
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """The settings file of a rules folder: what holds for all of its files.

    Attributes:
        channels: the names of all channels there are; None if the folder does not say.
        functions: likewise those of the functions that `run` steps call.
        secrets: likewise those of the secrets that `webhook` steps ask for.
        attributes: the tracking plan of persons: the JSON Schema of each attribute by its name;
            None if the folder does not say.
        timezone: whose clock times of day and texts go by; None if the folder does not say.
        locale: where the language of a person comes from; None if the folder does not say.
        quiet_hours: when people are sent nothing; None if the folder does not say.
        caps: how much a person is sent at most.
        keep: how long the store keeps what is done with; defaults if the folder does not say.
    """

    id: str = "settings"
    description: str = ""
    channels: tuple[str, ...] | None = None
    attributes: Mapping[str, JsonValue] | None = None
    keep: Retention = DEFAULT_RETENTION
    timezone: Clock | None = None
    locale: LocaleSource | None = None
    functions: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    quiet_hours: QuietHours | None = None
    caps: tuple[Cap, ...] = ()


DEFAULT_SETTINGS = FolderSettings()


_Names: TypeAlias = Annotated[
    Annotated[list[Name], Field(min_length=1)] | None, BeforeValidator(there)
]


class SettingsForm(FileForm):
    """What holds for all files of the folder; at most one such file."""

    settings: Literal["settings"] = Field(
        description="Always settings: the file is settings.yaml.", examples=["settings"]
    )
    description: str = Field(
        default="",
        description="What the file is for, in one sentence.",
        examples=["What holds for every rule of the shop."],
    )
    channels: _Names = Field(
        default=None,
        description="The names of all channels; any other in a rule or a test is an error.",
        examples=[["email", "push", "sms"]],
    )
    functions: _Names = Field(
        default=None,
        description="The names of all functions that steps may run; any other in a rule is an error.",
        examples=[["score-lead"]],
    )
    secrets: _Names = Field(
        default=None,
        description="The names of all secrets that webhooks may ask for; any other in a rule is an error.",
        examples=[["CRM_TOKEN"]],
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

    timezone: AnyClockForm = Field(
        default=None,
        description="Whose clock times of day, calendar days and texts go by: a timezone, or the attribute of a person that "
        "names it.",
        examples=[{"attribute": "timezone", "else": "Europe/Paris"}, "Europe/Paris"],
    )
    locale: AnyLocaleForm = Field(
        default=None,
        description="In which language people are written to: a locale, or the attribute of a person that "
        "names it.",
        examples=[{"attribute": "locale", "else": "en"}, "en"],
    )

    quiet_hours: Annotated[QuietHoursForm | None, BeforeValidator(there)] = Field(
        default=None,
        description="From when until when people are sent nothing, on the clock of each; what is due waits.",
        examples=[{"from": "21:00", "until": "08:00", "channels": ["email", "push", "sms"]}],
    )
    cap: Caps = Field(
        default=None,
        description="How much a person is sent at most within a time, over all rules.",
        examples=[[{"at_most": 3, "per": "7d", "channels": ["email"], "otherwise": "skip"}]],
    )

    @override
    def read(self, reader: RuleReader) -> FolderSettings:
        keep = read_keep(self.keep)
        return FolderSettings(
            description=self.description,
            channels=_once(self.channels),
            functions=_once(self.functions),
            secrets=_once(self.secrets),
            attributes=read_attributes(self.attributes, reader),
            keep=keep,
            timezone=read_clock(self.timezone),
            locale=read_locale(self.locale),
            quiet_hours=read_quiet_hours(self.quiet_hours, reader),
            caps=read_caps(self.cap, keep, reader),
        )

    @override
    @classmethod
    def check(cls, source: Mapping[str, JsonValue], checker: "PlanChecker") -> Iterator[Diagnostic]:
        """The names of the attributes that timezone and locale name, and of channels."""
        yield from check_clock(source.get("timezone"), checker)
        yield from check_locale(source.get("locale"), checker)
        yield from check_channels(source.get("quiet_hours"), checker, ("quiet_hours",))
        yield from check_caps(source.get("cap"), checker)


def _once(names: list[str] | None) -> tuple[str, ...] | None:
    """Each name once; None if the file does not say."""
    return None if names is None else tuple(dict.fromkeys(names))
