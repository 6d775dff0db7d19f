"""Texts of steps that stand in files below the rules folder, and partials."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.errors import Diagnostic, Severity
from whereupon.rules.loading import read_folder
from whereupon.rules.model import Rule
from whereupon.rules.reader import rule_from_source
from whereupon.rules.steps.send import Send
from whereupon.rules.steps.webhook import Webhook
from whereupon.templates import ContentValue, Template, render_content

RULE = """\
campaign: receipt
description: A receipt.
when: purchase
where: {total: {exists: true}}
who: {first_name: {exists: true}}
reentry: every_time
whereupon:
  - send: push
"""


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _found(folder: Path) -> list[str]:
    home = folder.as_posix() + "/"
    return [str(each).replace(home, "") for each in read_folder(folder).diagnostics]


def _rule(folder: Path) -> Rule:
    read = read_folder(folder)
    assert read.diagnostics == ()
    (rule,) = read.book.rules
    return rule


def _content(rule: Rule) -> dict[str, ContentValue]:
    (step,) = rule.steps
    assert isinstance(step, Send | Webhook)
    return dict(step.content)


def _rendered(rule: Rule, **properties: JsonValue) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = {"properties": {**properties}, "person": {"first_name": "Ada"}}
    return render_content(_content(rule), data)


def test_texts_may_stand_in_files_below_the_rules_folder(tmp_path: Path) -> None:
    """The text of any key, under the name of the key and `_file`; in `html` data are escaped."""
    _write(
        tmp_path,
        {
            "receipt.yaml": RULE
            + "    html_file: mails/receipt.html\n    note_file: mails/note.txt\n",
            "mails/receipt.html": "<p>{{ properties.total }}</p>\n",
            "mails/note.txt": "{{ properties.total }}",
        },
    )
    assert _rendered(_rule(tmp_path), total="<5>") == {"html": "<p>&lt;5&gt;</p>\n", "note": "<5>"}


def test_a_text_in_a_file_is_read_as_if_it_stood_in_the_rule(tmp_path: Path) -> None:
    """The same steps, the same digest, and the same keys in the same order."""
    written = (
        RULE + '    title: Hello\n    html: "<p>{{ properties.total }}</p>"\n    data: {a: 1}\n'
    )
    named = written.replace('html: "<p>{{ properties.total }}</p>"', "html_file: a.html")
    _write(tmp_path / "one", {"receipt.yaml": written})
    _write(tmp_path / "two", {"receipt.yaml": named, "a.html": "<p>{{ properties.total }}</p>"})
    one, two = _rule(tmp_path / "one"), _rule(tmp_path / "two")
    assert (one.steps, one.digest) == (two.steps, two.digest)
    assert list(_content(one)) == list(_content(two)) == ["title", "html", "data"]


def test_line_breaks_and_a_byte_order_mark_are_no_part_of_a_text(tmp_path: Path) -> None:
    """A file that Windows wrote is the same version of the rule."""
    _write(tmp_path, {"receipt.yaml": RULE + "    body_file: a.txt\n"})
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    windows = _rule(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\n")
    assert _rule(tmp_path).digest == windows.digest
    assert _content(windows) == {"body": "one\ntwo\n"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../secret.txt", "text-path"),
        ("mails/../../secret.txt", "text-path"),
        ("/etc/passwd", "text-path"),
        ("./a.txt", "text-path"),
        ("mails//a.txt", "text-path"),
        (r"mails\a.txt", "text-path"),
        ('""', "text-path"),
        (".git/config", "text-path"),
        ("mails", "no-text-file"),
        ("mails/gone.txt", "no-text-file"),
        ("receipt.yaml", "text-path"),
        ("other.yaml", "text-path"),
        ("linked.txt", "text-path"),
        ("folder/a.txt", "no-text-file"),
        ("5", "wrong-type"),
        ("{a: b}", "wrong-type"),
    ],
)
def test_a_path_never_leads_outside(tmp_path: Path, path: str, code: str) -> None:
    """`..`, absolute paths, hidden files and links are refused, at the key that names the file."""
    rules = _write(tmp_path / "rules", {"receipt.yaml": RULE + f"    body_file: {path}\n"})
    _write(
        tmp_path, {"secret.txt": "hidden words", "rules/mails/a.txt": "a", "rules/.git/config": "x"}
    )
    _write(rules, {"other.yaml": "segment: other\ndescription: x\nwho: {plan: pro}\n"})
    (rules / "linked.txt").symlink_to(rules / "mails" / "a.txt")
    (rules / "folder").symlink_to(rules / "mails")
    read = read_folder(rules)
    errors = [d for d in read.diagnostics if d.severity is Severity.ERROR]
    assert [(d.code, d.location.line, d.location.column) for d in errors] == [(code, 9, 16)]
    assert read.book.rules == ()
    assert "hidden words" not in str((read.book, read.diagnostics))


def test_a_link_that_leads_outside_is_refused_as_a_text_too(tmp_path: Path) -> None:
    """Whatever stands at its end is not read."""
    rules = _write(tmp_path / "rules", {"receipt.yaml": RULE + "    body_file: a.txt\n"})
    _write(tmp_path, {"secret.txt": "hidden words"})
    (rules / "a.txt").symlink_to(tmp_path / "secret.txt")
    assert {each.code for each in read_folder(rules).diagnostics} == {"text-path", "link-outside"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a\nb \xff", "a.txt:2:1: not-utf-8 this is not UTF-8; save the file as UTF-8"),
        (b"x" * (256 * 1024 + 1), "a.txt:1:1: too-large this file has more than 256 KB; split it"),
        (b"a\nb\0", "a.txt:2:1: bad-text this line holds a control character; take it out"),
        (b"a\n{{ person.x", "a.txt:2:1: bad-template expected"),
        (b"a\n\n{{ x.y | nope }}", "a.txt:3:1: bad-template there is no filter 'nope'"),
        (b"a\n {{ user.name }}", "a.txt:2:5: unknown-variable there is no user here"),
        (b"\n{{ properties.total }} {{ person.city }}", "a.txt:2:27: no-default if person.city"),
        (b"properties.total", "a.txt:1:1: path-as-text this is the text itself"),
    ],
)
def test_what_a_file_says_is_checked_and_the_place_is_in_the_file(
    tmp_path: Path, text: bytes, expected: str
) -> None:
    """Line and column in the file of the text, not of the rule that names it."""
    _write(tmp_path, {"receipt.yaml": RULE + "    body_file: a.txt\n"})
    (tmp_path / "a.txt").write_bytes(text)
    (found,) = _found(tmp_path)
    assert found.startswith(expected)


def test_an_error_in_a_text_refuses_each_rule_that_uses_it(tmp_path: Path) -> None:
    """It is reported once, and another rule stays."""
    named = RULE + "    html_file: a.html\n"
    files = {
        "receipt.yaml": named,
        "b.yaml": named.replace("campaign: receipt", "campaign: b"),
        "c.yaml": RULE.replace("campaign: receipt", "campaign: c") + "    title: Hi\n",
        "a.html": "<a href={{ properties.total }}>",
    }
    read = read_folder(_write(tmp_path, files))
    assert [d.code for d in read.diagnostics] == ["unsafe-value"]
    assert [rule.id for rule in read.book.rules] == ["c"]
    assert set(read.refused) == {"receipt", "b"}


def test_a_text_stands_in_the_rule_or_in_a_file(tmp_path: Path) -> None:
    """Both at once are an error at the key that names the file."""
    step = "    body: Hi\n    body_file: a.txt\n"
    _write(tmp_path, {"receipt.yaml": RULE + step, "a.txt": "Hi"})
    expected = "receipt.yaml:10:5: unsupported-key write body or body_file, and take the other out"
    assert expected in _found(tmp_path)


@pytest.mark.parametrize("key", ["kind", "topic", "languages"])
def test_only_content_stands_in_files(tmp_path: Path, key: str) -> None:
    """What a step is for is written in the rule."""
    _write(tmp_path, {"receipt.yaml": RULE + f"    {key}_file: a.txt\n", "a.txt": "Hi"})
    assert any(
        each.startswith(f"receipt.yaml:9:5: unsupported-key {key} is no text")
        for each in _found(tmp_path)
    )


def test_content_is_a_key_of_a_rule_and_may_be_content_of_a_step(tmp_path: Path) -> None:
    """Only the words of the rule's key are misplaced in a step."""
    _write(tmp_path, {"receipt.yaml": RULE + "    content: Hello\n"})
    assert _content(_rule(tmp_path)) == {"content": "Hello"}
    _write(tmp_path, {"receipt.yaml": RULE + "    content: live\n"})
    assert _found(tmp_path)[0].startswith("receipt.yaml:9:5: misplaced-key content: live belongs")


