"""How a folder of inputs was read, in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from aigc.data.about import FILE as ABOUT
from aigc.data.classes import counted
from aigc.data.entries import Entries
from aigc.data.label_tables import KINDS
from aigc.data.metadata import Metadata
from aigc.data.sidecars import Sidecars
from aigc.data.structure import Structure
from aigc.errors import listed, shown
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec


def unread(found: Entries, described: Set[str], spec: PrepareSpec) -> list[str]:
    """Tables near the top that may hold labels, where the spec does not say."""
    if spec.label_file is not None:
        return []
    near = [entry.key for entry in found.files if entry.key.count("/") < 2]
    tables = {key for key in near if key.lower().endswith(KINDS)}
    return sorted(tables - described - {ABOUT})


def line(
    names: tuple[str, ...],
    known: Metadata,
    side_files: Sidecars,
    read_as: Structure,
    unread: list[str],
    spelled: Sequence[str],
) -> str:
    """How the folder was read, in one line: classes, splits, what else could have been meant.
    `spelled`: of which classes there are several spellings."""
    levels = {level for level in read_as.class_level.values() if level is not None}
    origin = f"folders of level {', '.join(str(level + 1) for level in sorted(levels))}"
    if known.labelled:
        origin = f"labels in {listed([shown(key) for key in sorted(known.files)], 2)}"
    elif side_files.labels:
        origin = side_files.origin
    classes = [shown(name) for name in names]
    parts = [
        f"{counted(len(names))} ({listed(classes, 5)}) from {origin}" if names else "no classes"
    ]
    if read_as.split_level is not None:
        folders = sorted(read_as.roles.items())
        splits = [f"{shown(name)} to {_VERBS[role]}" for name, role in folders]
        parts.append(f"splits: {listed(splits, 6)}")
    if known.splits:
        parts.append(split_cells(known.splits, read_as.split_level is not None))
    if side_files.unread and not known.labelled:
        hint = "class_level = 0 reads it" if names else "name a table of labels as label_file"
        parts.append(f"{side_files.unread} not read: {hint}")
    if len(names) < 2 and unread:
        tables = listed([shown(key) for key in unread], 3)
        parts.append(f"{tables} not read: if it holds labels, name it as label_file")
    if len(names) < 2 and known.unread:
        told = f"{listed([shown(name) for name in known.unread], 5)} of the table not read"
        parts.append(f"{told}: if one holds the classes, name it as label_column")
    return "; ".join([*parts, *filter(None, [read_as.told]), *spelled])


def split_cells(cells: Mapping[str, Role | None], by_folder: bool) -> str:
    """The role of each cell in a column of splits, as text. For an empty cell the folder or file
    decides."""
    told = [f"{shown(cell)} to {_VERBS[role]}" for cell, role in sorted(cells.items()) if role]
    empty = "as their folders" if by_folder else "to train on"
    known = listed(told, 6) if told else ""
    return "splits by column: " + ", ".join(
        filter(None, [known, f"empty cells {empty}" if "" in cells else ""])
    )


_VERBS: dict[Role, str] = {"train": "train on", "test": "test on", "ignore": "leave out"}
