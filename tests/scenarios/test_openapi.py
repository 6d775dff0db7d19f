"""The OpenAPI document: whole, valid, and as it is shown."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from fixtures.openapi import DOCUMENT, made
from jsonschema import Draft202012Validator

from whereupon.errors import WhereuponError
from whereupon.messages.codec import decode
from whereupon.messages.model import MessageType
from whereupon.web.management.problems import PROBLEMS

Document: TypeAlias = dict[str, Any]  # JSON, which is walked here


@pytest.fixture(scope="module")
def document() -> Document:
    """The document as the service answers it."""
    read = decode(made())
    assert isinstance(read, dict)
    return read


def test_the_document_that_is_shown_is_current() -> None:
    """It is what the service answers; `python fixtures/openapi.py` writes it anew."""
    assert DOCUMENT.read_text("utf-8") == made()


def test_every_operation_says_who_may_call_it_and_how_it_can_fail(document: Document) -> None:
    """A role and a security scheme, an id, a summary, and every error as a problem; writes may be sent twice."""
    names = []
    for path, method, operation in _operations(document):
        names.append(operation["operationId"])
        assert operation["summary"], path
        statuses = set(operation["responses"])
        if "door" in operation["tags"]:
            continue
        assert operation["security"] == [{"managementKey": []}], path
        assert operation["x-role"] in ("viewer", "editor", "approver", "admin")
        assert {"401", "403", "422", "500", "503"} <= statuses, path
        is_write = method != "get" and "x-only-reads" not in operation
        assert ("x-idempotency-key" in operation) is is_write
        for status, answer in operation["responses"].items():
            if status >= "400":
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
    assert len(names) == len(set(names)) > 50


def test_every_reference_leads_to_a_schema_and_every_example_fits_its_schema(
    document: Document,
) -> None:
    """The schemas are JSON Schema 2020-12, as OpenAPI 3.1 has them."""
    assert document["openapi"] == "3.1.0"
    examples = 0
    for part in _parts(document):
        if isinstance(reference := part.get("$ref"), str):
            assert _at(document, reference) is not None, reference
        if "properties" not in part or part.get("type") != "object":
            continue
        Draft202012Validator.check_schema(part)
        whole = {**part, "components": document["components"]}
        for example in part.get("examples", []):
            Draft202012Validator(whole).validate(example)
            examples += 1
        for member in part["properties"].values():
            if isinstance(member, dict):
                for example in member.get("examples", []):
                    Draft202012Validator({**member, "components": document["components"]}).validate(
                        example
                    )
                    examples += 1
    assert examples > 50


def test_links_lead_from_an_answer_to_a_parameter(document: Document) -> None:
    """Each names an operation that there is, and parameters that it has."""
    operations = {o["operationId"]: o for _, _, o in _operations(document)}
    linked = 0
    for operation in operations.values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                target = operations[link["operationId"]]
                names = {each["name"] for each in target.get("parameters", [])}
                assert set(link["parameters"]) <= names
                linked += 1
    assert linked > 30


def test_the_door_is_described_by_the_types_of_messages(document: Document) -> None:
    """Each type has its path and its schema."""
    paths = {path for path, _, _ in _operations(document)}
    for type_ in MessageType:
        assert f"/v1/{type_}" in paths
    assert {"/v1/batch", "/v1/import", "/v1/projects/{key}/settings"} <= paths


def test_every_error_of_the_library_has_a_problem() -> None:
    """Those of the family in `whereupon.errors`, without exception."""
    family = set(WhereuponError.__subclasses__())
    own = {each for each in family if each.__module__ == "whereupon.errors"}
    assert own == set(PROBLEMS)


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _parts(value: object) -> Iterator[Document]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def _at(document: Document, reference: str) -> object:
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        assert isinstance(found, dict)
        found = found[name]
    return found
