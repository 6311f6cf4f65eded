"""Which folders of inputs are classes, and which only divide a set into parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from aigc.errors import DataError, shown
from aigc.specs import PrepareSpec

Path: TypeAlias = tuple[str, ...]
"""The folders of an input, then its name."""
FILLERS = {
    *("images", "image", "imgs", "img", "pictures", "pics", "photos", "data", "dataset"),
    *("jpg", "jpeg", "jpegs", "jpegimages", "png"),
    *("audio", "sounds", "sound", "samples", "clips", "wav", "wavs", "flac", "mp3", "ogg"),
}
"""Words in the names of folders that say nothing of what is in them."""
_PART = re.compile(
    r"(shard|part|chunk|batch|block|piece|fold|dir|subset)s?[-_ .]?\d+", re.IGNORECASE
)
_NUMBER = re.compile(r"\d{4,}")
_NUMBERED_FILE = re.compile(r"(?:img|image|seed)?0*(\d+)")


def class_level(
    uri: str, paths: Sequence[Path], start: int, spec: PrepareSpec, told: list[str]
) -> int | None:
    """Which part of the `paths` names the class, at `start` or below; None when none does. What
    could be meant otherwise is added to `told`.

    Raises:
        DataError: no input lies as deep as `class_level` of the spec.
    """
    if spec.class_level is not None:
        if spec.class_level and not any(len(path) > spec.class_level for path in paths):
            raise DataError(
                f"{uri}: class_level = {spec.class_level}, but no file lies so deep; use 0 for "
                "no classes, 1 for SOURCE/<class>/…"
            )
        return spec.class_level - 1 if spec.class_level else None
    level = start
    while classed := [path for path in paths if len(path) > level + 1]:
        names = {path[level] for path in classed}
        if _are_parts(names) or _are_shards(classed, level):
            told.append(f"folders such as {shown(min(names))} are parts, not classes")
        elif not (len(names) == 1 and is_filler(min(names))):
            _tell_of_deeper(classed, level, told)
            return level
        level += 1
    return None


def is_filler(name: str) -> bool:
    """Whether a folder of this name only says that it holds inputs."""
    words = set(re.split(r"[^a-z]+", name.lower())) - {""}
    return bool(words) and words <= FILLERS


def _tell_of_deeper(paths: Sequence[Path], level: int, told: list[str]) -> None:
    """Where all classes have sub-folders, these may be meant."""
    deeper = {path[level + 1] for path in paths if len(path) > level + 2}
    if all(len(path) > level + 2 for path in paths) and not all(map(is_filler, deeper)):
        example = "/".join(min(paths)[level : level + 2])
        told.append(
            f"classes are the folders of level {level + 1}; set class_level = {level + 2} for "
            f"those below, such as {shown(example)}"
        )


def _are_parts(names: set[str]) -> bool:
    return all(_PART.fullmatch(name) for name in names)


def _are_shards(paths: Sequence[Path], level: int) -> bool:
    """Whether numbered folders are parts of one set, as StyleGAN, FFHQ and img2dataset write them:
    00000/img00000007.png, 69000/69999.png, 00004/000040012.jpg."""
    return all(
        _NUMBER.fullmatch(path[level]) and _of_shard(path[level], path[-1].split(".")[0])
        for path in paths
    )


def _of_shard(folder: str, stem: str) -> bool:
    number = _NUMBERED_FILE.fullmatch(stem)
    if number is None or len(stem) < 5:
        return False
    count = int(number[1])
    inside = count // 1000 in (int(folder), int(folder) // 1000)
    return inside or stem.startswith((folder, f"img{folder}"))
