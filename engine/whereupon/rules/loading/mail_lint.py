"""Warnings about mails: steps ``send: email``, as the channel `Email` understands them.

A step without a text may be for a channel of the host's own, and is left alone if it says more than a subject.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from whereupon.errors import Diagnostic
from whereupon.rules.spelling import nearest
from whereupon.rules.steps.raw_steps import SEND_KEYS, content_mappings

MAIL_KEYS: Final = ("subject", "preheader", "text", "body", "html", "from", "reply_to", "headers")
"""The content of a mail."""

_PARTS: Final = ("html", "mjml", "text", "body")
_STEP_KEYS: Final = SEND_KEYS | {"mjml"}
UNSUBSCRIBE_PLACE: Final = "%unsubscribe_url%"
"""Stands in a mail for the address to unsubscribe at."""


def mail_warnings(steps: JsonValue) -> Iterator[Diagnostic]:
    """What is likely a mistake in the mails among the steps of a rule."""
    mails: dict[tuple[str | int, ...], dict[str, JsonValue]] = {}
    for content, path, _ in content_mappings({"whereupon": steps}):
        if content.get("send") == "email":
            mails[path] = content
            for key, code, message in _warnings(content):
                yield Diagnostic.warning_at((*path, key), code, message)
        elif path[:-2] in mails:
            for key, code, message in _warnings_of_a_language(content, mails[path[:-2]]):
                yield Diagnostic.warning_at((*path, key), code, message)


def _warnings_of_a_language(
    content: Mapping[str, JsonValue], step: Mapping[str, JsonValue]
) -> Iterator[tuple[str, str, str]]:
    """What is likely a mistake in what one language says itself."""
    found = _warnings({**step, **content})
    yield from (each for each in found if each[0] in content)


def _warnings(step: Mapping[str, JsonValue]) -> Iterator[tuple[str, str, str]]:
    parts = [key for key in _PARTS if key in step]
    others = step.keys() - _STEP_KEYS - set(MAIL_KEYS)
    if not parts and others:
        return
    if not parts:
        yield "send", "no-text", "a mail needs a text: add body, html or mjml"
    if not step.get("subject"):
        yield "send", "no-subject", "a mail needs a subject: add subject"
    if "text" in parts and "body" in parts:
        yield "body", "unknown-content", "text and body are the same part of a mail: leave one out"
    for key in sorted(others):
        hint = nearest(key, MAIL_KEYS) or f"; there are {', '.join(MAIL_KEYS)}"
        yield key, "unknown-content", f"a mail has no {key}{hint}"
    shown = {key: text for key in ("html", "mjml") if isinstance(text := step.get(key), str)}
    is_marketing = step.get("kind", "marketing") == "marketing"
    if is_marketing and shown and not any(UNSUBSCRIBE_PLACE in text for text in shown.values()):
        message = f'marketing needs a way out: add <a href="{UNSUBSCRIBE_PLACE}">unsubscribe</a>, or say kind: transactional'
        yield next(iter(shown)), "no-unsubscribe", message
