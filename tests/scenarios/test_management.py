"""The management API, as its callers use it: access, lists, writes, and every error as a problem."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from starlette.testclient import TestClient
from tests.management import ODD, ODD_IN_PATH, ROLES, Api, shop_with_api

from whereupon import Engine
from whereupon.messages.codec import decode
from whereupon.records import KeptAnswer
from whereupon.scheduling.clocks import FrozenClock
from whereupon.web import asgi

PROBLEM = "application/problem+json"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """A shop on a database of each kind."""
    url = "sqlite://" if request.param == "sqlite" else request.getfixturevalue("postgres")
    with shop_with_api(tmp_path, url) as shop:
        yield shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Api]:
    """A shop in memory, for what no store matters to."""
    with shop_with_api(tmp_path, "memory://") as made:
        yield made


# --- access -----------------------------------------------------------------------------------------


def test_nobody_is_let_in_without_a_management_key(shop: Api) -> None:
    """No token, another scheme, an unknown, a client's, a server's or a revoked one: 401 with a challenge."""
    keys = shop.engine.keys
    gone = keys.create("gone", kind="management", scopes=["admin"])
    keys.revoke(gone.key.id)
    tokens = [
        "",
        f"Basic {shop.secret('admin')}",
        "Bearer",
        "Bearer nothing",
        f"Bearer {keys.create('page', kind='client').secret}",
        f"Bearer {keys.create('backend', kind='server').secret}",
        f"Bearer {gone.secret}",
    ]
    for token in tokens:
        for path in ("/api/people/ada", "/api/people/nobody", "/api/keys", "/api/keys/nothing"):
            said = TestClient(shop.app, headers={"Authorization": token}).get(path)
            assert (said.status_code, said.json()["code"]) == (401, "unknown-key"), token
            assert said.headers["WWW-Authenticate"].startswith("Bearer")
            assert said.headers["Content-Type"] == PROBLEM


def test_a_role_includes_those_before_it_and_no_other(shop: Api) -> None:
    """Every operation is closed to the roles below the one that the document names, and open to the others."""
    document = shop.caller().get("/api/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            needed = operation.get("x-role")
            if needed is None:
                continue
            address = path.replace("{person}", "ada").replace("{request}", "1")
            address = address.translate(str.maketrans("{}", "xx"))
            for role in ROLES:
                status = shop.caller(role).request(method, address, content="!").status_code
                is_open = ROLES.index(role) >= ROLES.index(needed)
                assert (status == 403) is not is_open, (method, path, role, status)
                asked += 1
    assert asked > 100


def test_a_caller_learns_nothing_of_what_it_may_not_read(shop: Api) -> None:
    """A key that is there, one that is not, and a body that is wrong, are answered alike."""
    there = shop.engine.keys.list()[0].id
    viewer = shop.caller("viewer")
    answers = [
        *(viewer.get(f"/api/keys/{key}").text for key in (there, "key_000000000000")),
        *(viewer.post(f"/api/keys/{there}/rotate", content=body).text for body in ("", "{}", "!")),
    ]
    assert len(set(answers)) == 1


# --- reading ----------------------------------------------------------------------------------------


def test_a_person_is_told_of_by_any_id_that_a_url_can_hold(api: Api) -> None:
    """Ids are percent-encoded, slashes too; a slash that is none leads nowhere."""
    viewer = api.caller("viewer")
    known = viewer.get(f"/api/people/{ODD_IN_PATH}").json()
    assert known["person"] == ODD
    assert known["attributes"] == {"plan": "free", "nested": {"a": [1, 2.5, None]}}
    ada = viewer.get("/api/people/ada").json()
    assert (ada["segments"], ada["consent"]["topics"]) == (["pros"], {"offers": True})
    assert [each["token"] for each in ada["devices"]] == ["t/1"]
    assert viewer.get("/api/people/lin/x").json()["code"] == "unknown-path"
    for nobody in ("nobody", "nul%00", "%FF%FE", "%ED%A0%80"):
        for rest in ("", "/timeline", "/deliveries", "/inbox", "/explain?rule=thanks"):
            said = viewer.get(f"/api/people/{nobody}{rest}")
            assert (said.status_code, said.json()["code"]) == (404, "unknown-person")


def test_every_list_is_the_same_in_pages_of_any_size(api: Api) -> None:
    """Nothing is left out, nothing comes twice, and what is added meanwhile changes no later page."""
    viewer = api.caller("admin")
    lists = [
        "/api/rules?",
        "/api/people/ada/timeline?",
        "/api/people/ada/deliveries?",
        "/api/people/ada/inbox?",
        "/api/deliveries?",
        "/api/deliveries?state=dead&state=held&",
        "/api/deliveries?channel=push&rule=thanks&",
        "/api/requests?",
        "/api/requests?outcome=held&",
        "/api/audit?",
        "/api/audit?order=oldest&",
        "/api/broadcasts/daily/runs?",
        "/api/runs?",
        "/api/broadcasts?",
        "/api/keys?",
        "/api/entries?state=completed&",
    ]
    for address in lists:
        for size in (1, 2, 3):
            whole = viewer.get(f"{address}limit=500").json()
            assert whole["next"] is None
            assert len(whole["items"]) >= 2, address
            assert _paged(api, viewer, f"{address}limit={size}") == whole["items"], address


def _paged(api: Api, viewer: TestClient, address: str) -> list[object]:
    page = viewer.get(address).json()
    found: list[object] = page["items"]
    while page["next"] is not None:
        if (
            "oldest" not in address and "rules" not in address
        ):  # newer ones come in before the next page
            api.engine.track("browse", user_id="ada")
        page = viewer.get(f"{address}&cursor={page['next']}").json()
        assert page["items"] or "entries" in address  # whose last page may be empty
        found += page["items"]
    return found


def test_any_text_with_the_form_of_a_cursor_is_a_place(api: Api) -> None:
    """Also the first, the last, and one that no instant is at."""
    viewer, most = api.caller("viewer"), "9" * 18
    for cursor in ("0", most):
        for address in ("deliveries", "requests", "audit", "people/ada/deliveries"):
            assert viewer.get(f"/api/{address}?cursor={cursor}").status_code == 200
    for cursor in ("0-0-0", f"{most}-{most}-{most}"):
        assert viewer.get(f"/api/people/ada/timeline?cursor={cursor}").status_code == 200
    for cursor in ("0-", f"{most}-00", f"{most}-ff"):
        assert viewer.get(f"/api/people/ada/inbox?cursor={cursor}").status_code == 200
        assert viewer.get(f"/api/broadcasts/news/runs?cursor={cursor}").status_code == 200


def test_a_timeline_says_what_each_message_led_to(api: Api) -> None:
    """With the message as it was sent, and each decision in a sentence."""
    told = api.caller("viewer").get("/api/people/ada/timeline").json()["items"]
    bought = [each for each in told if each["subject"] == "purchase"]
    assert {each["message"]["body"]["properties"]["price"] for each in bought} == {
        *(3, 7, 8, 9, 10),
    }
    entered = [d["sentence"] for each in bought for d in each["decisions"]]
    assert any("entered thanks by purchase" in sentence for sentence in entered)
    assert any("did not enter thanks" in sentence and "3" in sentence for sentence in entered)
    assert {"news:june"} <= {each["subject"] for each in told if each["message"] is None}


def test_a_delivery_is_told_with_its_content_and_reports(api: Api) -> None:
    """By the key that its channel passed on."""
    viewer = api.caller("viewer")
    dead = viewer.get("/api/deliveries?state=dead&rule=news").json()["items"]
    assert [each["reason"] for each in dead] == ["the token is gone"]
    found = viewer.get(f"/api/deliveries/{dead[0]['key']}").json()
    assert found["content"] == {"title": "News"}
    assert [(each["metric"], each["reason"]) for each in found["reported"]] == [
        ("opened", "a reader")
    ]
    assert viewer.get("/api/deliveries/nothing%00").json()["code"] == "unknown-delivery"


def test_rules_have_entity_tags(shop: Api) -> None:
    """What the caller has is not sent again; a changed rule has another tag."""
    viewer = shop.caller("viewer")
    for address in ("/api/rules", "/api/rules/thanks"):
        first = viewer.get(address)
        tag = first.headers["ETag"]
        for said in (tag, f'"else", W/{tag}', "*"):
            again = viewer.get(address, headers={"If-None-Match": said})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == tag
        assert viewer.get(address, headers={"If-None-Match": '"else"'}).status_code == 200
        _edit(shop, "thanks.yaml", "Thanks", "Many thanks")
        shop.engine.reload(shop.rules)
        assert viewer.get(address, headers={"If-None-Match": tag}).status_code == 200
        _edit(shop, "thanks.yaml", "Many thanks", "Thanks")
        shop.engine.reload(shop.rules)


def test_the_versions_of_a_rule_can_be_read(api: Api) -> None:
    """Those that people entered, with their texts, after the rule has changed and after it is gone."""
    viewer, engine = api.caller("viewer"), api.engine
    engine.track("purchase", user_id="ada", properties={"price": 20})
    (old,) = viewer.get("/api/rules/thanks/versions").json()
    assert (old["is_current"], old["inside"]) == (True, 3)
    _edit(api, "thanks.yaml", "Thanks", "Many thanks")
    engine.reload(api.rules)
    new, older = viewer.get("/api/rules/thanks/versions").json()
    assert (new["is_current"], new["inside"]) == (True, 0)
    assert older == {**old, "is_current": False}
    for version, title in ((old, "Thanks"), (new, "Many thanks")):
        text = viewer.get(f"/api/rules/thanks/versions/{version['digest']}").json()
        assert text["source"]["whereupon"][0]["title"] == title
    assert viewer.get(f"/api/rules/news/versions/{old['digest']}").status_code == 404
    (api.rules / "thanks.yaml").unlink()
    engine.reload(api.rules)
    assert viewer.get("/api/rules/thanks/versions").json() == [older]
    assert viewer.get("/api/rules/thanks").json()["code"] == "unknown-rule"


def _edit(api: Api, name: str, old: str, new: str) -> None:
    path = api.rules / name
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


# --- writing ----------------------------------------------------------------------------------------


def test_texts_are_linted_as_the_command_does(shop: Api) -> None:
    """With the place of each error, names between the files, and the tests among them run."""
    rule = "campaign: hello\nwhen: signup\nwho: {segment: pros}\nreentry: once\nwhereupon: []\n"
    files = [{"name": "a/hello.yaml", "text": rule}]
    alone = shop.caller("editor").post("/api/rules/lint", json={"files": files}).json()
    assert not alone["is_valid"]
    said = {(each["file"], each["line"], each["code"]) for each in alone["diagnostics"]}
    assert ("a/hello.yaml", 3, "unknown-segment") in said
    files.append({"name": "pros.yaml", "text": "segment: pros\nwho: {plan: pro}\n"})
    both = shop.caller("editor").post("/api/rules/lint", json={"files": files}).json()
    assert "unknown-segment" not in {each["code"] for each in both["diagnostics"]}
    twice = [{"name": f"{folder}/pros.yaml", "text": files[1]["text"]} for folder in "ab"]
    said_twice = shop.caller("editor").post("/api/rules/lint", json={"files": twice}).json()
    messages = [e["message"] for e in said_twice["diagnostics"] if e["code"] == "duplicate-id"]
    assert messages == ["pros is already in a/pros.yaml; give one of them another id"]
    clash = [{"name": "a", "text": ""}, {"name": "a/b.yaml", "text": ""}]
    refused = shop.caller("editor").post("/api/rules/lint", json={"files": clash})
    assert (refused.status_code, refused.json()["code"]) == (409, "file-name")
    for name in ("../x.yaml", "/etc/x.yaml", "a/../x.yaml", ".x.yaml", "a//b"):
        asked = {"files": [{"name": name, "text": ""}]}
        assert shop.caller("editor").post("/api/rules/lint", json=asked).status_code == 422


def test_rules_are_read_again_if_they_are_those_that_the_caller_saw(shop: Api) -> None:
    """With another entity tag nothing changes; a folder with errors changes nothing, and says all of them."""
    editor = shop.caller("editor")
    tag = editor.get("/api/rules").headers["ETag"]
    _edit(shop, "thanks.yaml", "Thanks", "Many thanks")
    stale = editor.post("/api/reload", headers={"If-Match": '"else"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "changed")
    assert editor.get("/api/rules").headers["ETag"] == tag
    done = editor.post("/api/reload", headers={"If-Match": tag})
    assert done.json()["rules"] == 3
    assert done.headers["ETag"] == editor.get("/api/rules").headers["ETag"] != tag
    (shop.rules / "bad.yaml").write_text("campaign: bad\nwen: x\n", "utf-8")
    bad = editor.post("/api/reload").json()
    assert bad["code"] == "rules-invalid"
    assert {each["file"].rpartition("/")[2] for each in bad["diagnostics"]} == {"bad.yaml"}
    assert editor.get("/api/status").json()["rules"] == 3


def test_a_deletion_is_planned_asked_for_and_decided_by_two(api: Api) -> None:
    """Under the names of the keys; who asked cannot approve, and nobody approves twice."""
    editor, approver, admin = (api.caller(role) for role in ("editor", "approver", "admin"))
    api.engine.identify("eve")
    plan = editor.post("/api/people/eve/erase", json={}).json()
    assert plan["request"] is None
    assert plan["plan"]["counts"]["persons"] == 1
    asked = admin.post("/api/people/eve/erase", json={"dry_run": False}).json()
    assert (asked["outcome"], asked["plan"]) == ("held", plan["plan"])
    address = f"/api/requests/{asked['request']}"
    shown = editor.get(address).json()
    assert (shown["person"], shown["requester"]) == ("eve", "admin")
    assert editor.post(f"{address}/approve", json={}).status_code == 403
    own = admin.post(f"{address}/approve", json={})
    assert (own.status_code, own.json()["code"]) == (403, "own-request")
    wrong = approver.post(f"{address}/approve", json={"plan": "else"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "plan-changed")
    digest = asked["plan"]["digest"]
    assert approver.post(f"{address}/approve", json={"plan": digest}).json()["outcome"] == "held"
    again = approver.post(f"{address}/approve", json={"plan": digest})
    assert (again.status_code, again.json()["code"]) == (409, "approved-already")
    assert [each["by"] for each in editor.get(address).json()["approvals"]] == ["approver"]
    second = api.engine.keys.create("second", kind="management", scopes=["approver"]).secret
    ran = TestClient(api.app, headers={"Authorization": f"Bearer {second}"}).post(
        f"{address}/approve", json={"plan": digest}
    )
    assert ran.json()["outcome"] == "ran"
    assert editor.get("/api/people/eve").status_code == 404
    receipt = editor.get(f"/api/audit/receipts/{asked['request']}").json()
    assert receipt["agreed"] == ["approver", "second"]
    assert editor.post("/api/audit/verify", json={}).json()["is_intact"] is True
    late = approver.post(f"{address}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "not-held")


def test_dead_deliveries_are_tried_again(api: Api) -> None:
    """One, or many by channel and rule; what was sent is not."""
    editor = api.caller("editor")
    dead = editor.get("/api/deliveries?state=dead").json()["items"]
    sent = editor.get("/api/deliveries?state=sent").json()["items"][0]
    assert editor.post(f"/api/deliveries/{dead[0]['key']}/retry").json() == {"number": 1}
    for key in (dead[0]["key"], sent["key"]):
        refused = editor.post(f"/api/deliveries/{key}/retry")
        assert (refused.status_code, refused.json()["code"]) == (409, "not-dead")
    some = editor.post("/api/deliveries/retry", json={"channel": "push", "rule": "thanks"}).json()
    assert some["number"] == sum(each["rule"] == "thanks" for each in dead[1:])
    assert editor.post("/api/deliveries/retry", json={}).json() == {
        "number": len(dead) - 1 - some["number"]
    }


def test_a_broadcast_is_started_once_under_a_key(api: Api) -> None:
    """And its runs can be read; one that takes no call is unknown."""
    editor, clock = api.caller("editor"), api.engine.clock
    assert isinstance(clock, FrozenClock)
    clock.move_to(clock.now() + timedelta(days=1))
    first = editor.post("/api/broadcasts/news/trigger", json={"key": "july"}).json()
    assert first == {"run": "news:july", "is_new": True, "recipients": None}
    again = editor.post("/api/broadcasts/news/trigger", json={"key": "july"}).json()
    assert again == {"run": "news:july", "is_new": False, "recipients": None}
    runs = editor.get("/api/broadcasts/news/runs").json()["items"]
    assert [each["run"] for each in runs] == ["news:july", "news:june"]
    assert editor.post("/api/broadcasts/daily/trigger", json={}).status_code == 404


def test_addresses_are_suppressed_and_lifted(api: Api) -> None:
    """The address stands in the body; the log keeps who did it."""
    editor = api.caller("editor")
    address = {"channel": "email", "address": "X@example.com"}
    assert editor.post("/api/suppression/look-up", json=address).json()["is_suppressed"] is False
    assert editor.post("/api/suppression", json=address).json()["reason"] == "by-hand"
    address["address"] = "x@EXAMPLE.com"
    assert editor.post("/api/suppression/look-up", json=address).json()["is_suppressed"] is True
    assert editor.post("/api/suppression/lift", json=address).json() == {"was_suppressed": True}
    assert editor.post("/api/suppression/lift", json=address).json() == {"was_suppressed": False}


def test_keys_are_made_used_rotated_and_revoked(api: Api) -> None:
    """A secret is shown once; a revoked key is good for nothing."""
    admin = api.caller()
    made = admin.post(
        "/api/keys",
        json={
            "kind": "management",
            "name": "night shift",
            "role": "viewer",
        },
    )
    assert made.status_code == 201
    key = made.json()["key"]
    assert made.headers["Location"] == f"/api/keys/{key['id']}"
    assert admin.get(f"/api/keys/{key['id']}").json() == key
    assert made.json()["secret"] not in admin.get("/api/keys").text
    with_it = TestClient(api.app, headers={"Authorization": f"Bearer {made.json()['secret']}"})
    assert with_it.get("/api/status").status_code == 200
    assert with_it.get("/api/keys").status_code == 403
    changed = admin.patch(f"/api/keys/{key['id']}", json={"name": "day shift", "limit": None})
    assert (changed.json()["name"], changed.json()["limit"]) == ("day shift", None)
    limit = {"limit": {"messages": 5, "span_seconds": 1, "burst": 9}}
    refused = admin.patch(f"/api/keys/{key['id']}", json=limit)
    assert (refused.status_code, refused.json()["code"]) == (409, "no-messages")
    rotated = admin.post(f"/api/keys/{key['id']}/rotate", json={"overlap_seconds": 0}).json()
    assert with_it.get("/api/status").status_code == 401
    with_it.headers["Authorization"] = f"Bearer {rotated['secret']}"
    assert with_it.get("/api/status").status_code == 200
    assert admin.post(f"/api/keys/{key['id']}/revoke").json()["state"] == "revoked"
    assert with_it.get("/api/status").status_code == 401
    refused = admin.post(f"/api/keys/{key['id']}/rotate", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "key-revoked")
    origins = {"kind": "client", "name": "page", "origins": ["https://shop.example"]}
    page = admin.post("/api/keys", json=origins).json()["key"]
    assert page["origins"] == origins["origins"]
    slow = admin.patch(f"/api/keys/{page['id']}", json=limit | {"shadow": True}).json()
    assert (slow["limit"], slow["shadow"]) == ("5 per 1s, 9 at once", True)


def test_every_write_is_in_the_audit_log_under_the_name_of_the_key(api: Api) -> None:
    """Each kind of write leaves a row that names who did it."""
    admin = api.caller()
    dead = admin.get("/api/deliveries?state=dead").json()["items"][0]
    before = admin.get("/api/audit?limit=1").json()["items"][0]["sequence"]
    address = {"channel": "email", "address": "x@example.com"}
    held = admin.get("/api/requests?outcome=held").json()["items"][0]["request"]
    key = admin.post("/api/keys", json={"kind": "server", "name": "x"}).json()["key"]["id"]
    writes = [
        ("reload", None),
        (f"deliveries/{dead['key']}/retry", None),
        ("deliveries/retry", {}),
        ("broadcasts/news/trigger", {}),
        ("suppression", address),
        ("suppression/lift", address),
        (f"requests/{held}/approve", {}),
        (f"requests/{held}/cancel", None),
        ("people/ada/erase", {"dry_run": False}),
        (f"keys/{key}/rotate", {}),
        (f"keys/{key}/revoke", None),
    ]
    for path, body in writes:
        assert admin.post(f"/api/{path}", json=body).is_success, path
    rows = admin.get(f"/api/audit?order=oldest&cursor={before}&limit=500").json()["items"]
    records = [row["record"] for row in rows]
    done = [r["kind"] for r in records if "admin" in (r.get("actor"), r.get("requester"))]
    assert {
        "key-created",
        "rules-reloaded",
        "delivery-retried",
        "deliveries-retried",
        "broadcast-triggered",
        "address-suppressed",
        "address-unsuppressed",
        "agreed",
        "key-rotated",
        "key-revoked",
    } <= set(done)
    assert len(done) >= len(writes) + 1
    assert admin.post("/api/audit/verify", json={}).json()["flaws"] == []


# --- requests that are sent twice -------------------------------------------------------------------


def test_a_write_with_an_idempotency_key_is_done_once(api: Api) -> None:
    """Sent again it gets the same answer, marked; another body is refused, and so is a key that is too long."""
    editor = api.caller("editor")
    headers = {"Idempotency-Key": "2f1c-june"}
    first = editor.post("/api/broadcasts/news/trigger", json={}, headers=headers)
    again = editor.post("/api/broadcasts/news/trigger", json={}, headers=headers)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(editor.get("/api/broadcasts/news/runs").json()["items"]) == 2
    other = editor.post("/api/broadcasts/news/trigger", json={"key": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "key-of-another-request")
    elsewhere = editor.post("/api/deliveries/retry", json={}, headers=headers)
    assert elsewhere.status_code == 200
    theirs = api.caller("admin").post("/api/broadcasts/news/trigger", json={}, headers=headers)
    assert theirs.json()["run"] != first.json()["run"]
    long = {"Idempotency-Key": "x" * 256}
    assert editor.post("/api/deliveries/retry", json={}, headers=long).status_code == 422


def test_what_was_refused_may_be_sent_again_under_its_key(api: Api) -> None:
    """A request that changed nothing does not use its key up."""
    editor, headers = api.caller("editor"), {"Idempotency-Key": "k"}
    address = "/api/broadcasts/later/trigger"
    assert editor.post(address, json={}, headers=headers).status_code == 404
    text = "broadcast: later\ndescription: x\nwhen: api\nwhereupon: [{send: push, title: x}]\n"
    (api.rules / "later.yaml").write_text(text, "utf-8")
    api.engine.reload(api.rules)
    assert editor.post(address, json={}, headers=headers).json()["is_new"] is True


def test_the_same_request_at_the_same_time_is_refused(tmp_path: Path) -> None:
    """While the first is under way; afterwards its answer is there."""
    begun, go_on = Event(), Event()

    class Slow(Engine):
        """An engine that takes its time with broadcasts."""

        def retry_all(self, **_: object) -> int:
            """Wait until the test goes on."""
            begun.set()
            assert go_on.wait(60)
            return 7

    with shop_with_api(tmp_path, opener=Slow) as made:
        editor, headers = made.caller("editor"), {"Idempotency-Key": "k"}
        answers = list[object]()

        def send() -> None:
            answers.append(editor.post("/api/deliveries/retry", json={}, headers=headers).json())

        thread = Thread(target=send)
        thread.start()
        assert begun.wait(60)
        busy = made.caller("editor").post("/api/deliveries/retry", json={}, headers=headers)
        assert (busy.status_code, busy.json()["code"]) == (409, "request-under-way")
        assert busy.headers["Retry-After"] == "1"
        go_on.set()
        thread.join()
        assert answers == [{"number": 7}]
        later = made.caller("editor").post("/api/deliveries/retry", json={}, headers=headers)
        assert later.json() == {"number": 7}


def test_kept_answers_hold_neither_a_secret_nor_a_person(api: Api) -> None:
    """So nothing of them has to be erased, and who reads the store finds no key."""
    admin, headers = api.caller(), {"Idempotency-Key": "ada's key"}
    made = admin.post("/api/keys", json={"kind": "server", "name": "x"}, headers=headers).json()
    again = admin.post("/api/keys", json={"kind": "server", "name": "x"}, headers=headers)
    assert (again.status_code, again.json()) == (201, {**made, "secret": None})
    assert again.headers["Location"] == f"/api/keys/{made['key']['id']}"
    for path, body in (
        (f"people/{ODD_IN_PATH}/erase", {"dry_run": False}),
        ("people/ada/erase", {"dry_run": True}),
        (f"requests/{_held(api)}/approve", {}),
        (f"deliveries/{_dead(api)}/retry", None),
        ("suppression", {"channel": "email", "address": "ada@example.com"}),
    ):
        assert admin.post(f"/api/{path}", json=body, headers=headers).is_success
    with api.engine.store.reading() as session:
        kept = list(session.scan(KeptAnswer))
    assert len(kept) == 6
    written = json.dumps([list(map(str, each)) for each in kept])
    for text in ("ada", "lin", "example.com", made["secret"]):
        assert not re.search(rf"(?<![0-9a-f]){re.escape(text)}(?![0-9a-f])", written)  # no digest
    assert all(decode(each.answer or "") for each in kept)


def _held(api: Api) -> int:
    return api.engine.requests()[1].key


def _dead(api: Api) -> str:
    return next(d.idempotency_key for d in api.engine.deliveries() if d.state == "dead")


# --- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["/api/entries?status=active", "/api/pauses?limit=1"])
def test_a_parameter_that_a_call_does_not_have_is_refused(shop: Api, call: str) -> None:
    """A filter by a wrong name would show everything, and nobody would notice."""
    said = shop.caller().get(call)
    (error,) = said.json()["errors"]
    assert (said.status_code, said.json()["code"]) == (422, "invalid-request")
    assert (error["place"], error["code"]) == ("query", "unknown-parameter")
    assert error["name"] in call


@pytest.mark.parametrize(
    ("more", "pointer"),
    [({"scopes": ["admin"]}, "#/scopes/0"), ({"limit": "5 per 1s"}, "#/limit"), ({"x": 1}, "#/x")],
)
def test_a_pointer_leads_to_what_was_sent(shop: Api, more: dict[str, object], pointer: str) -> None:
    """Also where the body's own fields say of which kind it is."""
    said = shop.caller().post("/api/keys", json={"name": "backend", "kind": "server", **more})
    assert [each["pointer"] for each in said.json()["errors"]] == [pointer]


