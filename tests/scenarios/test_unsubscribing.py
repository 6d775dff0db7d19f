"""Unsubscribing by the link of a mail, as readers and mail programs do it: requests in, mails out, on every store."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from urllib.parse import urlencode

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of, segment
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, DeliveryState, Engine, FrozenClock
from whereupon.records import MetricReport
from whereupon.web import Answer, PageOptions, Request, UnsubscribeTexts
from whereupon.web.pages import answer
from whereupon.web.site import Site

KEY = b"of-the-test"
RULES = book_of(
    thanks(
        whereupon=[
            {"send": "email", "topic": "product-news", "subject": "News"},
            {"send": "email", "subject": "Thanks"},
        ]
    ),
    thanks(campaign="offers", when="never", whereupon=[{"send": "email", "topic": "offers"}]),
    segment("quiet", unsubscribed=True),
    thanks(
        campaign="goodbye",
        when={"enters": "quiet"},
        whereupon=[{"send": "email", "kind": "transactional", "subject": "Goodbye"}],
    ),
)
ONE_CLICK = b"List-Unsubscribe=One-Click"


class _Shop:
    """A shop that has mailed Ada twice: of product news, and without a topic."""

    def __init__(self, place: str, key: bytes = KEY, former: tuple[bytes, ...] = ()) -> None:
        self.clock = FrozenClock(NOON)
        self.engine = Engine.open(
            place,
            rules=RULES,
            clock=self.clock,
            digest_key=key,
            former_keys=former,
            public_url="https://shop.example/w",
        )
        self.sent: list[Delivery] = []
        self.engine.channel("email")(self.sent.append)
        self.number = 0

    def buys(self, user_id: str = "ada") -> list[Delivery]:
        """What a purchase sends."""
        self.number += 1
        self.clock.move_to(self.clock.now() + timedelta(minutes=1))
        before = len(self.sent)
        self.engine.ingest([purchase(self.number, user_id)])
        self.engine.run_due()
        return self.sent[before:]

    def path(self, delivery: Delivery) -> str:
        """The path of the delivery's link."""
        links = self.engine.links
        assert links is not None
        return links.unsubscribe(delivery).removeprefix("https://shop.example/w")

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """A request without a body."""
        return answer(self.engine, Request(method=method, path=path, headers=headers))

    def post(self, path: str, body: bytes | list[tuple[str, str]]) -> Answer:
        """A form that is sent."""
        raw = body if isinstance(body, bytes) else urlencode(body).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return answer(self.engine, Request(method="POST", path=path, headers=kind, body=raw))

    def says(self, user_id: str = "ada") -> dict[str, JsonValue]:
        """What the person's attributes say of consent."""
        with self.engine.store.reading() as session:
            (known,) = session.identifiers([user_id], [])
            (person,) = session.persons([known.key])
        return dict(person.attributes)

    def reports(self, of: Delivery) -> list[str]:
        """The metrics that were reported of a delivery."""
        with self.engine.store.reading() as session:
            found = [r for r in session.scan(MetricReport) if r.subject == of.idempotency_key]
        return [each.metric for each in found]

    @property
    def counts(self) -> object:
        """How many rows there are."""
        with self.engine.store.reading() as session:
            return session.counts()


@pytest.fixture
def shop(place: str) -> Iterator[_Shop]:
    """A shop on each kind of store."""
    made = _Shop(place)
    with made.engine:
        yield made


def test_looking_changes_nothing(shop: _Shop) -> None:
    """Scanners follow links: GET and HEAD only show, however often."""
    news, thanks = shop.buys()
    before = shop.counts
    for _ in range(3):
        for path in map(shop.path, (news, thanks)):
            page = shop.get(path)
            assert (page.status, shop.get(path, "HEAD").status) == (200, 200)
            assert b'<form method="post">' in page.body
    assert shop.counts == before
    assert len(shop.buys()) == 2


