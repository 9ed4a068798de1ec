"""The good files that are changed, compiled into a folder: objects, BTF, programs with probes, and texts."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from btf_seeds import every_kind, with_more

import libbpf_cffi as bpf
from libbpf_cffi._elf import section

TESTS = Path(__file__).resolve().parent.parent
SOURCES = TESTS / "bpf"

OBJECTS = (
    "arena_page", "attach_freplace", "attach_net", "attach_struct_ops", "attach_user", "basic", "fentry", "hostile",
    "kernel_settings", "kinds", "map_kinds", "map_uses", "options", "own_sections", "percpu", "relocated", "runs",
    "struct_ops", "typed_maps", "usdt", "values", "variables", "variables_arena", "variables_linked",
    "variables_static",
)  # fmt: skip
"""The objects of the tests that are changed: with sections, types and relocations of every kind."""

FLAGS = tuple(
    f"-ffile-prefix-map={folder}={name}" for folder, name in ((TESTS.parent, "."), (Path(bpf.__file__).parent, "bpf"))
)
"""Paths are in the types of an object: with the same ones everywhere a seed makes the same inputs in any folder."""

LARGEST_BTF = 1 << 15
"""Bytes of good BTF: to walk over more takes too long."""

MORE = 12
"""How many BTF have types at random, a third of which are good: they are changed too."""

KCONFIG = """# Settings of relocated.bpf.c, and others.
CONFIG_LBC_BOOL=y
CONFIG_LBC_TRISTATE=m
CONFIG_LBC_CHAR='x'
CONFIG_LBC_INT=-2147483648
CONFIG_LBC_LONG=0xffffffffffffffff
CONFIG_LBC_TEXT="a \\"name\\" of some length"
# CONFIG_LBC_UNSET is not set
CONFIG_LBC_NOBODYS="y"
"""

TRACE = """# tracer: nop
CPU:1 [LOST 17641 EVENTS]
           <...>-4770    (   4770) [001] ...1.  1112.175395: tracing_mark_write: hello
            bash-300     [000] d.h1.  1112.175396: bpf_trace_printk: execve: pid=300

and a second line
##### CPU 0 buffer started ####
 a name of bytes-4771    (-------) [000] ...1.            2: sys_read(fd: 3, buf: 7ffe, count: 10)
            bash-300     [000]   1113.177781: 0xffffffffc0000000: text without flags
"""

KINDS = ("objects", "btf", "split", "ext", "core", "kconfig", "modules", "targets", "code", "trace")


def make_seeds(folder: Path) -> None:
    """Make all of them, a folder for each kind."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
    _objects(folder)
    _types(folder)
    _targets(folder)
    # One by one as well: libbpf reads no further than the first line that is wrong.
    for number, text in enumerate((KCONFIG, *KCONFIG.splitlines())):
        (folder / "kconfig" / str(number)).write_text(text, encoding="ascii")
    (folder / "trace" / "text").write_text(TRACE, encoding="ascii")
    for kind in KINDS:
        assert any((folder / kind).iterdir()), f"there are no good files for {kind}"


def _objects(folder: Path) -> None:
    objects = folder / "objects"
    for name in OBJECTS:
        _object(folder, name, bpf.compile_object(SOURCES / f"{name}.bpf.c", flags=FLAGS))
    # One that the linker has made, with the sections that it makes; and those of other machines.
    both = bpf.link_objects((objects / "basic").read_bytes(), (objects / "variables_linked").read_bytes())
    (objects / "linked").write_bytes(both)
    other = "bpfeb" if sys.byteorder == "little" else "bpfel"
    flags = [*FLAGS, f"--target={other}"]
    _object(folder, "other_order", bpf.compile_object(SOURCES / "typed_maps.bpf.c", flags=flags))
    (objects / "class32").write_bytes(other_elf((objects / "typed_maps").read_bytes(), bits=32, order="<"))


def _object(folder: Path, name: str, data: bytes) -> None:
    (folder / "objects" / name).write_bytes(data)
    types, ext = section(data, ".BTF"), section(data, ".BTF.ext")
    if types and len(types) < LARGEST_BTF:
        (folder / "btf" / name).write_bytes(types)
        (folder / "ext" / name).write_bytes(ext or b"")
    code = section(data, "raw_tp/sys_enter") or section(data, ".text")
    if code:
        (folder / "code" / name).write_bytes(code)
    if name == "relocated":
        # What an object is fitted to may be its own types.
        (folder / "core" / "types").write_bytes(types or b"")
        (folder / "core" / "object").write_bytes(data)