def test_a_key_that_is_not_there_has_a_code_like_all_others(shop: Api) -> None:
    """In lower case."""
    said = shop.caller().post("/api/keys/key_0/revoke")
    assert (said.status_code, said.json()["code"]) == (404, "unknown-api-key")


def test_every_error_is_a_problem_that_says_what_is_wrong_and_where(shop: Api) -> None:
    """A body that is not JSON, one that is not as it should be, a wrong parameter, path or method."""
    admin = shop.caller()
    bad = admin.post("/api/people/ada/erase", content='{"dry_run": tru')
    assert (bad.status_code, bad.json()["code"]) == (400, "bad-json")
    wrong = admin.post("/api/rules/lint", json={"files": [{"name": "a.yaml", "text": 5}], "x/~": 1})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-request")
    pointers = {each["pointer"] for each in wrong.json()["errors"]}
    assert pointers == {"#/files/0/text", "#/x~1~0"}
    query = admin.get("/api/deliveries?limit=0&state=gone").json()["errors"]
    assert {(each["place"], each["name"]) for each in query} == {
        ("query", "limit"),
        ("query", "state"),
    }
    method = admin.put("/api/status")
    assert (method.status_code, method.headers["Allow"]) == (405, "GET")
    large = admin.post("/api/rules/lint", content=b"x" * (17 << 20))
    assert (large.status_code, large.json()["code"]) == (413, "too-large")
    for answered in (bad, wrong, method, large, admin.get("/api/nothing")):
        problem = answered.json()
        assert answered.headers["Content-Type"] == PROBLEM
        assert (problem["type"], problem["status"]) == ("about:blank", answered.status_code)
        assert problem["title"]
        assert problem["detail"]
        assert answered.headers["Cache-Control"] == "no-store"


