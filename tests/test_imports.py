"""What an import loads: no more than what is used. benchmarks/bench_imports.py measures; nothing here does."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import dagger

ROOT = Path(__file__).resolve().parents[1]


def loaded(code: str) -> set[str]:
    """The modules that are there after some code, in a process of its own, and not in one that does nothing."""
    told = f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def within(modules: set[str], *packages: str) -> set[str]:
    """Those modules that are one of the packages, or in it."""
    return {one for one in modules if any(f"{one}.".startswith(f"{package}.") for package in packages)}


SEVERAL = "from dagger import Dagger, Retry, Topic, command, listener, process, task, template"


def test_the_package_alone_loads_nothing() -> None:
    assert within(loaded("import dagger"), "dagger") == {"dagger"}
    assert within(loaded("import dagger.testing"), "dagger") == {"dagger", "dagger.testing"}


def test_the_plugin_loads_nothing_before_it_is_used() -> None:
    found = loaded("import pytest; import dagger.testing.plugin")
    assert within(found, "dagger", "anyio", "msgspec", "asyncio") == {
        "dagger",
        "dagger.testing",
        "dagger.testing.plugin",
    }


def test_a_suite_that_does_not_use_the_plugin_loads_nothing(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it(tmp_path):\n"
        "    found = {one for one in sys.modules if one.partition('.')[0] in ('dagger', 'msgspec')}\n"
        "    assert found == {'dagger', 'dagger.testing', 'dagger.testing.plugin'}\n"
    )
    plugin = "dagger.testing.plugin"
    named = ["-p", plugin] if pytestconfig.pluginmanager.hasplugin(plugin) else []
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-c", "/dev/null", f"--rootdir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *named, *options, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout


def test_who_only_declares_workflows_loads_no_engine() -> None:
    found = loaded("from dagger import Topic, command, listener, process, task, template")
    assert not within(
        found, "dagger.core", "dagger.plan", "dagger.engine", "dagger.backends", "dagger.testing", "anyio"
    )


def test_an_engine_loads_no_backend_no_test_kit_and_no_drawings() -> None:
    found = loaded(SEVERAL)
    assert "dagger.engine.dagger" in found
    others = ("dagger.backends", "dagger.testing", "dagger.cli", "dagger.dsl.drawing")
    strangers = ("xml", "urllib.request", "http", "email", "importlib.metadata", "sqlite3", "aiokafka", "aerospike")
    assert not within(found, *others, *strangers, "pytest", "pydantic", "attr")


def test_what_is_named_is_what_the_checkers_see() -> None:
    """The imports that only they follow name the objects that are loaded."""
    tree = ast.parse((ROOT / "dagger" / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module or "" for node in imports for alias in node.names}
    assert sorted(seen) == dagger.__all__
    for name, module in seen.items():
        assert getattr(dagger, name) is getattr(importlib.import_module(module), name)


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        # It is not there for the checkers either.
        assert dagger.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert not hasattr(dagger, "codes")
    assert set(dagger.__all__) <= set(dir(dagger))


@pytest.mark.parametrize("module", ["exploration", "explorer", "kit", "outcome", "plugin", "reruns"])
def test_a_module_of_the_kit_does_not_take_the_place_of_a_name(module: str) -> None:
    code = f"import dagger.testing.{module}; from dagger.testing import *; assert callable(explore) and callable(hang)"
    assert f"dagger.testing.{module}" in loaded(code)
