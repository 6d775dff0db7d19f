"""The shop of many tests: its campaign, its broadcast, and a purchase in wire form."""

from datetime import UTC, datetime

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def thanks(**changes: object) -> dict[str, object]:
    """A campaign that answers every purchase with a push at once, unless the changes say else."""
    file: dict[str, object] = {
        "campaign": "thanks",
        "when": "purchase",
        "reentry": "every_time",
        "whereupon": [{"send": "push", "title": "Thanks"}],
    }
    return {**file, **changes}


def news(**changes: object) -> dict[str, object]:
    """A broadcast that the host calls up, unless the changes say else."""
    file: dict[str, object] = {
        "broadcast": "news",
        "when": "api",
        "whereupon": [{"send": "email", "subject": "News"}],
    }
    return {**file, **changes}


def purchase(number: int, user_id: str = "ada") -> dict[str, object]:
    """A purchase in wire form, its id following from the number."""
    return {
        "type": "track",
        "event": "purchase",
        "userId": user_id,
        "messageId": f"purchase-{number}",
        "properties": {"number": number},
    }
