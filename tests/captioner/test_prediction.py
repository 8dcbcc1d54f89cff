"""What a client will ask about next, and how far ahead it is worth captioning."""

import random

import pytest

from adapter.captioner.prediction import (
    SILENCE_S,
    Listing,
    Stream,
    collated,
    explaining,
    natural,
)

MAX_SIZE = 8
NAMES = tuple(f"{number:03}.png" for number in range(1, 41))
FOLDER = Listing(NAMES)


def asked(*names: str, listing: Listing = FOLDER, max_size: int = MAX_SIZE) -> Stream:
    """Gives a stream after requests for these names, which has looked into the folder when it wanted to."""
    stream = Stream(max_size)
    for second, name in enumerate(names):
        ask(stream, name, float(second), listing=listing)
    return stream


def ask(
    stream: Stream, name: str, now_s: float = 0.0, *, is_late: bool = False, listing: Listing = FOLDER
) -> None:
    """Asks for one more, and lets the stream look into the folder where it wants to."""
    stream.ask(name, now_s, is_late=is_late)
    if stream.wants_listing:
        stream.open(explaining(stream.history, listing))
    stream.rest(now_s)


def guesses(stream: Stream) -> list[str]:
    """Takes all guesses that there are now."""
    found = []
    while (name := stream.next_guess()) is not None:
        stream.guess(name)
        found.append(name)
    return found


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), []),
        (("001.png",), []),
        (("001.png", "002.png"), []),
        (("001.png", "002.png", "003.png"), ["004.png", "005.png"]),
        (("017.png", "018.png", "019.png"), ["020.png", "021.png"]),
        (("030.png", "001.png", "002.png", "003.png"), ["004.png", "005.png"]),
        (("001.png", "002.png", "002.png", "003.png"), ["004.png", "005.png"]),  # one is asked for again
        (("001.png", "002.png", "004.png"), []),  # a gap
        (("003.png", "002.png", "001.png"), []),  # backwards
        (("001.png", "001.png", "001.png"), []),
        (("037.png", "038.png", "039.png"), ["040.png"]),
        (("038.png", "039.png", "040.png"), []),  # the end
        (("a.png", "b.png", "c.png"), []),  # none of the folder's
    ],
)
def test_three_in_a_row_show_what_comes_next(names: tuple[str, ...], expected: list[str]) -> None:
    """Two images ahead at first."""
    assert guesses(asked(*names)) == expected


@pytest.mark.parametrize(
    ("folder", "names", "expected"),
    [
        # As JavaScript's localeCompare sorts: AI-Toolkit's UI.
        (("a.png", "B.png", "c.png", "D.png", "e.png"), ("a.png", "B.png", "c.png"), ["D.png", "e.png"]),
        # By code points: Python's sorted, and JavaScript's sort.
        (("a.png", "B.png", "c.png", "D.png", "E.png"), ("B.png", "D.png", "E.png"), ["a.png", "c.png"]),
        # By numbers: file managers.
        (("1.png", "10.png", "11.png", "2.png", "3.png"), ("1.png", "2.png", "3.png"), ["10.png", "11.png"]),
        # Without numbers' values.
        (("1.png", "10.png", "11.png", "2.png", "3.png"), ("1.png", "10.png", "11.png"), ["2.png", "3.png"]),
        # As the folder lists them.
        (("q.png", "b.png", "x.png", "a.png", "m.png"), ("q.png", "b.png", "x.png"), ["a.png", "m.png"]),
    ],
)
def test_the_order_is_the_one_that_was_seen(
    folder: tuple[str, ...], names: tuple[str, ...], expected: list[str]
) -> None:
    """Whichever explains the last requests counts."""
    assert guesses(asked(*names, listing=Listing(folder))) == expected


def test_names_that_begin_with_whole_other_names_are_sorted_by_their_numbers() -> None:
    """The one of which nothing is left comes first."""
    assert sorted(("a.png10.png", "a.png2.png", "a.png"), key=natural) == [
        "a.png",
        "a.png2.png",
        "a.png10.png",
    ]


def test_the_order_that_explains_most_counts() -> None:
    """Orders that go on alike for three images are told apart by the ones before."""
    folder = Listing(("a.png", "B.png", "c.png", "d.png", "e.png", "Z.png"))
    course = explaining(("B.png", "Z.png", "a.png", "c.png", "d.png"), folder)
    assert course is not None
    assert course.order == tuple(sorted(folder.names))


def test_names_sort_as_in_a_browser() -> None:
    """As Node 20 sorted them by localeCompare."""
    ordered = ["01.png", "1.png", "10.png", "2.png", "ä", "a b", "a_b", "a-b", "ab", "aB", "Ab"]
    ordered += [
        "AB",
        "e",
        "E",
        "é",
        "f",
        "img (1).png",
        "img (10).png",
        "img (2).png",
        "img 1",
        "IMG_1",
        "img_2",
        "img-1",
    ]
    ordered += ["img.png", "img.PNG", "img1", "img1.png", "img10", "img2", "Img2", "z"]
    shuffled = random.Random(3).sample(ordered, len(ordered))
    assert sorted(shuffled, key=collated) == ordered


