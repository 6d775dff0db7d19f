"""Every page is executed: its Python runs and prints what it shows, and its commands answer as shown.

Pages are the Markdown files that people read: README.md, and those in engine/ and .github/. A block is

- ``python``: run on its own, in an empty folder with the rules beside it; what it prints is the next
  block, if that names no language;
- ``console``: commands behind ``$``, run where the project lies; a line of dots stands for lines left out;
- ``console NAME``: commands that are followed in order, page by page, on a store of that name (`STORES`);
- with ``file=PATH`` behind its language: that file, whole; with ``part=PATH``: lines of that file.

Links lead to something, and names of modules are names of modules.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
from tests.clients.doors import Between, open_shop
from tests.clients.expected import stored_in
from tests.http_receiver import authority, http_receiver
from tests.scenarios.commands import whereupon as whereupon_command
from tests.smtp import mail_server

import whereupon
from whereupon import Delivery, Engine, GiveUp
from whereupon.storage.sql.dialects import Database
from whereupon.storage.sql.row_locks import Rank

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "engine"
PAGES = sorted({ROOT / "README.md", *SOURCE.rglob("*.md"), *(ROOT / ".github").rglob("*.md")})
ELISION = "…"
POSTGRES = "postgresql://shop@localhost/shop"
MAIL_PORT = "1025"
DOOR = "events.shop.example"
_BLOCK = re.compile(r"^```(\w*)(.*?)\n(.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_MODULE = re.compile(r"whereupon(\.[a-z_]\w*)+")
_TO_CHOOSE = re.compile(r"NAME|NNNN")
_FILE = re.compile(r"[\w.-]+(/[\w.*-]+)*(/|\.(py|yaml|md|toml|txt|json|jsonl|svg|sql))")


@dataclass(frozen=True)
class Block:
    """A fenced block: its place, its language, the words behind that, its text, and the output."""

    page: Path
    line: int
    language: str
    note: str
    text: str
    output: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    found = list(_BLOCK.finditer(text))
    behind = [(m[1], m[3]) for m in found[1:]] + [("end", "")]
    return [
        Block(
            page,
            text.count("\n", 0, match.start()) + 1,
            match[1],
            match[2].strip(),
            match[3],
            output if language == "" else "",
        )
        for match, (language, output) in zip(found, behind, strict=False)
    ]


BLOCKS = [block for page in PAGES for block in _blocks_of(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
CONSOLE = [block for block in BLOCKS if block.language == "console"]
LOGGERS = {
    name
    for file in SOURCE.rglob("*.py")
    for name in re.findall(r"getLogger\(\"([\w.]+)\"\)", file.read_text())
}
FILES = [block for block in BLOCKS if block.note.startswith("file=")]
PARTS = [block for block in BLOCKS if block.note.startswith("part=")]


@pytest.fixture
def mail_port() -> Iterator[int]:
    """The port of a mail server."""
    with mail_server() as server:
        yield server.port


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Leads code to a door over TLS, under a key that there is; something must arrive there."""
    bundle = str(tmp_path / "authority.pem")
    authority().cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    with open_shop() as shop:
        made = shop.engine.keys.create("page", kind="server")
        with http_receiver(tls_host="localhost", respond=Between(shop.url).pass_on) as tls:
            real = {
                DOOR: f"localhost:{tls.port}",
                "key_YOUR_ID": made.key.id,
                "wk_YOUR_SECRET": made.secret,
            }
            yield lambda code: re.sub("|".join(real), lambda found: real[found[0]], code)
        assert stored_in(shop.engine)


@pytest.mark.filterwarnings("ignore:datetime.datetime.utc")  # some clients', from Python 3.12 on
@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_prints_what_the_page_says(
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Each example runs on its own. A PostgreSQL, a mail server or a door in it is the tests' own."""
    code = block.text
    if POSTGRES in code:
        code = code.replace(POSTGRES, request.getfixturevalue("postgres"))
    if MAIL_PORT in code:
        code = code.replace(MAIL_PORT, str(request.getfixturevalue("mail_port")))
    if DOOR in code:
        code = request.getfixturevalue("door")(code)
    (tmp_path / "rules").symlink_to(ROOT / "rules", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    names = {"__name__": "__main__"}
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(block), "exec"), names)  # noqa: S102 - our own pages
    for line in block.output.splitlines():
        assert line in printed.getvalue().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in CONSOLE if not b.note], ids=str)
def test_commands_answer_as_the_page_shows(block: Block) -> None:
    """Line for line; a line of dots stands for lines left out."""
    for command, expected in _steps_of(block):
        shown = _without_seconds(_run(command)).splitlines()
        for line in _without_seconds(expected).splitlines():
            if line != ELISION:
                assert line in shown, command