def test_one_click_unsubscribes_from_the_topic_of_the_mail(shop: _Shop) -> None:
    """RFC 8058: a POST by the mail program acts at once, answers 200, sets no cookie and redirects nowhere."""
    news, _ = shop.buys()
    answered = shop.post(shop.path(news), ONE_CLICK)
    assert answered.status == 200
    assert not {"set-cookie", "location"} & {name.lower() for name, _ in answered.headers}
    assert [each.topic for each in shop.buys()] == [None]
    withheld = shop.engine.deliveries(DeliveryState.WITHHELD)
    assert [(each.topic, each.reason) for each in withheld] == [("product-news", "topic")]
    assert shop.reports(news) == ["unsubscribed"]


def test_one_click_of_a_mail_without_a_topic_unsubscribes_from_everything(shop: _Shop) -> None:
    """It is an identify by the ordinary way: rules see it, and a goodbye that is transactional goes out."""
    _, thanks = shop.buys()
    shop.post(shop.path(thanks), ONE_CLICK)
    shop.engine.run_due()
    assert shop.sent[-1].rule == "goodbye"
    assert shop.buys() == []
    assert shop.says()["unsubscribed"] is True


def test_a_second_click_changes_nothing(shop: _Shop) -> None:
    """A mail program that repeats its POST writes nothing more."""
    news, thanks = shop.buys()
    for path in map(shop.path, (news, thanks)):
        assert shop.post(path, ONE_CLICK).status == 200
        before = shop.counts
        for _ in range(3):
            assert shop.post(path, ONE_CLICK).status == 200
        assert shop.counts == before


def test_a_reader_may_change_their_mind_at_one_instant(shop: _Shop) -> None:
    """Unsubscribe, subscribe, unsubscribe: each word is newer than the one before, though the clock stands."""
    news, _ = shop.buys()
    path = shop.path(news)
    for wish, wanted in [("unsubscribe", False), ("resubscribe", True)] * 3:
        assert shop.post(path, [("wish", wish)]).status == 200
        assert shop.says()["topics"] == {"product-news": wanted}
    shop.post(path, [("wish", "all")])
    assert shop.says()["unsubscribed"] is True
    shop.post(path, [("wish", "resubscribe")])
    assert shop.says()["unsubscribed"] is False
    shop.engine.run_due()  # the goodbye
    assert len(shop.buys()) == 2


@pytest.mark.parametrize(
    "older",
    [
        {"topics": {"product-news": "no", "other": True}},
        {"topics.product-news": 0},
        {"cio_subscription_preferences": {"topics": {"product-news": False, "other": False}}},
        {"cio_subscription_preferences.topics.product-news": "false"},
        {"topics": ["product-news"], "topics.product-news": False},
    ],
)
def test_subscribing_again_beats_an_older_no_in_any_spelling(older: dict[str, JsonValue]) -> None:
    """So it does if the sender of that word has a clock that is ahead; words on other topics stay."""
    shop = _Shop("memory://")
    news, _ = shop.buys()
    shop.engine.identify("ada", traits=older)
    assert [each.topic for each in shop.buys()] == [None]
    path = shop.path(news)
    shop.post(path, [("wish", "resubscribe")])
    assert len(shop.buys()) == 2
    said = {name: value for name, value in shop.says().items() if name in older}
    assert re.sub("True|False|0|'false'|'no'", "", str(said)) == re.sub(
        "True|False|0|'false'|'no'", "", str(older)
    )
    shop.post(path, ONE_CLICK)
    assert [each.topic for each in shop.buys()] == [None]


def test_the_page_shows_topics_and_writes_only_what_the_reader_changes(shop: _Shop) -> None:
    """Two pages that are open at once do not undo each other."""
    news, _ = shop.buys()
    path = shop.path(news)
    page = shop.get(path).body.decode()
    assert re.findall(r'name="topic" value="([^"]+)" checked', page) == ["offers", "product-news"]
    shown = [("was-on", "offers"), ("was-on", "product-news"), ("wish", "save")]
    shop.post(path, [*shown, ("topic", "product-news")])  # one page: no offers
    shop.post(path, [*shown, ("topic", "offers")])  # the other page, shown before: no product news
    assert shop.says()["topics"] == {"offers": False, "product-news": False}
    page = shop.get(path).body.decode()
    assert "checked" not in page
    shop.post(path, [("was-off", "offers"), ("topic", "offers"), ("wish", "save")])
    assert shop.says()["topics"] == {"offers": True, "product-news": False}


