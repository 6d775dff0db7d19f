"""Rules folders: what is read, what is refused, and the place of each diagnostic."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples

from whereupon.errors import Diagnostic, Location, RulesInvalidError, Severity
from whereupon.rules.loading import load_document, load_rules, open_rules
from whereupon.rules.loading.json_text import read_json
from whereupon.rules.loading.positions import UnreadableTextError
from whereupon.rules.loading.yaml_text import read_yaml
from whereupon.testing.case_reader import find_test_files

FIXTURES = Path(__file__).parents[3] / "fixtures" / "rule-files"
GOOD = sorted(FIXTURES.glob("*.good.*"))
BAD = sorted(path for path in FIXTURES.glob("*.bad.*") if path.suffix != ".txt")
RULE = "campaign: {}\ndescription: One.\nwhen: purchase\nreentry: once\nwhereupon: [exit]\n"


def _placed(fixture: Path, folder: Path, mark: str) -> Path:
    target = folder / fixture.name.replace(mark, "")
    shutil.copy(fixture, target)
    return target


def _place_good_files(folder: Path) -> None:
    """The good files, and the texts that they name."""
    for path in GOOD:
        _placed(path, folder, ".good")
    for name in ("mails", "partials"):
        shutil.copytree(FIXTURES / name, folder / name)


def _beside_good_files(fixture: Path, folder: Path) -> tuple[Diagnostic, ...]:
    _place_good_files(folder)
    target = _placed(fixture, folder, ".bad")
    _, diagnostics = load_rules(folder)
    assert {d.location.file for d in diagnostics} <= {target.as_posix()}
    return diagnostics


def _codes(folder: Path) -> list[str]:
    return [d.code for d in load_rules(folder)[1]]


def test_the_good_files_are_read_without_any_diagnostic(tmp_path: Path) -> None:
    """Every kind of file, in YAML and JSON, and every key of the grammar."""
    _place_good_files(tmp_path)
    book, diagnostics = load_rules(tmp_path)
    assert diagnostics == ()
    read = (*book.rules, *book.segments, *book.guards, *book.events, book.settings)
    assert len(read) == len(GOOD)


@pytest.mark.parametrize("fixture", BAD, ids=lambda path: path.name.partition(".")[0])
def test_a_bad_file_yields_exactly_the_diagnostics_beside_it(fixture: Path, tmp_path: Path) -> None:
    """Line, column, code and sentence of all errors of a file in one run."""
    expected = fixture.with_name(fixture.name.partition(".bad")[0] + ".bad.expected.txt")
    found = [
        f"{d.location.line}:{d.location.column}: {d.code} {d.message}"
        for d in _beside_good_files(fixture, tmp_path)
    ]
    assert found == expected.read_text(encoding="utf-8").splitlines()


def test_a_rule_broken_in_eight_ways_has_eight_located_diagnostics(tmp_path: Path) -> None:
    """No error hides another, and each is on a line of its own."""
    diagnostics = _beside_good_files(FIXTURES / "eight-ways.bad.yaml", tmp_path)
    assert len({d.code for d in diagnostics}) == 8
    assert len({d.location.line for d in diagnostics}) == 8


def test_rules_with_errors_are_left_out_and_the_others_stay(tmp_path: Path) -> None:
    """`load_rules` returns the good rules; `open_rules` refuses the whole folder."""
    (tmp_path / "a.yaml").write_text(RULE.format("a"))
    (tmp_path / "b.yaml").write_text(RULE.format("b").replace("once", "twice"))
    book, diagnostics = load_rules(tmp_path)
    assert [rule.id for rule in book.rules] == ["a"]
    with pytest.raises(RulesInvalidError) as caught:
        open_rules(tmp_path)
    assert caught.value.diagnostics == diagnostics


def test_warnings_alone_refuse_nothing(tmp_path: Path) -> None:
    """A warning is for the linter to show."""
    (tmp_path / "a.yaml").write_text(RULE.format("a").replace("purchase", '"*"'))
    assert [d.severity for d in load_rules(tmp_path)[1]] == [Severity.WARNING]
    assert [rule.id for rule in open_rules(tmp_path).rules] == ["a"]


def test_an_id_is_taken_once_in_all_folders(tmp_path: Path) -> None:
    """The second file with that id is refused, with the name of the first."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(RULE.format("a"))
    book, diagnostics = load_rules(tmp_path)
    assert len(book.rules) == 1
    assert [d.code for d in diagnostics] == ["duplicate-id"]
    assert "one/a.yaml" in diagnostics[0].message
    assert diagnostics[0].location.file.endswith("two/a.yaml")


