"""How the paths of a source are read: a wrapper around all, the folder of a split, that of a class.

Common layouts are recognised. A layout that could mean two things is refused with the setting that
decides, or read in the usual way and named in `Structure.told`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from aigc.data.class_folders import FILLERS, Path, class_level
from aigc.errors import DataError, shown
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec

_USUAL: dict[Role, str] = {
    "train": "train training trn trainset",
    "test": "test testing tst testset heldout holdout val valid validation valset dev devel devset "
    "development eval evaluation",
    "ignore": "unsup unsupervised unlabeled unlabelled",
}
_ROLES = {name: role for role, names in _USUAL.items() for name in names.split()}
_FILLERS = {*FILLERS, "", "set", "split", "seg", "of"}
_MOST_SHOWN = 8
UNUSED = "in a split that is not used"


@dataclass(frozen=True)
class Structure:
    split_level: int | None
    """Which part of a path names the split; None: there are no splits."""
    class_level: Mapping[str, int | None]
    """Which part names the class, by split folder ("" without splits); None: no classes."""
    roles: Mapping[str, Role]
    """Of each split folder."""
    told: str
    """What of this could have been meant otherwise; empty when nothing."""

    @property
    def has_classes(self) -> bool:
        """Whether folders are classes."""
        return any(level is not None for level in self.class_level.values())

    def folder(self, key: str) -> str:
        """The split folder that `key` lies in; empty when it lies in none."""
        path = key.split("/")
        level = self.split_level
        return path[level] if level is not None and level < len(path) - 1 else ""

    def role(self, key: str) -> Role:
        if self.split_level is None:
            return "train"
        return self.roles.get(self.folder(key), "ignore")

    def is_outside(self, key: str) -> bool:
        """Whether there are splits and `key` lies in none of their folders."""
        return self.split_level is not None and not self.folder(key)

    def class_at(self, key: str) -> int | None:
        """Which part of `key` names its class; None when it has none."""
        level = self.class_level.get(self.folder(key))
        return level if level is not None and level < key.count("/") else None


def recognise(
    uri: str, keys: Sequence[str], spec: PrepareSpec, labelled: bool, divided: bool = False
) -> Structure:
    """How to read the paths of inputs. `labelled`: a table names their classes, not folders;
    `divided`: it has a column of splits.

    Raises:
        DataError: folders of splits next to others, test folders alone, or what the spec says of
            splits and classes does not fit the paths.
    """
    paths = [tuple(key.split("/")) for key in keys]
    depth = _wrapper(paths, spec.splits)
    told: list[str] = []
    level, roles = _splits(uri, paths, depth, spec, told, divided)
    folders = list(roles) if level is not None else [""]
    classes: dict[str, int | None] = {}
    for folder in folders:
        inside = paths
        if level is not None:
            inside = [p for p in paths if len(p) > level + 1 and p[level] == folder]
        if labelled or roles.get(folder) == "ignore":
            classes[folder] = None
        elif level is not None and level > depth and spec.class_level is None:
            classes[folder] = depth
        else:
            start = depth if level is None else _below_split(inside, level)
            classes[folder] = class_level(uri, inside, start, spec, told)
    roles = _without_classes(uri, roles, classes, told)
    return Structure(level, classes, roles, "; ".join(dict.fromkeys(told)))


def _without_classes(
    uri: str, roles: dict[str, Role], classes: Mapping[str, int | None], told: list[str]
) -> dict[str, Role]:
    """`roles` with splits ignored that have no class folders where the training inputs do."""
    flat = [name for name, role in roles.items() if role != "ignore" and classes[name] is None]
    if not flat or all(classes[name] is None for name in roles):
        return roles
    if unlabelled := [name for name in flat if roles[name] == "train"]:
        raise DataError(
            f"{uri}: {_list(unlabelled)} has no class folders, other splits do; set class_level = "
            "0 for no classes, or say --set 'splits={...}' which folders count"
        )
    told.append(f"{_list(flat)} ignored: it has no class folders")
    return roles | dict.fromkeys(flat, "ignore")


def role_of(name: str, splits: Mapping[str, Role] | None = None) -> Role | None:
    """What a folder or file of this name holds by the spec's `splits`, else by common usage."""
    return _usual_role(name) if splits is None else splits.get(name)


@functools.lru_cache(maxsize=4096)
def _usual_role(name: str) -> Role | None:
    words = set(re.split(r"[^a-z]+", name.lower())) - _FILLERS
    return _ROLES.get(words.pop()) if len(words) == 1 else None


