"""Turns at what only so many can have at one time."""

import asyncio

from adapter.turns import Turns


async def test_turn_goes_by_rank_and_then_by_who_came_first() -> None:
    """Whoever has one keeps it."""
    turns = Turns(lambda: 1)
    had: list[str] = []

    async def take(name: str, rank: int) -> None:
        async with turns.turn(rank):
            had.append(name)

    async with turns.turn(9):
        waiting = [
            asyncio.create_task(take(*one)) for one in [("last", 2), ("one", 1), ("two", 1), ("first", 0)]
        ]
        await asyncio.sleep(0)  # they wait now
        assert not turns.has_free
    await asyncio.gather(*waiting)
    assert had == ["first", "one", "two", "last"]
    assert (turns.taken, turns.has_free) == (0, True)
