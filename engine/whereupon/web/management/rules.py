"""Rules: what is in use, in which versions people are inside, and whether texts would be rules."""

from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from whereupon.errors import Diagnostic, Severity, UnknownNameError
from whereupon.messages.codec import decode
from whereupon.ports import Session
from whereupon.records import Scope
from whereupon.rules.model import Rule, Rulebook
from whereupon.rules.spelling import nearest
from whereupon.web.management.etags import check_same, quoted, tag_of, unchanged
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Form,
    IdCursor,
    Limit,
    Page,
    RuleId,
    page,
    plain_object,
)
from whereupon.web.management.problems import DiagnosticForm, ProblemError
from whereupon.web.management.routing import CallerGiven, DeskGiven, EngineGiven, needs, router

routes = router("rules")

_MOST_FILES = 200
_MOST_CHARACTERS = 100_000


class RuleShown(BaseModel):
    """A rule in use.

    Attributes:
        digest: of its text and of the segments that it refers to; the entity tag is the same.
        is_on: whether it is switched on.
        lets_in_since, lets_in_until: when it lets people in; null for no limit.
    """

    id: str = Field(examples=["sock-thanks"])
    kind: str = Field(examples=["campaign"])
    description: str
    digest: str = Field(examples=["0f3a9b2c4d5e6f70"])
    is_on: bool
    lets_in_since: AwareDatetime | None
    lets_in_until: AwareDatetime | None


class VersionShown(BaseModel):
    """A version of a rule.

    Attributes:
        is_current: whether people enter it now.
        inside: how many people are inside, who go on with it.
        due_at: when the first of them is due.
    """

    digest: str = Field(examples=["0f3a9b2c4d5e6f70"])
    is_current: bool
    inside: int
    due_at: AwareDatetime | None


class RuleTextShown(RuleShown):
    """A rule and its text, as plain values."""

    source: dict[str, JsonValue]


class VersionTextShown(BaseModel):
    """The text of a version, as plain values, with the segments as they were then."""

    rule: str
    digest: str
    source: dict[str, JsonValue]
    segments: dict[str, JsonValue]


def _shown(rule: Rule) -> RuleShown:
    return RuleShown.model_validate(_facts(rule))


def _facts(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "kind": rule.kind.value,
        "description": rule.description,
        "digest": rule.digest,
        "is_on": rule.active.on,
        "lets_in_since": rule.active.since,
        "lets_in_until": rule.active.until,
    }


@routes.get("/rules", **needs(Scope.VIEWER, 304))
def list_rules(
    engine: EngineGiven,
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    cursor: IdCursor = None,
) -> Page[RuleShown]:
    """The rules in use, by id. The entity tag changes with every file of the rules folder."""
    book = engine.pipeline.index.book
    tag = tag_of(book)
    if (same := unchanged(request, tag)) is not None:
        return same  # type: ignore[return-value]  # the framework sends it as it is
    response.headers["ETag"] = tag
    found = sorted((r for r in book.rules if r.id > (cursor or "")), key=lambda rule: rule.id)
    return page(found[: limit + 1], limit, _shown, lambda rule: rule.id)


@routes.get("/rules/{rule}", **needs(Scope.VIEWER, 304, 404))
def get_rule(
    rule: RuleId, engine: EngineGiven, request: Request, response: Response
) -> RuleTextShown:
    """One rule in use, with its text. The entity tag is its digest."""
    found = _rule(engine.pipeline.index.book, rule)
    tag = quoted(found.digest)
    if (same := unchanged(request, tag)) is not None:
        return same  # type: ignore[return-value]  # the framework sends it as it is
    response.headers["ETag"] = tag
    return RuleTextShown.model_validate({**_facts(found), "source": plain_object(found.source)})


@routes.get("/rules/{rule}/versions", **needs(Scope.VIEWER, 404))
def list_rule_versions(rule: RuleId, engine: EngineGiven) -> list[VersionShown]:
    """Every version of a rule that the store has: the one in use first, then by who is due first."""
    current = engine.pipeline.index.by_id.get(rule)
    with engine.store.reading() as session:
        versions = _versions(session, rule, current)
    if not versions:
        raise _unknown(engine.pipeline.index.book, rule)
    return versions


@routes.get("/rules/{rule}/versions/{digest}", **needs(Scope.VIEWER, 404))
def get_rule_version(rule: RuleId, digest: str, engine: EngineGiven) -> VersionTextShown:
    """The text of a version, in use or not."""
    index = engine.pipeline.index
    current = index.by_id.get(rule)
    if current is not None and current.digest == digest:
        stored: bytes | None = index.version_text(current)
    else:
        with engine.store.reading() as session:
            is_its = digest in session.versions_of(rule)
            stored = session.rule_version(digest) if is_its else None
    version = None if stored is None else decode(stored)
    if not isinstance(version, dict):
        raise UnknownNameError(kind="rule version", name=digest)
    return VersionTextShown(
        rule=rule,
        digest=digest,
        source=plain_object(version.get("rule")),
        segments=plain_object(version.get("segments")),
    )


