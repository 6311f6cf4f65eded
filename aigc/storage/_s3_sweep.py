"""What dead processes leave in a bucket."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions as boto_errors

from aigc.storage import _local, _s3, _s3_client
from aigc.storage._s3_errors import status


def remove_unfinished(uri: str, older_than_s: float, names: Collection[str]) -> int:
    """Uploads of keys whose first part below the folder `uri` is one of `names`, and probes whether
    the folder can be written to; returns how many there were."""
    now, count = datetime.now(UTC), 0
    _, prefix = _s3.folder(uri)
    for upload in _uploads(uri):
        ours = upload["Key"].removeprefix(prefix).partition("/")[0] in names
        if ours and (now - upload["Initiated"]).total_seconds() >= older_than_s:
            _abort(uri, upload)
            count += 1
    bucket, _ = _s3.folder(uri)
    for page in _s3.pages(uri, Delimiter="/"):
        for item in page.get("Contents", []):
            named = item["Key"].rpartition("/")[2].startswith(_local.TEMP)
            if named and (now - item["LastModified"]).total_seconds() >= older_than_s:
                _s3.delete(f"s3://{bucket}/{item['Key']}")
                count += 1
    return count


def _uploads(uri: str) -> Iterator[dict[str, Any]]:
    """Multipart uploads below the folder `uri` that were begun and neither ended nor aborted.

    None where the store or the bucket's policy does not let us see them.
    """
    bucket, prefix = _s3.folder(uri)
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        with _s3.errors(uri):
            try:
                page = _s3.patiently(
                    lambda: _s3.whole(_s3_client.client().list_multipart_uploads(**asked))
                )
            except boto_errors.ClientError as error:
                if status(error) in (403, 501):
                    return
                raise
        yield from page.get("Uploads", [])
        if not page.get("IsTruncated"):
            return
        asked["KeyMarker"] = page["NextKeyMarker"]
        asked["UploadIdMarker"] = page.get("NextUploadIdMarker", "")


def _abort(uri: str, found: dict[str, Any]) -> None:
    """End one of `_uploads`; already gone is fine."""
    bucket, _ = _s3.split(uri)
    name = {"Bucket": bucket, "Key": found["Key"], "UploadId": found["UploadId"]}
    with _s3.errors(uri):
        try:
            _s3.patiently(lambda: _s3_client.client().abort_multipart_upload(**name))
        except boto_errors.ClientError as error:
            if status(error) != 404:
                raise
