"""The extension as AI-Toolkit loads it: whatever is missing, other jobs go on."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import joycaption
import pytest
from joycaption.captioner import JoyCaptioner

from adapter.config import PROJECT_DIR

FOLDER = PROJECT_DIR / "integrations/ai-toolkit"
STAND_IN = PROJECT_DIR / "tests/integrations/stand_in"
MAX_LINES = 250
OF_THE_HOST = {"toolkit", "extensions_built_in"}
each_file = pytest.mark.parametrize(
    "path", sorted((FOLDER / "joycaption").glob("*.py")), ids=lambda path: path.name
)


def loaded(*places: Path, program: str) -> str:
    """Gives what a bare Python prints that finds modules only in these places."""
    paths = [str(place) for place in places]
    ended = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path += {paths!r}; import joycaption; {program}"],
        env={},  # else what measures the tests' coverage is imported, too
        capture_output=True,
        text=True,
        check=True,
    )
    assert not ended.stderr
    return ended.stdout


def test_the_extension_names_its_process() -> None:
    """AI-Toolkit finds the captioner by the job's type."""
    (extension,) = joycaption.AI_TOOLKIT_EXTENSIONS
    assert (extension.uid, extension.get_process()) == ("JoyCaption", JoyCaptioner)


def test_without_ai_toolkit_there_is_no_extension() -> None:
    """One line says why, and nothing is raised."""
    printed = loaded(FOLDER, program="print(joycaption.AI_TOOLKIT_EXTENSIONS)")
    reason, extensions = printed.splitlines()
    assert "No module named 'toolkit'" in reason
    assert extensions == "[]"


def test_without_captioners_only_its_own_job_fails(tmp_path: Path) -> None:
    """AI-Toolkit asks for the process whatever the job is, and builds it for a job of its type alone."""
    (tmp_path / "toolkit").mkdir()
    (tmp_path / "toolkit/extension.py").write_text((STAND_IN / "toolkit/extension.py").read_text())
    program = """
process = joycaption.AI_TOOLKIT_EXTENSIONS[0].get_process()
try:
    process(0, None, {})
except RuntimeError as error:
    print(error)
"""
    printed = loaded(FOLDER, tmp_path, program=f"exec({program!r})")
    assert printed.startswith("JoyCaption can't run in this AI-Toolkit: ModuleNotFoundError")


def test_loading_the_extension_imports_nothing_heavy() -> None:
    """Every job of AI-Toolkit's loads it."""
    program = (
        "print([name for name in sys.modules if name.startswith('joycaption.') or name in ('http', 'json')])"
    )
    assert loaded(FOLDER, STAND_IN, program=program) == "[]\n"


@each_file
def test_modules_need_nothing_but_the_standard_library(path: Path) -> None:
    """Their users install nothing, and each module is small and says what it does."""
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = {str(node.module).partition(".")[0]}
        else:
            continue
        assert names <= sys.stdlib_module_names | OF_THE_HOST
    assert ast.get_docstring(tree)
    assert len(path.read_text().splitlines()) <= MAX_LINES
    assert importlib.import_module(f"joycaption.{path.stem}".removesuffix(".__init__"))
