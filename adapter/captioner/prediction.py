"""Foresees what a client that asks about one image of a folder after the other will ask about next. Pure.

Captioning that, and looking into the folder, are left to `speculation`.
"""

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

STREAK: Final = 3  # requests in a row that show which way a client goes
MIN_WINDOW: Final = 2  # images ahead, at first
SILENCE_S: Final = 10.0  # without a request, after which a client has left
MAX_HISTORY: Final = 64  # requests by which orders that began alike are told apart
FREE_TRIES: Final = 4  # in vain, one after the other, before a client counts as jumping about
MAX_PAUSE: Final = 63  # requests without another try, for clients who go where nobody foresees
# The files that AI-Toolkit's UI lists, apart from videos. Others count once a client has asked for one.
EXTENSIONS: Final = frozenset((".png", ".jpg", ".jpeg", ".webp"))
# Unicode's root collation of ASCII, by which `localeCompare` sorts: letters differ in case only at last.
COLLATION: Final = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
_RANKS: Final = {ord(sign): chr(rank + 1) for rank, sign in enumerate(COLLATION)}
_DIGITS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Listing:
    """The names of a folder's images as the file system gives them.

    Those of `passed_over` are never captioned ahead, and a client may leave them out: they have a text, or
    aren't plain files.
    """

    names: tuple[str, ...] = ()
    passed_over: frozenset[str] = frozenset()


def collated(name: str) -> tuple[str, ...]:
    """Gives the key that sorts as JavaScript's `localeCompare`, for ASCII and accented Latin letters."""
    plain = name.lower()
    if plain.isascii():
        return plain.translate(_RANKS), "", name.swapcase()
    marked = unicodedata.normalize("NFKD", plain)
    letters = "".join(sign for sign in marked if not unicodedata.combining(sign))
    return letters.translate(_RANKS), marked, name.swapcase()


def natural(name: str) -> tuple[Any, ...]:
    """Gives the key that sorts numbers by their value, as file managers do."""
    parts = _DIGITS.split(name.casefold())
    # The name stands beside the parts, not after them: there it could be compared with a number.
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts)), name


# None: as the folder lists them. Where several explain all that was seen, the first counts.
ORDERS: Final[tuple[Callable[[str], Any] | None, ...]] = (collated, str, natural, None)


def extension(name: str) -> str:
    """Gives the name's extension in lower case, with its dot; empty where it has none."""
    return name[name.rfind(".") :].lower() if "." in name else ""


class Course:
    """The images of one order, and how far a client has come in it."""

    def __init__(self, order: Iterable[str], passed_over: Iterable[str]) -> None:
        self.order = tuple(order)
        self.places = {name: place for place, name in enumerate(self.order)}
        self.passed_over = set(passed_over)

    def is_step(self, name: str, following: str) -> bool:
        """Tells whether a client that has asked for `name` comes to `following` next."""
        here, there = self.places.get(name), self.places.get(following)
        if here is None or there is None or there <= here:
            return False
        return all(self.order[place] in self.passed_over for place in range(here + 1, there))

    def explained(self, history: Sequence[str]) -> int:
        """Gives how many of the last names come one after the other in this order, the first one included."""
        number = 1
        while number < len(history) and self.is_step(history[-number - 1], history[-number]):
            number += 1
        return number


def explaining(history: Sequence[str], listing: Listing) -> Course | None:
    """Gives the order that explains the most of what was asked, None where none explains the last STREAK.

    With 100 000 names it takes half a second, where none does.
    """
    wanted = EXTENSIONS | {extension(name) for name in history}
    names = [name for name in listing.names if extension(name) in wanted]
    best, number = None, STREAK - 1
    for key in ORDERS:
        course = Course(names if key is None else sorted(names, key=key), listing.passed_over)
        explained = course.explained(history)
        if explained > number:
            best, number = course, explained
        if explained == len(history) >= STREAK:
            break
    return best


