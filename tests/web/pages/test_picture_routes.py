"""Pictures of a dataset's images."""

from pathlib import Path

from PIL import Image

from adapter.web.pages.picture_routes import FOLDER
from adapter.web.pages.review_body import to_id
from tests.web.conftest import Service


async def test_small_pictures_are_kept_outside_of_the_dataset(owner: Service, tmp_path: Path) -> None:
    """And whole ones come as they are, if browsers show them; never as what a browser would run."""
    folder = tmp_path / "set"
    folder.mkdir()
    Image.new("RGB", (640, 320)).save(folder / "a b.png")
    Image.new("RGB", (640, 320)).save(folder / "c.tiff")
    (folder / "page.png").write_text("<script>alert(1)</script>")
    _, state = await owner.post("/api/datasets", {"folder": str(folder)})
    async with owner.session.get(owner.server.make_url(f"/api/datasets/{state['id']}/events")) as events:
        async for line in events.content:
            if b'"is_refreshing":false' in line:
                break
    for name, kind, status in (
        ("a b.png", "image/png", 200),
        ("c.tiff", "image/webp", 200),
        ("page.png", "", 422),
        ("../x.png", "", 404),
    ):
        for what, type_of in (("thumbnail", "image/webp"), ("picture", kind)):
            url = owner.server.make_url(f"/api/datasets/{state['id']}/{what}").with_query(image=to_id(name))
            async with owner.session.get(url) as response:
                assert response.status == status, (what, name)
                if status == 200:
                    assert response.content_type == type_of
                    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(list((tmp_path / f"data/{FOLDER}").rglob("*.webp"))) == 2
    assert {path.name for path in folder.iterdir()} == {"a b.png", "c.tiff", "page.png"}
