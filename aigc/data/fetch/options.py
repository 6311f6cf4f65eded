"""The options of `aigc data fetch`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aigc.errors import SpecError
from aigc.strict import opaque_colour

Say = Callable[[str], None]

_MOST_VIEWS = 72


@dataclass(frozen=True)
class FetchOptions:
    """Each set takes some of these; `refuse` names one that was given to a set without it."""

    background: str | None = None
    """Colour behind transparent pictures: a name or #rrggbb. None means the set's own default."""
    archives: Path | None = None
    """Folder with archives that were downloaded before; one found there is checked and used."""
    turntable: int | None = None
    """Views to render of each 3D model instead of its icon."""
    licences: str | None = None
    """Which files to take by their licences: free or all."""

    def refuse(self, name: str, *fields: str) -> None:
        """Raise SpecError if one of `fields` is set; the set `name` does not take it."""
        for field in fields:
            value = getattr(self, field)
            if value is not None:
                raise SpecError(f"{field} = {str(value)!r}: {name} does not take it; leave it out")

    def colour(self, default: str) -> str:
        """`background` as #rrggbb. Raises SpecError when it is not an opaque colour."""
        wanted = self.background if self.background is not None else default
        try:
            return opaque_colour(wanted)
        except ValueError as error:
            raise SpecError(f"background = {wanted!r}: {error}") from None

    def takes_all(self) -> bool:
        """Whether `licences` is all. Raises SpecError when it is neither that nor free."""
        if self.licences not in (None, "free", "all"):
            raise SpecError(f"licences = {self.licences!r}: expected free or all")
        return self.licences == "all"

    def views(self) -> int:
        """`turntable`, 0 when it is not set. Raises SpecError when it is out of range."""
        views = self.turntable or 0
        if self.turntable is not None and not 1 <= views <= _MOST_VIEWS:
            raise SpecError(f"turntable = {views}: expected a number of views in 1..{_MOST_VIEWS}")
        return views
