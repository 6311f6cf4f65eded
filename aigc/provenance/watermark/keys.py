"""The secret that watermarks are embedded and found with.

Who has it can find, imitate and remove them. Without one the public key is used: then everybody who
has `aigc` can find the watermarks, which is what a public detector needs, and can imitate them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from aigc.errors import SpecError

VARIABLE = "AIGC_WATERMARK_KEY"
PUBLIC = b""
"""The key of those who set none."""
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){16,64}")
_DIGITS = "an even number of hexadecimal digits, 32 to 128 (openssl rand -hex 16)"


def key_from(environment: Mapping[str, str] = os.environ) -> bytes:
    """The key in `AIGC_WATERMARK_KEY`, or in the file that it names; `PUBLIC` where it is not set.

    Raises:
        SpecError: the file cannot be read, or what is there is not hexadecimal.
    """
    held = environment.get(VARIABLE, "").strip()
    if not held:
        return PUBLIC
    if _HEX.fullmatch(held):
        return bytes.fromhex(held)
    try:
        text = Path(held).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SpecError(
            f"{VARIABLE}: neither a key nor a file with one ({reason}); {len(held)} characters are "
            f"set, it needs {_DIGITS}, or the path of a file with them"
        ) from None
    if not _HEX.fullmatch(text):
        raise SpecError(f"{VARIABLE}: the file holds {len(text)} characters; it needs {_DIGITS}")
    return bytes.fromhex(text)
