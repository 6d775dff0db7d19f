"""The step `webhook`: make a delivery for the channel named ``webhook``.

The delivery says which request to make, and the host's channel makes it. Nothing here speaks HTTP.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue
from typing_extensions import override

from whereupon.errors import Diagnostic
from whereupon.rules.field_types import Name
from whereupon.rules.form import invalid, shown, there
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.on_failure import OnFailure, OnFailureName
from whereupon.rules.steps.raw_steps import FILE_ENDING
from whereupon.rules.steps.step_form import Step, StepForm
from whereupon.templates import Content, ContentValue

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

_HOST = r"[^/?#@\s\\{}]+"
_URL: Final = re.compile(rf"https?://({_HOST})(?:[/?#][^\s]*)?")
_FIRST_HALF: Final = re.compile(r"(?:https?://)?[^/?#]*")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CHANNEL_HEADERS: Final = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te"),
        *("trailer", "keep-alive", "accept-encoding", "idempotency-key"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }
)
"""The headers, in lower case, that the channel writes itself."""

MethodName: TypeAlias = Literal["POST", "PUT", "PATCH", "DELETE", "GET"]


@dataclass(frozen=True, slots=True)
class Webhook(Step):
    """Make a delivery for the channel ``webhook``.

    Attributes:
        host: of the URL; no template, so that data never choose who gets the request.
        content: the request: ``url`` and ``method``, and as far as they are written ``headers``, and
            ``json`` or ``body``. Texts are templates.
        on_failure: what happens if the call fails for good; None if the entry does not wait for its end.
    """

    key = "webhook"
    delivers = True

    host: str
    content: Content
    on_failure: OnFailure | None = None

    @property
    @override
    def in_words(self) -> str:
        """``calls`` and the host of the URL."""
        return f"calls the webhook at {self.host}"

    @property
    @override
    def holds_entry(self) -> bool:
        return self.on_failure is not None


def _url(text: str) -> str:
    start = _FIRST_HALF.match(text)
    if start is not None and ("{{" in start[0] or "{%" in start[0]):
        raise invalid(
            code="bad-template",
            text="write the host out: no template, so no event's data, ever chooses who is called",
        )
    if _URL.fullmatch(_without_templates(text)) is None:
        raise invalid(
            code="wrong-value",
            text="a webhook's URL begins with https:// and a host, such as "
            "https://hooks.example.com/x; this is {found}",
            found=shown(text),
        )
    return text


def _without_templates(text: str) -> str:
    """The URL with a letter for each template, since a template may hold spaces."""
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "x", text, flags=re.DOTALL)


def _header_name(name: str) -> str:
    if _HEADER.fullmatch(name) is None:
        raise invalid(
            code="wrong-value",
            text="a header's name is letters, digits and hyphens, such as X-Source; this is {found}",
            found=shown(name),
        )
    if name.lower() in CHANNEL_HEADERS:
        raise invalid(
            code="wrong-value",
            text="the channel writes this header itself, so take it out; this is {found}",
            found=shown(name),
        )
    return name


_File: TypeAlias = Annotated[str | None, BeforeValidator(there)]


class WebhookForm(StepForm):
    """Call a URL, by a delivery for the channel named webhook."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"required": ["json", "body"]},
            "examples": [{"webhook": "https://hooks.example.com/x", "json": {"plan": "pro"}}],
        }
    )
    step = Webhook
    webhook: Annotated[
        Name,
        AfterValidator(_url),
        Field(json_schema_extra={"pattern": rf"^https?://{_HOST}([/?#]|$)"}),
    ] = Field(
        description="The URL to call. Its host is written out; what follows may hold Liquid templates.",
        examples=["https://hooks.example.com/x"],
    )
    method: MethodName = Field(
        default="POST", description="The method of the request; POST by default.", examples=["PUT"]
    )
    headers: dict[Annotated[str, AfterValidator(_header_name)], str] = Field(
        default_factory=dict,
        description="Headers of the request; texts are Liquid templates.",
        examples=[{"X-Source": "whereupon"}],
    )
    payload: Annotated[JsonValue, BeforeValidator(there)] = Field(
        default=None,
        alias="json",
        description="What the request sends as JSON; texts in it are Liquid templates.",
        examples=[{"order": "{{ properties.order_id }}"}],
    )
    body: Annotated[str | None, BeforeValidator(there)] = Field(
        default=None,
        description="What the request sends as text, a Liquid template, instead of json.",
        examples=["{{ person.user_id }} bought {{ properties.product }}"],
    )
    on_failure: Annotated[OnFailureName | None, BeforeValidator(there)] = Field(
        default=None,
        description=(
            "What happens if the call fails for good: the entry waits for its end, and then goes on (continue) or "
            "ends (exit). Without it the entry goes on at once."
        ),
        examples=["exit"],
    )

    body_file: _File = Field(
        default=None,
        description="The path of a file below the rules folder, in which the text of body stands.",
        examples=["hooks/order.txt"],
    )
    json_file: _File = Field(
        default=None,
        description="The path of a JSON file below the rules folder, in which the value of json stands.",
        examples=["hooks/order.json"],
    )

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Webhook:
        for key, file in (("body_file", self.body_file), ("json_file", self.json_file)):
            if file is not None:
                target = key.removesuffix(FILE_ENDING)
                message = f"a text in a file needs the rules folder: write {target} here"
                reader.report((*path, key), "text-path", message)
        if self.payload is not None and self.body is not None:
            message = "a request has one body: write json or body, and take the other out"
            reader.report((*path, "body"), "unsupported-key", message)
        content: dict[str, ContentValue] = {"url": self._line(reader, path), "method": self.method}
        written: dict[str, JsonValue] = {"json": self.payload, "body": self.body}
        if self.headers:
            written["headers"] = dict(self.headers)
        given = {key: value for key, value in written.items() if value is not None}
        content |= reader.content(given, path, fields=(), has_secrets=True)
        host = _URL.match(self.webhook)
        failing = None if self.on_failure is None else OnFailure(self.on_failure)
        return Webhook(host[1] if host else "", content, failing)

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The variables of templates, and the secrets that they ask for."""
        yield from checker.secrets(raw, path)
        yield from super().check(raw, path, checker)

    def _line(self, reader: RuleReader, path: Path) -> ContentValue:
        """The URL as a text of one line, as headers are."""
        line = {"webhook": self.webhook}
        return reader.content(line, path, fields=("headers",), has_secrets=True)["webhook"]
