"""The OpenAPI description of `/api`, made from its routes and the models of their bodies."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from adapter import __version__
from adapter.web.pages.own_styles import StyleBody
from adapter.web.pages.recaptioning import RecaptionBody
from adapter.web.pages.review_body import AcceptBody, ChangeBody, DatasetBody, FilterBody, TextBody, UndoBody
from adapter.web.pages.run_body import RunBody, RunChange
from adapter.web.pages.session_body import EngineBody, SessionBody
from adapter.web.pages.trial import TrialBody

SCHEMAS = "#/components/schemas/"
IMAGE = ("image", "An image's id, as items have it.")
FILTER = {
    "q": 'Words, "phrases", `tag:`, `name:`, with AND, OR, NOT and parentheses.',
    "state": "What the text is, or why there is none.",
    "flaw": "A kind of flaw.",
    "over": "A number of CLIP's tokens that the text has more than.",
    "same": "A text's hash: only images with that text.",
    "style": "The style that names a text among several; empty for the image's own.",
    "sort": "The order.",
}


@dataclass(frozen=True)
class Operation:
    """What a route takes besides its path, and the type of what it answers."""

    body: type[BaseModel] | None = None
    query: tuple[tuple[str, str], ...] = ()
    answers: str = "application/json"
    status: int = 200


EVENTS = "text/event-stream"
FOLDER = (("path", "An absolute path; by default the first allowed folder."),)
OPERATIONS = {
    "POST /session": Operation(SessionBody),
    "GET /engine": Operation(),
    "GET /engine/events": Operation(answers=EVENTS),
    "POST /engine": Operation(EngineBody),
    "GET /prompts": Operation(),
    "POST /styles": Operation(StyleBody, status=201),
    "DELETE /styles/{name}": Operation(),
    "POST /caption": Operation(TrialBody, answers=EVENTS),
    "GET /folders": Operation(query=FOLDER),
    "GET /folders/events": Operation(query=FOLDER, answers=EVENTS),
    "GET /runs": Operation(),
    "POST /runs": Operation(RunBody, status=201),
    "POST /runs/preview": Operation(RunBody),
    "GET /runs/{id}": Operation(),
    "POST /runs/{id}": Operation(RunChange),
    "DELETE /runs/{id}": Operation(),
    "GET /runs/{id}/events": Operation(answers=EVENTS),
    "GET /runs/{id}/thumbnail": Operation(
        query=(("image", "An image's name, as the run gives it."),), answers="image/webp"
    ),
    "POST /datasets": Operation(DatasetBody),
    "GET /datasets/{id}": Operation(),
    "GET /datasets/{id}/events": Operation(answers=EVENTS),
    "GET /datasets/{id}/items": Operation(
        query=(
            *FILTER.items(),
            ("limit", "How many items to answer, 50 by default and 200 at most."),
            ("after", "The `next` of an earlier answer, in place of a filter."),
        )
    ),
    "GET /datasets/{id}/item": Operation(query=(IMAGE,)),
    "GET /datasets/{id}/next": Operation(
        query=(("view", "A view, as items answers it."), ("first", "The place to begin at."))
    ),
    "GET /datasets/{id}/thumbnail": Operation(
        query=(IMAGE, ("version", "The item's `version`, so that browsers keep the picture.")),
        answers="image/webp",
    ),
    "GET /datasets/{id}/picture": Operation(query=(IMAGE,), answers="image/*"),
    "PUT /datasets/{id}/texts": Operation(TextBody),
    "POST /datasets/{id}/accepted": Operation(AcceptBody),
    "POST /datasets/{id}/captions": Operation(RecaptionBody, answers=EVENTS),
    "GET /datasets/{id}/changes": Operation(),
    "POST /datasets/{id}/changes": Operation(ChangeBody, answers=EVENTS),
    "POST /datasets/{id}/changes/preview": Operation(ChangeBody),
    "POST /datasets/{id}/undo": Operation(UndoBody),
    "GET /datasets/{id}/frequencies": Operation(query=(("view", "A view, as items answers it."),)),
    "GET /datasets/{id}/findings": Operation(),
    "GET /openapi.json": Operation(),
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "field"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "field": {"type": ["string", "null"]},
            },
        }
    },
}


def plain(path: str) -> str:
    """Gives a route's path without what a part of it must match."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)


def describe(routes: Iterable[web.RouteDef]) -> dict[str, Any]:
    """Gives the description of these routes as an OpenAPI 3.1 document."""
    bodies = {operation.body for operation in OPERATIONS.values() if operation.body is not None}
    ordered: list[type[BaseModel]] = sorted([*bodies, FilterBody], key=str)
    _, defined = models_json_schema(
        [(body, "validation") for body in ordered], ref_template=SCHEMAS + "{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        path = plain(route.path)
        operation = OPERATIONS[f"{route.method} {path}"]
        summary = " ".join((route.handler.__doc__ or "").split("\n\n")[0].split())
        described = _described(operation, path, summary)
        if path == "/session":
            described["security"] = []  # it shows a secret in its body
        if path == "/datasets/{id}/items":
            types = defined["$defs"][FilterBody.__name__]["properties"]
            for parameter in described["parameters"]:
                parameter["schema"] = types.get(parameter["name"], parameter["schema"])
        paths.setdefault(f"/api{path}", {})[route.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "JoyCaption server", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**defined.get("$defs", {}), "Error": ERROR},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token in the link that the start prints, or CAPTION_API_KEY.",
                }
            },
        },
    }


def _described(operation: Operation, path: str, summary: str) -> dict[str, Any]:
    in_path = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path
    ]
    parameters += [
        {"name": name, "in": "query", "description": what, "schema": {"type": "string"}}
        for name, what in operation.query
    ]
    described: dict[str, Any] = {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            str(operation.status): {
                "description": "What was asked for.",
                "content": {operation.answers: {"schema": {}}},
            },
            "default": {
                "description": "What is wrong.",
                "content": {"application/json": {"schema": {"$ref": f"{SCHEMAS}Error"}}},
            },
        },
    }
    if operation.body is not None:
        schema = {"$ref": f"{SCHEMAS}{operation.body.__name__}"}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described