def test_without_a_folder_there_are_no_text_files() -> None:
    """A rule that is read from plain data says its texts itself."""
    step: JsonValue = {"send": "push", "body_file": "a.txt"}
    source: dict[str, JsonValue] = {"campaign": "x", "when": "y", "reentry": "once"}
    with pytest.raises(ValueError, match="needs the rules folder: write body here"):
        rule_from_source({**source, "whereupon": [step]}, {})
    step = {"webhook": "https://hooks.example.com", "json_file": "a.json"}
    with pytest.raises(ValueError, match="needs the rules folder: write json here"):
        rule_from_source({**source, "whereupon": [step]}, {})


def test_body_and_json_of_a_webhook_may_stand_in_files(tmp_path: Path) -> None:
    """A JSON file is a value whose texts are templates, and no rule file."""
    rule = RULE.replace("send: push", "webhook: https://hooks.example.com/x")
    named = rule + "    json_file: hooks/order.json\n"
    _write(tmp_path, {"receipt.yaml": named})
    _write(tmp_path, {"hooks/order.json": '{"event": "x", "total": ["{{ properties.total }}", 1]}'})
    read = _rendered(_rule(tmp_path), total="5")
    assert read["json"] == {"event": "x", "total": ["5", 1]}
    _write(tmp_path, {"receipt.yaml": rule + "    body_file: hooks/order.txt\n"})
    shutil.rmtree(tmp_path / "hooks")
    _write(tmp_path, {"hooks/order.txt": "total={{ properties.total }}"})
    assert _rendered(_rule(tmp_path), total="5")["body"] == "total=5"


