"""Declare `libbpf_cffi._libbpf`, the compiled half of the package, to cffi.

`csrc/cdef/` holds what Python may see of libbpf, one file a noun. cffi reads the files in the order given
here, because a C type must be declared before it is used. `lbc.h`, the last one, declares our own C: it is
included by `csrc/*.c` as well, so that the two can't differ.
"""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

#: Where this file is; the build runs with this as its working directory.
ROOT = Path(__file__).resolve().parent
CDEF_DIR = ROOT / "csrc" / "cdef"

#: The module that is generated and compiled.
MODULE = "libbpf_cffi._libbpf"

#: Files of `csrc/cdef/`, in the order in which cffi reads them.
CDEF_ORDER: tuple[str, ...] = (
    "types.h",
    "uapi_insn.h",
    "uapi_bpf.h",
    "uapi_flags.h",
    "uapi_func.h",
    "uapi_attr.h",
    "uapi_info.h",
    "uapi_context.h",
    "uapi_btf.h",
    "uapi_perf.h",
    "uapi_net.h",
    "version.h",
    "log.h",
    "object.h",
    "program.h",
    "attach.h",
    "link.h",
    "map.h",
    "ring_buffer.h",
    "user_ring_buffer.h",
    "perf_buffer.h",
    "prog_linfo.h",
    "xdp.h",
    "tc.h",
    "skeleton.h",
    "gen_loader.h",
    "linker.h",
    "handler.h",
    "probe.h",
    "sys_map.h",
    "sys_prog.h",
    "sys_link.h",
    "sys_obj.h",
    "btf.h",
    "btf_write.h",
    "btf_inline.h",
    "btf_ext.h",
    "btf_dump.h",
    "lbc.h",
)

#: What the generated C includes: libbpf's three public headers bring the kernel's with them.
PREAMBLE = """\
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/if_link.h>
#include <linux/netdev.h>
#include <linux/perf_event.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include "bpf.h"
#include "btf.h"
#include "libbpf.h"
#include "nested.h"
#include "cdef/lbc.h"
#include "quick.h"
#include "decode_types.h"
#include "settle.h"
"""

#: Preprocessor lines that a file needs when C includes it, and that cffi cannot read.
_FOR_C_ONLY = re.compile(
    r"^[ \t]*#[ \t]*(pragma[ \t]+once|include|ifndef|endif|define[ \t]+\w+_H_?[ \t]*$).*", re.MULTILINE
)


class CdefError(Exception):
    """`csrc/cdef/` and `CDEF_ORDER` don't name the same files, or a file cannot be parsed."""


def cdef_files() -> list[Path]:
    """Return the files of `csrc/cdef/` in reading order.

    Raises `CdefError` when a file is not in `CDEF_ORDER`, or an entry has no file.
    """
    present = {path.name for path in CDEF_DIR.glob("*.h")}
    ordered = set(CDEF_ORDER)
    if len(CDEF_ORDER) != len(ordered):
        raise CdefError(f"{Path(__file__).name}: CDEF_ORDER names a file twice")
    problems = [f"csrc/cdef/{name} is not in CDEF_ORDER of build_ffi.py" for name in sorted(present - ordered)]
    problems += [
        f"CDEF_ORDER of build_ffi.py names csrc/cdef/{name}, which is not there" for name in sorted(ordered - present)
    ]
    if problems:
        raise CdefError("; ".join(problems))
    return [CDEF_DIR / name for name in CDEF_ORDER]


def make_ffi() -> FFI:
    """Return the `FFI` with every declaration read and the source set."""
    ffi = FFI()
    for path in cdef_files():
        text = _FOR_C_ONLY.sub("", path.read_text(encoding="utf-8"))
        try:
            ffi.cdef(text)
        except Exception as error:
            # cffi and pycparser have a dozen exception types, none of which says which file it was reading.
            raise CdefError(f"csrc/cdef/{path.name}: {type(error).__name__}: {error}") from error
    # The compiler flags, sources and libraries are in build_native.py: they differ between our C and
    # libbpf's.
    ffi.set_source(MODULE, PREAMBLE)
    return ffi
