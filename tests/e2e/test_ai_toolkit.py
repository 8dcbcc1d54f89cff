"""A checkout in AI-Toolkit's place, started and used as its UI does."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

from adapter.config import PROJECT_DIR
from demo.captions import caption
from demo.samples import FOLDER, SAMPLES
from tests.e2e.conftest import start_command

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_checkout_named_captioning_service_serves_the_ui(tmp_path: Path) -> None:
    """The UI starts it cold, captions single images and a folder, and stops it, under a path with a space."""
    root = tmp_path / "AI Toolkit"
    checkout = root / "captioning_service"
    shutil.copytree(PROJECT_DIR, checkout, ignore=LEFT_OUT)
    installed = Path(os.environ.get("CAPTION_VENV_DIR", PROJECT_DIR))
    # The engine's gigabytes are installed already, and the same stamp holds; the service's own are not.
    (checkout / ".venv-engine").symlink_to(installed / ".venv-engine")
    port = free_port()
    service = start_command(
        root,
        ["bash", "captioning_service/start_service.sh"],
        {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CAPTION_HOST": "127.0.0.1",
            "CAPTION_PORT": str(port),
            "CUDA_VISIBLE_DEVICES": "",
        },
    )
    try:
        played = subprocess.run(
            ["node", str(PROJECT_DIR / "tests/ui_client.mjs"), f"http://127.0.0.1:{port}"]
            + [str(FOLDER / name) for name in SAMPLES],
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert played.returncode == 0, played.stderr + service.log.read_text()[-3000:]
        service.wait_until_gone(limit_s=15)
    finally:
        service.kill()
    assert "new environment .venv-engine" not in service.log.read_text()
    seen = json.loads(played.stdout)
    right = [caption(scene, "booru") for scene, _ in SAMPLES.values()]
    assert seen["single"] == right
    assert seen["batch"] == right
    assert seen["polls"] > 3
