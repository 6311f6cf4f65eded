"""The short id of an item that a watermark carries: the first bits of the hash of its id.

Of N items of an index some N / 2^bits share a payload with a given one: of 10⁸ items and 40 bits,
one in 10,000 shares its payload with another, with 32 bits one in 43. All of them are reported.
"""

from __future__ import annotations

from aigc.provenance.trace_index import ID_KEY_BITS, id_key


def payload_of(item_id: str, bits: int) -> bytes:
    """`bits`, a multiple of 8 and at most 56, of the hash that indexes are sorted by."""
    return (int(id_key(item_id)) >> (ID_KEY_BITS - bits)).to_bytes(bits // 8, "big")