def test_a_fault_in_a_json_text_is_placed_in_it(tmp_path: Path) -> None:
    """A syntax error, and a template at its own value."""
    rule = RULE.replace("send: push", "webhook: https://hooks.example.com/x")
    _write(tmp_path, {"receipt.yaml": rule + "    json_file: order.json\n"})
    _write(tmp_path, {"order.json": '{"a": 1,\n "b": {{ properties.total }}}'})
    assert _found(tmp_path)[0].startswith("order.json:2:8: json-syntax this is not valid JSON")
    _write(tmp_path, {"order.json": '{"a": 1,\n "b": ["{{ user.x }}"]}'})
    assert _found(tmp_path)[0].startswith("order.json:2:8: unknown-variable there is no user")


def test_a_rule_in_json_is_no_text_of_another_rule(tmp_path: Path) -> None:
    """Naming a rule file does not take it out of the folder."""
    rule = RULE.replace("send: push", "webhook: https://hooks.example.com/x")
    _write(tmp_path, {"receipt.yaml": rule + "    json_file: pro.json\n"})
    _write(tmp_path, {"pro.json": '{"segment": "pro", "description": "x", "who": {"plan": "pro"}}'})
    read = read_folder(tmp_path)
    assert [d.code for d in read.diagnostics] == ["text-path"]
    assert list(read.book.segments) == ["pro"]


# --- partials -------------------------------------------------------------------------------------

MAIL = "<p>Hello</p>{% render 'footer', city: 'Rome' %}"
FOOTER = "<p>{{ city }}, {{ person.first_name }}</p>"


