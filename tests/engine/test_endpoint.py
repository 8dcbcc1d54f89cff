"""One engine as its users see it."""

from adapter.engine.client import EngineClient
from adapter.engine.endpoint import Endpoint


async def test_held_counts_who_is_at_the_engine_and_who_was() -> None:
    """The fewest decide who is asked next, and then the least asked so far."""
    client = EngineClient("http://127.0.0.1:1", 1.0)
    endpoint = Endpoint(client, "fake", "fake")
    with endpoint.held():
        with endpoint.held():
            assert (endpoint.in_flight, endpoint.holds) == (2, 2)
        assert (endpoint.in_flight, endpoint.holds) == (1, 2)
    assert (endpoint.in_flight, endpoint.holds) == (0, 2)
    assert endpoint.is_local
    await client.close()
