"""How quickly something went."""

from adapter.web.pages.rates import MAX_BUCKETS, Rates


def test_rates_are_those_of_each_second() -> None:
    """The one that isn't over yet is left out, and one without an event counts."""
    rates = Rates()
    assert rates.as_dict(0.0) == {"bucket_s": 1.0, "images_per_s": []}
    for now_s in (10.0, 10.2, 10.9, 12.5):
        rates.take(now_s)
    assert rates.as_dict(12.9)["images_per_s"] == [3.0, 0.0]
    assert rates.as_dict(13.0)["images_per_s"] == [3.0, 0.0, 1.0]


def test_long_times_have_wider_buckets() -> None:
    """So that there never are too many, and no event is lost."""
    rates = Rates()
    for second in range(10 * MAX_BUCKETS):
        rates.take(float(second))
    shown = rates.as_dict(10.0 * MAX_BUCKETS + 100)
    assert shown["bucket_s"] == 16.0
    numbers = shown["images_per_s"]
    assert isinstance(numbers, list)
    assert len(numbers) <= MAX_BUCKETS
    assert round(sum(numbers) * 16) == 10 * MAX_BUCKETS
