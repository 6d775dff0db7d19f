"""The channel for development: one line a delivery, on any output."""

import logging
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from tests.shop import NOON

from whereupon import Delivery
from whereupon.channels import Console


def _delivery(person: str = "ada", title: str = "Hé 🧦") -> Delivery:
    return Delivery(1, "k-1", "thanks", 1, person, "push", NOON, {"title": title})


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", '[push] to ada (thanks): {"title":"Hé 🧦"}\n'),
        ("latin-1", '[push] to ada (thanks): {"title":"Hé \\U0001f9e6"}\n'),
        ("ascii", '[push] to ada (thanks): {"title":"H\\xe9 \\U0001f9e6"}\n'),
    ],
)
def test_a_delivery_is_one_line_in_any_encoding(encoding: str, shown: str) -> None:
    """What the output cannot show is escaped, instead of failing the delivery."""
    written = BytesIO()
    stream = TextIOWrapper(written, encoding=encoding, newline="")
    Console(stream).send(_delivery())
    assert written.getvalue().decode(encoding) == shown


@pytest.mark.parametrize("mark", ["\n", "\r", "\x1b[2J", "\x9b2J", "\u2028", "\u202e", "\x07"])
def test_no_text_moves_the_cursor(mark: str) -> None:
    """Neither an id nor a content writes over other lines, or turns their direction."""
    out = StringIO()
    Console(out).send(_delivery(f"a{mark}b", f"c{mark}d"))
    line = out.getvalue()
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_it_warns_once_where_nobody_may_look(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """On a standard output that is no terminal; a stream that the host chose needs no warning."""
    console, chosen = Console(), Console(StringIO())
    for _ in range(3):
        console.send(_delivery())
        chosen.send(_delivery())
    assert capsys.readouterr().out.count("\n") == 3
    said = [(each.name, each.levelno, vars(each)["event"]) for each in caplog.records]
    assert said == [("whereupon.channels", logging.WARNING, "console-channel")]
