"""Whose clock and whose language, by the rule and the settings of the folder."""

from collections.abc import Mapping
from datetime import UTC, tzinfo

from pydantic import JsonValue

from whereupon.rules.clocks import DEFAULT_CLOCK, Clock
from whereupon.rules.locales import DEFAULT_LOCALE
from whereupon.rules.model import FolderSettings, Rule


def clock_of(
    attributes: Mapping[str, JsonValue], settings: FolderSettings, own: Clock | None = None
) -> tzinfo:
    """The timezone that a person's times of day go by.

    Args:
        attributes: of the person.
        settings: of the folder.
        own: what the rule itself says (`Rule.clock`); it comes before the settings.
    """
    return (own or settings.timezone or DEFAULT_CLOCK).zone_of(attributes)


def text_zone_of(
    attributes: Mapping[str, JsonValue], settings: FolderSettings, rule: Rule
) -> tzinfo:
    """The timezone of dates in a person's texts: UTC where neither the rule nor the settings say one."""
    clock = rule.clock or settings.timezone
    return UTC if clock is None else clock.zone_of(attributes)


def locale_of(attributes: Mapping[str, JsonValue], settings: FolderSettings) -> str | None:
    """The locale of a person, in small letters and with hyphens; None if there is none."""
    return (settings.locale or DEFAULT_LOCALE).locale_of(attributes)