def test_a_folder_has_one_settings_file(tmp_path: Path) -> None:
    """A second one is refused, with the name of the first."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "settings.yaml").write_text("settings: settings\nchannels: [email]\n")
    (tmp_path / "settings.json").write_text('{"settings": "settings", "channels": ["push"]}')
    book, (found,) = load_rules(tmp_path)
    assert found.code == "duplicate-id"
    assert "a folder has one settings file" in found.message
    assert book.settings.channels == ("email",)


def test_a_segment_is_found_however_its_key_is_written(tmp_path: Path) -> None:
    """Only files that may hold a segment are read for segments."""
    (tmp_path / "pro.json").write_text('{"\\u0073egment": "pro", "who": {"plan": "pro"}}')
    (tmp_path / "team.yaml").write_text('"seg\\x6dent": team\nwho: {segment: pro}\n')
    (tmp_path / "x.yaml").write_text(RULE.format("x") + "who: {segment: team}\n")
    book, diagnostics = load_rules(tmp_path)
    assert not [each for each in diagnostics if each.severity is Severity.ERROR]
    assert sorted(book.segments) == ["pro", "team"]
    assert [rule.who.segments for rule in book.rules] == [{"team", "pro"}]


def test_only_rule_files_are_read(tmp_path: Path) -> None:
    """Tests, hidden files and other kinds of file are skipped; `.yml` and `.YAML` are reported."""
    for name in ("a.test.yaml", ".hidden.yaml", "README.md", "a.yaml.orig"):
        (tmp_path / name).write_text("nonsense: [")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.yaml").write_text("nonsense: [")
    for name in ("b.yml", "c.YAML", "d.JSON"):
        (tmp_path / name).write_text(RULE.format("b"))
    _, found = load_rules(tmp_path)
    assert {each.code for each in found} == {"extension"}
    assert [each.message for each in found] == [
        f"rename this to {name}" for name in ("b.yaml", "c.yaml", "d.json")
    ]


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A rules folder cannot be made to show other files; links within it are followed."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (tmp_path / "secret.yaml").write_text(RULE.format("secret"))
    (folder / "secret.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    book, diagnostics = load_rules(folder)
    assert book.rules == ()
    assert [d.code for d in diagnostics] == ["link-outside", "link-outside"]


@pytest.mark.parametrize("name", [b"\xff.yaml", b"a\nb.yaml", b"\xff.test.yaml", b"\x07.json"])
def test_a_name_that_does_not_fit_on_one_line_of_text_is_a_diagnostic(
    name: bytes, tmp_path: Path
) -> None:
    """Diagnostics are lines of UTF-8, and JSON: a name that fits neither would break them."""
    try:
        (tmp_path / os.fsdecode(name)).write_text(RULE.format("a"))
    except OSError:
        pytest.skip("no such name can be given here")
    _, (only,) = load_rules(tmp_path)
    assert only.code == "file-name"
    assert only.location.file.isprintable()
    assert find_test_files(tmp_path) == []


def test_a_folder_that_is_not_there_is_a_diagnostic(tmp_path: Path) -> None:
    """A mistyped path must not pass for an empty folder."""
    assert _codes(tmp_path / "rulse") == ["no-folder"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"campaign: \xff", "not-utf-8"),
        (b"x: " + b"a" * 300_000, "too-large"),
        (b"", "empty-file"),
        (b"? [a, b]\n: c", "yaml-key"),
        (b"a: \x00", "yaml-syntax"),
    ],
)
def test_a_text_that_is_no_document_is_one_diagnostic(
    content: bytes, code: str, tmp_path: Path
) -> None:
    """A file that cannot be read has no further diagnostics."""
    (tmp_path / "a.yaml").write_bytes(content)
    assert _codes(tmp_path) == [code]


def test_a_broken_link_is_a_diagnostic_never_an_exception(tmp_path: Path) -> None:
    """No rule is lost silently: a link to nowhere, or to itself, was meant to be a rule."""
    (tmp_path / "a.yaml").symlink_to(tmp_path / "nowhere")
    assert _codes(tmp_path) == ["unreadable"]
    (tmp_path / "b.yaml").symlink_to(tmp_path / "b.yaml")
    assert set(_codes(tmp_path)) <= {"link-outside", "unreadable"}


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.yaml", 'campaign: a\ndescription: "ding \x07"\n', (2, 20)),
        ("a.json", '{"campaign": "a",\n "where": {"x": NaN}}', (2, 17)),
    ],
)
def test_what_a_parser_refuses_without_a_place_is_located(
    name: str, content: str, place: tuple[int, int], tmp_path: Path
) -> None:
    """A control character, and a text in place of a number."""
    (tmp_path / name).write_text(content)
    _, (only,) = load_rules(tmp_path)
    assert (only.location.line, only.location.column) == place


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"), ("on", "on"), ("12:30", "12:30"), ("2026-01-31", "2026-01-31"),
        ("1_000", "1_000"), ("010", 10), ("0x10", "0x10"), ("1e3", 1000.0), (".5", 0.5),
        ("true", True), ("~", None), ("null", None), ("'true'", "true"), ("-7", -7),
        ("1.", 1.0), ("=", "="), ("12345678901234567890", 12345678901234567890.0),
    ],
)  # fmt: skip
def test_plain_words_are_read_as_editors_read_them(text: str, value: JsonValue) -> None:
    """YAML 1.2: only true and false are booleans, and dates and times of day are texts."""
    data = read_yaml(f"a: {text}").data
    assert data == {"a": value}
    assert isinstance(data, dict)
    assert type(data["a"]) is type(value)


def test_a_word_that_used_to_be_a_boolean_is_pointed_out(tmp_path: Path) -> None:
    """`vip: yes` compares with a text, which its author may not expect."""
    (tmp_path / "a.yaml").write_text(RULE.format("a") + "where: {vip: yes}\n")
    (only,) = load_rules(tmp_path)[1]
    assert (only.code, only.severity) == ("yaml-boolean", Severity.WARNING)
    assert (only.location.line, only.location.column) == (6, 14)


@pytest.mark.parametrize("text", ["1_000", "-1_000.5", "0x1f", "0o17", ".inf", "-.Inf", ".nan"])
def test_a_word_that_others_read_as_a_number_is_pointed_out(text: str, tmp_path: Path) -> None:
    """`price: {gt: 1_000}` compares with a text that does not read as a number, and never holds."""
    (tmp_path / "a.yaml").write_text(RULE.format("a") + f"where: {{price: {text}}}\n")
    (only,) = load_rules(tmp_path)[1]
    assert (only.code, only.severity) == ("yaml-number", Severity.WARNING)
    assert (only.location.line, only.location.column) == (6, 16)


@pytest.mark.parametrize("text", ["'1_000'", "a_1", "1_a", "2026-01-31", "12:30", "v1_0"])
def test_a_text_that_nobody_reads_as_a_number_is_let_pass(text: str) -> None:
    """Only texts that would be numbers elsewhere are reported."""
    assert read_yaml(f"x: {text}").diagnostics == ()


def test_a_key_is_the_text_that_is_written() -> None:
    """A property may be called `on`, `no`, or `1`."""
    assert read_yaml("{on: 1, no: 2, 1: 3, ~: 4}").data == {"on": 1, "no": 2, "1": 3, "~": 4}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 60 + "]" * 60, "too-deep"),
        ("[" * 100_000 + "]" * 100_000, "too-deep"),
        ("[" + "1," * 20_000 + "1]", "too-large"),
        ("[NaN]", "json-syntax"),
        ("[1] 2", "json-syntax"),
        (" \n", "empty-file"),
    ],
)
def test_json_that_is_none_or_is_too_much_is_refused(text: str, code: str) -> None:
    """The same limits as for YAML; nothing beyond the JSON standard is read."""
    with pytest.raises(UnreadableTextError) as caught:
        read_json(text)
    assert caught.value.diagnostic.code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [("a: 1e999", "bad-number"), ("a: " + "9" * 5000, "bad-number"), ("&x a: 1\nb: *x", None)],
)
def test_a_number_that_nothing_can_hold_is_refused(text: str, code: str | None) -> None:
    """A number beyond the range of a double is reported, and not read as infinity."""
    assert [found.code for found in read_yaml(text).diagnostics] == ([code] if code else [])


@pytest.mark.parametrize(
    ("declared", "where", "is_contradicted"),
    [
        ("number", "price: 20", False),
        ("number", "price: '20'", False),
        ("number", "price: a lot", True),
        ("number", "price: {in: [a, b], gt: 5}", True),
        ("number", "price: true", True),
        ("integer", "price: [1, many]", True),
        ("string", "price: 20", False),
        ("string", "price: true", False),
        ("boolean", "price: true", False),
        ("boolean", "price: 'TRUE'", False),
        ("boolean", "price: 1", True),
        ("boolean", "price: 20", True),
        ("array", "price: x", False),
    ],
)
def test_a_value_that_contradicts_the_event_file_is_pointed_out(
    declared: str, where: str, is_contradicted: bool, tmp_path: Path
) -> None:
    """Numbers may be texts, as on the wire; a comparison that can never hold is a mistake."""
    (tmp_path / "a.yaml").write_text(RULE.format("a") + f"where: {{{where}}}\n")
    plan = f"event: purchase\nproperties: {{price: {{type: {declared}}}}}\n"
    (tmp_path / "purchase.yaml").write_text(plan)
    assert _codes(tmp_path) == (["type-mismatch"] if is_contradicted else [])


@pytest.mark.parametrize(
    ("where", "column"),
    [
        ("{pirce: 1}", 9),
        ("{any: [{a: 1}, {pirce: 1}]}", 24),
        ("{logic: {var: properties.pirce}}", 17),
    ],
)
def test_a_property_that_no_event_file_knows_is_pointed_out_where_it_stands(
    where: str, column: int, tmp_path: Path
) -> None:
    """At any depth, within `logic`, too."""
    (tmp_path / "a.yaml").write_text(RULE.format("a") + f"where: {where}\n")
    plan = "event: purchase\nproperties: {a: {type: number}, price: {}}\n"
    (tmp_path / "purchase.yaml").write_text(plan)
    (only,) = load_rules(tmp_path)[1]
    assert (only.code, only.location.column) == ("unknown-property", column)


def test_properties_are_not_checked_where_a_trigger_has_no_event_file(tmp_path: Path) -> None:
    """A plan that covers some events says nothing about the others."""
    rule = RULE.format("a").replace("purchase", "[purchase, refund]")
    (tmp_path / "a.yaml").write_text(rule + "where: {pirce: 1}\n")
    (tmp_path / "purchase.yaml").write_text("event: purchase\nproperties: {price: {}}\n")
    assert _codes(tmp_path) == ["unknown-event"]


def test_an_alias_stands_for_what_its_anchor_names() -> None:
    """Aliases within bounds are read."""
    assert read_yaml("a: &x [1, 2]\nb: *x").data == {"a": [1, 2], "b": [1, 2]}


def test_a_document_has_the_place_of_every_key_and_value(tmp_path: Path) -> None:
    """Test files are read by the same reader, with the same places."""
    path = tmp_path / "a.test.yaml"
    path.write_text("tests:\n  - name: one\n    given: []\n")
    data, positions, diagnostics = load_document(path)
    assert data == {"tests": [{"name": "one", "given": []}]}
    assert diagnostics == ()
    assert positions.values[("tests", 0, "given")] == (3, 12)
    assert positions.keys[("tests", 0, "given")] == (3, 5)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(data=_json, indent=st.sampled_from([None, 2, "\t"]))
def test_json_is_read_as_the_standard_library_reads_it(
    data: JsonValue, indent: int | str | None
) -> None:
    """The reader with positions agrees with the reference on every document."""
    document = read_json(json.dumps(data, indent=indent))
    assert document.data == data
    assert document.diagnostics == ()


@given(text=st.text(alphabet="{}[]:,-&*!|>#'\"% \n\t?ab1.~<@`\\é", max_size=60) | st.text())
@examples(300)
def test_no_text_makes_the_readers_raise_anything_else(text: str) -> None:
    """Any text is a document, or an UnreadableTextError with a place."""
    for read in (read_yaml, read_json):
        try:
            read(text)
        except UnreadableTextError as error:
            assert error.diagnostic.location >= Location("")  # noqa: PT017 - either outcome is good


_lines = st.lists(
    st.sampled_from(
        ["campaign: a", "segment: a", "when: purchase", "when: {enters: a}", "where: {a: {gt: 1}}",
         "who: {segment: a}", "reentry: once", "reentry: {once_per: &x 7d}", "max_age: *x",
         "whereupon:", "  - wait: 2h", "  - send: push", "    title: '{{ a }}'", "exit: {all: [",
         "description: !!x |", "? x", "<<: *x", "active: {from: 2026-01-31}", "---", "\tx: 1",
         "where: {logic: {var: []}}", "who: {performed: {event: 5}}", "where:", "who: {not: 1}"]
    ),
    max_size=10,
)  # fmt: skip


@given(lines=_lines)
@examples(200)
def test_no_file_makes_the_loader_raise(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any folder is a rulebook and a list of diagnostics with places in the file."""
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    (folder / "a.yaml").write_text("\n".join(lines))
    book, diagnostics = load_rules(folder)
    assert book.rules or book.segments or diagnostics
    assert all(d.location.line <= len(lines) + 1 for d in diagnostics)


@given(content=st.binary(max_size=80), suffix=st.sampled_from([".yaml", ".json"]))
@examples(200)
def test_no_bytes_make_the_loader_raise(
    content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Not even bytes that are not text."""
    path = tmp_path_factory.getbasetemp() / f"bytes{suffix}"
    path.write_bytes(content)
    load_document(path)


def test_a_path_that_is_a_planned_name_with_a_dot_needs_a_backslash(tmp_path: Path) -> None:
    """`utm.source` looks for an object; if the plan has that very name, the backslash is missing."""
    (tmp_path / "a.yaml").write_text(RULE.format("a") + "where: {utm.source: ads, ok: 1}\n")
    (tmp_path / "b.yaml").write_text(RULE.format("b") + "where: {utm\\.source: ads}\n")
    plan = "event: purchase\nproperties: {utm.source: {type: string}, ok: {type: number}}\n"
    (tmp_path / "purchase.yaml").write_text(plan)
    (found,) = load_rules(tmp_path)[1]
    assert found.code == "unknown-property"
    assert r"write utm\.source" in found.message
