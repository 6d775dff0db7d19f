"""What browsers and apps ask for before they send: settings, and the clients' own scripts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.door import CLIENT, ORIGIN, DoorOfTest, asked, basic, headers_of, opened_door

from whereupon.web.door import DoorOptions

SCRIPT = 'try{window.analyticsWriteKey="__WRITE_KEY__"}catch(e){}'


@pytest.fixture
def door() -> Iterator[DoorOfTest]:
    """An empty engine's."""
    with opened_door() as door:
        yield door


def settings(
    door: DoorOfTest, path: str = f"/v1/projects/{CLIENT}/settings", **headers: str
) -> object:
    """The answer's object."""
    answer = door.ask(asked(path, **headers))
    assert answer.status == 200
    return json.loads(answer.body)


def integrations(key: str, host: str, protocol: str = "https") -> object:
    """Settings that lead both clients to a host, and nothing else."""
    one = {"apiKey": key, "apiHost": host, "protocol": protocol}
    return {"integrations": {"Segment.io": one, "Customer.io Data Pipelines": one}}


@pytest.mark.parametrize("slash", ["", "/"])
def test_settings_lead_to_where_the_client_asked(door: DoorOfTest, slash: str) -> None:
    """Host and mount are those of the request, and both integrations are named."""
    path = f"/v1/projects/{CLIENT}/settings{slash}"
    assert settings(door, path) == integrations(CLIENT, "events.shop.example/w/v1")


def test_settings_need_no_key_and_tell_no_page_apart(door: DoorOfTest) -> None:
    """The key in the path is echoed as it is: who does not know one learns nothing."""
    assert settings(door, "/v1/projects/nobody%27s%2F/settings", origin=ORIGIN) == integrations(
        "nobody's/", "events.shop.example/w/v1"
    )
    answer = door.ask(asked("/v1/projects/x/settings", origin=ORIGIN))
    assert headers_of(answer)["access-control-allow-origin"] == ORIGIN
    assert headers_of(answer)["cache-control"] == "private, max-age=60"


def test_the_engines_address_comes_before_that_of_the_request() -> None:
    """A proxy may have changed the host and the scheme."""
    with opened_door(digest_key=b"k", public_url="https://shop.example/mail") as door:
        assert settings(door) == integrations(CLIENT, "shop.example/mail/v1")


def test_the_doors_own_address_comes_first() -> None:
    """Where it has another host than the pages."""
    options = DoorOptions(url="http://localhost:8080/")
    with opened_door(options, digest_key=b"k", public_url="https://shop.example/mail") as door:
        assert settings(door) == integrations(CLIENT, "localhost:8080/v1", "http")


@pytest.mark.parametrize("host", ["[", "[::1]:8080", "a b", "\u00e4", "x/y", "", '"', "a@b:c"])
def test_a_host_that_is_none_is_told_back(door: DoorOfTest, host: str) -> None:
    """A browser shows no such host, and nobody else sees the answer."""
    path = f"/v1/projects/{CLIENT}/settings"
    answer = door.ask(asked(path).changed(origin=f"http://{host}"))
    assert (answer.status, headers_of(answer)["cache-control"]) == (200, "private, max-age=60")
    segment = json.loads(answer.body)["integrations"]["Segment.io"]
    assert segment["apiHost"] == f"{host}/v1"


