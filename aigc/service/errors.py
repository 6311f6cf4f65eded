"""Reasons for which a request is refused.

AigcError
 └── RequestError
      ├── BadRequestError  a field is wrong; `param` names it
      │    └── ContentRefusedError  what is asked for is blocked, or what was made is unsafe
      ├── NotFoundError    no such model, version or item
      ├── KeyRefusedError  no key, a wrong or revoked one, or one without the scope
      ├── OverloadedError  the queue is full or a quota is used up; has `retry_after_s`
      └── UnhealthyModelError  the model exists and failed its check
"""

from __future__ import annotations

from aigc.errors import AigcError
from aigc.job.blocked import REFUSED


class RequestError(AigcError):
    """`param` is the wrong field, if there is one; `code` identifies the error for programs."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.code = param, code


class BadRequestError(RequestError):
    pass


class ContentRefusedError(BadRequestError):
    """Its code is OpenAI's `content_policy_violation`."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message, param=param, code=REFUSED)


class NotFoundError(RequestError):
    pass


class KeyRefusedError(RequestError):
    """`forbidden`: the key is valid, but lacks the scope."""

    def __init__(self, message: str, *, code: str, forbidden: bool = False) -> None:
        super().__init__(message, code=code)
        self.forbidden = forbidden


class OverloadedError(RequestError):
    """`limited`: the caller's own quota is used up."""

    def __init__(
        self, message: str, *, retry_after_s: float, code: str, limited: bool = False
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_s, self.limited = retry_after_s, limited


class UnhealthyModelError(RequestError):
    """`retry_after_s`: seconds until the model is tried again."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float = 1.0,
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.retry_after_s = retry_after_s
