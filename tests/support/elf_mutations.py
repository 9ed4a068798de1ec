"""Give ELF files that somebody has tampered with to what reads targets of probes: a child of test_attach_hostile.py.

Arguments: an ELF file, an object with the programs of attach_user.bpf.c, how many, and a seed. It prints how many were
refused, attached, and failed in other ways.
"""

from __future__ import annotations

import os
import random
import sys

import libbpf_cffi as bpf

FIELDS = {
    # e_type, e_shoff, e_phoff, e_shentsize, e_shnum, e_shstrndx, e_phnum, e_phentsize (elf(5)).
    "header": ((16, 2), (40, 8), (32, 8), (58, 2), (60, 2), (62, 2), (56, 2), (54, 2)),
    # sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size, sh_link, sh_info, sh_addralign, sh_entsize.
    "section": ((0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 8), (56, 8)),
    "segment": ((0, 4), (4, 4), (8, 8), (16, 8), (32, 8), (40, 8)),
}


def numbers(chance: random.Random, size: int, old: int, length: int) -> int:
    """Choose a number that is likely to hurt."""
    near = (old + 1, old - 1, old * 2, length, length - 1)
    return chance.choice((0, 1, 2, 3, 7, *near, 1 << 31, 0xFFFFFFEC, 1 << 63, chance.getrandbits(64))) % (1 << size * 8)


def interesting(data: bytes) -> dict[str, list[int]]:
    """Find where the sections are that are read: of symbols, versions, notes and names."""
    table, count = int.from_bytes(data[40:48], "little"), int.from_bytes(data[60:62], "little")
    found: dict[str, list[int]] = {"sections": [], "contents": []}
    for header in range(table, table + count * 64, 64):
        kind = int.from_bytes(data[header + 4 : header + 8], "little")
        if kind in {2, 3, 7, 11, 0x6FFFFFFD, 0x6FFFFFFF}:
            found["sections"].append(header)
            found["contents"].append(header)
    return found


def mutate(data: bytes, places: dict[str, list[int]], chance: random.Random) -> bytes:
    """Change one to three things of an ELF file."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        what = chance.randrange(6)
        if what == 0:
            start, fields = 0, FIELDS["header"]
        elif what <= 2:
            start, fields = chance.choice(places["sections"]), FIELDS["section"]
        elif what == 3:
            start, fields = 64 + 56 * chance.randrange(max(data[56], 1)), FIELDS["segment"]
        elif what == 4:
            header = chance.choice(places["contents"])
            offset, size = (int.from_bytes(data[header + at : header + at + 8], "little") for at in (24, 32))
            if size:
                at = offset + chance.randrange(size)
                wide = chance.choice((1, 2, 4, 8))
                other = bytes([chance.getrandbits(8)]) * wide
                new = chance.choice((bytes(wide), b"\xff" * wide, other, (0xFFFFFFEC).to_bytes(8, "little")))
                changed[at : at + wide] = new[:wide]
            continue
        else:
            del changed[chance.randrange(len(changed)) :]
            continue
        at, wide = chance.choice(fields)
        old = int.from_bytes(changed[start + at : start + at + wide], "little")
        changed[start + at : start + at + wide] = numbers(chance, wide, old, len(data)).to_bytes(wide, "little")
    return bytes(changed)


def main() -> None:
    """Attach to each, in every way that looks for a name."""
    target, path, count, seed = sys.argv[1:]
    with open(target, "rb") as file:
        data = file.read()
    places = interesting(data)
    chance = random.Random(int(seed))
    refused = attached = failed = 0
    own = f"{target}.mutated.{os.getpid()}"
    with bpf.Object.open(path) as obj:
        names = ["by_uprobe", "by_usdt", "by_uprobe_multi"]
        for name, program in obj.programs.items():
            program.autoload = name in names
        obj.load()
        programs = [obj.programs[name] for name in names]
        for number in range(int(count)):
            with open(own, "wb") as file:
                file.write(mutate(data, places, chance))
            # What was there last, for who finds this process dead.
            ways = (
                lambda: programs[0].attach_uprobe(own, "lbc_versioned@LBC_1"),
                lambda: programs[0].attach_uprobe(own, "lbc_nothing"),
                lambda: programs[2].attach_uprobe_multi(own, "*nothing*"),
                lambda: programs[0].attach_uprobe(own, "lbc_nothing@LBC_2"),
                lambda: programs[1].attach_usdt(own, "lbc", "args"),
                lambda: programs[1].attach_usdt(own, "lbc", "nothing"),
                lambda: programs[2].attach_uprobe_multi(own, "lbc_a*"),
                lambda: programs[2].attach_uprobe_multi(own, syms=["lbc_add", "lbc_sub"]),
            )
            try:
                ways[number % len(ways)]().close()
                attached += 1
            except bpf.LibbpfError as error:
                if error.errno == bpf.lib.LIBBPF_ERRNO__FORMAT:
                    refused += 1
                else:
                    failed += 1
            os.unlink(own)
    print(refused, attached, failed)


if __name__ == "__main__":
    main()
