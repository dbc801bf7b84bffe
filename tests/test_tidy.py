"""The limits that the repository keeps: lengths, exceptions with reasons, words, and links that resolve."""

import ast
import importlib
import io
import itertools
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]

# There the ignores are the tests.
REFUSALS = {ROOT / "tests" / "typing" / "refuses.py"}

FILE_LINES_MAX = 380
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MAX_P95 = 45

# Put together from parts, so that this file doesn't hold what it looks for.
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:" + "|".join(["work", "root"]) + r")/")

IGNORE = re.compile(r"#\s*(?:type:\s*ignore|pyright:\s*ignore|noqa)\b(?P<rule>[\[:]\s*\w+)?[^#]*")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git holds, or would hold after ``git add``."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout: the files that belong to it are not known")
    return tuple(path for name in sorted(done.stdout.split("\0")) if name and (path := ROOT / name).is_file())


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def none_of(found: Iterable[str]) -> None:
    """Fails with each finding on its line, however many there are."""
    lines = [f"\n  {line}" for line in found]
    assert not lines, "".join(lines)


# ------------------------------------------------------------------------------------------------- lengths


def test_files_are_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in sources("dagger")}
    none_of(f"{path}: {lines} lines" for path, lines in lengths.items() if lines > FILE_LINES_MAX)


def function_lengths() -> Iterator[tuple[int, str]]:
    """The lines of each function, from its ``def`` on and without its docstring, and where it is.

    Overloads are signatures, not functions: they would only make the percentile look better.
    """
    for path in sources("dagger"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_overload(node):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield lines - docstring_lines(node), f"{name(path)}:{node.lineno} {node.name}"


def is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list)


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


def test_functions_are_short() -> None:
    lengths = sorted(function_lengths())
    none_of(f"{where}: {lines} lines" for lines, where in lengths if lines > FUNCTION_LINES_MAX)
    p95 = lengths[len(lengths) * 95 // 100][0]
    longest = "\n".join(f"{lines:4} {where}" for lines, where in lengths[-10:])
    assert p95 <= FUNCTION_LINES_MAX_P95, f"the 95th percentile is {p95} lines; the longest:\n{longest}"


# -------------------------------------------------------------------------------------- exceptions to rules


def comments(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Each comment of the file: its line, its text, and whether the line holds nothing else."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string, token.line.strip() == token.string


def unreasoned(path: Path) -> Iterator[str]:
    """The ignores of the file that name no rule, or have no reason: ``# type: ignore[rule]  # because …``."""
    reason_above = -1
    for line, text, alone in comments(path):
        ignores = list(IGNORE.finditer(text))
        if not ignores:
            reason_above = line if alone else -1
        elif any(ignore["rule"] is None for ignore in ignores):
            yield f"{name(path)}:{line} names no rule: {text}"
        elif not IGNORE.sub("", text).strip("# ") and reason_above != line - 1:
            yield f"{name(path)}:{line} gives no reason, behind a second # or on the line above: {text}"


def test_every_exception_to_a_rule_has_its_reason() -> None:
    files = set(sources("dagger", "tests", "examples", "benchmarks")) - REFUSALS
    none_of(found for path in sorted(files) for found in unreasoned(path))


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """The lines of tracked text files in which the pattern is found, with their places."""
    return [
        f"{name(path)}:{number} {line.strip()}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_nothing_is_left_unfinished() -> None:
    none_of(lines_with(UNFINISHED))


def test_no_file_names_a_place_on_one_machine() -> None:
    none_of(lines_with(MACHINE_PATH))


# --------------------------------------------------------------------------------------------------- words


ON_LEVELS = {"dagger/dsl/nodes.py", "dagger/dsl/leaf_nodes.py", "dagger/plan/kernel.py", "dagger/plan/ops.py"}
"""A construct of the language has one name as a node, in the kernel and as an operation: one thing on three levels.
Where two levels meet, `nodes.`, `kernel.` or `ops.` says which is meant."""
ORDERED = {"Publish": {"dagger/core/effects.py", "dagger/plan/ops.py"}}
"""Operations that have the name of the effect that they order."""


def test_no_class_name_means_two_things() -> None:
    places: dict[str, set[str]] = {}
    for path in sources("dagger"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, set()).add(name(path))
    none_of(
        f"{one}: {', '.join(sorted(found))}"
        for one, found in places.items()
        if len(found) > 1 and not found <= ON_LEVELS and found != ORDERED.get(one)
    )


def is_public(path: Path) -> bool:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return not any(part.startswith("_") and part != "__init__" for part in parts)


def test_every_public_module_says_what_it_is() -> None:
    modules = [path for path in sources("dagger") if is_public(path)]
    assert modules
    none_of(name(path) for path in modules if not ast.get_docstring(ast.parse(path.read_text())))


def test_every_public_name_is_sorted_and_documented() -> None:
    dagger = importlib.import_module("dagger")
    names: list[str] = dagger.__all__
    assert names == sorted(names)
    none_of(public for public in names if not own_words(public, getattr(dagger, public).__doc__))


def own_words(public: str, doc: str | None) -> bool:
    """Whether somebody wrote it: a dataclass without words is given its signature."""
    return bool(doc and doc.strip()) and not str(doc).startswith(f"{public}(")


# Each has a standard term of the field, which docs/glossary.md defines. Nothing may be called so again.
FORMER_NAMES = {
    *("agenda", "anchor", "bell", "charter", "chore", "clerk", "deadly", "ear", "fans"),
    *("fate", "garbage", "home", "house", "hub", "ink", "intake", "knock", "mishap", "mishaps"),
    *("narrator", "overgrown", "parcels", "patience", "ponder", "pulse", "refusals", "resumed", "settle"),
    *("sides", "strand", "suspects", "team", "told", "turn", "turns", "waste", "words"),
}
# Those of them that are no ordinary English, and the turns of phrase that a reader stumbles over.
FORMER_WORDS = re.compile(
    r"\b(?:[Aa]genda|[Cc]lerk|[Mm]ishaps?|[Nn]arrator|[Oo]vergrown|[Ss]trand|found_by|words_of|signs? of life"
    r"|put aside|be meant|(?:go|goes|went|going) on behind|is none of|(?:that|which) there (?:is|are) none of)\b"
)


def defined(path: Path) -> Iterator[tuple[int, str]]:
    """The module, and its classes and functions, each with its line."""
    yield 1, path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name


def test_former_names_do_not_return() -> None:
    none_of(
        f"{name(path)}:{line} {found}: see the glossary for the standard term"
        for path in sources("dagger", "benchmarks")
        for line, found in defined(path)
        if found.strip("_").lower() in FORMER_NAMES
    )


def test_former_words_do_not_return() -> None:
    folders = ("dagger/", "tests/", "docs/", "benchmarks/", "examples/", "README.md")
    none_of(
        found
        for found in lines_with(FORMER_WORDS)
        if found.startswith(folders) and not found.startswith("tests/test_tidy.py:")
    )


# --------------------------------------------------------------------------------------------------- links

INLINE_LINK = r"\[[^\]]*\]\(\s*<?([^)\s>]+)"
REFERENCE = r"^\[[^\]]+\]:\s*(\S+)"
CODE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)|`[^`\n]*`", re.M | re.S)


def pages() -> list[Path]:
    return [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.exists()]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the page's headings, and those that the page gives itself."""
    text = CODE.sub(lambda code: code[0].strip("`") if "\n" not in code[0] else "", page.read_text())
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, re.M)
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    again = {f"{slug}-{slugs[:at].count(slug)}" for at, slug in enumerate(slugs) if slug in slugs[:at]}
    return {*slugs, *again, *re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text)}


