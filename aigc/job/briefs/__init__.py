"""Briefs: a table of what to make, one row an order, and the items each row stands for."""

from aigc.job.briefs.fields import Reject, rejects_bytes
from aigc.job.briefs.files import looks_like_briefs
from aigc.job.briefs.reading import Reading, read
from aigc.job.briefs.table import Briefs

__all__ = ["Briefs", "Reading", "Reject", "looks_like_briefs", "read", "rejects_bytes"]
