"""The application at `/v1`."""

from adapter.web.openai.v1 import OPENAI
from tests.web.conftest import Service


async def test_models_are_listed_and_found(service: Service) -> None:
    """One that isn't there is 404, in OpenAI's shape."""
    status, listed = await service.get("/v1/models")
    assert (status, listed["object"]) == (200, "list")
    assert "joycaption" in [model["id"] for model in listed["data"]]
    status, model = await service.get("/v1/models/joycaption:booru")
    assert (status, model["id"]) == (200, "joycaption:booru")
    status, error = await service.get("/v1/models/nothing")
    assert (status, error["error"]["code"], error["error"]["param"]) == (404, "model_not_found", "model")


async def test_paths_below_v1_that_are_not_there_are_answered_in_openais_shape(service: Service) -> None:
    """All others have the legacy contract's."""
    status, body = await service.get("/v1/nothing")
    assert status == 404
    assert (body["error"]["type"], body["error"]["code"]) == ("invalid_request_error", "unrouted_request")
    status, body = await service.get("/nothing")
    assert (status, body["success"]) == (404, False)
    assert OPENAI.label == "openai"