def broken(page: Path) -> Iterator[str]:
    text = CODE.sub("", page.read_text())
    for target in [*re.findall(INLINE_LINK, text), *re.findall(REFERENCE, text, re.M)]:
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        inside = linked.is_relative_to(ROOT) and linked.exists()
        if not inside or (anchor and linked.suffix == ".md" and anchor not in anchors(linked)):
            yield f"{name(page)}: {target}"


def test_every_relative_link_resolves() -> None:
    assert ROOT / "README.md" in pages()
    none_of(found for page in pages() for found in broken(page))


NAMED_FILE = re.compile(r"`((?:dagger|tests|benchmarks|examples|tools)/[\w/]+\.\w+)`")


def test_every_file_that_a_page_names_exists() -> None:
    none_of(
        f"{name(page)}: {file}"
        for page in pages()
        for file in NAMED_FILE.findall(page.read_text())
        if not (ROOT / file).exists()
    )


def test_the_changelog_is_there() -> None:
    assert (ROOT / "CHANGELOG.md").read_text().startswith("# Changelog")


# ---------------------------------------------------------------------------------------------------- the lock


def pins() -> dict[str, list[tuple[Version, int]]]:
    """The versions of each package that requirements.txt names, each with the number of its hashes."""
    found: dict[str, list[tuple[Version, int]]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text()):
        if pin := re.match(r"([a-z0-9-]+)==(\S+)", block):
            found.setdefault(pin[1], []).append((Version(pin[2]), block.count("--hash=sha256:")))
    return found


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for: to run, to test, to develop and to build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    build = [*project["build-system"]["requires"], *project["dependency-groups"]["build"]]
    lines = [*project["project"]["dependencies"], *itertools.chain(*extras), *build]
    return [one for one in map(Requirement, lines) if one.name != project["project"]["name"]]


def test_the_lock_holds_what_is_asked_for() -> None:
    locked = pins()
    asked = {canonicalize_name(one.name): one for one in wanted()}
    none_of(f"{name}: run `make lock`" for name in asked if name not in locked)
    none_of(
        f"{name} {version} is locked, and {one.specifier} asked for: run `make lock`"
        for name, one in asked.items()
        for version, _ in locked[name]
        if version not in one.specifier
    )


def test_what_is_locked_has_its_hashes_and_names_no_host() -> None:
    none_of(f"{name} has no hash" for name, versions in pins().items() if not all(hashes for _, hashes in versions))
    assert "://" not in (ROOT / "requirements.txt").read_text()


def test_nothing_is_locked_before_its_release() -> None:
    none_of(
        f"{name} {version}" for name, versions in pins().items() for version, _ in versions if version.is_prerelease
    )


def test_the_runtime_is_the_first_part_of_the_lock() -> None:
    first, _, rest = (ROOT / "requirements.txt").read_text().partition("\n# ---- what develops and tests\n")
    assert all(f"\n{name}==" in first for name in ("anyio", "hatchling", "msgspec", "typing-extensions"))
    assert "\npytest==" in rest
