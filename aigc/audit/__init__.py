"""The audit log: refusals, and who released what, in lines that each hold a hash of the one before.

Whoever may write the file can write it anew from any line on; a copy of its head elsewhere (printed
by `aigc audit verify`) shows that.
"""

from aigc.audit.entries import Head, Problem, Verdict, check
from aigc.audit.log import AuditLog, open_log, verify
from aigc.audit.spec import LOG_VARIABLE, Audit

__all__ = [
    "LOG_VARIABLE",
    "Audit",
    "AuditLog",
    "Head",
    "Problem",
    "Verdict",
    "check",
    "open_log",
    "verify",
]
