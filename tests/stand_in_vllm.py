"""A stand-in for the Python that has vLLM, for starts that fail in ways that the real one doesn't on demand.

launch_vllm.sh runs it as it would run the real one. The variable STAND_IN says what it does: `serve`, or
`blind` to serve without telling images apart, or else the line that it ends with.
"""

import json
import os
import sys
from pathlib import Path

from aiohttp import web

from tests.fake_engine import IMAGE_TOKEN, FakeEngine

OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
NO_DRIVER = "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"
NO_SPACE = "OSError: [Errno 28] No space left on device: '/x/model.safetensors'"
SOCKET_TAKEN = "OSError: [Errno 98] Address already in use"


def main(arguments: list[str]) -> None:
    module = arguments[arguments.index("-m") + 1] if "-m" in arguments else ""
    if module == "adapter.engine.template":
        engine = FakeEngine()
        probe = {"system": "s", "prompt": "p", "ids": engine.tokens}
        Path(arguments[-1], "probe.json").write_text(json.dumps(probe))
        assert IMAGE_TOKEN in engine.tokens
    if not module.startswith("vllm."):
        return
    behaviour = os.environ["STAND_IN"]
    if behaviour not in ("serve", "blind"):
        sys.exit(behaviour)
    app = FakeEngine(sees=behaviour == "serve").app()
    web.run_app(app, path=arguments[arguments.index("--uds") + 1], print=None)


if __name__ == "__main__":
    main(sys.argv[1:])