def test_a_store_that_is_away_is_told_with_a_time(shop: Api) -> None:
    """503, and when to try again; nothing of it is an error of ours."""
    admin = shop.caller()
    assert admin.get("/api/status").status_code == 200
    shop.engine.store.close()
    said = admin.get("/api/people/ada")
    assert (said.status_code, said.json()["code"]) == (503, "closed")
    assert int(said.headers["Retry-After"]) > 0


# --- mounted ----------------------------------------------------------------------------------------


def test_the_site_answers_the_api_where_a_host_asks_for_it(shop: Api) -> None:
    """Beside the pages and the door, below any mount; without being asked for, it is not there."""
    headers = {"Authorization": f"Bearer {shop.secret('viewer')}"}
    site = asgi(shop.engine, management=True, rules=shop.rules)
    for root in ("", "/w"):
        client = TestClient(site, headers=headers, root_path=root)
        assert client.get(f"{root}/api/people/{ODD_IN_PATH}").json()["person"] == ODD
        assert client.get(f"{root}/u/nothing").status_code == 404
    assert TestClient(asgi(shop.engine), headers=headers).get("/api/status").status_code == 404


def test_an_address_that_guesses_at_keys_has_to_wait(shop: Api) -> None:
    """With 429 and when to try again; operators at the same address get in, and who lacks a role is told so."""
    guesser = TestClient(shop.app, headers={"Authorization": "Bearer wm_guess"})
    answers = (guesser.get("/api/keys") for _ in range(1_000_000))
    refused = next(each for each in answers if each.status_code != 401)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-guesses")
    assert refused.headers["Content-Type"] == PROBLEM
    assert int(refused.headers["Retry-After"]) in {1, 2, 3}
    assert shop.caller("admin").get("/api/keys").status_code == 200
    assert shop.caller("viewer").get("/api/keys").status_code == 403


