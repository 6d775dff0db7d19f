"""Whose clock and whose language, by the rule and the settings of the folder."""

from collections.abc import Collection, Mapping
from datetime import tzinfo
from functools import partial

from pydantic import JsonValue

from whereupon.conditions.clocks import DEFAULT_CLOCK, Clock
from whereupon.rules.locales import DEFAULT_LOCALE, fallbacks, plain_locale
from whereupon.rules.model import FolderSettings, Rule
from whereupon.templates import Addressee


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


def locale_of(attributes: Mapping[str, JsonValue], settings: FolderSettings) -> str | None:
    """The locale of a person, in small letters and with hyphens; None if there is none."""
    return (settings.locale or DEFAULT_LOCALE).locale_of(attributes)


def addressee_of(
    attributes: Mapping[str, JsonValue],
    settings: FolderSettings,
    rule: Rule,
    languages: Collection[str] | None = None,
) -> Addressee:
    """On whose clock, and in which language, a person's texts are written.

    Args:
        languages: in which the text is there, beside its own; None if it is in one language.
    """
    zone = clock_of(attributes, settings, rule.clock)
    return Addressee(zone, partial(_locales, attributes, settings, languages))


def _locales(
    attributes: Mapping[str, JsonValue],
    settings: FolderSettings,
    languages: Collection[str] | None,
) -> tuple[str, ...]:
    """The person's locale, and that of people who name none.

    A text that is there in several languages, and not in the person's, is in the language of the folder:
    so are its numbers.
    """
    own, folders = locale_of(attributes, settings), (settings.locale or DEFAULT_LOCALE).otherwise
    if own is None:
        return ()
    if folders is None:
        return (own,)
    is_theirs = languages is None or any(each in languages for each in fallbacks(own))
    return (own, plain_locale(folders)) if is_theirs else (plain_locale(folders),)
