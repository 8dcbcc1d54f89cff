"""The rules of the code's structure: who imports whom, and what a module may be like."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR

MAX_LINES = 250
# Each part may import itself and those in the levels before its own, but no other part of its level.
LEVELS = (
    ("policy",),
    ("errors", "stable_hash"),
    ("config", "field_names", "own_styles_file"),
    ("engine_settings",),
    ("settings", "trace", "logs", "turns", "child_process"),
    ("caption", "images"),
    ("engine",),
    ("captioner",),
    ("dataset",),
    ("web",),
    ("cli",),
    ("__main__",),
)
LEVEL_OF = {part: level for level, parts in enumerate(LEVELS) for part in parts}
# The places that may import a library, each with all that is below it. The engine is another program.
PLACES_OF = {
    "vllm": (),
    "openai": ("web.openai",),
    "PIL": ("images", "engine.template"),  # the latter shows the model's own processor a blank picture
    "aiohttp": ("engine.client", "engine.client_errors", "web", "cli"),
    "prometheus_client": ("web",),
    "rich": ("cli",),
    "pyarrow": ("dataset.shards", "dataset.metadata_file"),
    "ray": ("dataset.cluster.ray_cluster",),
    "fsspec": ("dataset.shards.store",),
    "cyclopts": ("cli",),
}
# They run in the engine's environment, or before anything is installed, and import what that environment has
# only inside of functions.
OUTSIDE_OF_THE_SERVICE = (
    *("engine.flags", "engine.fetch", "engine.preflight", "engine.template"),
    "cli.first_start",
)
# Whoever runs a process decides what it does when it gets a signal: a command, or the program that decodes.
HANDLES_SIGNALS = ("cli", "images.worker", "child_process")
# These end processes of their own, and the last one ends the service where a client asks for that.
SENDS_SIGNALS = ("images.pool", "engine.process", "web.application", "cli.first_start")
PROBES_PROCESSES = ("engine.discovery",)  # by signal 0, which no process notices
# These must be pure; so must each module whose docstring says that it is.
PURE = (
    "policy",
    "errors",
    "stable_hash",
    "caption",
    "engine.load",
    "engine.liveness",
    "engine.progress",
    "engine.restarts",
    "engine.flags",
    "dataset.decide",
)
PURE_LIBRARIES = {"pydantic"}
IO_MODULES = {
    *("aiohttp", "asyncio", "concurrent", "datetime", "fcntl", "glob", "http", "io", "logging", "mmap"),
    *("multiprocessing", "os", "pathlib", "random", "resource", "secrets", "select", "selectors", "shutil"),
    *("signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "uuid"),
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "misc"}
# A command's module has the command's name, whatever that is a name of elsewhere.
COMMANDS = {
    "cli.serve",
    "cli.page",
    "cli.caption",
    "cli.undo",
    "cli.status",
    "cli.check",
    "cli.plan",
    "cli.integrate",
}


@dataclass(frozen=True)
class Import:
    """One name that a module imports, such as `adapter.errors.CaptionError`, and whether at its top."""

    name: str
    at_top: bool


class Module:
    """One module of the project, by its path from `root`."""

    def __init__(self, path: Path, root: Path) -> None:
        parts = path.relative_to(root).with_suffix("").parts
        self.name = ".".join(part for part in parts if part != "__init__")
        self.is_package = path.name == "__init__.py"
        self.text = path.read_text()
        self.tree = ast.parse(self.text)

    def __repr__(self) -> str:
        return self.name or "adapter"

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @cached_property
    def imports(self) -> frozenset[Import]:
        """All that the module imports, at its top or in functions."""
        at_top = set(ast.walk(ast.Module([node for node in self.tree.body if not _defines(node)], [])))
        return frozenset(
            Import(name, node in at_top) for node in ast.walk(self.tree) for name in _imported_by(node)
        )

    def uses(self, *names: str) -> set[str]:
        """Gives those of the names that the module uses: `os.kill` of a module, `.isatty` of anything."""
        attributes = [node for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)]
        used = {each.name for each in self.imports} | {f".{node.attr}" for node in attributes}
        used |= {f"{node.value.id}.{node.attr}" for node in attributes if isinstance(node.value, ast.Name)}
        return used & set(names)

    @property
    def constants(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign):
                targets = [node.target]
            for target in targets:
                for each in ast.walk(target):
                    if isinstance(each, ast.Name) and each.id.isupper():
                        yield each.id


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _imported_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide where a name comes from"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = {
    module.name: module
    for module in (
        Module(path, PROJECT_DIR / "adapter") for path in sorted((PROJECT_DIR / "adapter").rglob("*.py"))
    )
}
TEST_MODULES = [Module(path, PROJECT_DIR / "tests") for path in sorted((PROJECT_DIR / "tests").rglob("*.py"))]
each_module = pytest.mark.parametrize("module", MODULES.values(), ids=repr)
each_test_module = pytest.mark.parametrize("module", TEST_MODULES, ids=repr)


def is_in(name: str, places: tuple[str, ...]) -> bool:
    """Tells whether a module is one of the places, or below one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def part_of(name: str) -> str:
    return name.partition(".")[0]


