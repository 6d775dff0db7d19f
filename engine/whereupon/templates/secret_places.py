"""Places for the host's secrets in the texts of a call: they are kept as places until the call is made.

A template writes ``{{ secrets.NAME }}`` where a secret goes. The rendered text has the same words there, and only
there: where data have such words, a space is put between their braces. So no data ever ask for a secret.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from typing_extensions import override

from whereupon.templates.template import (
    Content,
    ContentValue,
    MessageRendering,
    Template,
)
from whereupon.templates.text_use import LINES, one_line

ROOT: Final = "secrets"
_PLACE: Final = re.compile(r"\{\{ secrets\.([A-Za-z_][A-Za-z0-9_-]*) \}\}")
_BEGINNING: Final = "{{ secrets."
_NEVER_A_PLACE: Final = "{ { secrets."


@dataclass(frozen=True, slots=True)
class CallTemplate(Template):
    """A template of a call to the host's systems, which may have places for secrets."""

    @override
    def render(
        self, data: Mapping[str, JsonValue], rendering: MessageRendering | None = None
    ) -> str:
        """Render with ``data``; secrets stay places."""
        plain = Template(self.source, self.use, self.partials)
        names = secret_names(plain)
        without = plain.render({**data, ROOT: dict.fromkeys(names, "")}, rendering)
        if not names:
            return without.replace(_BEGINNING, _NEVER_A_PLACE)
        mark = _mark_beside(without)
        marked: JsonValue = {name: f"{mark}{name}{mark}" for name in names}
        texts = plain.render({**data, ROOT: marked}, rendering).split(mark)
        texts[::2] = [text.replace(_BEGINNING, _NEVER_A_PLACE) for text in texts[::2]]
        texts[1::2] = [f"{{{{ secrets.{name} }}}}" for name in texts[1::2]]
        text = "".join(texts)
        return one_line(text) if self.use in LINES else text


def _mark_beside(text: str) -> str:
    """A text of letters that no other text has: of the area of Unicode for private use."""
    mark = "\ue000"
    while mark in text:
        mark += "\ue001"
    return mark


def secret_names(template: Template) -> tuple[str, ...]:
    """The names of the secrets that a template asks for."""
    if not asks_for_secrets(template):
        return ()
    return tuple(str(path[1]) for path in template.variables() if path[0] == ROOT and path[1:])


def asks_for_secrets(template: Template) -> bool:
    """Whether a template, or a partial of it, asks for secrets, well or badly."""
    texts = (template.source, *(text for _, text in template.partials))
    return any(ROOT in text for text in texts) and any(
        path[0] == ROOT for path in template.variables()
    )


def secret_fault(template: Template) -> str | None:
    """Why the secrets of a template cannot be filled in; None if they can be."""
    from whereupon.templates.liquid_adapter import plainly_written  # noqa: PLC0415 - slow to import

    of_partials = (Template(text) for _, text in template.partials)
    if any(map(asks_for_secrets, of_partials)):
        return "no partial asks for a secret: write {{ secrets.NAME }} in the step itself"
    if plainly_written(template.source, ROOT):
        return None
    return (
        "a secret stands for itself: write {{ secrets.NAME }}, without a filter and outside of tags"
    )


def secrets_in(content: Content) -> Iterator[str]:
    """The names of the secrets that a content asks for, as often as they stand there."""
    waiting: list[ContentValue] = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Template):
            yield from secret_names(value)
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, Sequence) and not isinstance(value, str):
            waiting += value


def fill_in(content: Mapping[str, JsonValue], secret: Callable[[str], str]) -> dict[str, JsonValue]:
    """Put secrets into their places in every text of a rendered content.

    Args:
        content: its keys are left as they are.
        secret: the secret of a name.
    """

    def filled(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return _PLACE.sub(lambda found: secret(found[1]), value)
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        return [filled(each) for each in value] if isinstance(value, list) else value

    return {key: filled(value) for key, value in content.items()}
