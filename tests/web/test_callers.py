"""What the headers of a request tell of its sender, where the standard library has to do."""

import pytest

from adapter.web.callers import is_known_host, is_loopback, is_own_origin, own_names, shows_key


@pytest.mark.parametrize(
    ("host", "expected"), [("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("", False), ("a", False)]
)
def test_is_loopback_knows_this_machine(host: str, expected: bool) -> None:
    """Names aren't addresses."""
    assert is_loopback(host) is expected


def test_shows_key_takes_what_is_no_text() -> None:
    """The comparison would else raise."""
    assert not shows_key("Bearer \udcff", "k\u00fc")
    assert shows_key("bearer k\u00fc", "k\u00fc")


def test_own_names_are_known_hosts() -> None:
    """Whatever case the operator has written."""
    names = own_names("Caption-Box")
    assert is_known_host("caption-box:5000", names)
    assert is_known_host("localhost", names)
    assert not is_known_host("caption-box.evil.example", names)


@pytest.mark.parametrize(
    ("origin", "expected"), [("http://h:1", True), ("http://h", False), ("null", False), ("http://[", False)]
)
def test_is_own_origin_compares_names_and_ports(origin: str, expected: bool) -> None:
    """What is no URL is nobody's."""
    assert is_own_origin(origin, "h:1") is expected
