"""What the running kernel can do, what this process may do, and what programs can be attached to.

::

    from libbpf_cffi import probe

    probe.map_type("ringbuf"), probe.helper("kprobe", "bpf_get_stackid"), probe.attach_type("tcx_ingress")
    probe.isa_version(), probe.missing_capabilities("xdp"), probe.functions(), probe.event_sources()["kprobe"]

and at the prompt ``python -m libbpf_cffi.probe [--json]``. Whether the kernel has something is found out by trying, not
by its version. A no is ``False``; what keeps from finding out is an exception.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ._capabilities import (
    capabilities,
    missing_capabilities,
    needed_capabilities,
    unprivileged_bpf_disabled,
)
from ._command_io import complain, end_with, write
from ._probe_code import Limits, attach_type, attach_types, instructions, isa_version, limits
from ._probe_files import Symbol, UsdtProbe, symbols, usdt_probes
from ._probe_system import Jit, jit, kernel_config, num_possible_cpus, online_cpus, possible_cpus
from ._probe_targets import (
    event_sources,
    functions,
    iterators,
    kfuncs,
    lsm_hooks,
    modules,
    raw_tracepoints,
    struct_ops_types,
    syscalls,
)
from ._probe_types import helper, helpers, map_type, map_types, prog_type, prog_types
from ._refusals import MOMENTARY
from .errors import Error, LibbpfError, LibbpfPermissionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .enums import AttachType, MapType, ProgType

__all__ = [
    "Features",
    "Jit",
    "Limits",
    "Symbol",
    "UsdtProbe",
    "attach_type",
    "attach_types",
    "capabilities",
    "event_sources",
    "features",
    "functions",
    "helper",
    "helpers",
    "instructions",
    "isa_version",
    "iterators",
    "jit",
    "kernel_config",
    "kfuncs",
    "limits",
    "lsm_hooks",
    "main",
    "map_type",
    "map_types",
    "missing_capabilities",
    "modules",
    "needed_capabilities",
    "num_possible_cpus",
    "online_cpus",
    "possible_cpus",
    "prog_type",
    "prog_types",
    "raw_tracepoints",
    "struct_ops_types",
    "symbols",
    "syscalls",
    "unprivileged_bpf_disabled",
    "usdt_probes",
]


class Features(NamedTuple):
    """All that `features` has found out; ``None`` stands for what could not be.

    The fields are named after the functions of this module that give them; `helpers` are the names by the type of
    program, empty if they were not asked for; ``None`` of a type in a process that lacks CAP_PERFMON (see `helper`).
    """

    release: str
    machine: str
    capabilities: tuple[str, ...]
    unprivileged_bpf_disabled: int | None
    jit: Jit
    possible_cpus: tuple[int, ...]
    online_cpus: tuple[int, ...]
    btf: bool
    isa_version: int
    instructions: dict[str, bool]
    limits: Limits
    prog_types: dict[ProgType, bool | None]
    map_types: dict[MapType, bool | None]
    attach_types: dict[AttachType, bool | None]
    event_sources: dict[str, bool | None]
    helpers: dict[ProgType, tuple[str, ...] | None]

    def plain(self) -> dict[str, Any]:
        """Give it as JSON can have it: names for enumerations."""
        found = self._asdict()
        found["jit"], found["limits"] = self.jit._asdict(), self.limits._asdict()
        for field in ("prog_types", "map_types", "attach_types", "helpers"):
            found[field] = {kind.name.lower(): value for kind, value in getattr(self, field).items()}
        return found


def features(*, helpers: bool = False) -> Features:
    """Find out all that the kernel can do; with `helpers` also what helpers each type of program may call.

    That takes some 0.1 s, with helpers a second. Raises `LibbpfPermissionError` in a process that may not load even a
    socket filter.
    """
    system = os.uname()
    kinds = prog_types()
    found: dict[ProgType, tuple[str, ...] | None] = {}
    if helpers:
        for kind, there in kinds.items():
            if there and kind.name not in _NO_HELPERS:
                try:
                    found[kind] = tuple(_helpers(kind))
                except LibbpfPermissionError:
                    found[kind] = None
    return Features(
        system.release,
        system.machine,
        tuple(capabilities()),
        unprivileged_bpf_disabled(),
        jit(),
        tuple(possible_cpus()),
        tuple(online_cpus()),
        os.path.exists("/sys/kernel/btf/vmlinux"),
        isa_version(),
        instructions(),
        limits(),
        kinds,
        map_types(),
        attach_types(),
        _event_sources(),
        found,
    )


def _event_sources() -> dict[str, bool | None]:
    try:
        return dict(event_sources())
    except LibbpfError as error:
        if error.errno in MOMENTARY:
            raise
        return dict.fromkeys(("kprobe", "tracepoint", "uprobe"))


_helpers = helpers
_NO_HELPERS = ("TRACING", "LSM", "EXT", "STRUCT_OPS")
"""Of these libbpf cannot find out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show at the prompt what the kernel can do; give the exit status."""
    from argparse import ArgumentParser

    parser = ArgumentParser(
        prog="python -m libbpf_cffi.probe", description="Find out what the running kernel can do with BPF."
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--helpers", action="store_true", help="also the helpers of each type of program")
    options = parser.parse_args(arguments)
    try:
        found = features(helpers=options.helpers).plain()
    except Error as error:
        return complain(f"libbpf_cffi.probe: {error}")
    if options.json:
        import json

        return write(json.dumps(found, indent=2) + "\n")
    return write("".join(_lines(found)))


def _lines(found: dict[str, Any]) -> list[str]:
    lines = []
    for field, value in found.items():
        title = field.replace("_", " ")
        if not isinstance(value, dict):
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else _shown(value)
            lines.append(f"{title}: {shown or 'none'}\n")
            continue
        if value:
            lines.append(f"{title}:\n")
        for name, each in value.items():
            lines.append(f"  {name:<32}{', '.join(each) if isinstance(each, tuple) else _shown(each)}\n")
    return lines


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    end_with(main)
