"""What to do about the refusals of the verifier that beginners meet. Not imported until one is met."""

from __future__ import annotations

from . import _privileges
from ._ffi import lib
from .errors import _parted

__all__ = ["HINTS", "verifier_hint"]

HINTS = (
    (
        (
            "pointer -= pointer prohibited", "pointer comparison prohibited", "leaks addr ", "partial copy of pointer",
            "prohibited for !root", "attempt to corrupt spilled pointer", "allowed only to CAP_PERFMON",
        ),
        ("this process lacks CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN), without which the kernel allows programs "
        "of any type no difference of pointers, no comparison of them but with data_end or NULL, no pointer in a map "
        "or a result, no uninitialised stack, and no helpers such as bpf_trace_printk() (bpf_printk) and "
        "bpf_get_current_task()"),
    ),
    (
        ("non-GPL compatible program", "GPL only function from proprietary program"),
        'the program must declare a licence that is compatible: char LICENSE[] SEC("license") = "GPL";',
    ),
    (
        ("_or_null'", "_or_null_'", "_or_null expected=", "_or_null_ expected=", "Possibly NULL pointer passed"),
        "that pointer may be NULL: compare it with NULL before it is used, as in `if (!value) return 0;`",
    ),
    (
        ("failed to resolve CO-RE relocation", "<invalid CO-RE relocation>", "unknown#195896080"),
        ("this kernel has no such type, member or value, or not of that kind (CO-RE): ask for it first with "
        "bpf_core_field_exists(), bpf_core_type_exists() or bpf_core_enum_value_exists()"),
    ),
    (
        ("is referenced but wasn't created", "unknown#2001"),
        "the program uses a map that load has left out: let the map have autocreate, or the program no autoload",
    ),
    (
        ("is referenced but wasn't resolved", "unknown#2002"),
        "this kernel has no such function for programs (kfunc): ask for it first with bpf_ksym_exists()",
    ),
    (
        ("invalid func unknown#",),
        "this kernel does not have the helper {helper}",
    ),
    (
        ("might sleep in a non-sleepable", "cannot use helper bpf_copy_from_user", "unknown func bpf_copy_from_user"),
        'what may sleep is for sleepable programs: SEC("uprobe.s"), "fentry.s", "lsm.s", "iter.s", "syscall" and such',
    ),
    (
        ("cannot use helper ", "unknown func bpf_"),
        "programs of this type may not call that helper, or not on this kernel: probe.helpers() lists those they may",
    ),
    (
        ("infinite loop detected", "back-edge from insn", "loop detected"),
        ("the verifier must see that a loop ends: give it a constant bound, or use bpf_for() (Linux 6.4) or bpf_loop() "
        "(5.17); before 5.3 loops must be unrolled"),
    ),
    (
        ("BPF program is too large", "jumps is too complex", "too many states"),
        ("the verifier has walked too many ways through the program: fewer branches in loops, lower bounds, bpf_for() "
        "(Linux 6.4) or bpf_loop() (5.17), global functions (not static), which it looks at once"),
    ),
    (
        (
            "unbounded memory access", "unbounded min value is not allowed", "unbounded max value is not allowed",
            "min value is negative", "makes map_value pointer be out of bounds",
        ),
        ("that index or size may be anything: bound it just before, as in `if (i >= N) return 0;` or `i &= N - 1`, "
        "with N a power of two, and let it be unsigned"),
    ),
    (
        ("invalid access to map value", "invalid access to memory, mem_size="),
        "that reaches over the end of the value: value_size or mem_size is what it has, off and size what is wanted",
    ),
    (
        ("invalid access to packet",),
        "compare with data_end before each access: `if (data + size > data_end) return …;`",
    ),
    (
        ("slot poisoned by dead code",),
        ("the verifier holds that nothing reads that variable, and keeps no value there: bpf_map_peek_elem() of a "
        "bloom filter does, of which Linux 7.3 does not know; let it be a global variable"),
    ),
    (
        ("to stack R", "from stack R", "from stack off", "invalid stack ", "access to stack", "invalid indirect read"),
        ("the stack has 512 bytes: that is outside of the variable, or was never set (a struct with holes is set by "
        "`= {}` and memset()); what is larger goes into a map"),
    ),
    (
        ("!read_ok",),
        ("that register has no value on this path: a variable that is not set, a return without a value (R0), or an "
        "argument that the program does not have"),
    ),
    (
        ("invalid bpf_context access", "dereference of modified ctx ptr"),
        ("the context of a program of this type has nothing there that it may read or write in that size: the struct "
        "must be the one of its type, and is read member by member"),
    ),
    (
        ("invalid mem access 'scalar'", "invalid mem access 'inv'"),
        ("that is a number for the verifier, and no pointer that may be followed: memory of the kernel is read by "
        "bpf_probe_read_kernel() or BPF_CORE_READ(), a user's by bpf_probe_read_user()"),
    ),
    (
        ("Unreleased reference", "reference leak"),
        ("what was taken must be given back on every path: bpf_ringbuf_submit() or bpf_ringbuf_discard() after "
        "bpf_ringbuf_reserve(), bpf_sk_release(), bpf_task_release() and so on"),
    ),
    (
        ("type=map_value expected=map_ptr",),
        'that is a variable for the verifier, and no map: the definition of a map must stand in SEC(".maps")',
    ),
    (
        ("type=scalar expected=", "type=inv expected=", "type=imm expected="),
        ("that is a number for the verifier, or NULL: the helper wants a pointer there to what the verifier knows, as "
        "the address of a variable, or what a map's lookup has given"),
    ),
    (
        ("At program exit the register R0",),
        "a program of this type may return only what the line above says",
    ),
)  # fmt: skip
"""The verifier's words, those of old kernels too, and the hint; the first that fits counts."""