class Stream:
    """The requests of one client about one folder, which differ in nothing but the image.

    While it is foreseen, `size` images ahead of the last one are to be captioned, up to `max_size`; 0
    otherwise. `guesses` are those which are, or were, and weren't asked for yet. Times are in seconds, by any
    clock.
    """

    def __init__(self, max_size: int) -> None:
        self.size = 0
        self.guesses: set[str] = set()
        self._max_size = max_size
        self._history: deque[str] = deque(maxlen=MAX_HISTORY)
        self._course = Course((), ())
        self._next = 0  # where to look for the next guess
        self._last_s = 0.0
        self._vain = 0  # times that it wasn't foreseen, or wrongly, since a guess was right
        self._pause = 0  # requests until it is worth another try

    @property
    def wants_listing(self) -> bool:
        """Whether a listing of the folder may tell what comes next."""
        return not self.size and not self._pause and len(self._history) >= STREAK

    def ask(self, name: str, now_s: float, *, is_late: bool = False) -> None:
        """Takes note of a request. `is_late` tells that its guess is under way yet.

        It closes the window where another image was foreseen, and opens it by one more for a guess that was
        right and came too late: a larger window than the client needs would be wasted when it leaves.
        """
        if self.is_silent(now_s):
            self.close()
        self._last_s = now_s
        if self._history and self._history[-1] == name:  # it asks again
            return
        self._pause = max(0, self._pause - 1)
        before = self._history[-1] if self._history else ""
        self._history.append(name)
        if not self.size:
            return
        if name not in self._course.places:  # a video, or a file that came later
            self._history.pop()
        elif not self._course.is_step(before, name):
            self.miss()
        elif name in self.guesses:
            self.guesses.discard(name)
            self._vain = 0
            self.size = min(self.size + is_late, self._max_size)

    def rest(self, now_s: float) -> None:
        """Takes note of the end of a request: silence begins."""
        self._last_s = now_s

    def is_silent(self, now_s: float) -> bool:
        """Tells whether so much time has passed since the last request that nothing follows from it."""
        return now_s - self._last_s >= SILENCE_S

    @property
    def history(self) -> tuple[str, ...]:
        """The images that were asked for, the last one last."""
        return tuple(self._history)

    def open(self, course: Course | None) -> None:
        """Opens the window where the course, which `explaining` gives, still explains what was asked last."""
        if course is None or course.explained(self._history) < STREAK:
            self._wait()
            return
        self._course = course
        self._next = course.places[self._history[-1]] + 1
        self.size = min(MIN_WINDOW, self._max_size)

    def close(self) -> None:
        """Forgets all that was seen."""
        self._shut()
        self._history.clear()

    def miss(self) -> None:
        """Closes the window: the guesses were of no use."""
        self._shut()
        self._wait()

    def next_guess(self) -> str | None:
        """Gives the next image that is to be captioned ahead, None where there is none now."""
        if len(self.guesses) >= self.size:
            return None
        order, course = self._course.order, self._course
        self._next = max(self._next, course.places[self._history[-1]] + 1)
        while self._next < len(order):
            name = order[self._next]
            if name not in course.passed_over and name not in self.guesses:
                return name
            self._next += 1
        return None

    def guess(self, name: str) -> None:
        """Takes note that an image is captioned ahead."""
        self.guesses.add(name)

    def pass_over(self, name: str) -> None:
        """Takes note that an image isn't to be captioned: it is gone, or has a text by now."""
        self._course.passed_over.add(name)

    def forget(self, name: str) -> None:
        """Takes note that a guess was given up, and may be made again."""
        if name in self.guesses:
            self.guesses.discard(name)
            self._next = min(self._next, self._course.places[name])

    def _wait(self) -> None:
        self._pause = min(2 ** max(0, self._vain - FREE_TRIES) - 1, MAX_PAUSE)
        self._vain = min(self._vain + 1, FREE_TRIES + MAX_PAUSE.bit_length())

    def _shut(self) -> None:
        self.size = 0
        self.guesses.clear()
        self._course = Course((), ())
