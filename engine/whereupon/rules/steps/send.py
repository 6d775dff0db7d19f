"""The step `send`: hand a delivery to a channel."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue
from typing_extensions import override

from whereupon.errors import Diagnostic, Severity
from whereupon.records import SendKind
from whereupon.rules.field_types import Locale, MaybeName, Name
from whereupon.rules.form import Form, invalid, there
from whereupon.rules.locales import fallbacks, plain_locale
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.raw_steps import FILE_ENDING, SEND_KEYS
from whereupon.rules.steps.step_form import Step, StepForm
from whereupon.templates import Content, ContentValue, is_template

RECIPIENT_KEYS = frozenset({"to", "cc", "bcc", "recipient", "recipients"})
"""Keys that would choose a recipient. A delivery always goes to the person of the entry."""

SENDER_KEYS = frozenset({"from", "sender", "reply_to"})
"""Keys that name the sender. They hold no template, so that event data never choose the sender."""

KindName: TypeAlias = Literal["marketing", "transactional", "internal"]

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class Send(Step):
    """Hand one delivery to a channel; ``content`` holds templates by key (title, body, …).

    Attributes:
        kind: why it is sent, which says whether consent is asked.
        topic: what it is about; consent is asked for the topic, too.
        languages: the whole content by locale, as `plain_locale` writes it; None if there is one language.
    """

    key = "send"
    delivers = True

    channel: str
    content: Content
    kind: SendKind = SendKind.MARKETING
    topic: str | None = None
    languages: Mapping[str, Content] | None = None

    def content_in(self, locale: str | None) -> Content:
        """The content for a locale: the exact one, then the language's, then the step's own."""
        if self.languages is None or locale is None:
            return self.content
        said = (self.languages[each] for each in fallbacks(locale) if each in self.languages)
        return next(said, self.content)

    @property
    @override
    def in_words(self) -> str:
        """``sends`` and the channel."""
        return f"sends {self.channel}"


_TEXT_FILES: dict[str, JsonValue] = {
    rf"^.+{FILE_ENDING}$": {
        "type": "string",
        "description": "The path of a file below the rules folder: what stands in it is the text of this key, "
        "without _file.",
        "examples": ["mails/receipt.html"],
    }
}
_Mjml = Annotated[str | None, BeforeValidator(there)]


class LanguageForm(Form):
    """The content in one language; what it does not say is the step's own."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"minProperties": 1, "patternProperties": _TEXT_FILES}
    )
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    mjml: _Mjml = Field(
        default=None,
        description="The html of the mail in this language, as MJML.",
        examples=["<mjml><mj-body>…</mj-body></mjml>"],
    )


def _said(value: object) -> object:
    if value == {}:
        raise invalid(code="wrong-value", text="nothing is said in this language: add a text")
    return value


_Language = Annotated[LanguageForm, BeforeValidator(_said)]


