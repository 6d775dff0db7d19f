"""The words of the rule grammar that stand in a step by mistake, and where each belongs.

Beside `send` every key is content. A word of the grammar there would be sent as content, and what it
asks for would not be done. So each such word is an error that says where the word belongs.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from whereupon.errors import Diagnostic
from whereupon.rules.keys import CAMPAIGN_KEYS
from whereupon.rules.rule_reader import Path
from whereupon.rules.steps import STEPS
from whereupon.rules.steps.raw_steps import SEND_KEYS
from whereupon.rules.steps.step_form import StepForm

_RULE = "it belongs to the rule: put it beside when:"
_STEP = "it is a step of its own: put it after a new -"
_CONDITION = "it is a condition: put it into who: or where: of the rule, beside when:"
_WAIT = "to send later, put a step of its own before this one: - wait: 2h"
_PARTS = "it is a part of a wait_for, a branch or a split"
_SETTINGS = "it belongs to the trigger, or to the rule: put it there, beside when:"

_ALSO_CONTENT: Final = frozenset(("content",))
"""Keys of a rule that are content in a step, since channels take content of that name."""

STEP_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # keys of a step, otherwise spelt
        "languages": "write languages, in small letters",
        "kind": "write kind, in small letters",
        "topic": "write topic, in small letters",
        # keys of a rule
        **dict.fromkeys(("campaign", "broadcast", "guard"), _RULE),
        **dict.fromkeys(
            (key.name for key in CAMPAIGN_KEYS if key.name not in _ALSO_CONTENT), _RULE
        ),
        **dict.fromkeys(("stay", "grace", "rate", "late"), _RULE),
        **dict.fromkeys(("once_per", "once_per_key"), "it belongs into reentry: of the rule"),
        # steps
        **dict.fromkeys(STEPS, _STEP),
        # conditions, and what people write for them
        **dict.fromkeys(("unless", "only_if", "skip_if", "condition", "conditions"), _CONDITION),
        **dict.fromkeys(("filter", "filters", "audience", "segment", "segments"), _CONDITION),
        **dict.fromkeys(("performed", "logic", "all", "any", "not"), _CONDITION),
        # times, and what people write for them
        **dict.fromkeys(("delay", "after", "before", "send_at", "at", "until", "schedule"), _WAIT),
        **dict.fromkeys(("within", "every", "for", "up_to"), _WAIT),
        **dict.fromkeys(("cron", "timezone", "on"), _SETTINGS),
        # parts of other steps
        **dict.fromkeys(("then", "else", "arms", "share", "again", "same", "since"), _PARTS),
        "on_failure": "it is for a webhook step",
    }
)
"""Each word, and where it belongs."""


def _spellings(word: str) -> set[str]:
    first, *rest = word.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    return {word, word.replace("_", "-"), camel, word.upper(), word.capitalize()}


SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {spelling: word for word in STEP_WORDS for spelling in sorted(_spellings(word))}
)
"""Every way in which a word is written, and the word."""


def misplaced_words(form: StepForm, path: Path) -> Iterator[Diagnostic]:
    """An error for each word of the grammar that stands among the content of a step, or of a step within it."""
    for place, content in form.contents():
        for key in content:
            found = misplaced((*path, *place, key))
            if place and key in SEND_KEYS:
                message = f"{key} is the same in all languages: put it beside send"
                found = Diagnostic.at((*path, *place, key), "misplaced-key", message)
            if found is not None:
                yield found
    for place, steps in form.inner():
        for i, each in enumerate(steps):
            yield from misplaced_words(each, (*path, *place, i))


def misplaced(path: Path) -> Diagnostic | None:
    """What to write instead of the word of the grammar that stands at the path in a step.

    None if the key is no word of the grammar.
    """
    key = str(path[-1])
    word = SPELLINGS.get(key)
    if word is None:
        return None
    message = f"{key} does nothing here: {STEP_WORDS[word]}"
    return Diagnostic.at(path, "misplaced-key", message)
