"""Change the pure core in one place at a time, and list the changes that no test notices.

python -m tests.mutants                                 all of `CORE`; a new survivor fails
python -m tests.mutants identity.algebra decide.steps   these modules alone
python -m tests.mutants --write                         write the survivors into the baseline

mutmut makes the changes and runs, for each, the tests that reach the changed function. It works on a
copy of the repository in which the sources are where it expects them. The baseline, `surviving.txt`,
lists the changed lines and no line numbers, so that edits elsewhere do not matter. A change of a
text's spelling alone is left out: codes are compared by the tests of whole streams.
"""

import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
BASELINE = Path(__file__).with_name("surviving.txt")

CORE = (
    "decide.attribute_limits",
    "decide.exits",
    "decide.reentry",
    "decide.steps",
    "decide.suppression",
    "decide.take_one",
    "decide.verdicts",
    "guards.audit_chain",
    "identity.algebra",
    "messages.times",
)
"""The modules that are changed by default; a package may be named, too."""

TESTS = ("tests/core", "tests/unit")
"""The tests that have to notice a change."""

_COPIED = ["tests", "fixtures", "rules", "README.md", "LICENSE", "Makefile", "pyproject.toml"]
_SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
also_copy = {copied}
pytest_add_cli_args = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow and not postgres"]
pytest_add_cli_args_test_selection = {tests}
timeout_constant = 30.0
"""
_SURVIVED = re.compile(r"^\s*(\S+): (?:survived|no tests)\s*$", re.MULTILINE)


def main() -> int:
    """Run the command; the exit status is 1 if a survivor is not in the baseline."""
    options = ArgumentParser(prog="python -m tests.mutants")
    options.add_argument("modules", nargs="*", default=CORE)
    options.add_argument(
        "--write", action="store_true", help="write the survivors into the baseline"
    )
    options.add_argument("--jobs", type=int, default=2, help="test processes at a time")
    chosen = options.parse_args()
    survivors = Counter(_survivors(chosen.modules, chosen.jobs))
    known = Counter(BASELINE.read_text().splitlines() if BASELINE.exists() else [])
    fresh = survivors - known
    for each in sorted(fresh.elements()):
        print(f"survives: {each}")
    print(f"{survivors.total()} changes survive, {fresh.total()} of them not in the baseline")
    if chosen.write:
        others = (each for each in known.elements() if not _is_of(each, chosen.modules))
        BASELINE.write_text(
            "".join(f"{line}\n" for line in sorted([*others, *survivors.elements()]))
        )
        return 0
    return 1 if fresh else 0


def _is_of(survivor: str, modules: Sequence[str]) -> bool:
    return any(survivor.startswith((f"{name}.", f"{name}:")) for name in modules)


def _survivors(modules: Sequence[str], jobs: int) -> Iterator[str]:
    """Return the changes that no test notices: ``module.function: old line => new line``."""
    with TemporaryDirectory(prefix="whereupon-mutants-") as folder:
        home = Path(folder)
        _lay_out(home, modules)
        command = [MUTMUT, "run", "--max-children", str(jobs)]
        subprocess.run(command, cwd=home, check=True, stdout=sys.stderr)
        for name in _SURVIVED.findall(_output_of(home, "results")):
            old, new = _change_in(_output_of(home, "show", name))
            if not _is_spelling(old, new):
                yield f"{_place_of(name)}: {old} => {new}"


def _lay_out(home: Path, modules: Sequence[str]) -> None:
    shutil.copytree(ROOT / "engine", home / "src")
    shutil.copytree(ROOT / "engine" / "docs", home / "engine" / "docs")
    for name in _COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, home / name)
    places = [f"src/whereupon/{name.replace('.', '/')}" for name in modules]
    files = [f"{place}{end}" for place in places for end in (".py", "/*.py")]
    settings = _SETTINGS.format(files=files, copied=["src", "engine", *_COPIED], tests=list(TESTS))
    with (home / "pyproject.toml").open("a") as file:
        file.write(settings)


def _output_of(home: Path, *arguments: str) -> str:
    command = [MUTMUT, *arguments]
    return subprocess.run(command, cwd=home, check=True, capture_output=True, text=True).stdout


def _place_of(name: str) -> str:
    """``whereupon.decide.people.x_claim__mutmut_3`` is in ``decide.people.claim``."""
    module, _, function = name.removeprefix("whereupon.").rpartition(".")
    function = re.sub(r"__mutmut_\d+$", "", function).removeprefix("x").lstrip("_ǁ")
    return f"{module}.{function.replace('ǁ', '.')}"


def _change_in(diff: str) -> tuple[str, str]:
    """The line as it was, and as it was changed to."""
    lines = diff.splitlines()
    old = (line[1:].strip() for line in lines if line.startswith("-") and line[:3] != "---")
    new = (line[1:].strip() for line in lines if line.startswith("+") and line[:3] != "+++")
    return " ".join(old), " ".join(new)


def _is_spelling(old: str, new: str) -> bool:
    """Whether only a text changed, which mutmut puts into capitals or between two XX."""
    return old.casefold() == new.replace("XX", "").casefold()


if __name__ == "__main__":
    sys.exit(main())