def _shop(folder: Path) -> None:
    """Make a shop's store in which a browser has asked for a deletion."""
    url = f"sqlite:///{folder}/shop.db"
    with Engine.open(url, rules=ROOT / "rules", digest_key=b"secret") as engine:
        engine.identify("ada", anonymous_id="anon-1", traits={"first_name": "Ada"})
        engine.track("purchase", user_id="ada", properties={"price": 5})
        engine.identify("lin")
        engine.identify("boss", traits={"staff": True})
        engine.track("Delete Person", user_id="ada", source="client")


def _outbox(folder: Path) -> None:
    """Make a shop's store with a dead delivery and a held one."""
    with Engine.open(f"sqlite:///{folder}/shop.db", rules=ROOT / "rules") as engine:

        @engine.channel("email")
        def _email(_: Delivery) -> None:
            reason = "the provider closed our account"
            raise GiveUp(reason)

        engine.identify("ada", traits={"plan": "pro", "first_name": "Ada"})
        engine.track("Order Completed", user_id="ada", properties={"order_id": "O-1"})
        engine.track("played_game", user_id="ada")
        engine.run_due()


STORES: Mapping[str, Callable[[Path], None]] = {"night": _shop, "outbox": _outbox}
"""What `console NAME` begins with, as ``shop.db`` beside the rules."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "blocks",
    [
        [*blocks]
        for _, blocks in groupby(
            sorted((b for b in CONSOLE if b.note), key=lambda b: (b.page, b.note, b.line)),
            key=lambda b: (b.page, b.note),
        )
    ],
    ids=lambda blocks: f"{blocks[0]} {blocks[0].note}",
)
def test_a_reader_who_follows_a_page_command_for_command_sees_what_it_shows(
    blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a store of its own: the same answers, except numbers, times and hashes."""
    monkeypatch.setenv("WHEREUPON_DIGEST_KEY", "secret" if blocks[0].note == "night" else "")
    (tmp_path / "rules").symlink_to(ROOT / "rules", target_is_directory=True)
    STORES[blocks[0].note](tmp_path)
    numbers: dict[str, str] = {}
    for command, expected in (step for block in blocks for step in _steps_of(block)):
        words = re.sub(r"\b\d{3,}\b", lambda m: numbers.get(m[0], m[0]), command)
        shown = _run(words, tmp_path)
        numbers.update(zip(_numbers_in(expected), _numbers_in(shown), strict=False))
        assert _anonymous(shown) == _anonymous(expected), command


@pytest.mark.parametrize("block", FILES, ids=str)
def test_files_that_a_page_shows_are_the_files(block: Block) -> None:
    """A block with a file's name is that file, whole."""
    assert (ROOT / block.note.removeprefix("file=")).read_text() == block.text


