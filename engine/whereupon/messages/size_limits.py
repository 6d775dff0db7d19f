"""The limits of messages and batches, and the rejections of what is beyond them."""

from whereupon.errors import MessageRejectedError
from whereupon.messages.repairs import MAX_NESTING

MAX_MESSAGE_BYTES = 32 * 1024
"""Bytes of one message as compact JSON; spaces and escapes of the original text do not count."""

MAX_MESSAGE_ID_CHARACTERS = 100
MAX_BATCH_BYTES = 500 * 1024
MAX_BATCH_MESSAGES = 2_500
MAX_TEXT_BYTES = MAX_BATCH_BYTES + MAX_MESSAGE_BYTES
"""Bytes of one text: a batch at its limit, and 32 KiB for its own fields and spaces."""


def check_size(size: int) -> None:
    """Raise the rejection of a message of more bytes than the limit."""
    if size > MAX_MESSAGE_BYTES:
        raise too_large(size)


def too_large(size: int) -> MessageRejectedError:
    """The rejection of a message of ``size`` bytes."""
    reason = f"the message has {size} bytes; {MAX_MESSAGE_BYTES} are allowed"
    return MessageRejectedError(code="message-too-large", field="message", reason=reason)


def batch_too_large() -> MessageRejectedError:
    """The rejection of the messages of a batch that are beyond its limits."""
    reason = (
        f"a batch has at most {MAX_BATCH_MESSAGES} messages and {MAX_BATCH_BYTES} bytes;"
        " send the rest in another batch"
    )
    return MessageRejectedError(code="batch-too-large", field="batch", reason=reason)


def too_deep() -> MessageRejectedError:
    """The rejection of a message that nests too many objects and lists."""
    reason = f"objects and lists are nested more than {MAX_NESTING} deep in the message"
    return MessageRejectedError(code="too-deep", field="message", reason=reason)


def not_an_object() -> MessageRejectedError:
    """The rejection of a message that is not a JSON object."""
    reason = "a message must be a JSON object"
    return MessageRejectedError(code="not-an-object", field="message", reason=reason)
