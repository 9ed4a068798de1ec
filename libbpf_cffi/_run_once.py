"""What the command does once, as soon as all is attached: iterators are read, syscall programs are called."""

from __future__ import annotations

import codecs
import errno
from time import monotonic

import libbpf_cffi as bpf

from . import _run_facts as facts
from ._run_io import printable
from ._run_options import UsageError
from ._run_setup import no_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._run_io import Output, Reporter, Stopper
    from ._run_options import Options

__all__ = ["Once"]

CHUNK = 1 << 16

MOST_EMPTY = 10_000
"""Reads that give nothing, one after the other: the kernel ends one after a million objects, or when a program asks for
the same object again.
"""

NO_ARGUMENT = (
    "the program reads an argument, of which --call makes zeros only if it knows the type: its parameter must be a "
    "pointer to a struct, in an object compiled with -g"
)

_RETRIED = "the program returns 1, which asks for the same object again"


class Once:
    """The iterators of all objects and the syscall programs that the options name."""

    def __init__(self, options: Options, objects: Mapping[str, bpf.Object]) -> None:
        from fnmatch import fnmatchcase

        self._json = options.json
        programs = [(path, program) for path, obj in objects.items() for program in obj.programs.values()]
        loaded = [program for _, program in programs if program.autoload]
        self.iterators = {(path, each.name) for path, each in programs if each.autoload and facts.is_iterator(each)}
        """Each by its object, for one of another may have its name."""
        self.calls: list[bpf.Program] = []
        for pattern in options.call:
            found = [each for each in loaded if facts.type_name(each) == "syscall" and fnmatchcase(each.name, pattern)]
            if not found:
                raise UsageError(f"--call {pattern}: {no_program('call', pattern, objects.values())}")
            self.calls += found
        for program in self.calls:
            program.autoattach = False

    def show(
        self,
        links: Mapping[str, Mapping[str, bpf.Link | bpf.SocketProgram]],
        output: Output | None,
        stopper: Stopper,
        report: Reporter,
        deadline: float | None,
    ) -> None:
        """Call the programs and tell what they return; then write what the iterators give, until the deadline."""
        for program in self.calls:
            stopper.check()
            report.fact(f"program {program.name} returned {_called(program)}")
        for path, of_object in links.items():
            for name, link in of_object.items():
                iterator = name.partition(".")[0]
                if (path, iterator) not in self.iterators or not isinstance(link, bpf.Link):
                    continue
                assert output is not None
                if not self._json and len(self.iterators) > 1:
                    report.fact(f"iterator {name}:")
                try:
                    for text in (_lines if self._json else _chunks)(link, stopper, deadline):
                        output.write(_as_json(iterator, text) if self._json else printable(text))
                except _TimeUpError:
                    report.warning(f"iterator {name} was not at its end after --duration")


def _called(program: bpf.Program) -> int:
    """Call a program, and give what it returns."""
    try:
        return program().retval
    except bpf.LibbpfError as error:
        if error.errno == errno.EINVAL and error.hint is not None:
            # The hint is one for Python: how an argument is given there, and what it is called.
            error.hint = NO_ARGUMENT if "ctx_in=" in error.hint else error.hint.replace("ctx_in", "its argument")
        raise


class _TimeUpError(Exception):
    """An iteration has taken all the time that there is."""


def _chunks(link: bpf.Link, stopper: Stopper, deadline: float | None) -> Iterator[str]:
    """Give what an iterator writes, piece by piece: it may be longer than memory."""
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    empty = 0
    with link.iter_create() as file:
        while True:
            stopper.check()
            if empty == MOST_EMPTY:
                raise OSError(errno.EAGAIN, f"cannot read an iterator: {_RETRIED}")
            if deadline is not None and monotonic() >= deadline:
                raise _TimeUpError
            try:
                data = file.read(CHUNK)
            except OSError as error:
                raise OSError(error.errno or errno.EIO, f"cannot read an iterator: {error.strerror}") from None
            if data == b"":
                break
            empty = 0 if data else empty + 1
            yield decoder.decode(data or b"")
    yield decoder.decode(b"", final=True)


def _lines(link: bpf.Link, stopper: Stopper, deadline: float | None) -> Iterator[str]:
    rest = ""
    for text in _chunks(link, stopper, deadline):
        *whole, rest = (rest + text).split("\n")
        yield from whole
    if rest:
        yield rest


def _as_json(iterator: str, line: str) -> str:
    import json

    return json.dumps({"iterator": iterator, "line": line}) + "\n"
