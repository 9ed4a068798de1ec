"""Do with BTF what a user could do, in any order and with any value: ``btf_any_order.py FIRST-SEED LAST-SEED``.

An exception of the package's kind, a ``ValueError``, ``TypeError``, ``KeyError`` or ``IndexError`` is fine. A signal is
not, nor is any other exception.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sys

import libbpf_cffi as bpf
from libbpf_cffi import Btf

FINE = (bpf.Error, ValueError, TypeError, KeyError, IndexError)

NUMBERS = (0, 1, 2, 3, 4, 7, 8, 16, 64, 255, 4096, 1 << 20, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 64, -1)
ODD = (None, "", "x", b"", 1.5, (), True, object())
NAMES = ("", "int", "x", "struct x", "a b", "\udcff", "nul\0", "long" * 100)

BUILDERS = [name for name in dir(Btf) if name.startswith("add_")]
READERS = (
    "name", "kind", "id", "keyword", "size", "alignment", "type", "nelems", "index_type", "bits", "is_signed",
    "is_char", "is_bool", "members", "enumerators", "params", "variables", "linkage", "component_idx", "tags", "c",
)  # fmt: skip


class Life:
    """Some BTFs, and what was read from them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.btfs: list[Btf] = [Btf.new()]
        self.types: list[bpf.BtfType] = [self.btfs[0].add_int("int", 4, 1)]

    def value(self) -> object:
        """Give an argument that may fit somewhere."""
        dice = self.dice
        way = dice.randrange(12)
        if way < 3:
            return dice.choice(self.types)
        if way < 6:
            return dice.randrange(len(self.types) + 2)
        if way < 8:
            return dice.choice(NUMBERS)
        if way < 10:
            return dice.choice(NAMES)
        return dice.choice(("static", "global", "union")) if way == 10 else dice.choice(ODD)

    def build(self) -> None:
        """Add something that may make sense."""
        btf, dice = self.dice.choice(self.btfs), self.dice
        known = lambda: dice.randrange(len(btf) + 2)  # noqa: E731 - said twelve times
        way = dice.randrange(9)
        if way == 0:
            self.types.append(btf.add_ptr(known()))
        elif way == 1:
            self.types.append(btf.add_typedef("t", known()))
        elif way == 2:
            self.types.append(btf.add_array(1, known(), dice.choice((0, 1, 3, 1 << 20))))
        elif way < 6:
            add = dice.choice((btf.add_struct, btf.add_union))
            self.types.append(add(dice.choice(("", "s", "u")), dice.choice((4, 8, 64))))
            for at in range(dice.randrange(4)):
                btf.add_field("f", known(), dice.choice((0, 0, 32 * at)), dice.choice((0, 0, 3)))
        elif way == 6:
            self.types.append(btf.add_func_proto(known()))
            btf.add_func_param("p", known())
        elif way == 7:
            self.types.append(btf.add_func("f", "static", known()))
        else:
            self.types.append(btf.add_var("v", "global", known()))
            variable = self.types[-1]
            btf.add_datasec(".data", dice.choice((0, 8, 64)))
            btf.add_datasec_var_info(variable, dice.choice((0, 4)), 4)

    def keep(self, *made: Btf) -> None:
        """Keep some BTFs, a few in all."""
        self.btfs += made
        while len(self.btfs) > 6:
            self.btfs.pop(self.dice.randrange(6))

    def step(self) -> None:
        """Do one thing."""
        dice = self.dice
        btf, other = dice.choice(self.btfs), dice.choice(self.btfs)
        each = dice.choice(self.types)
        way = dice.randrange(40)
        if way < 15:
            self.build()
        elif way < 19:
            made = getattr(btf, dice.choice(BUILDERS))(*(self.value() for _ in range(dice.randrange(1, 4))))
            if isinstance(made, bpf.BtfType):
                self.types.append(made)
        elif way < 24:
            for name in dice.sample(READERS, 6):
                with contextlib.suppress(*FINE):
                    getattr(each, name)
            each.resolve()
        elif way == 24:
            btf.dump(dice.choice((None, each, self.value())))
        elif way == 25:
            size = each.size
            data = dice.randbytes(0 if size is None or size > 1 << 20 else size)
            each.btf.format(each, data, emit_zeroes=dice.random() < 0.5, emit_strings=dice.random() < 0.5)
        elif way == 26:
            btf.declare(each, dice.choice(NAMES))
        elif way == 27:
            self.keep(btf.dedup(force_collisions=dice.random() < 0.5))
        elif way == 28:
            order = list(range(btf.start_id if btf.base else 1, len(btf)))
            dice.shuffle(order)
            self.keep(btf.permute(order if btf.base else [0, *order]))
        elif way == 29:
            self.keep(Btf.new(dice.choice((None, btf))))
        elif way == 30:
            self.keep(*btf.distill_base())
        elif way == 31:
            self.keep(btf.relocate(other))
        elif way == 32:
            self.keep(Btf.from_bytes(btf.raw, dice.choice((btf.base, other))))
        elif way == 33:
            btf.add_btf(other)
        elif way == 34:
            self.types.append(btf.add_type(each))
        elif way == 35:
            btf.endianness = dice.choice(("little", "big"))
            btf.pointer_size = dice.choice((4, 8))
        elif way == 36 and len(self.btfs) > 1 and dice.random() < 0.3:
            self.btfs.remove(btf)
            if dice.random() < 0.5:
                btf.close()
        elif way == 37:
            self.types = [dice.choice(self.types) for _ in range(20)]
        elif way == 38:
            btf.find_str(dice.choice(NAMES)), btf.find(dice.choice(NAMES)), btf.find_all("x")
        else:
            self.types.extend(list(btf)[-5:])


def main() -> None:
    """Live each seed's life."""
    first, last = map(int, sys.argv[1:3])
    done = 0
    for seed in range(first, last + 1):
        print(seed, flush=True)
        signal.alarm(60)
        life = Life(seed)
        for _ in range(300):
            with contextlib.suppress(*FINE):
                life.step()
                done += 1
    print(f"{done} done")


if __name__ == "__main__":
    main()
