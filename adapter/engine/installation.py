"""Reads how far an installation is from the lines that pip prints. Pure.

pip doesn't tell beforehand how much there is to do, so that the share is no measure of time. It only grows.
"""

import re

INSTALL_LINE = re.compile(r"^Collecting ([\w.-]+)")
DOWNLOAD_LINE = re.compile(r"^\s+Downloading (?:\S*/)?([\w.]+?)-\d\S*\.(?:whl|tar\.gz|zip)\s")
BYTES_LINE = re.compile(r"^Progress (\d+) of (\d+)$")  # pip's --progress-bar raw, four times a second
UNPACK_LINE = re.compile(r"^Installing collected packages: (.+)")
UNPACKED_LINE = re.compile(r"^Unpacked: (\d+)$")  # how many packages there are, by scripts/environment.sh
WAIT_LINE = re.compile(r"^Another start is installing ")
HALFWAY = 160  # each package counts when it is collected, downloaded and unpacked; the engine has about 180
MIN_SHOWN_BYTES = 2**20  # what is smaller comes at once


class Installation:
    """One environment, by the lines of what installs it. `what` names it in the messages."""

    def __init__(self, what: str) -> None:
        self.share = 0.0
        self._what = what
        self._done = 0
        self._package = ""
        self._there = 0  # packages
        self._unpacking: tuple[int, int] | None = None  # how many were there before, and how many will come

    def read(self, line: str) -> str | None:
        """Takes one line, brings `share` up to date, and gives what to say; None where it tells nothing."""
        if line.startswith("Installing: "):
            return f"Installing {self._what}: making a Python environment"
        if WAIT_LINE.match(line):
            return f"Another start installs {self._what}: waiting for it"
        if found := UNPACK_LINE.match(line):
            self._unpacking = self._there, found.group(1).count(",") + 1
            return self._unpacked(self._there)
        if found := UNPACKED_LINE.match(line):
            return self._unpacked(int(found.group(1)))
        doing = self._package_at(line)
        return None if doing is None else f"Installing {self._what}: {self._package}, {doing}"

    def _unpacked(self, there: int) -> str | None:
        """Takes note of how many packages there are."""
        self._there = there
        if self._unpacking is None:
            return None
        before, wanted = self._unpacking
        done = min(max(0, there - before), wanted)
        self._grow(self._done + done)
        if done == wanted:
            self._done, self._unpacking = self._done + done, None
        return f"Installing {self._what}: unpacking many small files, {done} of {wanted} packages"

    def _package_at(self, line: str) -> str | None:
        """Tells what a line says is done with one package, and which one that is."""
        if found := INSTALL_LINE.match(line):
            self._advance(found.group(1))
            return "finding out what it needs"
        if found := DOWNLOAD_LINE.match(line):
            self._advance(found.group(1))
            return "downloading"
        if (found := BYTES_LINE.match(line)) and self._package:
            done, total = int(found.group(1)), int(found.group(2))
            if MIN_SHOWN_BYTES <= total >= done:
                self._grow(self._done + done / total)
                return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
        return None

    def _advance(self, package: str) -> None:
        self._package = package
        self._unpacking = None
        self._done += 1
        self._grow(self._done)

    def _grow(self, done: float) -> None:
        self.share = max(self.share, done / (done + HALFWAY))


def is_mere_progress(line: str) -> bool:
    """Tells whether a line says how many bytes or packages there are, and nothing that a log should keep."""
    return bool(BYTES_LINE.match(line) or UNPACKED_LINE.match(line))