class SendForm(StepForm):
    """Hand a delivery to a channel; every key beside those named here is content, its texts templates."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"send": "push", "title": "Thanks!", "body": "It is on the way."}],
            "patternProperties": _TEXT_FILES,
        },
    )
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)
    step = Send
    refused = RECIPIENT_KEYS

    send: Name = Field(
        description="The name of the channel, such as email or push.",
        examples=["push", "email", "sms", "webhook"],
    )
    kind: KindName = Field(
        default="marketing",
        description=(
            "Why it is sent: marketing (the default), transactional or internal. The last two go to "
            "people who have unsubscribed, too."
        ),
        examples=["transactional"],
    )
    topic: MaybeName = Field(
        default=None,
        description="What it is about: people who have opted out of that topic do not get it.",
        examples=["product-news"],
    )

    languages: Annotated[
        Annotated[dict[Locale, _Language], Field(min_length=1)] | None, BeforeValidator(there)
    ] = Field(
        default=None,
        description=(
            "The content in other languages, by locale: the person's own, else their language, else what "
            "stands in the step. What a language does not say is the step's."
        ),
        examples=[{"de": {"title": "Danke!"}, "fr": {"title": "Merci !"}}],
    )
    mjml: _Mjml = Field(
        default=None,
        description=(
            "The html of a mail as MJML, with Liquid templates; it is compiled when the rule is read, by the "
            "extra whereupon[mjml]."
        ),
        examples=["<mjml><mj-body>…</mj-body></mjml>"],
    )

    @override
    def contents(self) -> Iterator[tuple[Path, Mapping[str, JsonValue]]]:
        """The content of the step, and of each language."""
        yield (), self.__pydantic_extra__
        for name, form in (self.languages or {}).items():
            yield ("languages", name), form.__pydantic_extra__

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Send:
        """Each extra key is content. A recipient is an error, and so is a template in the sender."""
        for place, content in self.contents():
            for key, value in content.items():
                self._check_content(key, value, reader, (*path, *place))
        kind = SendKind(self.kind)
        if self.topic is not None and kind is not SendKind.MARKETING:
            message = f"a {kind} delivery goes out whatever people say of the topic; reports have it all the same"
            reader.report((*path, "topic"), "unasked-topic", message, Severity.WARNING)
        own = _content(self.__pydantic_extra__, self.mjml, reader, path)
        return Send(self.send, own, kind, self.topic, self._languages(own, reader, path))

    def _check_content(self, key: str, value: JsonValue, reader: RuleReader, path: Path) -> None:
        """Report a key of content that would choose the recipient, the sender or the URL, or that names a file."""
        if key in RECIPIENT_KEYS:
            message = f"a delivery goes to the person of the entry; take {key} out"
            reader.report((*path, key), "unsupported-key", message)
        elif key == "url" and self.send == "webhook":
            message = "write the step webhook: URL instead, whose host is checked"
            reader.report((*path, key), "unsupported-key", message)
        elif key in SENDER_KEYS and _has_template(value):
            message = f"write {key} out: no template, so no event's data, ever chooses the sender"
            reader.report((*path, key), "bad-template", message)
        elif key == "content" and value in ("live", "pinned"):
            message = f"content: {value} belongs to the rule: put it beside when:"
            reader.report((*path, key), "misplaced-key", message)
        elif key.endswith(FILE_ENDING) and key != FILE_ENDING:
            target = key.removesuffix(FILE_ENDING)
            code, message = (
                "text-path",
                f"a text in a file needs the rules folder: write {target} here",
            )
            if target in SEND_KEYS:
                code = "unsupported-key"
                message = f"{target} is no text, and stands in no file: write {target} here"
            reader.report((*path, key), code, message)

    def _languages(
        self, own: Content, reader: RuleReader, path: Path
    ) -> Mapping[str, Content] | None:
        """The whole content in each language."""
        read: dict[str, Content] = {}
        for name, form in (self.languages or {}).items():
            place = (*path, "languages", name)
            locale = plain_locale(name)
            if locale in read:
                message = f"{name} is said twice, since case and _ do not matter; keep one"
                reader.report(place, "duplicate-key", message)
            said = _content(form.__pydantic_extra__, form.mjml, reader, place)
            read[locale] = _merged(own, said)
        return read or None

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The channel, and the variables of templates."""
        if isinstance(channel := raw.get("send"), str):
            yield from checker.channel(channel, (*path, "send"))
        yield from super().check(raw, path, checker)


def _has_template(value: JsonValue) -> bool:
    """Whether any text of the value, however deep, is a template."""
    if isinstance(value, dict | list):
        return any(map(_has_template, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and is_template(value)


def _content(
    raw: Mapping[str, JsonValue], mjml: str | None, reader: RuleReader, path: Path
) -> Content:
    """The content that is written in one mapping; MJML becomes its html."""
    read = reader.content(raw, path, fields=())
    if mjml is None:
        return read
    if "html" in raw:
        message = "mjml is compiled to html: write mjml or html, and take the other out"
        reader.report((*path, "html"), "unsupported-key", message)
    return {**read, "html": reader.mjml(mjml, (*path, "mjml"))}


def _merged(own: Content, said: Content) -> Content:
    """The content of a language, with what it does not say, at any depth."""
    both: dict[str, ContentValue] = {**own}
    for key, value in said.items():
        inner = both.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = _merged(inner, value)  # noqa: PLW2901
        both[key] = value
    return both