def _mail(folder: Path, mail: str = MAIL, **partials: str) -> Path:
    files = {f"partials/{name}.liquid": text for name, text in partials.items()}
    named = {"receipt.yaml": RULE + "    html_file: mail.html\n", "mail.html": mail}
    return _write(folder, {**named, **files})


def test_render_takes_a_partial_of_the_rules_folder(tmp_path: Path) -> None:
    """With parameters; it sees the person and the message, too, and no variable of the text."""
    mail = "{% assign secret = 'x' %}" + MAIL
    footer = FOOTER + "{{ secret | default: '-' }}"
    folder = _mail(tmp_path, mail, footer=footer)
    assert [each for each in _found(folder) if ": unknown-variable" not in each] == []
    (rule,) = read_folder(folder).book.rules
    assert _rendered(rule)["html"] == "<p>Hello</p><p>Rome, Ada</p>-"


def test_a_partial_may_end_in_html_and_stand_deeper(tmp_path: Path) -> None:
    """`partials/mail/footer.html` is `mail/footer`."""
    _mail(tmp_path, "{% render 'mail/footer' %}")
    _write(tmp_path, {"partials/mail/footer.html": "<hr>"})
    assert _rendered(_rule(tmp_path))["html"] == "<hr>"


def test_partials_render_partials_and_loop(tmp_path: Path) -> None:
    """`for … as …` renders a partial for each item; what it lets through is escaped once."""
    mail = "{% render 'list', of: properties.items %}"
    rows = "{% render 'row' for of as item %}"
    row = "<li>{{ forloop.index }} {{ item | default: '' }}</li>"
    folder = _mail(tmp_path, mail, list=rows, row=row)
    (rule,) = read_folder(folder).book.rules
    html = _rendered(rule, items=["a", "<b>"])["html"]
    assert html == "<li>1 a</li><li>2 &lt;b&gt;</li>"


def test_a_partial_in_a_text_that_stands_in_the_rule(tmp_path: Path) -> None:
    """In a title too, where it is one line."""
    rule = RULE + "    title: \"Hi{% render 'sign' %}\"\n"
    _write(tmp_path, {"receipt.yaml": rule, "partials/sign.liquid": "\n{{ person.first_name }}\n"})
    assert _rendered(_rule(tmp_path))["title"] == "Hi Ada"


@pytest.mark.parametrize(
    ("mail", "partials", "expected"),
    [
        (MAIL, {}, "mail.html:1:1: unknown-partial there is no partial 'footer'; write it to"),
        (MAIL, {"foter": "x"}, "mail.html:1:1: unknown-partial there is no partial 'footer'; did"),
        (MAIL, {"footer": "\n{% render 'x' %}"}, "partials/footer.liquid:2:1: unknown-partial"),
        (MAIL, {"footer": "a\n{% if %}"}, "partials/footer.liquid:2:1: bad-template"),
        (MAIL, {"footer": "<a href={{ city }}>"}, "partials/footer.liquid:1:1: unsafe-value"),
        (MAIL, {"footer": "<a href='"}, "partials/footer.liquid:1:1: unsafe-value this is still"),
        (MAIL, {"footer": "{{ town }}"}, "partials/footer.liquid:1:4: unknown-variable"),
        (MAIL, {"footer": "\n {{ user.x }}"}, "partials/footer.liquid:2:5: unknown-variable"),
        (MAIL, {"footer": "{% render 'footer' %}"}, "partials/footer.liquid:1:1: partial-cycle"),
        (
            MAIL,
            {"footer": "{% render 'a' %}", "a": "{% render 'footer' %}"},
            "partials/a.liquid:1:1: partial-cycle footer renders a renders footer",
        ),
        ("\n{% render name %}", {}, "mail.html:2:1: bad-template write the name of the partial"),
    ],
)
def test_a_fault_of_a_partial_is_placed_where_it_is(
    tmp_path: Path, mail: str, partials: dict[str, str], expected: str
) -> None:
    """In the partial, or in the text that asks for one that there is not."""
    found = _found(_mail(tmp_path, mail, **partials))
    assert any(each.startswith(expected) for each in found), found