# --- entries and runs -------------------------------------------------------------------------------


def test_people_inside_are_counted_paused_resumed_and_ended(api: Api) -> None:
    """One by one, and everybody inside a rule; under the name of the key, without naming a person in a write."""
    editor = api.caller("editor")
    inside = editor.get("/api/entries?rule=thanks&state=active").json()["items"]
    assert sorted(each["person"] for each in inside) == ["ada", ODD]
    (count,) = editor.get("/api/entries/counts?rule=thanks").json()
    assert (count["people"], count["step"], count["version"]) == (2, "2", inside[0]["version"])
    entry = next(each for each in inside if each["person"] == "ada")
    address = f"/api/entries/{entry['entry']}"
    paused = editor.post(f"{address}/pause").json()
    assert paused["state"] == "paused"
    assert "person" not in paused
    shown = editor.get(address).json()
    assert [(each["kind"], each["by"]) for each in shown["operations"]] == [("paused", "editor")]
    assert editor.get("/api/entries?person=ada&state=paused").json()["items"] == [shown]
    assert editor.post(f"{address}/resume").json()["state"] == "active"
    again = editor.post(f"{address}/resume")
    assert (again.status_code, again.json()["code"]) == (409, "not-paused")
    assert editor.post(f"{address}/end").json()["ended"]["reason"] == "operator"
    assert editor.post(f"{address}/pause").json()["code"] == "ended"
    would = editor.post("/api/rules/thanks/end", json={"step": "2"}).json()
    assert would == {"number": 1, "dry_run": True}
    done = editor.post("/api/rules/thanks/end", json={"step": "2", "dry_run": False}).json()
    assert done == {"number": 1, "dry_run": False}
    assert editor.get("/api/entries?rule=thanks").json()["items"] == []
    for unknown in ("/api/entries?person=nobody", "/api/entries/1", "/api/entries?person=nul%00"):
        assert editor.get(unknown).status_code == 404, unknown


