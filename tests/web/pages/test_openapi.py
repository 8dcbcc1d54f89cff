"""The description of `/api`."""

import json
import re

import pytest

from adapter.config import PROJECT_DIR
from adapter.web.pages.api import all_routes
from adapter.web.pages.openapi import FILTER, OPERATIONS, describe, plain
from adapter.web.pages.review_body import FilterBody
from tests.web.conftest import Service

NAMES = [f"{route.method} {plain(route.path)}" for route in all_routes()]


def test_all_routes_are_described_and_no_others() -> None:
    """As are the parameters that choose items."""
    assert sorted(NAMES) == sorted(OPERATIONS)
    assert sorted(FILTER) == sorted(FilterBody.model_fields)


def test_the_description_in_docs_is_this_one() -> None:
    """`python scripts/describe_api.py` makes it anew."""
    kept = json.loads((PROJECT_DIR / "docs/openapi.json").read_text())
    assert kept == describe(all_routes())


def test_all_that_is_referred_to_is_there() -> None:
    """Each reference leads to a schema."""
    whole = describe(all_routes())
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(whole)))
    assert references <= set(whole["components"]["schemas"])
    assert {"ChangeBody", "RunBody", "TextBody", "Error"} <= references


@pytest.mark.parametrize("name", NAMES)
def test_the_document_tells_of_each_route(name: str) -> None:
    """By method and path."""
    method, path = name.split()
    assert f"`{method} /api{path}`" in (PROJECT_DIR / "docs/api.md").read_text()


async def test_the_service_answers_its_description(owner: Service) -> None:
    """As everything of `/api`, to whoever may use it."""
    status, whole = await owner.get("/api/openapi.json")
    assert (status, whole["openapi"]) == (200, "3.1.0")
    assert whole["paths"]["/api/datasets/{id}/texts"]["put"]["requestBody"]["required"] is True
