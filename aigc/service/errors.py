"""Why a request gets no pictures.

AigcError
 └── RequestError
      ├── BadRequestError  a field is wrong; `param` names it
      ├── NotFoundError    no such model, version or item
      ├── KeyRefusedError  no key, a wrong or revoked one, or one without the scope
      ├── OverloadedError  too much is waiting, or a quota is used up; `retry_after_s` says when
      └── UnfitError       the model is there and cannot be used
"""

from __future__ import annotations

from aigc.errors import AigcError


class RequestError(AigcError):
    """`param` is the field to blame, if one is; `code` names the kind of mistake for programs."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.code = param, code


class BadRequestError(RequestError):
    pass


class NotFoundError(RequestError):
    pass


class KeyRefusedError(RequestError):
    """`forbidden` when the key is good, but not for this."""

    def __init__(self, message: str, *, code: str, forbidden: bool = False) -> None:
        super().__init__(message, code=code)
        self.forbidden = forbidden


class OverloadedError(RequestError):
    """`limited` when it is this caller's own quota that is used up."""

    def __init__(
        self, message: str, *, retry_after_s: float, code: str, limited: bool = False
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_s, self.limited = retry_after_s, limited


class UnhealthyModelError(RequestError):
    """`retry_after_s`: when it is tried again."""

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
