"""The rules of the code's structure."""

import ast
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR

MODULES = sorted((PROJECT_DIR / "adapter").rglob("*.py"))
# Each part may import those before it, and itself.
LEVELS = {
    "errors": 0,
    "config": 1,
    "prompts": 1,
    "opening": 1,
    "sources": 2,
    "trace": 1,
    "logs": 1,
    "images": 3,
    "chat": 3,
}
LEVELS |= {"decoding": 4, "engine": 4, "captioner": 5, "web": 6, "dataset": 6, "__main__": 7}
PURE = ("errors", "chat", "trace", "engine.progress", "engine.vitals")
IO_MODULES = {"os", "asyncio", "aiohttp", "socket", "subprocess", "threading", "tempfile"}


def name_of(module: Path) -> str:
    parts = module.relative_to(PROJECT_DIR / "adapter").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(module: Path) -> set[str]:
    """Full names of all that `module` imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def part_of(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("module", [m for m in MODULES if name_of(m)], ids=name_of)
def test_imports_run_one_way(module: Path) -> None:
    """errors <- config, prompts, images <- chat <- engine <- captioner <- web, dataset <- __main__."""
    own = part_of(name_of(module))
    for imported in imports_of(module):
        if not imported.startswith("adapter."):
            continue
        other = part_of(imported.removeprefix("adapter."))
        assert other == own or LEVELS[other] < LEVELS[own], f"{name_of(module)} imports {imported}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_nothing_imports_vllm(module: Path) -> None:
    """The engine is another program."""
    assert not {name for name in imports_of(module) if part_of(name) == "vllm"}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_only_images_imports_pillow(module: Path) -> None:
    """`engine.template` runs in the engine's environment, and shows the processor a blank picture."""
    if name_of(module) not in ("images", "engine.template"):
        assert not {name for name in imports_of(module) if part_of(name) == "PIL"}


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_only_config_reads_the_environment(module: Path) -> None:
    """All else gets settings handed over."""
    if name_of(module) != "config":
        text = module.read_text()
        assert "os.environ" not in text
        assert "getenv" not in text


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_io(name: str) -> None:
    """They are tested without any."""
    module = PROJECT_DIR / "adapter" / (name.replace(".", "/") + ".py")
    assert not {part_of(imported) for imported in imports_of(module)} & IO_MODULES


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_modules_say_what_they_do(module: Path) -> None:
    """In their first lines, and they stay small enough for one noun."""
    text = module.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 300


def test_every_module_has_its_tests() -> None:
    """Or those of a neighbour name it."""
    tested = "\n".join(path.read_text() for path in (PROJECT_DIR / "tests").rglob("test_*.py"))
    for module in MODULES:
        name = name_of(module)
        if name and name not in ("decoding", "engine", "web", "web.keys"):
            assert f"adapter.{name}" in tested, f"no test imports adapter.{name}"
