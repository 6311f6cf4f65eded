"""`sets`, as the tests of finished sets know it."""

from tests.sets.conftest import sets as sets  # noqa: PLC0414