def module_of(imported: str) -> str | None:
    """Gives the module of ours that an imported name comes from, None for one of a library."""
    if part_of(imported) != "adapter":
        return None
    name = imported.partition(".")[2]
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


@cache
def reached_by(name: str) -> frozenset[str]:
    """Gives the modules of ours that are imported with this one, at any depth, it and packages included."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here in reached:
            continue
        reached.add(here)
        if here:
            waiting.append(here.rpartition(".")[0])  # its package is imported first
        found = (module_of(each.name) for each in MODULES[here].imports)
        waiting += [other for other in found if other is not None]
    return frozenset(reached)


def libraries_of(module: Module, *, at_top: bool = False) -> set[str]:
    """Gives the names of the installed libraries that the module imports."""
    return {
        part_of(each.name)
        for each in module.imports
        if (each.at_top or not at_top) and part_of(each.name) not in {*sys.stdlib_module_names, "adapter"}
    }


def pure_modules() -> list[Module]:
    return [
        module
        for name, module in MODULES.items()
        if is_in(name, PURE) or re.search(r"\bPure\b", module.docstring)
    ]


# --- Who imports whom ---------------------------------------------------------------------------------


@each_module
def test_imports_run_one_way(module: Module) -> None:
    """A part imports only those in the levels before its own, and the package itself imports nothing."""
    own = part_of(module.name)
    for each in module.imports:
        imported = module_of(each.name)
        if imported:
            assert own, f"the package imports {imported}"
            other = part_of(imported)
            assert other == own or LEVEL_OF[other] < LEVEL_OF[own], f"{module} imports {each.name}"


@each_module
def test_faces_for_single_images_know_no_datasets(module: Module) -> None:
    """In `web`, only the pages over a library do, and the application in which they are mounted."""
    if is_in(module.name, ("web",)) and not is_in(module.name, ("web.pages", "web.application")):
        assert not {name for name in reached_by(module.name) if is_in(name, ("dataset",))}


@each_module
def test_libraries_are_imported_only_in_their_places(module: Module) -> None:
    """What one part knows of a library, no other part has to."""
    libraries = libraries_of(module)
    for library, places in PLACES_OF.items():
        assert library not in libraries or is_in(module.name, places), f"{module} imports {library}"


@pytest.mark.parametrize("name", OUTSIDE_OF_THE_SERVICE)
def test_modules_that_run_elsewhere_import_no_library_at_their_top(name: str) -> None:
    """The service's environment isn't there when they run."""
    for reached in reached_by(name):
        assert not libraries_of(MODULES[reached], at_top=True), f"{name} reaches {reached}"


@pytest.mark.parametrize("module", pure_modules(), ids=repr)
def test_pure_modules_reach_no_input_or_output(module: Module) -> None:
    """They can be tested without any: neither they nor what they import read files, sockets or the clock."""
    for reached in reached_by(module.name):
        imported = {part_of(each.name) for each in MODULES[reached].imports}
        assert not imported & IO_MODULES, f"{module} reaches {reached}"
        assert libraries_of(MODULES[reached]) <= PURE_LIBRARIES, f"{module} reaches {reached}"


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_are_there(name: str) -> None:
    """A module that is renamed doesn't drop out of the rule."""
    assert name in MODULES


