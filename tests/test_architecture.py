"""The rules of the design, proved from the source: who may import whom, how long a file is."""

from __future__ import annotations

import ast
import functools
import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aigc.conditions import CONDITIONS
from aigc.families import FAMILIES
from aigc.modalities import MODALITIES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aigc"
MAX_LINES = 300

ROOMS = [
    "__init__",
    "errors",
    "types",
    "cpus",
    "threads",
    "isolated",
    "storage",
    "strict",
    "installed",
    "audit",
    "arrow",
    "provenance",
    "modalities",
    "conditions",
    "families",
    "specs",
    "presets",
    "objectives",
    "data",
    "evaluation",
    "training",
    "store",
    "job",
    "output",
    "generation",
    "sets",
    "execution",
    "service",
    "studio",
    "endpoint",
    "distributed",
    "bench",
    "commands",
    "cli",
    "__main__",
]
"""A room imports rooms that stand before it, and none that stands after it."""
RANK = {room: rank for rank, room in enumerate(ROOMS)}
SOURCES = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "jobs").glob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


STORAGE_PARTS = {
    module_of(path)
    for path in (PACKAGE / "storage").glob("*.py")
    if path.stem.startswith(("_s3", "_local"))
}
MODULES = {module_of(path) for path in SOURCES}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Parsed while no garbage is collected: what runs then may confuse Python 3.11's count of
    recursion (https://github.com/python/cpython/issues/106905)."""
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imports_of(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = tree_of(path)
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else node.module or ""


FILES = sorted(PACKAGE.rglob("*.py"))


def test_a_file_is_short_enough_to_read() -> None:
    assert len(SOURCES) > len(FILES) > 100
    lines = {module_of(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert not {module: count for module, count in lines.items() if count > MAX_LINES}


def test_imports_point_one_way() -> None:
    wrong = []
    for path in FILES:
        room = room_of(module_of(path))
        rooms = {room_of(name) for name in imports_of(path) if name.startswith("aigc.")}
        above = [other for other in rooms & RANK.keys() if RANK[other] > RANK[room]]
        wrong += [f"{module_of(path)} must not import {other}" for other in above]
    assert not wrong


def test_ray_is_imported_where_work_is_distributed_only() -> None:
    allowed = ("aigc.distributed.", "aigc.bench.rivals.")
    for path in FILES:
        names = {name.split(".")[0] for name in imports_of(path)}
        assert "ray" not in names or module_of(path).startswith(allowed), path


def test_only_storage_knows_s3() -> None:
    for path in FILES:
        names = {name.split(".")[0] for name in imports_of(path)}
        if names & {"boto3", "botocore"}:
            assert module_of(path) in STORAGE_PARTS, path
            assert path.stem.startswith("_s3"), path
        if room_of(module_of(path)) != "storage":
            assert not STORAGE_PARTS & set(imports_of(path)), f"{path}: the parts are storage's own"


def opened_pictures(path: Path) -> list[ast.Call]:
    """Its calls of `Image.open`, however Pillow's module is named there."""
    tree = tree_of(path)
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "PIL"
        for alias in node.names
        if alias.name == "Image"
    }
    assert not {"PIL.Image", "PIL"} & {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }, f"{path}: write `from PIL import Image`, which this test understands"
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) in {f"{name}.open" for name in names}]


def test_pictures_are_opened_in_listed_formats_only() -> None:
    """Else any plug-in of Pillow may open them, also those that start another program."""
    calls = {path: opened_pictures(path) for path in SOURCES}
    found = [(path, call) for path, inside in calls.items() for call in inside]
    assert len(found) >= 4
    for path, call in found:
        listed = [keyword for keyword in call.keywords if keyword.arg == "formats"]
        assert listed, f"{path}:{call.lineno}: Image.open without formats="
        assert ast.unparse(listed[0].value) != "None", f"{path}:{call.lineno}"


def test_storage_has_parts_to_guard() -> None:
    siblings = {
        "_s3",
        "_s3_client",
        "_s3_create",
        "_s3_errors",
        "_s3_reader",
        "_s3_sweep",
        "_s3_upload",
    }
    assert {f"aigc.storage.{name}" for name in siblings | {"_local"}} <= STORAGE_PARTS


def test_every_room_has_its_place() -> None:
    rooms = {room_of(module_of(path)) for path in PACKAGE.rglob("*.py")}
    assert rooms <= set(RANK)
    assert len(RANK) == len(ROOMS)


def rooms_imported() -> dict[str, set[str]]:
    """Which other rooms each room imports, at the head of a module or inside a function."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = room_of(module_of(path))
        ours = {name for name in imports_of(path) if name.startswith("aigc.")}
        found.setdefault(room, set()).update({room_of(name) for name in ours} - {room})
    return found


def test_no_two_rooms_import_each_other() -> None:
    found = rooms_imported()
    assert len(found) > 20
    assert "storage" in found["data"]
    pairs = {
        (one, other)
        for one, imported in found.items()
        for other in imported
        if one in found.get(other, ())
    }
    assert not pairs


def test_there_are_no_import_cycles() -> None:
    edges = {
        module_of(path): {name for name in imports_of(path, top_level_only=True) if name in MODULES}
        for path in PACKAGE.rglob("*.py")
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for imported in edges[module] - {module}:
                visit(imported, (*trail, module))
            done.add(module)

    for module in edges:
        visit(module, ())


def test_the_command_line_starts_without_heavy_imports() -> None:
    heavy = {"torch", "ray", "sklearn", "pyarrow", "boto3"}
    for path in [PACKAGE / "cli.py", *(PACKAGE / "commands").glob("*.py")]:
        names = {name.split(".")[0] for name in imports_of(path, top_level_only=True)}
        assert not names & heavy, path


def test_no_two_classes_share_a_name() -> None:
    found = Counter(
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in found.items() if count > 1] == []


NAMES = {*FAMILIES, *CONDITIONS, *MODALITIES}
FREE_ROOMS = {"families", "conditions", "modalities", "endpoint"}
"""The dicts' own, and the one that speaks OpenAI's protocol of images."""
OF_FAMILIES = {
    "aigc.training.gan",
    "aigc.training.vae",
    "aigc.presets.adaptive",
    "aigc.presets.recipes",
    "aigc.bench.train",
    "aigc.bench.rivals.bare_training",
}
"""Learners, which their families name; recipes, which are of one family each; and a benchmark that
compares one with the same network written by hand."""


def decisions(path: Path) -> Iterator[str]:
    """Where it compares something with the name of a family, a condition or a modality, also by a
    constant of the module, or asks whether something is of a class of a family or a modality."""
    tree = tree_of(path)
    constants = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value in NAMES
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        named: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            named = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            named = [node.value]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            asked = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
            named = [ast.Constant(next(iter(FAMILIES)))] if asked & CLASSES else []
        inner = [part for each in named for part in getattr(each, "elts", [each])]
        if any(
            (isinstance(part, ast.Constant) and part.value in NAMES)
            or (isinstance(part, ast.Name) and part.id in constants)
            for part in inner
        ):
            yield f"{path.name}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)}"


CLASSES = {family.spec.__name__ for family in FAMILIES.values()} | {
    type(part).__name__ if not isinstance(part, type) else part.__name__
    for kind in MODALITIES.values()
    for part in (kind.delivery, kind.source, kind.learning, kind.delivery.form)
}


def test_no_neutral_room_decides_by_a_name_of_the_three_dicts() -> None:
    """What a model can do is asked of its protocols, what it takes of `ModelConfig.takes`."""
    for path in FILES:
        module = module_of(path)
        if room_of(module) not in FREE_ROOMS and module not in OF_FAMILIES:
            assert not list(decisions(path)), module


def test_decisions_are_found(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text(
        'if config.architecture.family == "vae": pass\n'
        'if name in ("label", "other"): pass\n'
        "isinstance(model, GanModel)\n"
        'match kind:\n    case "image": pass\n'
        'found = {"label": 1}\nprint("gan")\n'
        'ONE = "audio"\nif job.modality != ONE: pass\n'
        "isinstance(delivery, ImageDelivery)\n"
    )
    assert {line.split(":")[1] for line in decisions(code)} == {"1", "2", "3", "5", "9", "10"}


ENGINE = ("job", "generation", "output", "sets", "execution", "service")
OF_WORKERS = {"aigc.execution.pool", "aigc.execution.attempts"}
"""Where a slot is that of a worker."""


def names_in(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Name | ast.arg | ast.FunctionDef):
            found.add(getattr(node, "id", None) or getattr(node, "arg", None) or node.name)
    return found


def test_items_have_indices_and_attempts() -> None:
    """And neither slots nor draws: one word, one meaning."""
    for path in FILES:
        module = module_of(path)
        if room_of(module) in ENGINE and module not in OF_WORKERS:
            assert not names_in(path) & {"slot", "slots", "draws"}, module


PICTURES_FOR_PEOPLE = {"contact_sheet", "fit", "encode", "MIME"}
"""Of images, for items of any kind, which are shown as pictures."""
IMAGE_FACE = {"aigc.service.render_requests", "aigc.service.latent_operations"}
"""What OpenAI's addresses of images ask for; `endpoint` speaks their protocol."""


def test_the_engine_imports_no_kind_of_content() -> None:
    wrong = []
    for path in FILES:
        module = module_of(path)
        if room_of(module) not in ENGINE or module in IMAGE_FACE:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(KINDS):
                names = {alias.name for alias in node.names}
                wrong += [f"{module}: {name}" for name in sorted(names - PICTURES_FOR_PEOPLE)]
    assert not wrong


KINDS = tuple(f"aigc.modalities.{name}" for name in MODALITIES)