def test_partials_are_nested_at_most_ten_deep(tmp_path: Path) -> None:
    """Ten are rendered, eleven are an error."""
    chain = {f"p{n}": f"{{% render 'p{n + 1}' %}}" for n in range(10)} | {"p10": "end"}
    _mail(tmp_path, "{% render 'p1' %}", **chain)
    (found,) = _found(tmp_path)
    assert "unused-text" in found
    assert _rendered(read_folder(tmp_path).book.rules[0])["html"] == "end"
    _mail(tmp_path, "{% render 'p0' %}")
    assert any(
        "partial-cycle partials render partials at most 10 deep" in each
        for each in _found(tmp_path)
    )


def test_partials_share_the_budget_of_the_message(tmp_path: Path) -> None:
    """A partial that renders ten that render ten … ends as a template that takes too much."""
    chain = {f"p{n}": f"{{% render 'p{n + 1}' %}}" * 10 for n in range(9)} | {"p9": "end"}
    rule = _rule(_mail(tmp_path, "{% render 'p0' %}", **chain))
    with pytest.raises(Exception, match="more work than a message may"):
        _rendered(rule)


def test_two_files_of_one_partial_are_refused(tmp_path: Path) -> None:
    """With both endings it is not clear which is meant."""
    _mail(tmp_path, footer=FOOTER)
    _write(tmp_path, {"partials/footer.html": FOOTER})
    (found,) = _found(tmp_path)
    assert found.startswith("partials/footer.liquid:1:1: duplicate-partial")


def test_files_in_partials_are_no_rule_files(tmp_path: Path) -> None:
    """Whatever their ending."""
    _mail(tmp_path, footer=FOOTER)
    _write(
        tmp_path, {"partials/x.yaml": "nonsense: [", "partials/y.yml": "", "partials/z.json": ""}
    )
    assert _rule(tmp_path).id == "receipt"


def test_a_partial_through_a_link_is_refused(tmp_path: Path) -> None:
    """Nothing outside of the folder is read."""
    _write(tmp_path, {"secret.html": "secret"})
    rules = _mail(tmp_path / "rules", footer=FOOTER)
    (rules / "partials" / "x.html").symlink_to(tmp_path / "secret.html")
    read = read_folder(rules)
    assert {d.code for d in read.diagnostics} == {"text-path", "link-outside"}


def test_a_linked_folder_of_partials_is_refused(tmp_path: Path) -> None:
    """It would hold what other folders hold."""
    _write(tmp_path, {"elsewhere/footer.liquid": FOOTER})
    rules = _mail(tmp_path / "rules")
    (rules / "partials").symlink_to(tmp_path / "elsewhere")
    codes = {each.code for each in read_folder(rules).diagnostics}
    assert codes == {"link-outside", "unknown-partial"}


def test_a_required_value_of_a_parameter_is_named_by_what_it_is_given(tmp_path: Path) -> None:
    """The warning says which value of the message or the person may be missing."""
    mail = (
        "{% render 'footer', city: person.city %}{% if person.town %}{% render 'town' %}{% endif %}"
    )
    folder = _mail(tmp_path, mail, footer=FOOTER, town="{{ person.town }}")
    (found,) = _found(folder)
    assert "no-default if person.city is missing" in found


def test_no_partial_asks_for_a_secret_of_the_host(tmp_path: Path) -> None:
    """A webhook writes its secrets itself; a mail has none, by a partial neither."""
    rule = RULE.replace("send: push", "webhook: https://hooks.example.com/x")
    text = "{% render 'key' %}"
    _write(tmp_path, {"receipt.yaml": rule + f'    body: "{text}"\n'})
    _write(tmp_path, {"partials/key.liquid": "{{ secrets.shop }}"})
    (found,) = _found(tmp_path)
    assert found.startswith("receipt.yaml:9:11: misplaced-secret no partial asks for a secret")
    _write(tmp_path, {"receipt.yaml": RULE + f'    body: "{text}"\n'})
    assert any("misplaced-secret" in each for each in _found(tmp_path))


