"""MJML, a markup of mails, compiled to HTML; the only module that imports mrml, which is an extra.

Liquid survives: a word stands in place of each of its tags and variables while MJML is compiled. So they may
hold quotes, ``<`` and ``>``. What MJML itself would have to understand, such as a width, is no place for them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Final

from whereupon.templates.html_places import LIQUID
from whereupon.templates.mjml_outline import Outline
from whereupon.templates.template_error import MjmlError

_POSITION: Final = re.compile(r" in root template( at position (\d+):\d+)?$")


@dataclass(frozen=True, slots=True)
class Mjml:
    """Compiled MJML.

    Attributes:
        html: a template in HTML.
        warnings: what is likely a mistake, each with its line.
    """

    html: str
    warnings: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def compile_mjml(source: str) -> Mjml:
    """Compile MJML with Liquid in it; raises `MjmlError`, with the line of the first fault."""
    try:
        import mrml  # noqa: PLC0415 - an extra
    except ImportError as error:
        reason = "MJML needs an extra: pip install 'whereupon[mjml]'"
        raise MjmlError(reason=reason) from error
    outline = Outline(source)
    if outline.faults:
        raise MjmlError(reason=outline.faults[0])
    masked, liquid = _masked(source)
    try:
        html = str(mrml.to_html(masked).content)
    except (OSError, ValueError) as error:
        raise MjmlError(reason=_told(str(error), masked, liquid)) from error
    return Mjml(_restored(html, source, liquid), outline.warnings)


def _masked(source: str) -> tuple[str, dict[str, re.Match[str]]]:
    """The source with a word in place of each piece of Liquid, and the pieces by these words."""
    stem = next(stem for n in count() if (stem := f"liquid{n or ''}z") not in source)
    liquid: dict[str, re.Match[str]] = {}

    def word_for(found: re.Match[str]) -> str:
        word = f"{stem}{len(liquid)}z"
        liquid[word] = found
        return word

    return LIQUID.sub(word_for, source), liquid


def _restored(html: str, source: str, liquid: dict[str, re.Match[str]]) -> str:
    for word, found in liquid.items():
        if word not in html:
            line = source.count("\n", 0, found.start()) + 1
            reason = (
                f"line {line}: {' '.join(found[0].split())[:40]} would be lost, because MJML reads what stands here itself; "
                "write it out"
            )
            raise MjmlError(reason=reason)
    if not liquid:
        return html
    return re.sub(r"|".join(sorted(liquid, reverse=True)), lambda word: liquid[word[0]][0], html)


def _told(said: str, masked: str, liquid: dict[str, re.Match[str]]) -> str:
    """What the compiler says, with the line in the source, if it says where."""
    found = _POSITION.search(said)
    fault = said[: found.start()] if found else said
    fault = f"this is not valid MJML: {fault}; close every element, and write < as &lt;"
    if found is None or found[2] is None:
        return fault
    before = masked.encode()[: int(found[2])].decode(errors="ignore")
    lines = before.count("\n") + sum(
        piece[0].count("\n") for word, piece in liquid.items() if word in before
    )
    return f"line {lines + 1}: {fault}"
