"""Trained models on a disk or in a bucket: publish, resolve, load, promote, roll back."""

from aigc.store.aliases import AliasMove
from aigc.store.models import ModelStore, named_store
from aigc.store.version import ModelVersion

__all__ = ["AliasMove", "ModelStore", "ModelVersion", "named_store"]
