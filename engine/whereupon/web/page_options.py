"""What a host decides about the page to unsubscribe: its texts, the labels of topics, its looks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from whereupon.web.texts import ENGLISH, GERMAN, UnsubscribeTexts

Layout: TypeAlias = Callable[[str, str, str], str]
"""Makes the HTML of a whole page of its language tag, its title (text) and its content (HTML)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """What a host decides about the page to unsubscribe.

    Attributes:
        texts: one for each language; the first is for everybody else.
        topics: the labels of topics, by name; a name without one is written with spaces for its hyphens.
        layout: makes a whole page of content that is ready; by default a plain one of our own.
        content_security_policy: of the pages of a ``layout`` that loads a style or a picture; by default nothing may
            be loaded.
    """

    texts: Sequence[UnsubscribeTexts] = (ENGLISH, GERMAN)
    topics: Mapping[str, str] = field(default_factory=dict)
    layout: Layout | None = None
    content_security_policy: str | None = None

    def __post_init__(self) -> None:
        if not self.texts:
            message = "texts needs at least one language"
            raise ValueError(message)

    def label(self, topic: str) -> str:
        """What a topic is called on the page."""
        return self.topics.get(topic) or topic.replace("-", " ").replace("_", " ").capitalize()

    def texts_for(self, locale: str | None, accepted: str) -> UnsubscribeTexts:
        """The texts in the person's language, else in one that the browser asks for, else the first.

        Args:
            locale: the person's, such as ``de_AT``; it matches exactly or by its language.
            accepted: the header ``Accept-Language`` (RFC 9110).
        """
        wanted = [*([locale] if locale else []), *_by_weight(accepted)]
        for tag in wanted:
            for sought in (_normal(tag), _normal(tag).partition("-")[0]):
                for texts in self.texts:
                    if _normal(texts.language) == sought:
                        return texts
        return self.texts[0]


def _normal(tag: str) -> str:
    return tag.strip().lower().replace("_", "-")


def _by_weight(accepted: str) -> Iterable[str]:
    weighted: list[tuple[float, int, str]] = []
    for part in accepted.split(",")[:20]:
        tag, _, weight = part.partition(";")
        weighted.append((-_number(weight.partition("=")[2]), len(weighted), tag))
    return (tag for weight, _, tag in sorted(weighted) if weight < 0)


def _number(weight: str) -> float:
    try:
        return float(weight or 1)
    except ValueError:
        return 0