_SLEEPABLE = next(hint for words, hint in HINTS if "might sleep in a non-sleepable" in words)

_WITHOUT_PERFMON = HINTS[0][1]
"""What those words mean whoever sees them; to a process without CAP_PERFMON others mean it too."""

_FOR_PERFMON = ("trace_printk", "trace_vprintk", "get_current_task", "probe_read_", "snprintf", "task_pt_regs")
"""How the helpers begin that programs of all types may call, with CAP_PERFMON (bpf_base_func_proto()).

Not all: newer kernels have more that were for programs of some types before.
"""

_TAIL = 1 << 14
_LINES = 15


def verifier_hint(log: str) -> str | None:
    """Say what to do about what a verifier's log ends in."""
    plain, report = _parted(log)
    lines = [line.strip() for line in plain[-_TAIL:].splitlines()]
    # Lines of the source, and instructions, may have any words.
    said = "\n".join(line for line in lines[-_LINES:] if not line.startswith(";"))
    for words, hint in HINTS:
        for each in words:
            _, found, rest = said.partition(each)
            if found:
                return _with_perfmon(said, hint.replace("{helper}", _helper(rest)))
    # Linux 7.3 and later say this in the report alone, whose other words are broken into lines in a frame.
    return _SLEEPABLE if any("^-- error: sleepable " in part for part in report) else None


def _with_perfmon(said: str, hint: str) -> str:
    """Say as well, or instead, that the process lacks CAP_PERFMON, where that may be why."""
    helper = said.partition("cannot use helper bpf_")[2] or said.partition("unknown func bpf_")[2]
    read = said.partition("read from stack ")[2].partition("\n")[0]
    # "R3 off -16+0" was never set, nor was "R3 off=-16" for newer kernels; beyond 512 bytes nobody may read.
    offset = read.partition(" off=")[2].partition(" ")[0]
    unset = read and (not offset or offset in map(str, range(-512, 0)))
    if not (helper or unset) or not _privileges.missing("CAP_PERFMON"):
        return hint
    return _WITHOUT_PERFMON if helper.startswith(_FOR_PERFMON) else f"{_WITHOUT_PERFMON}; or {hint}"


def _helper(rest: str) -> str:
    """Name the helper whose number a text begins with."""
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    prefix = "BPF_FUNC_"
    for name in dir(lib):
        if name.startswith(prefix) and digits and getattr(lib, name) == int(digits):
            return f"bpf_{name.removeprefix(prefix)}()"
    return f"number {digits}"
