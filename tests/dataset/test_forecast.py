"""What a run will take."""

from adapter.dataset.forecast import HOUR_S, MAX_CAPTION_BYTES, Extent, Forecast


def test_hours_follow_from_a_measured_rate() -> None:
    """All GPUs work at one time."""
    forecast = Forecast(Extent(2 * HOUR_S, 10, 3), texts=2, gpus=4, rate=0.5)
    assert forecast.hours == 2.0
    assert forecast.max_written_bytes == 4 * HOUR_S * MAX_CAPTION_BYTES
    assert forecast.as_dict()["hours"] == 2.0


def test_what_is_unknown_is_not_made_up() -> None:
    """Without a rate there are no hours, and without images neither."""
    assert Forecast(Extent(10, 10)).hours is None
    unknown = Forecast(Extent(None, 10, 1), rate=3.0).as_dict()
    assert (unknown["images"], unknown["hours"], unknown["max_bytes_to_write"]) == (None, None, None)
