"""The locale of a person: which of the languages of a text is theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from pydantic import JsonValue

from whereupon.conditions.paths import follow


@dataclass(frozen=True, slots=True)
class LocaleSource:
    """Where the locale of a person comes from.

    Attributes:
        attribute: the path of the attribute that names it; None for one locale for all.
        otherwise: the locale of people whose attribute names none; None if they have none.
    """

    attribute: tuple[str, ...] | None = ("locale",)
    otherwise: str | None = None

    def locale_of(self, attributes: Mapping[str, JsonValue]) -> str | None:
        """The locale of the person with these attributes, as `plain_locale` writes it."""
        named = (
            None
            if self.attribute is None
            else follow(cast("JsonValue", attributes), self.attribute, None)
        )
        own = plain_locale(named) if isinstance(named, str) else ""
        return own or (None if self.otherwise is None else plain_locale(self.otherwise))


DEFAULT_LOCALE: Final = LocaleSource()
"""Where the settings say nothing: the attribute ``locale``, or else none."""


def plain_locale(locale: str) -> str:
    """A locale in small letters, with hyphens, and without the encoding that POSIX adds (``de_AT.UTF-8``)."""
    return locale.strip().partition(".")[0].partition("@")[0].replace("_", "-").lower()


def fallbacks(locale: str) -> tuple[str, ...]:
    """The locale and what stands for it, nearest first: ``zh-hant-tw``, ``zh-hant``, ``zh``."""
    parts = locale.split("-")
    return tuple("-".join(parts[:end]) for end in range(len(parts), 0, -1))