def _types(folder: Path) -> None:
    good = every_kind()
    (folder / "btf" / "every_kind").write_bytes(good)
    for number in range(MORE):
        (folder / "btf" / f"more-{number}").write_bytes(with_more(good, number))
    with bpf.Btf.from_bytes(good) as btf:
        btf.endianness = "big" if sys.byteorder == "little" else "little"
        (folder / "btf" / "other_order").write_bytes(btf.raw)
    (folder / "split" / "base").write_bytes(good)
    with bpf.Btf.from_bytes(good) as base, bpf.Btf.new(base) as split:
        pointer = split.add_ptr(base["struct pair"])
        split.add_struct("module", 112)
        split.add_field("node", base["struct node"], 0)
        split.add_field("pair", pointer, 104 * 8)
        split.add_typedef("color_t", base["enum color"])
        split.add_func("module_main", "static", base["func main"].type)
        (folder / "split" / "split").write_bytes(split.raw)
        needed, fitted = split.distill_base()
        with needed, fitted:
            (folder / "split" / "distilled").write_bytes(fitted.raw)
            (folder / "split" / "needed").write_bytes(needed.raw)
    # As the file of a kernel's module has them.
    module = folder / "modules" / "module"
    subprocess.run(["cc", "-c", "-x", "c", "-o", module, "/dev/null"], check=True)
    parts = [
        f"--add-section={name}={folder}/split/{of}" for name, of in ((".BTF", "distilled"), (".BTF.base", "needed"))
    ]
    subprocess.run(["objcopy", *parts, module], check=True)


def _targets(folder: Path) -> None:
    targets = folder / "targets"
    versions = folder / "versions"
    versions.write_text("LBC_1 { global: lbc_*; };\nLBC_2 { } LBC_1;\n", encoding="ascii")
    for name, source, flags in (
        ("library", "attach_target.c", ["-O1", "-shared", "-fPIC", f"-Wl,--version-script={versions}"]),
        ("stripped", "attach_target.c", ["-O1", "-shared", "-fPIC", f"-Wl,--version-script={versions}", "-s"]),
        ("program", "usdt_target.c", ["-O2"]),
    ):
        subprocess.run(["cc", *flags, "-o", targets / name, SOURCES / source], check=True)
    library = (targets / "library").read_bytes()
    if library[4:6] == b"\2\1":
        (targets / "class32").write_bytes(other_elf(library, bits=32, order="<"))
        (targets / "other_order").write_bytes(other_elf(library, bits=64, order=">"))


def other_elf(data: bytes, *, bits: int, order: str) -> bytes:
    """Give an ELF file of 64 bits and little-endian as one of other bits or order: its tables, where they were.

    What sections hold, symbols aside, stays as it is, byte for byte.
    """
    word = "I" if bits == 32 else "Q"
    changed = bytearray(data)

    def rows(start: int, size: int, old: str, new: str, turned: tuple[int, ...] = ()) -> int:
        """Write rows anew, their fields in another order; give their new size."""
        count, new = size // struct.calcsize(f"<{old}"), order + new
        for number in range(count):
            values = struct.unpack_from(f"<{old}", data, start + number * struct.calcsize(f"<{old}"))
            values = tuple(values[at] for at in turned) if turned and bits == 32 else values
            struct.pack_into(new, changed, start + number * struct.calcsize(new), *values)
        return count * struct.calcsize(new)

    head = [*struct.unpack_from("<16sHHIQQQIHHHHHH", data)]
    _, _, _, _, _, segments, sections, _, _, _, phnum, _, shnum, _ = head
    head[0] = head[0][:4] + bytes([1 if bits == 32 else 2, 1 if order == "<" else 2]) + head[0][6:]
    tables = []
    for at in range(sections, sections + 64 * shnum, 64):
        fields = [*struct.unpack_from("<IIQQQQIIQQ", data, at)]
        _, kind, _, _, offset, size, *_ = fields
        if kind in (2, 11):
            short = ("IIIBBH", (0, 4, 5, 1, 2, 3)) if bits == 32 else ("IBBHQQ", ())
            fields[5], fields[9] = rows(offset, size, "IBBHQQ", *short), struct.calcsize(order + short[0])
        tables.append(fields)
    short = ("8I", (0, 2, 3, 4, 5, 6, 1, 7)) if bits == 32 else ("IIQQQQQQ", ())
    rows(segments, 56 * phnum, "IIQQQQQQ", *short)
    for number, fields in enumerate(tables):
        shape = f"{order}II{word * 4}II{word * 2}"
        struct.pack_into(shape, changed, sections + number * struct.calcsize(shape), *fields)
    if bits == 32:
        head[8], head[9], head[11] = 52, 32, 40
    struct.pack_into(f"{order}16sHHI{word * 3}IHHHHHH", changed, 0, *head)
    return bytes(changed)
