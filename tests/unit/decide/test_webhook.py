"""The step `webhook`: a delivery for the channel of that name."""

from pydantic import JsonValue
from tests.rule_files import campaign
from tests.worlds import World, world

from whereupon.records import Delivery, DeliveryState, SendKind

URL = "https://hooks.example.com/x"


def called_by(*steps: JsonValue, **properties: JsonValue) -> World:
    """Ada has entered a campaign of these steps."""
    made = world(campaign("tell", "purchase", whereupon=list(steps)))
    made.identify("ada", {"unsubscribed": True})
    made.track("purchase", "ada", properties, at=0)
    return made


def test_a_webhook_is_a_delivery_that_says_which_request_to_make() -> None:
    """URL, method, headers and JSON, with templates filled in at any depth."""
    step: JsonValue = {
        "webhook": f"{URL}/{{{{ properties.order_id }}}}",
        "method": "PUT",
        "headers": {"X-Order": "{{ properties.order_id }}"},
        "json": {"order": "{{ properties.order_id }}", "from": ["{{ person.user_id }}", 1, None]},
    }
    made = called_by(step, {"wait": "1h"}, order_id="o-1\n2")
    (delivery,) = made.deliveries()
    assert delivery.content == {
        "url": f"{URL}/o-1 2",
        "method": "PUT",
        "headers": {"X-Order": "o-1 2"},
        "json": {"order": "o-1\n2", "from": ["ada", 1, None]},
    }
    assert (delivery.channel, delivery.person) == ("webhook", "ada")


def test_what_a_webhook_does_not_say_is_not_in_its_delivery() -> None:
    """A URL alone is called with POST; a text is the body as it is."""
    made = called_by({"webhook": URL}, {"webhook": URL, "body": "{{ event }}"})
    assert [each.content for each in made.deliveries()] == [
        {"url": URL, "method": "POST"},
        {"url": URL, "method": "POST", "body": "purchase"},
    ]


def test_a_webhook_asks_for_no_consent() -> None:
    """It goes to a system of the host's and not to the person, who is unsubscribed here."""
    (delivery,) = called_by({"webhook": URL}).deliveries()
    assert (delivery.state, delivery.kind) == (DeliveryState.PENDING, SendKind.INTERNAL)


def test_a_webhook_whose_template_lacks_a_value_is_withheld() -> None:
    """As any other delivery is; the entry goes on."""
    made = called_by({"webhook": f"{URL}/{{{{ properties.order_id }}}}"}, {"webhook": URL})
    first, second = made.deliveries()
    assert (first.state, second.state) == (DeliveryState.WITHHELD, DeliveryState.PENDING)
    assert "order_id" in str(first.reason)


def test_the_hosts_channel_makes_the_request() -> None:
    """The engine calls the function that is registered as webhook, and speaks no HTTP itself."""
    called: list[Delivery] = []
    made = called_by({"webhook": URL, "json": [1, 2]})
    made.engine.channel("webhook")(called.append)
    made.engine.run_due()
    assert [each.content for each in called] == [{"url": URL, "method": "POST", "json": [1, 2]}]


def test_a_waiting_webhook_is_explained_by_its_host() -> None:
    """The address may hold a template or a secret; the explanation shows the host name only."""
    made = called_by({"wait": "1h"}, {"webhook": f"{URL}/{{{{ properties.order_id }}}}"})
    (explanation,) = made.engine.explain("ada", "tell")
    assert explanation.sentence.endswith("then it calls the webhook at hooks.example.com.")
