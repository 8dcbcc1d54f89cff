"""The arithmetic of a GPU's memory. `test_flags` has the table of cards."""

import pytest

from adapter.engine.capacity import BF16, FP8, Capacity, batched_tokens, joycaption_capacity


@pytest.mark.parametrize(
    ("memory_mib", "tokens"), [(8_000, 2048), (16_376, 2048), (23_028, 4096), (40_960, 8192), (183_359, 8192)]
)
def test_batched_tokens_let_more_images_through_where_there_is_room(memory_mib: int, tokens: int) -> None:
    """An image has 729 of them, and is read whole."""
    assert batched_tokens(memory_mib) == tokens


def test_joycaption_capacity_of_24_gib_in_bf16_is_what_the_sum_says() -> None:
    """21.6 GiB, less 15.7 of weights, 0.8 of context and graphs, 0.86 of activations; 1/8 GiB each."""
    assert joycaption_capacity(24 * 1024, 1, 0.9, BF16) == Capacity(4096, 33)


def test_joycaption_capacity_grows_with_what_is_left() -> None:
    """Smaller weights, a larger share and a second GPU leave more."""
    base = joycaption_capacity(24_564, 1, 0.9, BF16).captions
    assert joycaption_capacity(24_564, 1, 0.9, FP8).captions > base
    assert joycaption_capacity(24_564, 1, 0.95, BF16).captions > base
    assert joycaption_capacity(24_564, 2, 0.9, BF16).captions > 2 * base


def test_joycaption_capacity_without_room_is_none() -> None:
    """vLLM is asked for some sequences all the same, and says what is wrong."""
    found = joycaption_capacity(8_000, 1, 0.9, BF16)
    assert found.captions == 0
    assert found.sequences == 8
