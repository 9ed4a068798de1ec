"""The page of the public names: by topic, each with the first line of its docstring.

``python tests/support/api_page.py`` writes it into docs/api.md.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import libbpf_cffi

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "api.md"

TOPICS = {
    "Objects": "Object compile_object CompileError CompileWarning vmlinux_h link_objects LoaderProgram",
    "Programs": """
        Program KernelProgram ProgramInfo ProgramId TestRun Insn Xlated JitedFunction Stats enable_stats ProgHandler
        register_prog_handler SocketProgram""",
    "Links and perf events": "Link LinkInfo PerfEvent PerfReading",
    "Maps": """
        Map MapInfo HashMap ArrayMap PercpuHashMap PercpuArrayMap num_possible_cpus LpmTrie Queue Stack BloomFilter
        ProgArray MapOfMaps ArrayOfMaps HashOfMaps PerfEventArray RingBufferMap UserRingBufferMap StackTrace
        StackFrame CgroupArray DevMap DevMapHash DevEntry CpuMap CpuEntry XskMap SockMap SockHash ReuseportSockArray
        Storage TaskStorage SkStorage InodeStorage CgrpStorage CgroupStorage PercpuCgroupStorage CgroupStorageKey
        Arena StructOps InsnArray InsnPlace""",
    "Global variables": "Variables Variable",
    "Values": "Record UnionValue plain",
    "Events": "RingBuffer Ring PerfBuffer CpuBuffer Batch UserRingBuffer UserSample",
    "The trace (trace_pipe)": "TracePipe TraceLine LostEvents",
    "BTF": """
        Btf BtfType BtfMember BtfParam BtfEnumerator BtfVariable BtfExt BtfFuncInfo BtfLineInfo""",
    "Names for addresses": "Symbolizer Frame",
    "Enumerations and flags": """
        ProgType MapType AttachType LinkType BtfKind BpfCmd PerfEventType ProbeAttachMode CgroupIterOrder MapFlags
        UpdateFlags ProgFlags TestRunFlags AttachFlags XdpFlags""",
    "Errors": """
        Error LibbpfError VerifierError LibbpfPermissionError NotSupportedError StateError ClosedError EventError
        TracefsError""",
    "Privileges and limits": "Token TokenInfo preload set_memlock_rlim",
    "What libbpf asks the kernel": "Syscalls Syscall record_syscalls",
    "The way out to C": "ffi lib pointer",
}
"""Which names are about what, in the order of the page."""

PAGES = {
    "Objects": "guide", "Programs": "programs", "Links and perf events": "attach", "Maps": "maps",
    "Global variables": "guide", "Values": "types", "Events": "events", "The trace (trace_pipe)": "guide", "BTF": "btf",
    "Names for addresses": "maps",
    "Errors": "errors", "Privileges and limits": "security", "What libbpf asks the kernel": "raw",
    "The way out to C": "raw",
}  # fmt: skip
"""Where it is shown how they are used."""

MODULES = ("net", "kernel", "probe", "tracefs", "tracepoints", "hist")
"""The modules that have public names of their own."""

HEAD = """# API reference

The docstrings are the reference: `help(bpf.Map)` shows a class with all that it has, `help(bpf.Map.create)` one method,
with the function of libbpf that it wraps, units, errors, and the version of Linux that brought it. Arguments are called
as libbpf calls them, and types are in the signatures. Here is what `import libbpf_cffi as bpf` offers, by topic.

<!-- written by tests/support/api_page.py -->
"""

OWN = {
    "ffi": "CFFI's own interface: `ffi.new()`, `ffi.NULL`, `ffi.errno`.",
    "lib": "All functions, constants and enumerators of libbpf.",
}
"""Those of CFFI have no docstring."""


def _said(thing: object) -> str:
    """Give the first paragraph of a docstring, with Markdown's code marks for those of reStructuredText."""
    text = (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
    return re.sub(r"``?([^`]+)``?", r"`\1`", text)


def page() -> str:
    """Write the page."""
    parts = [HEAD]
    for topic, names in TOPICS.items():
        rows = [f"| `{name}` | {OWN.get(name) or _said(getattr(libbpf_cffi, name))} |" for name in names.split()]
        more = f"\nUsed in [{PAGES[topic]}.md]({PAGES[topic]}.md).\n" if topic in PAGES else ""
        parts.append("\n".join([f"\n## {topic}\n{more}", "| name | what it is |", "|---|---|", *rows, ""]))
    parts.append("\n## Modules\n\nEach is `bpf.net` and so on, or `from libbpf_cffi import kernel, probe`.\n")
    for name in MODULES:
        module = importlib.import_module(f"libbpf_cffi.{name}")
        listed = ", ".join(f"`{each}`" for each in module.__all__)
        parts.append(f"\n- `{name}`: {_said(module).rstrip('.')}. {listed}.")
    return "".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
