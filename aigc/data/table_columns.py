"""Which columns of a table hold classes and splits, and what a cell of a split means."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from aigc.data.label_cells import is_missing
from aigc.data.label_tables import Table
from aigc.data.structure import role_of
from aigc.errors import DataError, listed
from aigc.modalities.prepare_spec import Role
from aigc.specs import PrepareSpec

_LIKE_LABEL = {
    "label",
    "labels",
    "class",
    "classes",
    "category",
    "categories",
    "class_name",
    "class_id",
    "label_name",
    "label_id",
    "lable",
    "lables",
    "target",
    "targets",
    "klass",
    "cls",
}
_SPLIT_COLUMNS = ("split", "subset", "partition")


def label_column(where: str, table: Table, spec: PrepareSpec) -> str:
    """The column of classes; empty when there is none.

    Raises:
        DataError: not the one that the spec names, or one that may be meant.
    """
    column, header = spec.label_column, table.header
    if not column or column in header:
        return column
    if column != PrepareSpec.model_fields["label_column"].default:
        raise DataError(
            f"{where}: no column {column!r}; set label_column to one of "
            f"{listed(header)}, or to '' for sub-folders"
        )
    others = [name for name in header if name != table.file_column]
    like = [name for name in others if name.lower().replace(" ", "_") in _LIKE_LABEL]
    if spec.label_file and len(like or others) == 1:
        return (like or others)[0]
    if like or spec.label_file:
        meant = like or others
        raise DataError(
            f"{where}: no column 'label', but {listed(meant)}; set label_column to the one that "
            "holds the classes, or to '' for sub-folders"
        )
    return ""


def split_column(names: Iterable[str], spec: PrepareSpec) -> str:
    """Which of a table's columns holds splits; empty when none does, or the spec leaves it unread
    or names it as the column of classes."""
    if spec.splits is not None and not spec.splits:
        return ""
    others = (name for name in names if name != spec.label_column)
    return next((name for name in others if name.lower() in _SPLIT_COLUMNS), "")


def split_cell(value: Any) -> str:
    """A cell of a column of splits; empty for None, NaN and what stands for them."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return "" if is_missing(text) else text


def split_role(value: str, where: str, spec: PrepareSpec) -> Role | None:
    """The role that a cell means; None for an empty cell. Raises DataError for an unknown word."""
    if not value:
        return None
    role = role_of(value, spec.splits)
    if role is None:
        key = value if value.isidentifier() else json.dumps(value, ensure_ascii=False)
        raise DataError(
            f"{where}: split {value!r} is not known; say --set 'splits={{{key}: train}}' (or "
            "test or ignore), or --set 'splits={}' to leave the column unread"
        )
    return role
