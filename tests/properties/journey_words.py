"""What the words of a rule say, for the model of journeys: conditions, moments, arms. Times are whole seconds."""

import re
from datetime import UTC, datetime, timedelta

from tests.properties.journey_world import DAY, HOUR, MINUTE, Data, Message

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def seconds(duration: str) -> int:
    """The length of a duration such as ``1h30m``."""
    units = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY}
    return sum(int(n) * units[u] for n, u in re.findall(r"(\d+)([smhd])", duration))


def key_of(value: object) -> str | None:
    """A value as a key: 7, 7.0 and ``"7"`` are one, and a blank one is none."""
    text = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if text.strip() else None


def holds(condition: Data | None, values: Data) -> bool:
    """Whether each value is the one that is wanted, or one of those; a missing value never is."""
    for name, wanted in (condition or {}).items():
        among = wanted if isinstance(wanted, list) else [wanted]
        if values.get(name) is None or key_of(values[name]) not in map(key_of, among):
            return False
    return True


def meets(asked: Data, message: Message, opening: Message) -> bool:
    """Whether a message is the event that is asked for, of the same things as the opening message."""
    pairs = asked.get("same", [])
    pairs = pairs.items() if isinstance(pairs, dict) else [(name, name) for name in pairs]
    same = [(key_of(message.data.get(a)), key_of(opening.data.get(b))) for a, b in pairs]
    alike = all(a is not None and a == b for a, b in same)
    return message.name == asked["event"] and alike and holds(asked.get("where"), message.data)


def next_moment(after: int, clock: str, days: list[str]) -> int:
    """The next time of day after an instant, on one of these days of the week."""
    hour, minute = map(int, clock.split(":"))
    moment = datetime.fromtimestamp(after, UTC).replace(hour=hour, minute=minute, second=0)
    while moment.timestamp() <= after or WEEK[moment.weekday()] not in days:
        moment += timedelta(days=1)
    return int(moment.timestamp())


def until_when(wait: Data | str, values: Data, reached: int) -> int | None:
    """Up to when a wait lasts; None if the person has no such date."""
    if isinstance(wait, str):
        return reached + seconds(wait)
    if not wait["until"].startswith("person."):
        return next_moment(reached, wait["until"], wait.get("on", WEEK))
    date = values.get(wait["until"].removeprefix("person."))
    moved = seconds(wait.get("after", "")) - seconds(wait.get("before", ""))
    return int(datetime.fromisoformat(date).timestamp()) + moved if date else None


def first_arm(arms: list[Data], values: Data) -> tuple[str | None, list[Data | str]]:
    """The label and the steps of the first arm of a branch that holds."""
    for number, arm in enumerate(arms):
        if holds(arm.get("if"), values):
            return ("else", arm["else"]) if "else" in arm else (str(number), arm["then"])
    return None, []