def test_a_rule_is_paused_and_resumed(api: Api) -> None:
    """By the name of the key; one that is not paused cannot be resumed."""
    editor = api.caller("editor")
    assert editor.post("/api/rules/thanks/pause").json()["by"] == "editor"
    assert [each["rule"] for each in editor.get("/api/pauses").json()] == ["thanks"]
    assert editor.post("/api/rules/thanks/resume").json() == {"rule": "thanks"}
    assert editor.post("/api/rules/thanks/resume").json()["code"] == "not-paused"
    assert editor.get("/api/pauses").json() == []
    assert editor.post("/api/rules/nothing/pause").json()["code"] == "unknown-rule"


def test_people_are_moved_to_another_version(api: Api) -> None:
    """First as a dry run, which says how many would be; steps that are not the same are mapped."""
    editor = api.caller("editor")
    path = api.rules / "thanks.yaml"
    path.write_text(path.read_text("utf-8") + "  - send: push\n    title: Bye\n", "utf-8")
    api.engine.reload(api.rules)
    would = editor.post("/api/rules/thanks/move", json={}).json()
    assert (would["moved"], would["dry_run"]) == (2, True)
    asked = {"dry_run": False, "steps": [{"from_step": "2", "to_step": "3"}]}
    told = editor.post("/api/rules/thanks/move", json=asked).json()
    assert [(each["step"], each["to_step"], each["people"]) for each in told["groups"]] == [
        ("2", "3", 2)
    ]
    (count,) = editor.get("/api/entries/counts?rule=thanks").json()
    assert (count["version"], count["step"]) == (told["version"], "3")
    asked["steps"] = [{"from_step": "2", "to_step": "9"}]
    refused = editor.post("/api/rules/thanks/move", json=asked)
    assert (refused.status_code, refused.json()["code"]) == (409, "no-such-step")


