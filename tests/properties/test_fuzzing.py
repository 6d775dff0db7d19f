"""Any bytes: the message parser and the rule loader return diagnostics and raise nothing else.

What was once found stands in ``fixtures/fuzz``, and is tried first.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples

from whereupon.errors import MessageRejectedError
from whereupon.messages.arrival import Arrival
from whereupon.messages.codec import decode
from whereupon.messages.model import Message, SenderClass
from whereupon.messages.wire import parse_message
from whereupon.rules.loading import load_rules
from whereupon.rules.model import Guard

FOUND = Path(__file__).parents[2] / "fixtures" / "fuzz"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = ["type", "event", "userId", "anonymousId", "messageId", "properties", "context", "timestamp"]
KEYS += ["traits", "previousId", "groupId", "batch", "sentAt", "originalTimestamp"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["track", "alias", "Delete Person", "ada", "2026-03-01T12:00:00Z", "\x00"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(KEYS), values, max_size=8)


def parse(text: bytes) -> Message | None:
    """Parse a message's bytes: a message, or a refusal with a code."""
    try:
        return parse_message(text, Arrival(NOW, SenderClass.CLIENT, lambda: "new"))
    except MessageRejectedError as error:
        refusal = error
    assert refusal.code
    assert refusal.reason
    return None


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@examples(300)
@given(st.binary(max_size=200) | objects.map(_as_json))
def test_any_bytes_are_a_message_or_a_named_refusal(text: bytes) -> None:
    """An accepted message can be read completely: its ids are texts, its times are aware."""
    message = parse(text)
    if message is not None:
        assert message.user_id or message.anonymous_id
        assert message.timestamp <= message.received_at
        assert isinstance(dict(message.data), dict)
        assert isinstance(decode(message.body), dict)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.json")), ids=lambda path: path.name)
def test_faults_once_found_in_messages_stay_repaired(path: Path) -> None:
    """Each file is a message that once did harm, or nearly did."""
    parse(path.read_bytes())


GUARD_LINES = [
    "guard: g",
    "description: One.",
    "actions: [Delete Person]",
    "sources: {client: run}",
    "protect: {staff: true}",
    "protect: [{a: {gt: 1}}, {segment: x}]",
    "limits: [5 per 1h, 1% per 1d]",
    "approvals: {needed: 2, by: [a, b]}",
    "cool_off: 7d",
    "tombstone: ignore",
    "enabled: false",
]
lines = st.sampled_from(GUARD_LINES) | st.text(max_size=20)
tokens = st.sampled_from([*"{}[],:&*!|>-'\"%@`#?\n\t ", "&a", "*a", "!!map", "<<", "---", "..."])
texts = (
    st.lists(lines, max_size=8).map("\n".join)
    | st.lists(tokens | st.text(max_size=4), max_size=30).map("".join)
    | st.builds(lambda a, b, c: a + b + c, st.sampled_from(GUARD_LINES), tokens, lines)
)


@examples(200)
@given(text=texts)
def test_any_text_is_a_rule_file_or_located_diagnostics(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every diagnostic has a code, a place and a sentence; no guard is read from a file with an error."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "g.yaml").write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    check(folder)


def check(folder: Path) -> None:
    """Load a folder, and check its diagnostics."""
    book, diagnostics = load_rules(folder)
    for diagnostic in diagnostics:
        assert diagnostic.code
        assert diagnostic.message
        assert diagnostic.location.line >= 1
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        assert not any(isinstance(guard, Guard) for guard in book.guards)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.yaml.txt")), ids=lambda path: path.name)
def test_faults_once_found_in_rule_files_stay_repaired(path: Path, tmp_path: Path) -> None:
    """Each file is a rule file that once did harm, or nearly did."""
    (tmp_path / "g.yaml").write_bytes(path.read_bytes())
    check(tmp_path)
