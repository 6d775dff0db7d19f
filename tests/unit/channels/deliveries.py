"""What a channel is handed, and an engine as a channel sees it."""

from tests.shop import NOON

from whereupon.records import Delivery


def delivery_of(**changes: object) -> Delivery:
    """A delivery to Ada, with these fields."""
    made = Delivery(
        key=1,
        idempotency_key="0f" * 16,
        rule="thanks",
        person_key=7,
        person="ada",
        channel="partner",
        due_at=NOON,
        content={"title": "Thanks", "body": "It is on the way."},
        recipient={"email": "ada@example.com", "plan": "pro", "phone": "+33 6 12 34 56 78"},
    )
    return made.changed(**changes)