def test_no_mail_in_mjml_asks_for_a_secret_of_the_host(tmp_path: Path) -> None:
    """A mail goes to a person, however it is written."""
    pytest.importorskip("mrml")
    column = "<mj-column><mj-text>{{ secrets.shop }}</mj-text></mj-column>"
    mjml = f"<mjml><mj-body><mj-section>{column}</mj-section></mj-body></mjml>"
    _write(tmp_path, {"receipt.yaml": RULE + "    mjml_file: a.mjml\n", "a.mjml": mjml})
    (found,) = _found(tmp_path)
    assert found.startswith("a.mjml:1:1: misplaced-secret")


def test_a_secret_beside_a_partial_is_filled_in(tmp_path: Path) -> None:
    """The partial renders as it does anywhere."""
    rule = RULE.replace("send: push", "webhook: https://hooks.example.com/x")
    text = "{{ secrets.shop }} {% render 'key', of: properties.total %}"
    _write(tmp_path, {"receipt.yaml": rule + f'    body: "{text}"\n'})
    _write(tmp_path, {"partials/key.liquid": "<{{ of }}>"})
    assert _rendered(_rule(tmp_path), total="5")["body"] == "{{ secrets.shop }} <5>"


# --- versions -------------------------------------------------------------------------------------


def test_the_stored_version_of_a_rule_stands_alone(tmp_path: Path) -> None:
    """Another process reads it from the store, and renders what was rendered."""
    rule = _rule(_mail(tmp_path, footer=FOOTER + "{% render 'end' %}", end="<hr>"))
    stored = dict(rule.source)
    shutil.rmtree(tmp_path)
    read = rule_from_source(stored, {})
    assert (read.steps, read.digest, dict(read.source)) == (rule.steps, rule.digest, stored)
    assert _rendered(read) == _rendered(rule)


def test_the_digest_changes_with_a_text_or_a_partial_that_the_rule_uses(tmp_path: Path) -> None:
    """Also with a partial of a partial; not with one that it does not use."""
    first = _rule(_mail(tmp_path, footer=FOOTER + "{% render 'end' %}", end="1")).digest
    second = _rule(_mail(tmp_path, footer=FOOTER + "{% render 'end' %}", end="2")).digest
    third = _rule(_mail(tmp_path, MAIL + "<hr>")).digest
    (found,) = _found(_mail(tmp_path, other="x"))
    assert "partials/other.liquid:1:1: unused-text no rule uses this partial" in found
    fourth = read_folder(tmp_path).book.rules[0].digest
    assert len({first, second, third}) == 3
    assert fourth == second


def test_the_key_of_stored_partials_is_no_key_of_a_rule_file(tmp_path: Path) -> None:
    """Partials stand in files."""
    _write(tmp_path, {"receipt.yaml": RULE + "    title: Hi\npartials: {a: b}\n"})
    (found,) = _found(tmp_path)
    assert "unknown-key" in found


def test_an_unused_text_is_a_warning(tmp_path: Path) -> None:
    """Of files that can only be texts; a README and pictures may stand beside the rules."""
    _write(tmp_path, {"receipt.yaml": RULE + "    title: Hi\n", "README.md": "x", "logo.png": "x"})
    _write(tmp_path, {"mails/old.html": "<p>", "mails/old.mjml": "<mjml>"})
    assert _found(tmp_path) == [
        "mails/old.html:1:1: unused-text no rule uses this text; take it out, or name it in a step",
        "mails/old.mjml:1:1: unused-text no rule uses this text; take it out, or name it in a step",
    ]


@pytest.mark.parametrize("rule", ["campaign: [", RULE + "    body_file: b.txt\n"])
def test_no_text_is_called_unused_while_a_file_has_an_error(tmp_path: Path, rule: str) -> None:
    """The file with the error may be the one that names it, or whose text renders it."""
    _write(tmp_path, {"receipt.yaml": rule, "b.txt": "{% if %}{% render 'c' %}"})
    _write(tmp_path, {"a.html": "<p>", "partials/c.liquid": "c"})
    assert not any("unused-text" in each for each in _found(tmp_path))


