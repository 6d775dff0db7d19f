"""Messages as values."""

import pytest
from tests.worlds import message

from whereupon.messages.model import MessageType, Origin, SenderClass


def test_a_message_is_frozen() -> None:
    """A message cannot be changed."""
    purchase = message("m", name="purchase", user="ada")
    with pytest.raises(AttributeError):
        purchase.name = "refund"  # type: ignore[misc]  # that is the point
    assert purchase == message("m", name="purchase", user="ada")


def test_the_words_of_the_wire_are_the_words_of_the_values() -> None:
    """The six calls of the Segment spec; two classes of sender; two ways in."""
    assert list(MessageType) == ["identify", "track", "page", "screen", "group", "alias"]
    assert (list(SenderClass), list(Origin)) == (["server", "client"], ["live", "import"])
