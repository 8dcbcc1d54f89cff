"""What an installation tells, by the lines of pip."""

import pytest

from adapter.engine.installation import Installation, is_mere_progress

# As pip 26 prints them, with --progress-bar raw.
WHEEL = "  Downloading https://example.org/p/nvidia_cublas-13.0-py3-none-linux_x86_64.whl (594.3 MB)"


def test_read_names_the_package_and_its_bytes() -> None:
    """Somebody who waits sees that it goes on, and what is so large."""
    installation = Installation("the engine")
    assert installation.read("Installing: new environment .venv-engine") == (
        "Installing the engine: making a Python environment"
    )
    said = [installation.read(line) for line in ("Collecting vllm==0.32.0", WHEEL)]
    assert said == [
        "Installing the engine: vllm, finding out what it needs",
        "Installing the engine: nvidia_cublas, downloading",
    ]
    before = installation.share
    assert (
        installation.read("Progress 200000000 of 594300000")
        == "Installing the engine: nvidia_cublas, 200 of 594 MB"
    )
    assert installation.share > before
    assert (
        installation.read("Installing collected packages: torch, nvidia_cublas, vllm")
        == "Installing the engine: unpacking many small files, 0 of 3 packages"
    )


def test_read_of_what_is_unpacked_counts_it() -> None:
    """The packages that were there before don't count; a second pip begins anew."""
    installation = Installation("the engine")
    said = [
        installation.read(line)
        for line in ("Unpacked: 1", "Installing collected packages: a, b", "Unpacked: 2", "Unpacked: 3",
                     "Unpacked: 3", "Collecting c", "Installing collected packages: c", "Unpacked: 4")
    ]  # fmt: skip
    assert [line.rpartition(", ")[2] if line else None for line in said] == [
        None,
        "0 of 2 packages",
        "1 of 2 packages",
        "2 of 2 packages",
        None,
        "finding out what it needs",
        "0 of 1 packages",
        "1 of 1 packages",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Progress 3 of 2",
        "Progress 10 of 100",
        "Progress 5 of 0",
        "  Downloading nothing",
        "    Downloading x.whl.metadata (7 kB)",
        "Successfully installed vllm",
        "",
    ],
)
def test_read_of_what_tells_nothing_says_nothing(line: str) -> None:
    """Small files come at once, and figures that can't be are none."""
    installation = Installation("the engine")
    installation.read(WHEEL)
    before = installation.share
    assert installation.read(line) is None
    assert installation.share == before


def test_read_never_lessens_the_share() -> None:
    """Also when pip is called again, for other packages."""
    installation = Installation("the engine")
    shares = []
    for line in ("Collecting a", WHEEL, "Progress 594300000 of 594300000", WHEEL, "Progress 0 of 594300000",
                 "Installing collected packages: a", "Installing: again", "Collecting b"):  # fmt: skip
        installation.read(line)
        shares.append(installation.share)
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1


def test_is_mere_progress_knows_pip_s_lines() -> None:
    """They come four times a second and would fill a log."""
    assert is_mere_progress("Progress 1 of 2")
    assert is_mere_progress("Unpacked: 12")
    assert not is_mere_progress("Progress of the model")