# --- languages ------------------------------------------------------------------------------------

LANGUAGES = """\
    title: Hello {{ person.first_name }}
    body: Body
    data: {screen: orders, label: Order}
    languages:
      de: {title: "Hallo {{ person.first_name }}", data: {label: Bestellung}}
      de_AT: {title: Servus}
      fr: {body_file: mails/fr.txt}
"""


@pytest.mark.parametrize(
    ("locale", "title", "body", "label"),
    [
        (None, "Hello Ada", "Body", "Order"),
        ("en", "Hello Ada", "Body", "Order"),
        ("de", "Hallo Ada", "Body", "Bestellung"),
        ("de-at", "Servus", "Body", "Order"),
        ("de-ch", "Hallo Ada", "Body", "Bestellung"),
        ("fr-ca", "Hello Ada", "Bonjour Ada", "Order"),
        ("d", "Hello Ada", "Body", "Order"),
    ],
)
def test_languages_by_locale_exact_then_language_then_the_steps_own_text(
    tmp_path: Path, locale: str | None, title: str, body: str, label: str
) -> None:
    """What a language does not say is the step's own, also within a mapping; files may be named."""
    _write(tmp_path, {"receipt.yaml": RULE + LANGUAGES})
    _write(tmp_path, {"mails/fr.txt": "Bonjour {{ person.first_name }}"})
    (step,) = _rule(tmp_path).steps
    assert isinstance(step, Send)
    rendered = render_content(step.content_in(locale), {"person": {"first_name": "Ada"}})
    data = {"screen": "orders", "label": label}
    assert rendered == {"title": title, "body": body, "data": data}


@pytest.mark.parametrize(
    ("languages", "code", "column"),
    [
        ("{}", "wrong-type", 16),
        ("{de: {}}", "wrong-value", 21),
        ("{de: Hallo}", "wrong-type", 21),
        ("{german!: {title: Hallo}}", "bad-locale", 26),
        ("{de-AT: {title: a}, de_at: {title: b}}", "duplicate-key", 43),
        ("{de: {to: x}}", "unsupported-key", 22),
        ("{de: {kind: transactional}}", "misplaced-key", 22),
        ("{de: {delay: 5m}}", "misplaced-key", 22),
        ("{de: {from: '{{ person.x }}'}}", "bad-template", 28),
        ("{de: {title: '{% if %}'}}", "bad-template", 29),
        ("{de: {title: '{{ user.x }}'}}", "unknown-variable", 29),
    ],
)
def test_a_language_is_checked_as_the_step_is(
    tmp_path: Path, languages: str, code: str, column: int
) -> None:
    """Its locale, its keys, its templates, each at its place."""
    _write(tmp_path, {"receipt.yaml": RULE + f"    languages: {languages}\n"})
    found = read_folder(tmp_path).diagnostics
    assert [(d.code, d.location.line, d.location.column) for d in found] == [(code, 9, column)]


def test_mjml_in_a_language_is_its_html(tmp_path: Path) -> None:
    """From a file, too; the step's own html is replaced."""
    pytest.importorskip("mrml")
    mail = "    html: <p>Own</p>\n    languages: {de: {mjml_file: de.mjml}}\n"
    mjml = "<mjml><mj-body><mj-section><mj-column><mj-text>Hallo</mj-text></mj-column></mj-section></mj-body></mjml>"
    _write(tmp_path, {"receipt.yaml": RULE + mail, "de.mjml": mjml})
    (step,) = _rule(tmp_path).steps
    assert isinstance(step, Send)
    html = step.content_in("de")["html"]
    assert isinstance(html, Template)
    assert "Hallo" in html.source
    assert step.content_in("en")["html"] == "<p>Own</p>"