def test_two_wishes_at_one_time_both_count(shop: _Shop) -> None:
    """Topics are one attribute, which is replaced whole; it is read and written under one lock."""
    news, _ = shop.buys()
    token = shop.path(news).rpartition("/")[2]
    barrier = Barrier(2, timeout=60)

    def want(topic: str) -> None:
        barrier.wait()
        shop.engine.set_subscriptions(token, topics={topic: False})

    threads = [Thread(target=want, args=[topic]) for topic in ("offers", "product-news")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert shop.says()["topics"] == {"offers": False, "product-news": False}


def test_a_wish_during_an_erasure_brings_nobody_back(shop: _Shop) -> None:
    """It comes before the erasure, which takes it along, or after it, and writes nothing."""
    for number in range(5):
        name = f"ada-{number}"
        news, _ = shop.buys(name)
        token = shop.path(news).rpartition("/")[2]
        erased_at = shop.clock.now()
        shop.clock.move_to(erased_at + timedelta(minutes=1))  # no tombstone reaches the wish
        barrier = Barrier(2, timeout=60)

        def wish(token: str = token, barrier: Barrier = barrier) -> None:
            barrier.wait()
            shop.engine.unsubscribe(token)

        thread = Thread(target=wish)
        thread.start()
        barrier.wait()
        shop.engine.track("Delete Person", user_id=name, timestamp=erased_at)
        thread.join(60)
        with shop.engine.store.reading() as session:
            assert session.identifiers([name], []) == []
        assert not shop.engine.subscriptions(token).is_known


def test_the_link_follows_a_merge(shop: _Shop) -> None:
    """The person who stays is unsubscribed, also after further merges."""
    news, _ = shop.buys("ada")
    for survivor, loser in (("bob", "ada"), ("cleo", "bob")):
        shop.engine.identify(survivor)
        shop.engine.alias(survivor, previous_id=loser)
    shop.engine.identify("somebody-else")
    assert shop.post(shop.path(news), ONE_CLICK).status == 200
    assert shop.says("cleo")["topics"] == {"product-news": False}
    assert "topics" not in shop.says("somebody-else")


def test_after_an_erasure_the_link_is_done_and_writes_nothing(shop: _Shop) -> None:
    """Neither the erased person nor somebody who registers under the same id is touched."""
    news, _ = shop.buys()
    path = shop.path(news)
    shop.engine.track("Delete Person", user_id="ada")
    before = shop.counts
    for answered in (
        shop.get(path),
        shop.post(path, ONE_CLICK),
        shop.post(path, [("wish", "all")]),
    ):
        assert answered.status == 200
        assert b"Done." in answered.body
    assert shop.counts == before
    shop.clock.move_to(NOON + timedelta(days=1))
    shop.engine.identify("ada", traits={"plan": "free"})
    assert shop.post(path, ONE_CLICK).status == 200
    assert shop.says() == {"plan": "free"}


def test_in_a_store_where_the_number_is_another_persons_the_link_is_nobodys(shop: _Shop) -> None:
    """A store that was built anew gives the same keys to others."""
    news, _ = shop.buys("ada")
    bob, _ = shop.buys("bob")
    token = shop.path(bob.changed(person="ada")).rpartition("/")[2]  # made when bob's key was ada's
    assert not shop.engine.subscriptions(token).is_known
    shop.engine.unsubscribe(token)
    assert "topics" not in shop.says("ada") | shop.says("bob")
    assert shop.engine.subscriptions(shop.path(news).rpartition("/")[2]).is_known


def test_in_a_store_that_was_built_anew_the_delivery_leads_to_the_person(shop: _Shop) -> None:
    """The same messages make the same delivery, for a person under another number."""
    shop.buys("bob")
    news, _ = shop.buys("ada")
    for number in (news.person_key + 1_000_000, news.person_key - 1):
        token = shop.path(news.changed(person_key=number)).rpartition("/")[2]
        assert shop.engine.subscriptions(token).is_known
        shop.engine.set_subscriptions(token, topics={"offers": False})
    assert shop.says("ada")["topics"] == {"offers": False}
    assert "topics" not in shop.says("bob")


def test_the_link_works_when_the_delivery_is_gone(shop: _Shop) -> None:
    """A mail lies in its box for years; the delivery was pruned long ago."""
    news, _ = shop.buys()
    token = shop.path(news.changed(idempotency_key="0" * 32)).rpartition("/")[2]
    assert not shop.engine.unsubscribe(token).topics["product-news"]
    assert shop.says()["topics"] == {"product-news": False}


def test_the_link_works_after_the_key_was_changed(place: str) -> None:
    """Former keys verify for ever; a key that is gone is a wrong link."""
    if place == "memory://":
        pytest.skip("it forgets everything when it is closed")
    with (shop := _Shop(place)).engine:
        news, _ = shop.buys()
        path = shop.path(news)
    with (shop := _Shop(place, b"new", (KEY,))).engine:
        assert shop.path(news) != path
        assert shop.post(path, ONE_CLICK).status == 200
        assert shop.says()["topics"] == {"product-news": False}


def test_what_is_written_comes_from_the_server(shop: _Shop) -> None:
    """It is an identify with an id of its own, at the time of the wish."""
    news, _ = shop.buys()
    shop.post(shop.path(news), ONE_CLICK)
    with shop.engine.store.reading() as session:
        (key,) = {i.key for i in session.identifiers(["ada"], [])}
        said = [m.message for m in session.owned_messages([key], NOON) if m.type == "identify"]
    assert [(each.source, each.message_id[:5]) for each in said] == [("server", "link-")]


# --- bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/u/", "/u", "/", "/x/abc", "/u/abc", "/c/abc", "/o/a/b", "/u/%00"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_a_wrong_link_is_told_what_to_do(path: str, method: str) -> None:
    """404 (or 405), a page, and nothing is written."""
    shop = _Shop("memory://")
    shop.buys()
    before = shop.counts
    answered = Site(shop.engine).answer(Request(method=method, path=path, body=ONE_CLICK))
    assert answered.status in {404, 405}
    assert b"from the mail" in answered.body
    assert shop.counts == before


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"", 400),
        ("application/x-www-form-urlencoded", b"List-Unsubscribe=Two-Clicks", 400),
        ("application/x-www-form-urlencoded", b"wish=nonsense", 400),
        ("application/x-www-form-urlencoded", b"\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 2_000), 400),
        ("application/x-www-form-urlencoded", b"a" * 70_000, 413),
        ("multipart/form-data", b"List-Unsubscribe=One-Click", 400),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n", 400),
        ("multipart/form-data; boundary=\r\n", b"--x\r\n", 400),
        ("application/x-www-form-urlencoded", b"wish=save&was-on=none-of-ours", 400),
    ],
)
def test_a_form_that_asks_for_nothing_is_refused(kind: str, body: bytes, status: int) -> None:
    """With 4xx, a page, and nothing written."""
    shop = _Shop("memory://")
    news, _ = shop.buys()
    before = shop.counts
    request = Request(
        method="POST", path=shop.path(news), headers={"content-type": kind}, body=body
    )
    assert answer(shop.engine, request).status == status
    assert shop.counts == before


