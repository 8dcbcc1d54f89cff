"""The program that decodes, without the pool around it."""

import os
import signal
import socket
import subprocess
import sys

import orjson
import pytest

from adapter.config import PROJECT_DIR
from adapter.images.parcel import Parcel
from adapter.images.pool import PROGRAM
from adapter.images.sources import ImageLimits
from adapter.images.worker import ALARM_AFTER_S, answer
from tests.pictures import GREY_PNG

LIMITS = ImageLimits(10**7, 10**7)


def test_answer_puts_the_result_over_the_last_one() -> None:
    """The parcel for results keeps its memory, so the answer says how much of it counts."""
    with Parcel.of(GREY_PNG) as image, Parcel.of(b"x" * 10**7) as result:
        size = orjson.loads(answer("png", image, result, LIMITS, exact=True))["bytes"]
        assert orjson.loads(result.read(size)).startswith("data:image/png;base64,")


def test_answer_about_a_bad_image_names_the_errors_class() -> None:
    """The pool raises that class on its side."""
    with Parcel.of(b"") as image, Parcel.of(b"") as result:
        assert orjson.loads(answer("bmp", image, result, LIMITS, exact=True))["error"] == "NotAnImageError"


HANGING = f"""
import time
import adapter.images.worker
adapter.images.worker.answer = lambda *_, **__: time.sleep(100)
{PROGRAM}
"""


@pytest.mark.parametrize(
    ("program", "limit_s", "code"), [(PROGRAM, 100, 0), (HANGING, 1 - ALARM_AFTER_S, -signal.SIGALRM)]
)
def test_worker_whose_socket_closes_ends(program: str, limit_s: int, code: int) -> None:
    """A service that was killed leaves no worker behind; one that hangs by then is ended by its alarm."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    result = Parcel.of(b"")
    descriptors = (theirs.fileno(), result.descriptor)
    arguments = [*map(str, descriptors), "1000", str(2**30), str(limit_s), "0"]
    command = [sys.executable, "-c", program, str(PROJECT_DIR), *arguments]
    with (
        ours,
        theirs,
        result,
        Parcel.of(GREY_PNG) as parcel,
        subprocess.Popen(
            command, pass_fds=descriptors, env=os.environ | {"PYTHONPATH": str(PROJECT_DIR)}
        ) as process,
    ):
        theirs.close()
        socket.send_fds(ours, [b":bmp"], [parcel.descriptor])
        ours.close()
        assert process.wait(30) == code
