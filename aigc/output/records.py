"""Which attempt a shard's file is from: one record a shard, packed once there are many.

OUT/_records/00042.json                     created only if absent: the winning attempt
OUT/_records/00042.<attempt>.json           where the store cannot do that: a bid
OUT/_records/packed/<first>-<last>-*.jsonl  records of many shards, a line each, for good

Packed wins over loose. A record is packed before its loose file goes, and readers list the loose
ones first: one that is gone when it is read must be found packed, so none is missed while another
process packs. Once packed, `00042.json` could be created anew by an attempt that comes very late;
it finds itself packed out, and leaves.

Without conditional PUT every attempt writes a bid under a name of its own and then lists them: the
least name wins, and a loser takes its bid and its file away. A bid is removed only in sight of a
lesser one, so the least of all stays, and the shard with it. An attempt that lists before a lesser
one arrives believes that it won, wrongly but without harm: readers go by the same rule, files that
lose are orphans, and both files hold the same items. When the job is complete all bids are packed,
which settles it for whatever comes later. Two jobs at work on one OUT at the same time could settle
it differently: that, and nothing else, is not safe on such a store.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from aigc import storage
from aigc.errors import StorageError
from aigc.threads import each
from aigc.types import Json, ShardRecord

COMPACT_AT = 1000
_LINES = 10_000
"""Records a packed file at most."""
_TRIES = 3
_LOOSE = re.compile(r"\d+(\.[^.]+)?\.json").fullmatch
_PACKED = re.compile(r"\d+-\d+-[^-.]+\.jsonl").fullmatch
"""Names of ours: what file managers and others leave beside them is no record."""

Records = dict[int, ShardRecord]


def commit(out: str, record: ShardRecord) -> bool:
    """Make `record` the shard's one commit; False when another attempt was first."""
    if storage.can_create(_folder(out)):
        uri = storage.join(_folder(out), f"{record.shard:05d}.json")
        if not storage.create(uri, record.to_json()):
            return read_record(out, record.shard).attempt == record.attempt
        winner = _read_packed(out, {record.shard}).get(record.shard, record)
    else:
        uri = storage.join(_folder(out), f"{record.shard:05d}.{record.attempt}.json")
        storage.write_bytes(uri, record.to_json())
        winner = read_record(out, record.shard)
    if winner.attempt == record.attempt:
        return True
    storage.delete(uri)
    return False


def read_record(out: str, shard: int) -> ShardRecord:
    """Raises StorageError when the shard is not committed."""
    loose = _read_loose(out, {shard: f"{shard:05d}.json"})
    if not loose:
        loose = _read_loose(out, _least(_loose_names(out, f"{shard:05d}.")))
    found = loose | _read_packed(out, {shard})
    if shard not in found:
        raise StorageError(f"{_folder(out)}: no record of shard {shard}")
    return found[shard]


def read_records(out: str) -> Records:
    """Every committed shard, by number and in order."""
    for _ in range(_TRIES):
        found = _read_all(out, _loose_names(out))
        if found is not None:
            return found
    raise StorageError(
        f"{_folder(out)}: records were deleted while they were read; stop jobs or clean-up "
        "rules that write to this location, then run the same command again"
    )


def _read_all(out: str, names: list[str]) -> Records | None:
    """Loose records under `names`, and the packed ones; None when one of the former has gone."""
    least = _least(names)
    found = _read_loose(out, least) | _read_packed(out)
    return dict(sorted(found.items())) if least.keys() <= found.keys() else None


def compact(out: str, at_least: int = COMPACT_AT) -> int:
    """Pack the loose records when there are `at_least` so many; returns how many were packed."""
    names = _loose_names(out)
    return _pack(out, names) if len(names) >= at_least else 0


def _pack(out: str, names: list[str]) -> int:
    loose = _read_loose(out, _least(names))
    packed = _read_packed(out, set(loose))
    fresh = [loose[shard] for shard in sorted(loose.keys() - packed.keys())]
    for at in range(0, len(fresh), _LINES):
        _write_packed(out, fresh[at : at + _LINES])
    uris = [storage.join(_folder(out), name) for name in names]
    each(storage.delete, uris, _threads(out))
    return len(fresh)


def settle(out: str) -> Records:
    """`read_records`, decided once and for all whatever attempts come later."""
    names = _loose_names(out)
    enough = COMPACT_AT if storage.can_create(_folder(out)) else 1
    if len(names) >= enough:
        _pack(out, names)
        return read_records(out)
    return _read_all(out, names) or read_records(out)


