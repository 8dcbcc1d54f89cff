"""The program that decodes one image at a time, from a file to a data URL, under limits of its own.

Questions come over a socket, each with a parcel that holds the image. Results go into a parcel of the
worker's own. The program ends when the socket closes. `pool` is the other side.
"""

import contextlib
import ctypes
import math
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Literal, cast

import orjson

from adapter.errors import ImageError
from adapter.images.parcel import Parcel
from adapter.images.pixels import Kind, open_image, prepare, thumbnail, to_data_url, whole
from adapter.images.sources import ImageLimits

MESSAGE_BYTES = 4096
PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
OOM_SCORE = 500  # of 1000, beside what its memory makes
# The pool ends a worker that is late. Should the pool itself have been killed, an alarm does so later.
ALARM_AFTER_S = 5


def answer(
    question: Kind | Literal[""], image: Parcel, result: Parcel, limits: ImageLimits, *, exact: bool
) -> bytes:
    """Gives the answer about `image`, and puts the prepared image into `result` as a JSON string.

    The question is the kind of data URL, which is that of a thumbnail for WebP, or empty where only the
    image's header is to be checked.
    """
    try:
        if question:
            data = image.read()
            match question:
                case "webp":
                    picture = thumbnail(data, limits)
                case "whole":
                    picture = whole(data, limits)
                case _:
                    picture = prepare(data, limits, exact=exact)
            url = to_data_url(picture, question)
            return orjson.dumps({"bytes": result.fill(b'"', url, b'"')})
        open_image(image.read(), limits).close()
    except ImageError as error:
        return orjson.dumps({"error": type(error).__name__, "message": error.message})
    return b"{}"


def limit_resources(memory_bytes: int) -> None:
    """Limits this process: its memory for data, no core files, no new privileges.

    Where the machine's memory runs out, this process goes before the service.
    """
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> None:
    """Answers questions until the socket closes.

    The arguments are the descriptors of the socket and of the parcel for results, the limits for an image in
    pixels, bytes of memory and seconds, and 1 where every pixel counts (see `pixels.prepare`), else 0.
    """
    descriptor, result_descriptor, max_pixels, memory_bytes = map(int, arguments[:4])
    exact = arguments[5] == "1"
    longest_s = math.ceil(float(arguments[4])) + ALARM_AFTER_S
    # Ctrl-C in a terminal is for the service, which ends its workers when nothing needs them any more.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_resources(memory_bytes)
    limits = ImageLimits(max_bytes=sys.maxsize, max_pixels=max_pixels)
    with socket.socket(fileno=descriptor) as questions, Parcel(result_descriptor) as result:
        while True:
            question, descriptors, _, _ = socket.recv_fds(questions, MESSAGE_BYTES, 1)
            if not descriptors:
                return
            with Parcel(descriptors[0]) as image:
                signal.alarm(longest_s)
                said = answer(cast(Kind, question.decode()[1:]), image, result, limits, exact=exact)
                signal.alarm(0)
            try:
                questions.send(said)
            except BrokenPipeError:
                return