@pytest.mark.parametrize("block", PARTS, ids=str)
def test_parts_of_files_that_a_page_shows_stand_in_the_files(block: Block) -> None:
    """What is shown as a part of a file stands in it, line for line."""
    assert block.text in (ROOT / block.note.removeprefix("part=")).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_something(page: Path) -> None:
    """A link within the project names a file, and a heading in it."""
    for target in _LINK.findall(_prose_of(page)):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if heading:
            assert heading in _headings_of(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_and_files_that_a_page_names_exist(page: Path) -> None:
    """A path is one of the project's or of the package's; NAME stands for a name to choose.

    So a page about the code cannot outlive the code.
    """
    for named in _CODE.findall(_prose_of(page)):
        if named == _OF_THE_HOST:
            continue
        if _MODULE.fullmatch(named) and named not in LOGGERS:
            assert _is_module(named), named
        elif page.name in _ABOUT_THE_CODE and _FILE.fullmatch(named):
            places = (ROOT, SOURCE / "whereupon", page.parent)
            pattern = re.sub(_TO_CHOOSE, "*", named.rstrip("/"))
            assert any(any(place.glob(pattern)) for place in places), named


_OF_THE_HOST = "whereupon.toml"
"""The host's configuration, which is no file of the project."""

_ABOUT_THE_CODE = {"ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"} | {
    page.name for page in PAGES if page.parent.name == "decisions"
}


def test_only_documents_of_the_project_are_cited() -> None:
    """Code, tests and pages cite no page or section that a reader cannot open."""
    for folder in ("engine", "tests", "fixtures", ".github"):
        for file in (ROOT / folder).rglob("*"):
            if "node_modules" in file.parts:  # packages of npm, which make test-clients installs
                continue
            if file.suffix in {".py", ".md", ".yaml", ".toml"}:
                text = file.read_text()
                assert "\N{SECTION SIGN}" not in text, file
                cited = {Path(name).name for name in re.findall(r"[\w./-]+\.md\b", text)}
                assert cited <= {page.name for page in PAGES}, file


def test_the_architecture_page_has_every_package() -> None:
    """It has no other; the page of a new package says what it is for."""
    page = (SOURCE / "ARCHITECTURE.md").read_text().partition("## The way of a message")[0]
    words = {path.strip("/") for path in re.findall(r"`([\w.]+/)`", page)}
    packages = {path.parent.name for path in (SOURCE / "whereupon").glob("*/__init__.py")}
    assert words - {"engine", "whereupon"} == packages


def test_the_skeleton_of_a_dialect_has_what_a_dialect_must_have() -> None:
    """Every abstract method, and every statement that the dialects say in their own ways."""
    skeleton, statements = (
        block.text for block in BLOCKS if block.page.name == "ARCHITECTURE.md" and block.language
    )
    written = set(re.findall(r"def (\w+)\(", skeleton))
    assert Database.__abstractmethods__ <= written <= set(dir(Database))
    folder = SOURCE / "whereupon" / "storage" / "sql" / "statements"
    names = re.findall(r"^-- (?:name|part): \w+", (folder / "postgres.sql").read_text(), re.M)
    assert re.findall(r"^-- (?:name|part): \w+", statements, re.M) == names


def test_the_order_of_locks_on_the_page_is_that_of_the_code() -> None:
    """A rank that is added stands in the table, too."""
    ranks = re.findall(r"^\| (\d+) \| ", (SOURCE / "ARCHITECTURE.md").read_text(), re.M)
    assert [*map(int, ranks)] == [*Rank]


def test_loggers_and_public_names_are_on_a_page() -> None:
    """Every name that people may look for is in the documents."""
    words = "\n".join(page.read_text() for page in (SOURCE / "docs").glob("*.md"))
    calls = {f"engine.{name}" for name in dir(Engine) if not name.startswith("_")} - {"engine.open"}
    for name in LOGGERS | calls | set(whereupon.__all__):
        assert re.search(rf"\b{re.escape(name)}\b", words), name


def test_every_decision_is_listed_under_its_title() -> None:
    """Pages are numbered from 1, and the list has all of them."""
    pages = sorted((SOURCE / "decisions").glob("[0-9]*.md"))
    listed = (SOURCE / "decisions" / "README.md").read_text()
    for number, page in enumerate(pages, 1):
        title = page.read_text().splitlines()[0].removeprefix(f"# {number}. ")
        assert f"| {number} | [{title}]({page.name}) |" in listed, page.name


def test_the_first_example_is_short() -> None:
    """It has twelve lines at most, so that a newcomer reads it at a glance."""
    first = next(block for block in PYTHON if block.page.name == "README.md")
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 12


# --- reading pages -------------------------------------------------------------------------------


def _prose_of(page: Path) -> str:
    return _BLOCK.sub("", page.read_text())


def _headings_of(page: Path) -> set[str]:
    """The anchors that Markdown readers give to headings."""
    titles = re.findall(r"^#+ (.*)$", _prose_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _is_module(name: str) -> bool:
    """Whether it is a module, or a name in one."""
    path = SOURCE / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    module, _, attribute = name.rpartition(".")
    parent = SOURCE / module.replace(".", "/")
    file = parent / "__init__.py" if parent.is_dir() else parent.with_suffix(".py")
    return file.exists() and re.search(rf"\b{attribute}\b", file.read_text()) is not None


def _steps_of(block: Block) -> list[tuple[str, str]]:
    """Each command with its answer."""
    steps = ("\n" + block.text).split("\n$ ")[1:]
    return [(step.partition("\n")[0], step.partition("\n")[2]) for step in steps]


# --- running what they say ------------------------------------------------------------------------


def _numbers_in(text: str) -> list[str]:
    """The numbers of requests at the beginning of lines."""
    return re.findall(r"^\d+(?=  \w+  )", text, re.M)


def _anonymous(text: str) -> list[str]:
    """The lines without numbers, times and hashes that differ each time."""
    bare = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    bare = re.sub(r"\b[0-9a-f]{12,64}\b", "HASH", bare)
    bare = re.sub(r"^\d+(?=  \w+  )|(?<=request )\d+", "N", bare, flags=re.M)
    return bare.rstrip().splitlines()


def _without_seconds(text: str) -> str:
    return re.sub(r"in \d+\.\d s", "in a moment", text)


def _run(command: str, folder: Path = ROOT) -> str:
    name, *arguments = command.split()
    assert name == "whereupon"
    done = whereupon_command(*arguments, columns=100, folder=folder)
    return done.stdout + done.stderr
