"""The limits of messages and batches, and how what is beyond them is refused."""

from whereupon.errors import MessageRejectedError
from whereupon.messages.repairs import MAX_NESTING

MAX_MESSAGE_BYTES = 32 * 1024
"""Bytes of one message, counted on its value as compact JSON, however it was spaced and escaped."""

MAX_BATCH_BYTES = 500 * 1024
MAX_BATCH_MESSAGES = 2_500
MAX_TEXT_BYTES = MAX_BATCH_BYTES + MAX_MESSAGE_BYTES
"""A batch at its limit, and what its wrapping and spaces may add."""


def check_size(size: int) -> None:
    """Refuse a message of more bytes than the limit."""
    if size > MAX_MESSAGE_BYTES:
        raise too_large(size)


def too_large(size: int) -> MessageRejectedError:
    """The refusal of a message of that many bytes."""
    reason = f"the message has {size} bytes; {MAX_MESSAGE_BYTES} are allowed"
    return MessageRejectedError(code="message-too-large", field="message", reason=reason)


def batch_too_large() -> MessageRejectedError:
    """The refusal of everything in a batch that is beyond its limits."""
    reason = (
        f"a batch has at most {MAX_BATCH_MESSAGES} messages and {MAX_BATCH_BYTES} bytes;"
        " send what is from here on again"
    )
    return MessageRejectedError(code="batch-too-large", field="batch", reason=reason)


def too_deep() -> MessageRejectedError:
    """The refusal of a message that nests too many objects and lists."""
    reason = f"the message nests more than {MAX_NESTING} objects and lists in one another"
    return MessageRejectedError(code="too-deep", field="message", reason=reason)


def not_an_object() -> MessageRejectedError:
    """The refusal of a message that is not a JSON object."""
    reason = "a message is a JSON object"
    return MessageRejectedError(code="not-an-object", field="message", reason=reason)