def forget(out: str, first: int) -> None:
    """Take back the commits of the shards from number `first` on: their files are orphans then."""
    for name in sorted(filter(_PACKED, storage.names(_packed_folder(out)))):
        uri = storage.join(_packed_folder(out), name)
        if int(name.split("-")[1]) >= first:
            kept = [record for record in _packed_in(uri) if record.shard < first]
            if kept:
                _write_packed(out, kept)
            storage.delete(uri)
    later = [name for name in _loose_names(out) if int(name.split(".")[0]) >= first]
    each(storage.delete, [storage.join(_folder(out), name) for name in later], _threads(out))


def totals(records: Iterable[ShardRecord]) -> Json:
    """What a manifest says of all shards together."""
    labels, refused = Counter[str](), Counter[str]()
    items = size_bytes = 0
    for record in records:
        items, size_bytes = items + record.rows, size_bytes + record.size_bytes
        labels.update(record.labels)
        refused.update(record.refused)
    return {
        "items": items,
        "size_bytes": size_bytes,
        "labels": dict(sorted(labels.items())),
        "refused": dict(sorted(refused.items())),
    }


def unstamped(records: Iterable[ShardRecord]) -> int:
    """Items that were signed without the time stamp that the job asks for."""
    return sum(record.unstamped for record in records)


def store_note(out: str) -> str | None:
    """What a user should know of the store at `out`; None when there is nothing to say."""
    if storage.can_create(_folder(out)):
        return None
    return (
        f"{out}: this store has no conditional PUT (If-None-Match); shards are decided by listing, "
        "which is safe unless two jobs are at work on this place at the same time"
    )


def _folder(out: str) -> str:
    return storage.join(out, "_records")


def _packed_folder(out: str) -> str:
    return storage.join(_folder(out), "packed")


def _loose_names(out: str, start: str = "") -> list[str]:
    return [name for name in storage.names(_folder(out), start) if _LOOSE(name)]


def _least(names: Iterable[str]) -> dict[int, str]:
    """The name that counts for each shard: the one without an attempt, else the least."""
    least: dict[int, str] = {}
    for name in names:
        shard = int(name.split(".")[0])
        if shard not in least or _rank(name) < _rank(least[shard]):
            least[shard] = name
    return least


def _rank(name: str) -> tuple[int, str]:
    return len(name.split(".")), name


def _read_loose(out: str, names: dict[int, str]) -> Records:
    """Those of `names` that are still there."""
    uris = [storage.join(_folder(out), name) for name in names.values()]
    found = zip(uris, each(storage.read_if_there, uris, _threads(out)), strict=True)
    records = [_parsed(data, uri) for uri, data in found if data is not None]
    return {record.shard: record for record in records}


def _parsed(data: bytes, uri: str) -> ShardRecord:
    try:
        return ShardRecord.from_json(data)
    except (ValueError, TypeError, AttributeError):
        raise StorageError(
            f"{uri}: damaged; delete it, and manifest.json if there is one, then give the command "
            "that began the set again"
        ) from None


def _read_packed(out: str, shards: set[int] | None = None) -> Records:
    """All packed records, or those of some `shards`."""
    names = sorted(filter(_PACKED, storage.names(_packed_folder(out))))
    if shards is not None:
        names = [name for name in names if _may_hold(name, shards)]
    found: Records = {}
    for name in names:
        uri = storage.join(_packed_folder(out), name)
        for record in _packed_in(uri):
            if shards is None or record.shard in shards:
                found.setdefault(record.shard, record)
    return found


def _packed_in(uri: str) -> list[ShardRecord]:
    return [_parsed(line, uri) for line in storage.read_bytes(uri).splitlines()]


def _may_hold(name: str, shards: set[int]) -> bool:
    first, last, _ = name.split("-")
    return any(int(first) <= shard <= int(last) for shard in shards)


def _write_packed(out: str, records: Sequence[ShardRecord]) -> None:
    data = b"".join(record.to_json() + b"\n" for record in records)
    span = f"{records[0].shard:09d}-{records[-1].shard:09d}"
    name = f"{span}-{hashlib.sha256(data).hexdigest()[:16]}.jsonl"
    storage.write_bytes(storage.join(_packed_folder(out), name), data)


def _threads(out: str) -> int:
    """More of them only fight for the interpreter while a disk answers at once."""
    return 16 if storage.is_s3(out) else 4
