"""The routes of `/api` that are about datasets: folders, and runs over them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from aiohttp import web

from adapter.captioner.priority import Priority
from adapter.dataset.preview import preview
from adapter.dataset.records import on_one_line
from adapter.dataset.selection import open_datasets
from adapter.web.access_log import polled
from adapter.web.app_keys import BODIES, BOOK, CAPTIONER, HURRY, SETTINGS
from adapter.web.error_response import json_response
from adapter.web.lifetimes import MAX_HURRIED_DRAIN_S
from adapter.web.pages.event_answer import answer_events
from adapter.web.pages.folder_counts import FolderCounts
from adapter.web.pages.folders import FolderView, counted, counted_within, view_of
from adapter.web.pages.recent_folders import RecentFolders
from adapter.web.pages.run_body import RunBody, RunChange
from adapter.web.pages.runs import Runs
from adapter.web.wire import validate

RUNS = web.AppKey("runs", Runs)
RECENT = web.AppKey("recent", RecentFolders)
COUNTS = web.AppKey("counts", FolderCounts)

MAX_COUNT_S = 0.7  # somebody waits

routes = web.RouteTableDef()


async def runs(app: web.Application) -> AsyncIterator[None]:
    """Holds the runs, and begins again those that the service's end has interrupted."""
    app[RUNS] = Runs(app[CAPTIONER], app[BOOK], app[SETTINGS])
    await app[RUNS].resume()
    yield


async def close_runs(app: web.Application) -> None:
    """Ends the runs in order. Meant for `on_shutdown`, before requests under way are drained."""
    drain_s = app[SETTINGS].drain_s
    await app[RUNS].close(min(MAX_HURRIED_DRAIN_S, drain_s) if app[HURRY].is_set() else drain_s)


@routes.get("/folders")
async def folders(request: web.Request) -> web.Response:
    """Answers what is in a folder, by default the first one that runs may work in."""
    view, recent = await _folder(request)
    view = await counted_within(view, request.config_dict[COUNTS], MAX_COUNT_S)
    return json_response(view.as_dict() | recent)


@routes.get("/folders/events")
async def folder_events(request: web.Request) -> web.StreamResponse:
    """Answers what is in a folder, as an event at once and whenever more images are counted."""
    view, recent = await _folder(request)

    async def told() -> AsyncGenerator[dict[str, Any]]:
        async with contextlib.aclosing(counted(view, request.config_dict[COUNTS])) as views:
            async for one in views:
                yield one.as_dict() | recent

    return await answer_events(request, told())


async def _folder(request: web.Request) -> tuple[FolderView, dict[str, list[str]]]:
    settings = request.config_dict[SETTINGS]
    view = await asyncio.to_thread(view_of, request.query.get("path", ""), settings)
    recent = await asyncio.to_thread(request.config_dict[RECENT].there, settings.roots)
    return view, {"recent": recent}


@routes.get("/runs")
@polled
async def list_runs(request: web.Request) -> web.Response:
    """Answers all runs that are remembered, the newest first."""
    return json_response({"runs": [run.as_dict() for run in request.config_dict[RUNS]]})


@routes.post("/runs")
async def begin_run(request: web.Request) -> web.Response:
    """Begins a run."""
    run = await request.config_dict[RUNS].begin(await _fields(request))
    await asyncio.to_thread(request.config_dict[RECENT].add, run.folder)
    return json_response(run.as_dict(), status=201)


@routes.post("/runs/preview")
async def preview_run(request: web.Request) -> web.Response:
    """Answers what a run would do, without writing anything."""
    shared = request.config_dict
    order = validate(await _fields(request), RunBody).order(shared[BOOK], shared[SETTINGS])

    def look() -> dict[str, Any]:
        with open_datasets(order.selection, dry=True) as datasets:
            found = preview(order.planned(datasets, order.planner(None)))
        return vars(found) | {
            "examples": [
                {"image": on_one_line(one.image), "text": on_one_line(one.place), "prompt": one.prompt}
                for one in found.examples
            ]
        }

    return json_response(await asyncio.to_thread(look))


@routes.get("/runs/{id}")
@polled
async def show_run(request: web.Request) -> web.Response:
    """Answers how a run is."""
    return json_response(request.config_dict[RUNS].find(request.match_info["id"]).as_dict())


@routes.get("/runs/{id}/events")
async def run_events(request: web.Request) -> web.StreamResponse:
    """Answers how a run is, as an event whenever that changes, up to its end."""
    runs = request.config_dict[RUNS]
    return await answer_events(request, runs.watch(runs.find(request.match_info["id"])))


@routes.get("/runs/{id}/thumbnail")
@polled
async def show_thumbnail(request: web.Request) -> web.Response:
    """Answers a small picture of an image of a run's dataset, as WebP."""
    shared = request.config_dict
    run = shared[RUNS].find(request.match_info["id"])
    source = await asyncio.to_thread(run.source, request.query.get("image", ""))
    picture = await shared[CAPTIONER].preparation.thumbnail(source, Priority.BATCH)
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=picture, content_type="image/webp", headers=headers)


@routes.post("/runs/{id}")
async def change_run(request: web.Request) -> web.Response:
    """Pauses a run, or resumes a paused one."""
    runs, number = request.config_dict[RUNS], request.match_info["id"]
    body = validate(await _fields(request), RunChange)
    if body.action == "resume":
        return json_response((await runs.go_on(number)).as_dict())
    return json_response(runs.pause(number).as_dict())


@routes.delete("/runs/{id}")
async def stop_run(request: web.Request) -> web.Response:
    """Stops a run: it takes no more images, and lets those under way finish."""
    return json_response(request.config_dict[RUNS].stop(request.match_info["id"]).as_dict())


async def _fields(request: web.Request) -> dict[str, Any]:
    shared = request.config_dict
    return await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes)