def test_a_mail_is_linted_in_each_language(tmp_path: Path) -> None:
    """A way to unsubscribe, and keys that a mail has."""
    rule = RULE.replace("send: push", "send: email")
    mail = """\
    subject: Hi
    html: "<a href='%unsubscribe_url%'>no more</a>"
    languages: {de: {html: <p>Hallo</p>, titel: Hallo}}
"""
    _write(tmp_path, {"receipt.yaml": rule + mail})
    found: list[Diagnostic] = [*read_folder(tmp_path).diagnostics]
    assert [(d.code, d.location.line, d.location.column) for d in found] == [
        ("no-unsubscribe", 11, 28),
        ("unknown-content", 11, 49),
    ]


_PIECES = st.sampled_from(
    [
        *("{{ properties.total }}", "{{ person.x }}", "{{ user.x }}", "{% render 'sign' %}", "\n"),
        *("{% render 'gone' %}", "{% if %}", "properties.total", "<a href=", "{{ x | nope }}"),
    ]
)
_IN_JSON = {"campaign": "x", "description": "x", "when": "x", "reentry": "every_time"}
_TEXTS = st.lists(_PIECES | st.text(st.characters(exclude_categories=["Cs", "Cc"])), max_size=6)


@given(text=_TEXTS.map("".join).filter(lambda text: not text.startswith("\ufeff")))
def test_any_text_counts_as_if_it_stood_in_the_rule(text: str) -> None:
    """The same steps and digest, or the same codes, whatever the text says."""
    with TemporaryDirectory() as place:
        partials = {"partials/sign.liquid": "{{ person.first_name }}"}
        steps: list[dict[str, str]] = [{"html": text}, {"html_file": "a.html"}]
        written, named = ({**_IN_JSON, "whereupon": [{"send": "push", **step}]} for step in steps)
        one = read_folder(_write(Path(place, "1"), {"x.json": json.dumps(written), **partials}))
        files = {"x.json": json.dumps(named), "a.html": text}
        two = read_folder(_write(Path(place, "2"), {**files, **partials}))
    codes = [sorted(d.code for d in each.diagnostics) for each in (one, two)]
    assert codes[0] == codes[1]
    versions = [[(rule.steps, rule.digest) for rule in each.book.rules] for each in (one, two)]
    assert versions[0] == versions[1]


JOURNEY = """\
campaign: receipt
description: A receipt.
when: purchase
reentry: every_time
whereupon:
  - branch:
      - {if: {plan: pro}, then: [{send: push, title_file: a.txt}]}
      - {else: [{send: push, title: x, languages: {de: {title_file: a.txt}}}]}
  - wait_for:
      - {event: Paid, then: [{send: push, title_file: a.txt}]}
    up_to: 3d
    else: [{send: push, title_file: a.txt}]
  - split:
      name: colour
      arms:
        a: {share: 50, then: [{send: push, title_file: a.txt}]}
        b: {share: 50, then: [{webhook: "https://hooks.example.com", body_file: a.txt}]}
"""


def test_texts_in_files_stand_in_every_arm(tmp_path: Path) -> None:
    """Of branches, waits and splits, however deep."""
    _write(tmp_path, {"receipt.yaml": JOURNEY, "a.txt": "{{ properties.total | default: 0 }}"})
    rule = _rule(tmp_path)
    texts = [
        step.content_in("de").get("title") if isinstance(step, Send) else step.content.get("body")
        for place in rule.route.places.values()
        if isinstance(step := place.step, Send | Webhook)
    ]
    assert len(texts) == 6
    assert {each.source for each in texts if isinstance(each, Template)} == {
        "{{ properties.total | default: 0 }}"
    }
    assert all(isinstance(each, Template) for each in texts)


def test_a_missing_file_is_found_in_every_arm(tmp_path: Path) -> None:
    """Each at its own key."""
    _write(tmp_path, {"receipt.yaml": JOURNEY})
    found = read_folder(tmp_path).diagnostics
    assert [d.code for d in found] == ["no-text-file"] * 6
    assert [d.location.line for d in found] == [7, 8, 10, 12, 16, 17]
