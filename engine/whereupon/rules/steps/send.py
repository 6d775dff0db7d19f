"""The step `send`: hand a delivery to a channel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue
from typing_extensions import override

from whereupon.errors import Diagnostic
from whereupon.records import SendKind
from whereupon.rules.field_types import MaybeName, Name
from whereupon.rules.form import there
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Step, StepForm
from whereupon.templates import Content, is_template

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
    """

    key = "send"
    delivers = True

    channel: str
    content: Content
    kind: SendKind = SendKind.MARKETING
    topic: str | None = None

    @property
    @override
    def in_words(self) -> str:
        """``sends`` and the channel."""
        return f"sends {self.channel}"


class SendForm(StepForm):
    """Hand a delivery to a channel; every key beside those named here is content, its texts templates."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"send": "push", "title": "Thanks!", "body": "It is on the way."}],
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

    mjml: Annotated[str | None, BeforeValidator(there)] = Field(
        default=None,
        description=(
            "The html of a mail as MJML, with Liquid templates; it is compiled when the rule is read, by the "
            "extra whereupon[mjml]."
        ),
        examples=["<mjml><mj-body>…</mj-body></mjml>"],
    )

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Send:
        """Each extra key is content. A recipient is an error, and so is a template in the sender."""
        content = self.__pydantic_extra__
        for key, value in content.items():
            if key in RECIPIENT_KEYS:
                message = f"a delivery goes to the person of the entry; take {key} out"
                reader.report((*path, key), "unsupported-key", message)
            elif key == "url" and self.send == "webhook":
                message = "write the step webhook: URL instead, whose host is checked"
                reader.report((*path, key), "unsupported-key", message)
            elif key in SENDER_KEYS and _has_template(value):
                message = (
                    f"write {key} out: no template, so no event's data, ever chooses the sender"
                )
                reader.report((*path, key), "bad-template", message)
        kind = SendKind(self.kind)
        if self.topic is not None and kind is not SendKind.MARKETING:
            message = f"a {kind} delivery asks no topic: take topic out, or make it kind: marketing"
            reader.report((*path, "topic"), "unsupported-key", message)
        read = reader.content(content, path, fields=())
        if self.mjml is not None:
            if "html" in content:
                message = "mjml is compiled to html: write mjml or html, and take the other out"
                reader.report((*path, "html"), "unsupported-key", message)
            read = {**read, "html": reader.mjml(self.mjml, (*path, "mjml"))}
        return Send(self.send, read, kind, self.topic)

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