def test_one_click_may_be_a_multipart_form() -> None:
    """RFC 8058 allows both."""
    shop = _Shop("memory://")
    news, _ = shop.buys()
    body = b'--b1\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b1--\r\n'
    kind = {"content-type": 'multipart/form-data; boundary="b1"'}
    request = Request(method="POST", path=shop.path(news), headers=kind, body=body)
    assert answer(shop.engine, request).status == 200
    assert shop.says()["topics"] == {"product-news": False}


def test_a_closed_store_is_answered_with_come_again(place: str) -> None:
    """503 with Retry-After: mail programs try again."""
    with (shop := _Shop(place)).engine:
        news, _ = shop.buys()
        path = shop.path(news)
    answered = shop.post(path, ONE_CLICK)
    assert answered.status == 503
    assert dict(answered.headers)["Retry-After"] == "60"


# --- the page ---------------------------------------------------------------------------------------


def test_the_page_is_strict_and_plain() -> None:
    """No scripts, nothing from elsewhere, and headers that keep it from caches, frames and indexes."""
    shop = _Shop("memory://")
    news, _ = shop.buys()
    page = shop.get(shop.path(news))
    headers = dict(page.headers)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    text = page.body.decode()
    assert not re.search(r"<script|<img|<link|src=|href=|https?:|ada", text)
    assert re.findall("<(?:html|h1|main|legend|label|title|meta name=.viewport)", text)
    assert '<html lang="en">' in text
    assert text.count('<input type="checkbox"') == text.count("<label>") == 2


