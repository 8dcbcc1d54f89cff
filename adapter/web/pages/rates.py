"""How quickly something went, from its beginning on, in few enough numbers to be drawn. Pure."""

MAX_BUCKETS = 120
BUCKET_S = 1.0  # to begin with


class Rates:
    """Counts events in buckets of time, which become twice as wide whenever there would be too many."""

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._bucket_s = BUCKET_S
        self._counts: list[int] = []

    def take(self, now_s: float) -> None:
        """Counts an event at a time on the monotonic clock, which is no earlier than those before."""
        if self._began_s is None:
            self._began_s = now_s
        while (place := int((now_s - self._began_s) / self._bucket_s)) >= MAX_BUCKETS:
            pairs = zip(self._counts[::2], [*self._counts[1::2], 0], strict=False)
            self._counts = [first + second for first, second in pairs]
            self._bucket_s *= 2
        self._counts += [0] * (place + 1 - len(self._counts))
        self._counts[place] += 1

    def as_dict(self, now_s: float) -> dict[str, object]:
        """Gives the events per second in each bucket that is over, and the width of these."""
        counts = self._counts
        if self._began_s is not None and now_s - self._began_s < len(counts) * self._bucket_s:
            counts = counts[:-1]
        return {
            "bucket_s": self._bucket_s,
            "images_per_s": [round(count / self._bucket_s, 2) for count in counts],
        }
