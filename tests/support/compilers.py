"""Compile random C types, for this machine and for BPF of both byte orders."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from c_types import Header, declare, program
from hypothesis import assume

from libbpf_cffi import Btf
from libbpf_cffi._elf import section

CLANG = next((name for name in ("clang", *(f"clang-{n}" for n in range(25, 13, -1))) if shutil.which(name)), "clang")


@functools.cache
def folder() -> Path:
    """Give a folder for what is compiled; it is removed when this process ends."""
    made = Path(tempfile.mkdtemp(prefix="codec-"))
    atexit.register(shutil.rmtree, made)
    return made


def run(*command: object, **more) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **more)
    # clang 19 has an assertion that initialisers of some unions with empty structs in them do not hold.
    assume("PLEASE submit a bug report" not in done.stderr)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class Bpf:
    """The BTF of the types in a header, and the bytes that clang makes of initialisers."""

    def __init__(self, header: Header, initialisers: list[tuple[int, str]] = (), target: str = "bpf") -> None:
        lines = [header.text]
        for index, kind in enumerate(header.types):
            lines.append(f"{declare(kind, f'(*pointer_{index})')};")
        for index, (which, text) in enumerate(initialisers):
            variable = declare(header.types[which], f"value_{index}")
            lines.append(f'__attribute__((section("v{index}"))) {variable} = {text};')
        source, output = folder() / "types.c", folder() / "types.o"
        source.write_text("\n".join(lines))
        run(CLANG, "-target", target, "-g", "-O2", "-w", "-c", source, "-o", output)
        data = output.read_bytes()
        self.btf = Btf.from_bytes(section(data, ".BTF"))
        self.types = [self._type(index) for index in range(len(header.types))]
        self.bytes = [section(data, f"v{index}") or b"" for index in range(len(initialisers))]

    def _type(self, index: int):
        return self.btf[f"var pointer_{index}"].type.type


class Host:
    """The header's types, compiled for this machine, in a program that answers questions."""

    def __init__(self, header: Header, compiler: str) -> None:
        self.header = header
        source, self.path = folder() / "host.c", folder() / "host"
        source.write_text(program(header))
        run(compiler, "-O0", "-w", "-o", self.path, source)

    def ask(self, questions: list[tuple[int, str, int, int, str]]) -> list[list[int | bytes]]:
        """Ask about types by number: ``s`` sizes, ``t`` the numbers in memory, ``f`` the memory with numbers in it.

        Of a question the third is the count of a flexible array's elements, the fourth how much memory is meant.
        """
        text = "".join(f"{index} {what} {wide(n)} {wide(size)} {rest}\n" for index, what, n, size, rest in questions)
        answers: list[list[int | bytes]] = [[]]
        for line in run(self.path, input=text).splitlines():
            if line == ".":
                answers.append([])
            elif line.startswith("="):
                answers[-1].append(bytes.fromhex(line[1:]))
            else:
                high, _, low = line.partition(":")
                answers[-1].append(int(high, 16) << 64 | int(low, 16))
        assert len(answers) == len(questions) + 1
        return answers[:-1]


def wide(number: int) -> str:
    """Write a number as the program reads it."""
    return f"{number >> 64:x}:{number & (1 << 64) - 1:x}"