def test_the_page_speaks_the_persons_language() -> None:
    """Then the browser's; a host's texts and labels come first, and are escaped."""
    shop = _Shop("memory://")
    news, _ = shop.buys()
    path = shop.path(news)
    assert b'lang="de"' in shop.get(path, **{"accept-language": "fr, de-AT;q=0.8, en;q=0.5"}).body
    assert b'lang="en"' in shop.get(path, **{"accept-language": "fr;q=x, ,;;, de;q=0"}).body
    shop.engine.identify("ada", traits={"locale": "de_CH"})
    assert b'lang="de"' in shop.get(path, **{"accept-language": "en"}).body
    own = PageOptions(
        texts=[UnsubscribeTexts(title="<b>Mails</b>")], topics={"product-news": "News & more"}
    )
    request = Request(method="GET", path=path)
    page = answer(shop.engine, request, own).body.decode()
    assert "&lt;b&gt;Mails&lt;/b&gt;" in page
    assert "News &amp; more" in page
    laid_out = replace(own, layout=lambda lang, title, content: f"{lang}|{title}|{content}")
    assert answer(shop.engine, request, laid_out).body.startswith(b"en|<b>Mails</b>|<h1>")


# --- clicks and opens -------------------------------------------------------------------------------


def test_a_click_is_reported_once_and_leads_to_the_signed_address(shop: _Shop) -> None:
    """HEAD and fetching ahead report nothing, and lead there, too."""
    news, _ = shop.buys()
    links = shop.engine.links
    assert links is not None
    url = "https://shop.example/ä?x=1&y=2#z"
    path = links.click(news, url).removeprefix("https://shop.example/w")
    for answered in (
        shop.get(path, "HEAD"),
        shop.get(path, **{"sec-purpose": "prefetch;prerender"}),
    ):
        assert answered.status == 302
    assert shop.reports(news) == []
    for _ in range(3):
        answered = shop.get(path)
        assert dict(answered.headers)["Location"] == "https://shop.example/%C3%A4?x=1&y=2#z"
    assert shop.reports(news) == ["clicked"]
    assert shop.post(path, b"").status == 405
    assert shop.get(path[:-1]).status == 404


def test_an_open_is_reported_once_by_an_image(shop: _Shop) -> None:
    """A picture of one point, that no cache keeps."""
    news, _ = shop.buys()
    links = shop.engine.links
    assert links is not None
    path = links.opened(news).removeprefix("https://shop.example/w")
    shop.get(path, "HEAD")
    assert shop.reports(news) == []
    first, answered = shop.get(path), shop.get(path)
    assert first == answered
    assert (answered.status, answered.body[:6]) == (200, b"GIF89a")
    assert dict(answered.headers)["Cache-Control"] == "no-store"
    assert shop.reports(news) == ["opened"]