def test_numbers_sort_by_value() -> None:
    """With nothing, letters or several numbers around them."""
    ordered = ["1", "2", "10", "a2b1", "a2b10", "a10b1", "b", "²"]
    assert sorted(random.Random(5).sample(ordered, len(ordered)), key=natural) == ordered


@pytest.mark.parametrize(
    ("passed_over", "names", "expected"),
    [
        ({"004.png"}, ("001.png", "002.png", "003.png"), ["005.png", "006.png"]),
        ({"002.png"}, ("001.png", "003.png", "004.png"), ["005.png", "006.png"]),
        ({"001.png", "002.png"}, ("001.png", "002.png", "003.png"), ["004.png", "005.png"]),
        ({"002.png"}, ("001.png", "004.png", "005.png"), []),
        (set(NAMES), ("001.png", "002.png", "003.png"), []),
    ],
)
def test_what_has_a_text_is_never_guessed_and_may_be_left_out(
    passed_over: set[str], names: tuple[str, ...], expected: list[str]
) -> None:
    """A client may ask for it all the same."""
    assert guesses(asked(*names, listing=Listing(NAMES, frozenset(passed_over)))) == expected


def test_formats_count_that_the_client_sends() -> None:
    """AI-Toolkit's UI lists no GIF and no TIFF; who sends one will send others."""
    folder = Listing(("1.png", "2.png", "3.gif", "4.jpg", "5.gif", "6.webp", "7.JPEG"))
    assert guesses(asked("1.png", "2.png", "4.jpg", listing=folder)) == ["6.webp", "7.JPEG"]
    assert guesses(asked("2.png", "3.gif", "4.jpg", listing=folder)) == ["5.gif", "6.webp"]


def test_the_window_grows_by_one_for_each_guess_that_is_late() -> None:
    """A guess that was there in time shows that the window is wide enough."""
    stream = asked(*NAMES[:3], max_size=4)
    sizes = []
    for name, is_late in zip(NAMES[3:9], (True, False, True, False, True, True), strict=True):
        assert name in stream.guesses | set(guesses(stream))
        ask(stream, name, is_late=is_late)
        sizes.append(stream.size)
        guesses(stream)
        assert len(stream.guesses) == stream.size
    assert sizes == [3, 3, 4, 4, 4, 4]


def test_at_most_four_guesses_are_open_when_a_client_leaves_after_five() -> None:
    """However slow the engine is."""
    stream = asked(*NAMES[:3])
    for name in NAMES[3:5]:
        guesses(stream)
        ask(stream, name, is_late=True)
    guesses(stream)
    assert len(stream.guesses) == 4


def test_a_wrong_guess_closes_the_window() -> None:
    """Three in a row open it again."""
    stream = asked(*NAMES[:3])
    assert guesses(stream)
    ask(stream, "020.png")
    assert (stream.size, stream.guesses, guesses(stream)) == (0, set(), [])
    ask(stream, "021.png")
    assert not stream.size
    ask(stream, "022.png")
    assert guesses(stream) == ["023.png", "024.png"]


@pytest.mark.parametrize(("silence_s", "is_open"), [(SILENCE_S - 0.1, True), (SILENCE_S, False)])
def test_silence_closes_the_window(silence_s: float, is_open: bool) -> None:
    """The next request is the first of a new row."""
    stream = asked(*NAMES[:3])
    ask(stream, "004.png", 2.0 + silence_s)
    assert bool(stream.size) is is_open
    assert stream.is_silent(2.1 + silence_s + SILENCE_S)


def test_a_client_that_jumps_about_is_looked_after_less_and_less() -> None:
    """Listing the folder for each of its requests would cost more than it brings."""
    stream = Stream(MAX_SIZE)
    chance = random.Random(7)
    listings = 0
    for _ in range(400):
        stream.ask(chance.choice(NAMES[::2]), 0.0)
        if stream.wants_listing:
            listings += 1
            stream.open(explaining(stream.history, FOLDER))
    assert 3 < listings < 20


def test_a_course_that_was_found_too_late_opens_nothing() -> None:
    """The client may have gone elsewhere while the folder was listed."""
    stream = Stream(MAX_SIZE)
    for name in NAMES[:3]:
        stream.ask(name, 0.0)
    course = explaining(stream.history, FOLDER)
    stream.ask(NAMES[3], 0.0)
    stream.open(course)
    assert guesses(stream) == ["005.png", "006.png"]
    stream.close()
    for name in NAMES[:3]:
        stream.ask(name, 0.0)
    for name in ("030.png", "none.png"):
        stream.ask(name, 0.0)
        stream.open(course)
        assert not stream.size


def test_a_guess_that_was_given_up_is_made_again() -> None:
    """And one whose image is gone isn't."""
    stream = asked(*NAMES[:3])
    assert guesses(stream) == ["004.png", "005.png"]
    stream.forget("004.png")
    assert stream.next_guess() == "004.png"
    stream.pass_over("004.png")
    assert guesses(stream) == ["006.png"]


def test_a_file_that_the_listing_does_not_have_changes_nothing() -> None:
    """A video, for instance, which fails and is followed by the next image."""
    stream = asked(*NAMES[:3])
    guesses(stream)
    ask(stream, "003a.mp4")
    assert stream.guesses == {"004.png", "005.png"}
    ask(stream, "004.png")
    assert guesses(stream) == ["006.png"]