def test_a_broadcast_is_previewed_and_its_run_paused_resumed_and_cancelled(api: Api) -> None:
    """Its runs have addresses; what is over cannot be stopped."""
    editor = api.caller("editor")
    would = editor.post("/api/broadcasts/news/preview", json={"sample": 5}).json()
    assert (would["people"], would["sample"]) == (1, ["ada"])
    editor.post("/api/broadcasts/news/trigger", json={"key": "a/b c"})
    runs = editor.get("/api/broadcasts/news/runs").json()["items"]
    assert {"news:a/b c", "news:june"} == {each["run"] for each in runs}
    address = "/api/broadcasts/news/runs/news%3Aa%2Fb%20c"
    assert editor.post(f"{address}/pause").json()["state"] == "paused"
    assert editor.get(address).json()["operations"][0]["by"] == "editor"
    assert editor.post(f"{address}/resume").json()["state"] == "running"
    assert editor.post(f"{address}/cancel").json()["state"] == "cancelled"
    late = editor.post(f"{address}/pause")
    assert (late.status_code, late.json()["code"]) == (409, "cancelled")
    everything = editor.get("/api/runs").json()["items"]
    assert {each["broadcast"] for each in everything} == {"news", "daily"}
    for size in (1, 2):
        assert _paged(api, editor, f"/api/runs?limit={size}") == everything
    assert editor.get("/api/broadcasts/news/runs/nothing").status_code == 404


def test_a_broadcast_is_started_for_recipients_and_unknown_ids_are_reported_by_their_place(
    api: Api,
) -> None:
    """The answer names nobody, since answers are kept; a wrong list is refused."""
    editor = api.caller("editor")
    people = [{"user_id": "nobody"}, {"user_id": "ada", "title": "Yours"}]
    said = editor.post("/api/broadcasts/news/trigger", json={"recipients": people, "key": "own"})
    assert said.json()["recipients"] == {"let_in": 1, "unknown": [0], "excluded": []}
    assert "ada" not in said.text
    wrong = editor.post("/api/broadcasts/news/trigger", json={"recipients": [{"title": "Whose?"}]})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "bad-recipient")


def test_calls_that_only_read_keep_no_answer(api: Api) -> None:
    """Though they take a body: their answers may name people."""
    editor, headers = api.caller("editor"), {"Idempotency-Key": "k"}
    for sample in (1, 2):
        asked = {"sample": sample}
        said = editor.post("/api/broadcasts/news/preview", json=asked, headers=headers)
        assert said.status_code == 200
    with api.engine.store.reading() as session:
        assert list(session.scan(KeptAnswer)) == []
