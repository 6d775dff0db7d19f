"""Values with named fields, of which many are made."""

import gc

import pytest
from tests.worlds import message


def test_a_changed_value_is_another() -> None:
    """What it came from stays as it was."""
    purchase = message("m", name="purchase", user="ada")
    refund = purchase.changed(name="refund")
    assert (purchase.name, refund.name) == ("purchase", "refund")
    assert refund != purchase == refund.changed(name="purchase")


def test_only_what_it_has_can_be_changed() -> None:
    """A name that no field has is an error."""
    with pytest.raises(TypeError, match="nickname"):
        message("m").changed(nickname="ada")


def test_the_cycle_collector_does_not_look_at_messages() -> None:
    """A batch makes many of them."""
    assert not gc.is_tracked(message("m"))