def _rule(book: Rulebook, name: str) -> Rule:
    found = book.rule(name)
    if found is None:
        raise _unknown(book, name)
    return found


def _unknown(book: Rulebook, name: str) -> ProblemError:
    hint = nearest(name, [each.id for each in book.rules])
    detail = f"there is no rule called {name!r}{hint}"
    return ProblemError(status=404, code="unknown-rule", detail=detail)


def _versions(session: Session, rule: str, current: Rule | None) -> list[VersionShown]:
    """The versions that the store has, and the one in use."""
    waiting = {each.digest: each for each in session.waiting_versions() if each.rule == rule}
    inside = session.count_entries(list(waiting)) if waiting else {}
    now = [] if current is None else [current.digest]
    by_due = sorted(waiting, key=lambda digest: waiting[digest].due_at)
    digests = dict.fromkeys([*now, *by_due, *sorted(session.versions_of(rule))])
    return [
        VersionShown(
            digest=digest,
            is_current=digest in now,
            inside=inside.get(digest, 0),
            due_at=waiting[digest].due_at if digest in waiting else None,
        )
        for digest in digests
    ]


# --- linting and reloading --------------------------------------------------------------------------


class FileGiven(Form):
    """A file of a rules folder.

    Attributes:
        name: its path in the folder; a rule's file is named for its id.
        text: YAML or JSON.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,7}$",
        examples=["sock-thanks.yaml"],
    )
    text: str = Field(max_length=_MOST_CHARACTERS, examples=["campaign: sock-thanks\n"])


class LintAsked(Form):
    """Texts to lint: one, or all of a folder, so that names in one are found in the others."""

    files: list[FileGiven] = Field(min_length=1, max_length=_MOST_FILES)


class Linted(BaseModel):
    """What ``whereupon lint`` says of the texts.

    Attributes:
        is_valid: whether they could be put in use: none has an error.
    """

    is_valid: bool
    errors: int
    warnings: int
    diagnostics: list[DiagnosticForm]


@routes.post("/rules/lint", **needs(Scope.EDITOR, 400, 409, only_reads=True))
def lint_rules(asked: LintAsked) -> Linted:
    """Lint texts, as ``whereupon lint`` does with a folder of them: every error and warning, with its place.

    The tests among them are read and run. Nothing is kept.
    """
    from whereupon.testing.runner import run_rule_tests  # noqa: PLC0415 - no other call needs it

    with TemporaryDirectory(prefix="whereupon-lint-") as made:
        folder = Path(made)
        for given in asked.files:
            _write(folder, given)
        found = run_rule_tests(folder).diagnostics
        shown = sorted({_seen_from(folder, each) for each in found})
    diagnostics = [
        DiagnosticForm(
            file=file, line=line, column=column, code=code, message=message, severity=severity
        )
        for (file, line, column), code, message, severity in shown
    ]
    errors = sum(each.severity == Severity.ERROR for each in diagnostics)
    return Linted(
        is_valid=not errors,
        errors=errors,
        warnings=len(diagnostics) - errors,
        diagnostics=diagnostics,
    )


def _write(folder: Path, given: FileGiven) -> None:
    """Write a file below the folder; of two with one name the later counts, as in a folder."""
    path = folder.joinpath(*PurePosixPath(given.name).parts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(given.text.encode("utf-8", "replace").decode(), "utf-8")
    except OSError as error:  # a file stands where another needs a folder, or the reverse
        detail = f"{given.name} cannot be a file beside the others"
        raise ProblemError(status=409, code="file-name", detail=detail) from error


def _seen_from(folder: Path, found: Diagnostic) -> tuple[tuple[str, int, int], str, str, Severity]:
    """A diagnostic's place, code, words and severity, by the names of files in the folder."""
    home, place = folder.as_posix(), found.location
    file = place.file.removeprefix(home).lstrip("/")
    message = found.message.replace(f"{home}/", "")
    return (file, place.line, place.column), found.code, message, found.severity


class Reloaded(BaseModel):
    """The rules that are in use now."""

    rules: int
    tag: str = Field(description="The entity tag of the list of rules.")


@routes.post("/reload", **needs(Scope.EDITOR, 409, 412))
def reload_rules(
    desk: DeskGiven, caller: CallerGiven, request: Request, response: Response
) -> Reloaded:
    """Read the rules folder of this process again, and put it in use; with errors the old rules stay.

    With ``If-Match``, only if the rules in use are those of that entity tag (see the list of rules).
    """
    engine = desk.engine
    check_same(request, tag_of(engine.pipeline.index.book))
    if desk.rules is None:
        detail = "this process was given its rules by its host; there is no folder to read again"
        raise ProblemError(status=409, code="no-rules-folder", detail=detail)
    engine.reload(desk.rules)
    book = engine.pipeline.index.book
    tag = tag_of(book)
    engine.audit.note("rules-reloaded", by=caller.name, rules=len(book.rules), tag=tag.strip('"'))
    response.headers["ETag"] = tag
    return Reloaded(rules=len(book.rules), tag=tag)