def file_roles(uri: str, keys: Sequence[str], spec: PrepareSpec) -> list[Role]:
    """What each file of a table or an archive holds, by the names in its path; all are to train on
    when none names a split.

    Raises:
        DataError: some name a split and others do not, or all are to test on.
    """
    found = [_file_role(key, spec) for key in keys]
    if all(role is None for role in found):
        return ["train"] * len(keys)
    if None in found:
        _ask_which(uri, [keys[found.index(None)]], _named(keys, found))
    if "train" not in found and (len(keys) > 1 or not uri.endswith(keys[0])):
        _ask_train(uri, _named(keys, found))
    return [role or "train" for role in found]


def _named(keys: Sequence[str], roles: Sequence[Role | None]) -> dict[str, Role]:
    return {key: role for key, role in zip(keys, roles, strict=True) if role}


def _file_role(key: str, spec: PrepareSpec) -> Role | None:
    *folders, name = key.split("/")
    stem = name.split(".")[0]
    first = re.split(r"[-_ ]", stem)[0]
    candidates = [*folders, name, stem, first]
    roles = [role_of(part, spec.splits) for part in candidates]
    named: list[Role] = [role for role in roles if role is not None]
    return named[-1] if named else None


def _wrapper(paths: Sequence[Path], splits: Mapping[str, Role] | None) -> int:
    """How many folders, one in the other, lie around all others and hold no input themselves."""
    depth = 0
    while True:
        below = [path for path in paths if len(path) > depth + 1]
        tops = {path[depth] for path in below}
        flat = any(len(path) == depth + 2 for path in below)
        if len(tops) != 1 or flat or role_of(next(iter(tops)), splits):
            return depth
        depth += 1


def _splits(
    uri: str,
    paths: Sequence[Path],
    depth: int,
    spec: PrepareSpec,
    told: list[str],
    divided: bool,
) -> tuple[int | None, dict[str, Role]]:
    """The level of the folders of splits and the role of each; (None, {}) without splits."""
    if spec.splits is not None and not spec.splits:
        return None, {}
    for level in (depth, depth + 1):
        folders = sorted({path[level] for path in paths if len(path) > level + 1})
        roles = {name: role for name in folders if (role := role_of(name, spec.splits))}
        others = [name for name in folders if name not in roles]
        if not roles or (level > depth and not _below_classes(roles)):
            continue
        if others and not _is_split(paths, level, roles, spec):
            told.append(f"{_list(list(roles))} read as a class, not as a split")
            continue
        if others:
            _ask_which(uri, others, roles)
        if "train" not in roles.values():
            _ask_train(uri, roles)
        return level, roles
    if spec.splits and not divided:
        tops = sorted({path[depth] for path in paths if len(path) > depth + 1})
        raise DataError(
            f"{uri}: splits names {_list(list(spec.splits))}, but the folders are {_list(tops)}"
        )
    return None, {}


def _is_split(
    paths: Sequence[Path], level: int, roles: Mapping[str, Role], spec: PrepareSpec
) -> bool:
    """Whether folders that are named as splits are meant so, though others lie next to them: a
    folder `train` may hold pictures of trains."""
    if spec.splits or {"train", "test"} <= set(roles.values()):
        return True
    return any(len(path) > level + 2 and path[level] in roles for path in paths)


def _below_classes(roles: Mapping[str, Role]) -> bool:
    """Whether each class has its own train and test folders: CLASS/train/…, CLASS/test/…"""
    return "train" in roles.values() and len(set(roles.values())) > 1


def _below_split(paths: Sequence[Path], level: int) -> int:
    """The first level that may name a class; past train/train/, as some archives have it."""
    inner = {path[level + 1] for path in paths if len(path) > level + 2}
    again = len(inner) == 1 and role_of(next(iter(inner))) and _all_deeper(paths, level + 1)
    return level + 2 if again else level + 1


def _all_deeper(paths: Sequence[Path], level: int) -> bool:
    return all(len(path) > level + 1 for path in paths)


def _ask_which(uri: str, others: Sequence[str], roles: Mapping[str, Role]) -> NoReturn:
    known = ", ".join(f"{shown(name)}: {role}" for name, role in _first(roles).items())
    raise DataError(
        f"{uri}: {_list(list(roles))} look like splits, but next to them lies {_list(others)}; "
        f"say what each is, for example --set 'splits={{{known}, {shown(others[0])}: ignore}}', or "
        "--set 'splits={}' if all are classes"
    )


def _ask_train(uri: str, roles: Mapping[str, Role]) -> NoReturn:
    name = next(iter(roles))
    raise DataError(
        f"{uri}: has only {_list(list(roles))}, nothing to train on; to train on it say "
        f"--set 'splits={{{shown(name)}: train}}', or --set 'splits={{}}' if these are classes"
    )


def _first(roles: Mapping[str, Role]) -> dict[str, Role]:
    return dict(list(roles.items())[:_MOST_SHOWN])


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(shown(name) for name in names[:_MOST_SHOWN]) + more