@pytest.mark.parametrize(
    "url", ["events.shop.example", "ftp://x.example", "https://x.example/?a", ""]
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    """Not when the first browser asks."""
    with pytest.raises(ValueError, match="url"):
        DoorOptions(url=url)


def test_the_settings_of_rudderstack(door: DoorOfTest) -> None:
    """A source that is on, with no destinations, no statistics and no other host; with a slash and without."""
    path = f"/sourceConfig/?p=npm&v=3.34.1&writeKey={CLIENT}"
    answer = door.ask(asked(path, origin=ORIGIN))
    source = json.loads(answer.body)["source"]
    assert (source["enabled"], source["writeKey"], source["destinations"]) == (True, CLIENT, [])
    assert source["config"]["statsCollection"]["errors"]["enabled"] is False
    assert source["dataplanes"] == {}
    assert door.ask(asked("/sourceConfig", authorization=basic(CLIENT))).body == answer.body
    assert door.ask(asked("/sourceConfig")).status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_settings_are_asked_for_by_get_and_head(door: DoorOfTest, method: str) -> None:
    """By nothing else."""
    path = f"/v1/projects/{CLIENT}/settings"
    assert door.ask(asked(path, method)).status == 200
    assert door.ask(asked(path, "POST")).status == 405


# --- scripts ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as npm's package has it."""
    folder = tmp_path / "umd"
    folder.mkdir()
    (folder / "standalone.js").write_text(SCRIPT)
    (folder / "auto-track.bundle.js").write_text("part")
    (folder / "standalone.js.map").write_text("map")
    (tmp_path / "secret.js").write_text("secret")
    return folder


PLACES = [
    ("segment_scripts", "/analytics.js/v1/{}/analytics.min.js", "/analytics-next/bundles/{}"),
    ("customerio_scripts", "/v1/analytics-js/snippet/{}/analytics.min.js", "/v1/analytics-js/{}"),
]


@pytest.mark.parametrize(("option", "whole", "part"), PLACES)
def test_the_clients_script_is_served_with_the_key_in_it(
    folder: Path, option: str, whole: str, part: str
) -> None:
    """And the parts that it loads, by their names."""
    with opened_door(DoorOptions(**{option: folder})) as door:  # type: ignore[arg-type]
        answer = door.ask(asked(whole.format(CLIENT), origin=ORIGIN))
        assert (answer.status, answer.body.decode()) == (
            200,
            SCRIPT.replace("__WRITE_KEY__", CLIENT),
        )
        headers = headers_of(answer)
        assert headers["content-type"] == "text/javascript; charset=utf-8"
        assert headers["x-content-type-options"] == "nosniff"
        assert door.ask(asked(part.format("auto-track.bundle.js"))).body == b"part"
        (other,) = (each for each in PLACES if each[0] != option)
        assert door.ask(asked(other[1].format(CLIENT))).status == 404


@pytest.mark.parametrize(("option", "whole", "part"), PLACES)
@pytest.mark.parametrize(
    "name",
    ["..%2Fsecret.js", "../secret.js", "%2e%2e/secret.js", "standalone.js.map", "x.js", ".js"],
)
def test_only_the_scripts_of_the_folder_are_served(
    folder: Path, option: str, whole: str, part: str, name: str
) -> None:
    """No name leads out of it."""
    with opened_door(DoorOptions(**{option: folder})) as door:  # type: ignore[arg-type]
        assert door.ask(asked(part.format(name))).status == 404
        assert door.ask(asked(whole.format("x").replace("analytics.min.js", name))).status == 404


@pytest.mark.parametrize("key", ['"+alert(1)+"', "%22", "a%0Ab", "\u2028", "x" * 300, "a'b", "<x>"])
def test_no_key_becomes_code(folder: Path, key: str) -> None:
    """What is no key of the usual signs is not written into a script."""
    with opened_door(DoorOptions(segment_scripts=folder)) as door:
        answer = door.ask(asked(f"/analytics.js/v1/{key}/analytics.min.js"))
    assert answer.status == 404


def test_without_a_folder_there_are_no_scripts(door: DoorOfTest) -> None:
    """The page then loads them from elsewhere."""
    for _, whole, part in PLACES:
        assert door.ask(asked(whole.format(CLIENT))).status == 404
        assert door.ask(asked(part.format("standalone.js"))).status == 404


def test_a_folder_without_the_script_is_refused_at_once(tmp_path: Path) -> None:
    """When the door is made, not when the first page asks."""
    with (
        pytest.raises(ValueError, match=r"dist/umd"),
        opened_door(DoorOptions(segment_scripts=tmp_path)),
    ):
        pass
