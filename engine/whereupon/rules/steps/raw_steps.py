"""The steps of a rule file as plain data: which of their mappings hold content."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pydantic import JsonValue

from whereupon.rules.rule_reader import Path

FILE_ENDING: Final = "_file"
"""The end of a key that names the file of a text."""

SEND_KEYS: Final = frozenset(("send", "kind", "topic", "languages", "name", "if"))
"""The keys of a step `send` that are no content."""
_WEBHOOK_TEXTS: Final = frozenset(("body", "json"))


class ContentMapping(NamedTuple):
    """A mapping of content: of a step, or of one of its languages.

    Attributes:
        content: what is written.
        path: of the mapping in the file.
        is_request: whether it is a webhook's.
    """

    content: dict[str, JsonValue]
    path: Path
    is_request: bool

    def files(self) -> dict[str, str]:
        """The keys that name the file of a text, each with the key that the text is for."""
        ends = {key: key.removesuffix(FILE_ENDING) for key in self.content}
        return {
            key: target
            for key, target in ends.items()
            if target not in ("", key) and self._takes(target)
        }

    def _takes(self, target: str) -> bool:
        return target in _WEBHOOK_TEXTS if self.is_request else target not in SEND_KEYS


def content_mappings(data: JsonValue) -> Iterator[ContentMapping]:
    """Every mapping of content in the steps of a rule file, at any depth; what is malformed is left out."""
    steps = data.get("whereupon") if isinstance(data, dict) else None
    yield from _in_steps(steps, ("whereupon",))


def _in_steps(steps: JsonValue, path: Path) -> Iterator[ContentMapping]:
    for place, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, dict):
            yield from _in_step(step, (*path, place))


def _in_step(step: dict[str, JsonValue], path: Path) -> Iterator[ContentMapping]:
    if "send" in step:
        yield ContentMapping(step, path, is_request=False)
        languages = step.get("languages")
        for name, content in languages.items() if isinstance(languages, dict) else ():
            if isinstance(content, dict):
                yield ContentMapping(content, (*path, "languages", name), is_request=False)
    elif "webhook" in step:
        yield ContentMapping(step, path, is_request=True)
    else:
        for arm, place in _arms(step, path):
            for key in ("then", "else"):
                yield from _in_steps(arm.get(key), (*place, key))


def _arms(step: dict[str, JsonValue], path: Path) -> Iterator[tuple[dict[str, JsonValue], Path]]:
    """The mappings in which the steps of arms stand: the step itself, and what it lists."""
    yield step, path
    split = step.get("split")
    named = split.get("arms") if isinstance(split, dict) else None
    for label, arm in named.items() if isinstance(named, dict) else ():
        if isinstance(arm, dict):
            yield arm, (*path, "split", "arms", label)
    for key in ("branch", "wait_for"):
        listed = step.get(key)
        for place, arm in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(arm, dict):
                yield arm, (*path, key, place)
