"""Which texts are being made."""

from adapter.dataset.claims import Claims


def test_image_of_gives_who_claims_a_text_until_it_is_released() -> None:
    """A later claim takes the place of an earlier one, and releasing what nobody claims is harmless."""
    claims = Claims()
    assert claims.image_of("/a.txt") is None
    claims.claim("/a.txt", "/a.png")
    assert claims.image_of("/a.txt") == "/a.png"
    claims.claim("/a.txt", "/a.jpg")
    assert claims.image_of("/a.txt") == "/a.jpg"
    claims.release("/a.txt")
    claims.release("/a.txt")
    assert claims.image_of("/a.txt") is None
