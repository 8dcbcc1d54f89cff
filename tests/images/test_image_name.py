"""Which names are those of images to caption."""

import pytest

from adapter.images.image_name import is_image_name, is_set_aside


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("a.png", True),
        ("A.JPEG", True),
        ("masklabel.png", True),
        ("a-masklabel.jpg", True),
        ("a-masklabel.png", False),
        ("a-CondLabel.PNG", False),
        ("a.txt", False),
        (".png", False),
        ("", False),
    ],
)
def test_an_image_is_told_by_its_ending_unless_it_is_a_label(name: str, is_one: bool) -> None:
    """OneTrainer's labels are PNG files with endings of their own."""
    assert is_image_name(name) is is_one


def test_what_is_set_aside_may_lie_at_any_depth() -> None:
    """Only whole names of folders count."""
    assert is_set_aside("a/_controls/b/c.png")
    assert is_set_aside("a/b-masklabel.png")
    assert not is_set_aside("a/my_controls/_controls.png")
