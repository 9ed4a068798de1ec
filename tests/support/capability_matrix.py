"""Do one thing after the other with some capabilities only, as a user who is not root, and tell what came of each.

    python capability_matrix.py FOLDER-OF-OBJECTS FOLDER-FOR-PINS FOLDER-OF-A-CGROUP < QUESTIONS

QUESTIONS are JSON: a list of pairs of a step's name and the numbers of the capabilities that are kept. Each is
answered by a line of JSON: ``null`` if it worked, or the exception's type, errno and text. Each runs in a child of its
own, which prepares with all privileges what the step needs, gives them up, and does the step.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import sys

import libbpf_cffi as bpf

NOBODY = 65534
CLONE_NEWNET = 0x40000000

NUMBERS = {
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
"""include/uapi/linux/capability.h."""

RETURN_0 = bytes.fromhex("b700000000000000 9500000000000000")
"""r0 = 0; exit."""

libc = ctypes.CDLL(None, use_errno=True)


def give_up(kept: list[int]) -> None:
    """Become nobody who has some capabilities."""
    keep_capabilities = 8  # PR_SET_KEEPCAPS
    assert libc.prctl(keep_capabilities, 1, 0, 0, 0) == 0
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    mask = sum(1 << number for number in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    assert libc.capset(header, data) == 0


objects: dict[str, bytes] = {}
pins = cgroup = ""


def loaded(name: str, *programs: str) -> bpf.Object:
    """Load an object with some of its programs."""
    obj = bpf.Object.open(objects[name])
    for program in obj.programs.values():
        program.autoload = program.name in programs
    obj.load()
    return obj


FURTHER = {
    "sk_lookup": {"expected_attach_type": bpf.AttachType.SK_LOOKUP},
    "cgroup_sockopt": {"expected_attach_type": bpf.AttachType.CGROUP_GETSOCKOPT},
    "netfilter": {"expected_attach_type": bpf.AttachType.NETFILTER},
    "syscall": {"prog_flags": 1 << 4},  # BPF_F_SLEEPABLE
}
"""What programs of some types must say."""


def load_kind(kind):
    def prepare():
        return lambda: bpf.KernelProgram.load(kind, RETURN_0, **FURTHER.get(kind, {})).close()

    return prepare


def create_map():
    return lambda: bpf.Map.create("hash", "u32", "u32", 1).close()


def create_map_of(kind):
    return lambda: lambda: bpf.Map.create(kind, 4, 4, 1).close()


def load_object_with_devmap():
    def do():
        with bpf.Object.open(objects["attach_net"]) as obj:
            for program in obj.programs.values():
                program.autoload = False
            for each in obj.maps.values():
                each.autocreate = each.name == "devices"
            obj.load()

    return do


def use_a_map():
    made = bpf.Map.create("hash", "u32", "u32", 1)

    def do():
        made[1] = 2
        assert dict(made) == {1: 2}
        made.clear()

    return do


def run_a_program():
    program = loaded("rings", "produce").programs["produce"]
    return lambda: program(first=1, count=1, size=64)


def read_a_ring():
    events = loaded("rings", "produce").maps["events"]

    def do():
        with events.ring_buffer() as reader:
            reader.consume()

    return do


def read_a_perf_buffer():
    events = loaded("perf_one").maps["events"]

    def do():
        with events.perf_buffer() as reader:
            reader.consume()

    return do


def attach(source, name, how="attach", *arguments, **keywords):
    def prepare():
        program = loaded(source, name).programs[name]
        return lambda: getattr(program, how)(*arguments, **keywords).close()

    return prepare


def attach_raw_tracepoint():
    return attach("basic", "on_raw")()


def attach_xdp():
    libc.unshare(CLONE_NEWNET)
    return attach("attach_net", "xdp_count", "attach_xdp", "lo")()


def attach_tcx():
    libc.unshare(CLONE_NEWNET)
    program = bpf.KernelProgram.load("sched_cls", RETURN_0)
    return lambda: bpf.Link.create(program, "lo", bpf.AttachType.TCX_INGRESS).close()


def attach_netfilter():
    libc.unshare(CLONE_NEWNET)
    return attach("attach_net", "filter", "attach_netfilter", pf="ipv4", hooknum="local_in", priority=-10)()


def attach_classifier():
    libc.unshare(CLONE_NEWNET)
    program = bpf.KernelProgram.load("sched_cls", RETURN_0)
    hook = bpf.net.TcHook("lo", "ingress")

    def do():
        hook.create()
        hook.detach(hook.attach(program))
        hook.destroy()

    return do


def read_an_iterator():
    program = loaded("attach_iter", "tasks").programs["tasks"]

    def do():
        with program.attach_iter() as link:
            assert link.read()

    return do


def attach_cgroup():
    return attach("network", "first", "attach_cgroup", cgroup)()


def attach_struct_ops():
    obj = bpf.Object.open(objects["struct_ops"])
    obj.load()
    return lambda: obj.maps["with_link"].attach_struct_ops().close()


def attach_perf_event():
    program = loaded("attach_kernel", "by_plain_perf_event").programs["by_plain_perf_event"]

    def do():
        with bpf.PerfEvent.software("cpu_clock", cpu=0, sample_period=10**9) as event:
            program.attach_perf_event(event).close()

    return do


def open_by_id():
    made = bpf.Map.create("hash", "u32", "u32", 1)
    return lambda: bpf.Map.from_id(made.id).close()


def list_programs():
    return bpf.kernel.programs


def pin():
    made = bpf.Map.create("hash", "u32", "u32", 1)
    folder = f"{pins}/of-{os.getpid()}"
    os.mkdir(folder, 0o700)
    os.chown(folder, NOBODY, NOBODY)
    os.chmod(pins, 0o755)
    return lambda: made.pin(f"{folder}/made")


def open_a_pin():
    with bpf.Map.create("hash", "u32", "u32", 1) as made:
        path = f"{pins}/pin-{os.getpid()}"
        made.pin(path)
    return lambda: bpf.Map.from_pin(path).close()


def load_btf():
    btf = bpf.Btf.new()
    btf.add_int("int", 4)
    return btf.load


def enable_stats():
    return lambda: bpf.enable_stats().close()


def read_the_trace():
    return lambda: bpf.TracePipe().close()


def make_a_trace():
    return lambda: bpf.TracePipe(instance=True).close()


STEPS = {
    "use a map": use_a_map,
    "run a program": run_a_program,
    "read a ring buffer": read_a_ring,
    "create a map": create_map,
    "load types": load_btf,
    "load an object with a devmap": load_object_with_devmap,
    "pin in a folder of one's own": pin,
    "attach a raw tracepoint": attach_raw_tracepoint,
    "attach a tracepoint": attach("basic", "on_tracepoint"),
    "attach a BTF tracepoint": attach("kinds", "of_tp_btf"),
    "attach a uprobe": attach("attach_user", "by_uprobe", "attach_uprobe", "libc.so.6", "getppid"),
    "attach many uprobes": attach("attach_user", "by_uprobe_multi", "attach_uprobe_multi", "libc.so.6", "getpp*"),
    "attach a perf event": attach_perf_event,
    "read a perf buffer": read_a_perf_buffer,
    "attach to an interface (XDP)": attach_xdp,
    "attach to an interface (TCX)": attach_tcx,
    "attach to an interface (tc)": attach_classifier,
    "attach to netfilter": attach_netfilter,
    "attach and read an iterator": read_an_iterator,
    "attach a kprobe": attach("attach_kernel", "by_kprobe", "attach_kprobe", "vfs_read"),
    "attach many kprobes": attach("attach_kernel", "by_kprobe_multi", "attach_kprobe_multi", syms=["vfs_read"]),
    "attach to a function (fentry)": attach("fentry", "on_entry"),
    "attach to a control group": attach_cgroup,
    "attach a table of functions": attach_struct_ops,
    "open by id": open_by_id,
    "list what the kernel has": list_programs,
    "open another user's pin": open_a_pin,
    "enable statistics": enable_stats,
    "read the trace": read_the_trace,
    "read a trace of one's own": make_a_trace,
}
"""What can be done, each with what it takes to do it when all that comes before it is done."""

STEPS |= {
    f"create a map of type {kind}": create_map_of(kind)
    for kind in ("devmap", "devmap_hash", "xskmap", "sockmap", "sockhash")
}

STEPS |= {
    f"load a program of type {kind}": load_kind(kind)
    for kind in (
        "socket_filter", "kprobe", "tracepoint", "raw_tracepoint", "perf_event", "xdp", "sched_cls", "cgroup_skb",
        "cgroup_sock", "sock_ops", "sk_skb", "sk_msg", "sk_lookup", "sk_reuseport", "cgroup_device", "cgroup_sysctl",
        "cgroup_sockopt", "lwt_in", "flow_dissector", "syscall", "netfilter",
    )
}  # fmt: skip

ELSEWHERE = {
    "attach a kprobe": "kprobe", "attach many kprobes": "kprobe_multi", "attach to a function (fentry)": "fentry",
}  # fmt: skip
"""What not every kernel lets anybody do, and the feature that it needs: those booted for the tests are asked."""

HERE = tuple(each for each in STEPS if each not in ELSEWHERE or os.environ.get("LIBBPF_CFFI_VM") == "1")


def answer(step: str, kept: list[int]) -> object:
    """Do a step with some capabilities, and give what it raised."""
    do = STEPS[step]()
    give_up(kept)
    try:
        do()
    except bpf.Error as error:
        return type(error).__name__, getattr(error, "errno", None), str(error)
    except OSError as error:
        return type(error).__name__, error.errno, f"NOT OURS: {error}"
    return None


def read_objects(folder: str) -> None:
    """Read the objects of a folder."""
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            objects[name.partition(".")[0]] = file.read()


def import_everything() -> None:
    """Import all that may be needed: nobody may not be able to read Python's own files, or have no descriptor."""
    for each in pkgutil.iter_modules(bpf.__path__, "libbpf_cffi."):
        importlib.import_module(each.name)
    for module in ("difflib", "socket", "encodings.ascii"):
        importlib.import_module(module)
    for name in bpf.__all__:
        getattr(bpf, name)


def main() -> None:
    """Answer every question."""
    global cgroup, pins
    folder, pins, cgroup = sys.argv[1:4]
    read_objects(folder)
    import_everything()
    for step, kept in json.load(sys.stdin):
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            said = b""
            try:
                said = json.dumps(answer(step, kept)).encode()
            except BaseException as error:
                said = json.dumps([type(error).__name__, None, f"NOT OURS: {error}"]).encode()
            finally:
                os.write(writing, said)
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            said = file.read()
        _, status = os.waitpid(pid, 0)
        assert status == 0, (step, kept, status)
        print(said.decode(), flush=True)


if __name__ == "__main__":
    main()
