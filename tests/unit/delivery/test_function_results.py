"""What a function returns: any value of JSON, kept as it is."""

from hypothesis import given
from hypothesis import strategies as st
from tests.shop import NOON

from whereupon.delivery.functions import Returned, as_channel
from whereupon.records import Delivery

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(value=_JSON)
def test_any_value_of_json_comes_back_as_it_was(value: object) -> None:
    """Numbers of any size, and any text that is Unicode."""
    call = as_channel("score-lead", lambda _: value)
    delivery = Delivery(1, "k", "thanks", 1, "ada", "run:score-lead", NOON, {})
    assert call(delivery) == Returned(value)  # type: ignore[arg-type]  # it is JSON