# --- Who does what ------------------------------------------------------------------------------------


@each_module
def test_only_config_reads_the_environment(module: Module) -> None:
    """All other modules get settings handed over."""
    if module.name != "config":
        assert not module.uses("os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv")


@each_module
def test_only_commands_handle_signals(module: Module) -> None:
    """Signals belong to whoever runs the process, and so does asking the terminal about itself."""
    if not is_in(module.name, HANDLES_SIGNALS):
        assert not module.uses("signal.signal", "signal.alarm", "signal.set_wakeup_fd", ".add_signal_handler")
        assert not module.uses(".isatty", ".get_terminal_size")


@each_module
def test_only_owners_of_processes_send_signals(module: Module) -> None:
    """No other module signals a process by its number; `discovery` only asks whether one lives."""
    sent = module.uses("os.kill", "os.killpg", "signal.raise_signal", "signal.pidfd_send_signal")
    assert not sent or is_in(module.name, SENDS_SIGNALS + PROBES_PROCESSES)
    if is_in(module.name, PROBES_PROCESSES):
        assert re.findall(r"\bkill\([^()]*, (\w+)\)", module.text) == ["0"]


# --- What a module is like ----------------------------------------------------------------------------


@each_module
def test_modules_say_what_they_do_and_stay_small(module: Module) -> None:
    """One noun has room in 250 lines."""
    assert module.docstring
    assert len(module.text.splitlines()) <= MAX_LINES


def test_modules_have_names_of_their_own() -> None:
    """One name stands for one thing, and for something."""
    nouns = [name.rpartition(".")[2] for name in MODULES if name and name not in COMMANDS]
    assert not [noun for noun, times in Counter(nouns).items() if times > 1]
    assert not set(nouns) & FORBIDDEN_NAMES


@each_module
def test_limits_are_called_max_and_min(module: Module) -> None:
    """Constants are named in the field's words."""
    assert not [
        name for name in module.constants if re.match(r"_?(MOST|LEAST|LONGEST|SHORTEST|LARGEST)_", name)
    ]


# --- Tests --------------------------------------------------------------------------------------------


@each_module
def test_modules_have_their_tests(module: Module) -> None:
    """A test imports each of them, by itself or among others, or stands in the module's place among the
    tests.
    """
    tests = [test for test in TEST_MODULES if test.name.rpartition(".")[2].startswith("test_")]
    tested = {module_of(each.name) for test in tests for each in test.imports}
    folder, _, noun = module.name.rpartition(".")
    mirrored = f"{folder}.test_{noun}".removeprefix(".") in {test.name for test in tests}
    assert module.is_package or module.name == "__main__" or mirrored or module.name in tested, (
        f"no test imports {module}"
    )


@each_test_module
def test_tests_import_neither_benchmarks_nor_other_tests(module: Module) -> None:
    """What tests share is in modules of its own, and benchmarks are run as the programs that they are."""
    imported = {each.name for each in module.imports}
    assert not {name for name in imported if part_of(name) == "bench"}
    assert not {name for name in imported if re.search(r"^tests\.(\w+\.)*test_", name)}


@each_test_module
def test_tests_say_what_they_hold(module: Module) -> None:
    """Each test has a sentence about the behaviour that it holds."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            docstring = ast.get_docstring(node) or ""
            assert docstring.rstrip().endswith((".", '"')), node.name
