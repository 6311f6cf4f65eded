"""How generated files state their origin: the `provenance` of `generate` and `serve`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aigc.strict import Location, Spec

ProfileName = Literal["default", "eu", "china", "california", "none"]
Corner = Literal["top left", "top right", "bottom left", "bottom right"]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class VisibleLabel(Spec):
    """Words drawn on each image."""

    text: str | None = Field(None, min_length=1, max_length=40)
    """None means the profile's words."""
    corner: Corner | None = None
    """None means the profile's corner."""
    height: float = Field(0.05, ge=0.05, le=0.5)
    """Height of a capital letter as a share of the image's shorter side."""


class Credentials(Spec):
    """Content Credentials (C2PA): a signed statement inside each file."""

    certificate: Location | None = None
    """PEM file: the signing certificate first, then those that lead to its root. None means the
    environment's AIGC_SIGNING_CERTIFICATE, a path or the PEM text itself."""
    key: Location | None = None
    """PEM file of the private key. None means the environment's AIGC_SIGNING_KEY, a path or the PEM
    text, or AIGC_SIGNER, a function `module:name` that signs."""
    authority: str | None = Field(None, pattern=r"^https?://[^\s]+$")
    """URL of an RFC 3161 time-stamp authority. One request is made for each item."""
    on_outage: Literal["fail", "unstamped"] = "fail"
    """When the authority does not answer: stop, or go on with signatures that have no time stamp
    and say so."""


def _says_generated(text: str) -> bool:
    """Whether a visible label has the words of GB 45438-2025, 5.2."""
    return any(word in text for word in ("AI", "人工智能")) and any(
        word in text for word in ("生成", "合成")
    )


class Provenance(Spec):
    """What each generated file states about its origin, and how."""

    profile: ProfileName = "default"
    """The rules that files shall follow; see docs/provenance.md."""
    reason: Text | None = None
    """Why nothing is stated; `none` needs it, and the set's card repeats it."""
    provider: Text | None = None
    """Name or code of the person or company that answers for the content."""
    prompt_writer: Text | None = None
    """Name of the person who wrote the prompts."""
    prompts: bool = False
    """Write an item's prompt into its file."""
    visible: bool | VisibleLabel | None = None
    """Draw a label on each image; none means as the profile asks."""
    watermark: Text | None = None
    """Method of an imperceptible watermark in each image, such as `spread`; none means no
    watermark. Its key is AIGC_WATERMARK_KEY of the environment. `eu` asks for one."""
    credentials: Credentials | None = None
    """`eu` asks for them."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.profile == "none":
            self._states_nothing()
        elif self.reason is not None:
            raise ValueError(f"reason is for profile none; profile is {self.profile}")
        if self.profile in {"china", "california"} and self.provider is None:
            raise ValueError(f"profile {self.profile} needs provider: a name or code")
        text = self.visible.text if isinstance(self.visible, VisibleLabel) else None
        if self.profile == "china" and text is not None and not _says_generated(text):
            raise ValueError(
                f"profile china needs AI or 人工智能, and 生成 or 合成 in visible.text, which is "
                f"{text!r}"
            )
        return self

    def _states_nothing(self) -> None:
        if self.reason is None:
            raise ValueError("profile none needs reason: why files state nothing of their origin")
        given = {name: getattr(self, name) for name in ("visible", "watermark", "credentials")}
        for name, value in given.items():
            if value:
                raise ValueError(f"profile none states nothing; remove {name}")
