"""What a policy asks of the rights of training data: the `rights` of `aigc data prepare`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from aigc.strict import Spec

Right: TypeAlias = Literal["licence", "creator", "source", "consent"]


class Rights(Spec):
    """Rows without what the policy asks for are rejected, with the reason. A licence that asks for
    attribution (CC-BY and its variants) always needs its creator."""

    require: tuple[Right, ...] = ("licence",)
    """Fields that each row must have: licence, creator, source (where it was published), consent
    (of the people shown; a cell that says no is a refusal). A row without a licence of its own has
    that of source.json."""
    allow_licences: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Licences that may be used, in any case, with the wildcards * and ?, such as [CC0-1.0,
    "CC-BY-*", MIT]. Default: any."""
