"""The kernel's own types have codecs."""

from __future__ import annotations

import random

from libbpf_cffi import Btf, BtfKind

KINDS = {BtfKind.STRUCT, BtfKind.UNION, BtfKind.ENUM, BtfKind.ENUM64, BtfKind.ARRAY}


def test_types_of_the_kernel_decode_and_encode_again():
    """Of every 25th type of the running kernel, a value made of random bytes encodes to what decodes to it."""
    rng = random.Random(1)
    btf = Btf.kernel()
    kinds = [each for each in btf.own_types() if each.kind in KINDS]
    for kind in kinds[:: max(1, min(25, len(kinds) // 100))]:
        codec = kind.codec()
        if codec.size > 100_000:
            continue
        value = codec.decode(rng.randbytes(codec.size))
        again = codec.decode(codec.encode(value))
        # NaNs are in no other way the same.
        assert again == value or repr(again) == repr(value), kind
        assert codec.dtype.itemsize == codec.size, kind
