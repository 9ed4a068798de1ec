"""What `probe` says of the kernel is so, and what keeps it from finding out is an exception, never a no."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import AttachType, MapType, ProgType, ffi, lib, probe, tracepoints

BTF = "/sys/kernel/btf/vmlinux"
DROP = """
import ctypes, sys
def keep(*numbers):
    mask = sum(1 << number for number in numbers)
    class Header(ctypes.Structure): _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
    header = Header(0x20080522, 0)
    low, high = mask & 0xffffffff, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    assert ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), data) == 0
"""
"""Keeps those of this process's capabilities that are named by number."""


def test_a_type_of_programs_that_every_kernel_has_is_there(root):
    assert probe.prog_type("socket_filter")
    assert probe.prog_type(ProgType.XDP)


def test_a_type_of_maps_that_every_kernel_has_is_there(root):
    assert probe.map_type("hash")
    assert probe.map_type(MapType.ARRAY)


@pytest.mark.every_kernel
def test_types_that_are_said_to_be_there_can_be_created(root):
    for kind in (MapType.BLOOM_FILTER, MapType.RINGBUF, MapType.QUEUE):
        sizes = {MapType.BLOOM_FILTER: (0, 4, 4), MapType.RINGBUF: (0, 0, 4096), MapType.QUEUE: (0, 4, 4)}[kind]
        fd = lib.bpf_map_create(kind, ffi.NULL, *sizes, ffi.NULL)
        assert probe.map_type(kind) == (fd >= 0)
        if fd >= 0:
            os.close(fd)


def test_a_type_that_nobody_knows_cannot_be_asked_for(root):
    with pytest.raises(bpf.NotSupportedError, match="libbpf knows no way to find out"):
        probe.map_type(4711)
    with pytest.raises(ValueError, match="no map type 'hush'; close names: hash"):
        probe.map_type("hush")
    with pytest.raises(ValueError, match="no program type 'xpd'"):
        probe.prog_type("xpd")


def test_a_helper_is_there_for_the_programs_that_may_call_it(root):
    assert probe.helper("xdp", "bpf_xdp_adjust_head")
    assert not probe.helper("kprobe", "bpf_xdp_adjust_head")
    assert probe.helper("kprobe", lib.BPF_FUNC_map_lookup_elem)
    assert "bpf_map_lookup_elem" in probe.helpers("socket_filter")


def test_a_helper_of_a_later_kernel_is_not_there(root):
    assert not probe.helper("xdp", 100_000)


def test_a_misspelt_helper_is_a_value_error(root):
    with pytest.raises(ValueError, match="close names: 'bpf_map_lookup_elem'"):
        probe.helper("xdp", "bpf_map_lokup_elem")


def test_of_what_depends_on_the_target_no_helper_can_be_asked_for(root):
    for kind in ("tracing", "lsm", "ext", "struct_ops"):
        with pytest.raises(bpf.NotSupportedError, match="libbpf knows no way to find out"):
            probe.helper(kind, "bpf_get_stack")


@pytest.mark.every_kernel
def test_without_privileges_a_probe_raises_and_does_not_say_no(python):
    said = python(
        DROP
        + """
from libbpf_cffi import LibbpfPermissionError, probe
keep()
asked = [
    (probe.prog_type, "xdp"), (probe.map_type, "hash"), (probe.helper, "xdp", "bpf_xdp_adjust_head"),
    (probe.attach_type, "tcx_ingress"), (probe.attach_type, "perf_event"), (probe.isa_version,), (probe.limits,),
    (probe.prog_type, "tracing"), (probe.prog_type, "lsm"), (probe.prog_type, "ext"), (probe.attach_type, "lsm_mac"),
    (probe.attach_type, "trace_fentry"),
]
for function, *arguments in asked:
    try:
        print(function(*arguments))
    except LibbpfPermissionError as error:
        print("refused", "CAP_BPF" in error.hint)
"""
    )
    # An unprivileged process may load socket filters where the administrator lets it.
    allowed = probe.unprivileged_bpf_disabled() == 0
    by_everybody = ["1", "Limits"] if allowed else ["refused True"] * 2
    assert said.splitlines() == ["refused True"] * 5 + by_everybody + ["refused True"] * 5


HELPERS = (
    DROP
    + """
from libbpf_cffi import LibbpfPermissionError, probe
keep(*map(int, sys.argv[2:]))
try:
    print(eval(sys.argv[1], {"probe": probe}))
except LibbpfPermissionError as error:
    print("refused:", error.hint)
"""
)
BPF_AND_NET_ADMIN = (39, 12)
NOT_FOUND_OUT = "refused: this process lacks CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN), without which "


def test_without_perfmon_no_helper_is_said_not_to_be_there(root, python):
    said = python(HELPERS, 'probe.helper("xdp", "bpf_trace_printk")', *BPF_AND_NET_ADMIN)
    assert said.startswith(NOT_FOUND_OUT)


def test_without_perfmon_a_helper_that_is_there_is_said_to_be(root, python):
    assert python(HELPERS, 'probe.helper("xdp", "bpf_xdp_adjust_head")', *BPF_AND_NET_ADMIN) == "True\n"


def test_without_perfmon_the_helpers_cannot_be_listed(root, python):
    assert python(HELPERS, 'probe.helpers("xdp")', *BPF_AND_NET_ADMIN).startswith(NOT_FOUND_OUT)


def test_without_perfmon_the_record_of_all_features_has_no_helpers(root, python):
    said = python(HELPERS, "probe.features(helpers=True).helpers[6]", *BPF_AND_NET_ADMIN)
    assert said == "None\n"


@pytest.mark.parametrize("stand_in", [38, 21], ids=["CAP_PERFMON", "CAP_SYS_ADMIN"])
def test_with_perfmon_a_helper_is_there_or_not(root, python, stand_in):
    asked = '[probe.helper("xdp", each) for each in ("bpf_trace_printk", "bpf_skb_load_bytes")]'
    assert python(HELPERS, asked, *BPF_AND_NET_ADMIN, stand_in) == "[True, False]\n"


def test_without_descriptors_a_probe_raises_and_spoils_nothing(python):
    python(
        """
import errno, os, resource
from libbpf_cffi import LibbpfError, probe
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 2, hard))
for function, argument in ((probe.prog_type, "xdp"), (probe.map_type, "hash"), (probe.attach_type, "xdp")):
    try:
        function(argument)
        raise AssertionError(function)
    except LibbpfError as error:
        assert error.errno == errno.EMFILE, error
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert probe.prog_type("xdp") and probe.map_type("hash")
"""
    )


def test_the_kernel_wants_the_capabilities_that_are_said_to_be_needed(root, python):
    numbers = {"CAP_NET_ADMIN": 12, "CAP_PERFMON": 38, "CAP_BPF": 39}
    wanted = []
    for kind in ProgType:
        needed = probe.needed_capabilities(kind) if kind else []
        wanted += [(kind, left_out, [numbers[each] for each in needed if each != left_out]) for left_out in needed]
        wanted.append((kind, None, [numbers[each] for each in needed]))
    # The kernel looks at the type of a program after the capabilities. CAP_SYS_ADMIN would stand for each.
    said = python(
        DROP
        + """
import json, os
from libbpf_cffi import ffi, lib
code = ffi.from_buffer(bytes.fromhex("b700000002000000 9500000000000000"))
for kind, kept in json.loads(sys.argv[1]):
    if not os.fork():
        keep(*kept)
        print(lib.bpf_prog_load(kind, ffi.NULL, b"GPL", ffi.cast("struct bpf_insn *", code), 2, ffi.NULL), flush=True)
        os._exit(0)
    os.wait()
""",
        json.dumps([(kind, kept) for kind, _, kept in wanted]),
    )
    for (kind, left_out, _), answer in zip(wanted, said.split(), strict=True):
        if left_out is not None:
            # A kernel that does not know the type asks for less.
            assert int(answer) == -errno.EPERM or not probe.prog_type(kind), (kind, left_out)
        elif kind and kind not in POLICED:
            assert int(answer) != -errno.EPERM, kind


POLICED = {ProgType.TRACING, ProgType.LSM, ProgType.EXT, ProgType.STRUCT_OPS}
"""Of these a kernel may refuse every program that has no more to say."""


def test_what_this_process_lacks_is_told(python):
    said = python(
        DROP
        + """
from libbpf_cffi import probe
keep(39)
print(probe.capabilities(), probe.missing_capabilities("xdp"), probe.missing_capabilities("sk_lookup"))
"""
    )
    assert said == "['CAP_BPF'] ['CAP_NET_ADMIN'] []\n"


LOADS = (
    DROP
    + """
import libbpf_cffi as bpf
from libbpf_cffi import probe
keep(39, 38)
code = bytes.fromhex("b700000002000000 9500000000000000")
def load():
    with bpf.Object.open(sys.argv[1]) as obj:
        for program in obj.programs.values():
            program.autoload = program.section_name == "xdp"
        obj.load()
for refused in (load, lambda: bpf.KernelProgram.load("xdp", code), lambda: probe.prog_type("xdp")):
    try:
        refused()
    except bpf.LibbpfPermissionError as error:
        print(error.hint.partition("; ")[0])
"""
)


def test_of_what_a_program_of_its_type_needs_only_what_is_missing_is_named(root, python, compiled):
    said = python(LOADS, compiled("refusals"))
    hint = "this process lacks CAP_NET_ADMIN: programs of the type XDP need CAP_BPF and CAP_NET_ADMIN"
    assert said.splitlines() == [hint] * 3


def test_root_lacks_nothing(root):
    assert [probe.missing_capabilities(kind) for kind in ProgType if kind] == [[]] * (len(ProgType) - 1)
    assert {"CAP_BPF", "CAP_SYS_ADMIN"} <= set(probe.capabilities())


# Instructions and limits


def test_an_instruction_that_no_kernel_has_is_not_there(root):
    from libbpf_cffi import _probe_code

    assert not _probe_code._loads(_probe_code._insn(0xE6), "try")
    assert _probe_code._loads(_probe_code._ZERO, "try")


@pytest.mark.every_kernel
def test_the_newest_instruction_set_has_all_its_instructions(root):
    known = probe.instructions()
    version = probe.isa_version()
    assert version in (1, 2, 3, 4)
    assert known["jlt"] == (version >= 2)
    assert (known["alu32"] and known["jmp32"]) == (version >= 3)
    assert all(known[name] for name in ("gotol", "sdiv", "movsx", "ldsx", "bswap")) == (version >= 4)


def test_the_newest_instruction_set_can_be_compiled_for_and_loaded(root):
    version = probe.isa_version()
    kind, by = ("long", "-3L") if version >= 4 else ("unsigned long", "3UL")  # the fourth has signed division
    source = f'{kind} x; __attribute__((section("socket"))) int f(void *c) {{ x /= {by}; return x; }}\n'
    source += 'char l[] __attribute__((section("license"))) = "GPL";\n'
    with bpf.Object.open(bpf.compile_object(source, cpu=f"v{version}")) as obj:
        obj.load()


@pytest.mark.every_kernel
def test_large_programs_and_loops_are_told_by_loading_them(root):
    found = probe.limits()
    assert found.insns in (4096, 1_000_000)
    assert isinstance(found.bounded_loops, bool)


# Attach types


@pytest.mark.every_kernel
@pytest.mark.parametrize("kind", list(AttachType))
def test_each_attach_type_is_found_out_about(root, kind):
    assert probe.attach_type(kind) in (True, False)


@pytest.mark.every_kernel
@pytest.mark.parametrize("kind", [each for each in ProgType if each])
def test_each_type_of_programs_is_found_out_about(root, kind):
    assert probe.prog_type(kind) in (True, False)


@pytest.mark.every_kernel
@pytest.mark.needs("tp_btf")
def test_programs_for_tracing_are_there_where_those_for_tracepoints_are(root):
    number = lib.libbpf_find_vmlinux_btf_id(b"task_newtask", lib.BPF_TRACE_RAW_TP)
    code = bytes.fromhex("b700000000000000 9500000000000000")
    bpf.KernelProgram.load("tracing", code, expected_attach_type=lib.BPF_TRACE_RAW_TP, attach_btf_id=number).close()
    assert probe.prog_type("tracing")


def test_what_the_kernel_lets_nobody_load_is_a_no(root, kernel_has):
    if kernel_has("fentry"):
        return
    kinds = ("trace_fentry", "trace_fexit", "modify_return", "lsm_mac", "lsm_cgroup")
    assert [probe.attach_type(kind) for kind in kinds] == [False] * 5
    assert [probe.prog_type(kind) for kind in ("lsm", "ext")] == [False] * 2


def test_what_every_kernel_has_can_be_attached(root):
    for name in ("cgroup_inet_ingress", "flow_dissector", "sk_msg_verdict", "cgroup_sysctl"):
        assert probe.attach_type(name)


def test_an_attach_type_of_a_later_kernel_cannot_be_asked_for(root):
    with pytest.raises(bpf.NotSupportedError):
        probe.attach_type(200)
    with pytest.raises(ValueError, match="close names: tcx_ingress"):
        probe.attach_type("tcx_ingres")


@pytest.mark.every_kernel
@pytest.mark.needs("uprobe_multi")
def test_a_kernel_with_multi_uprobes_says_so(root):
    assert probe.attach_type("trace_uprobe_multi")


# The system


def test_the_cpus_are_those_of_the_kernel():
    assert len(probe.possible_cpus()) == probe.num_possible_cpus()
    assert set(probe.online_cpus()) <= set(probe.possible_cpus())
    assert len(probe.online_cpus()) == os.sysconf("SC_NPROCESSORS_ONLN")


def test_the_kernels_configuration_says_that_it_has_bpf():
    if not any(map(os.path.exists, ("/proc/config.gz", f"/boot/config-{os.uname().release}"))):
        with pytest.raises(bpf.LibbpfError, match=r"there is none of /proc/config\.gz"):
            probe.kernel_config()
        return
    config = probe.kernel_config()
    assert config["CONFIG_BPF"] == "y"
    assert not any(value.startswith('"') for value in config.values())
    assert "is not set" not in "".join(config)


def test_the_settings_are_the_sysctls(root):
    assert probe.jit().enable == int(Path("/proc/sys/net/core/bpf_jit_enable").read_text())
    assert probe.unprivileged_bpf_disabled() == int(Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text())


# Targets


def test_functions_are_listed(root):
    found = probe.functions()
    assert {"vfs_read", "schedule"} <= set(found)
    assert found == sorted(set(found))


def test_a_module_that_is_not_loaded_has_no_functions_and_is_named(root):
    with pytest.raises(bpf.LibbpfError, match="no module 'nosuchmodule'") as caught:
        probe.functions("nosuchmodule")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.every_kernel
@pytest.mark.needs("btf")
def test_raw_tracepoints_are_those_that_can_be_attached_to(root):
    found = probe.raw_tracepoints()
    assert {"sched_switch", "task_newtask"} <= set(found)
    program = bpf.KernelProgram.load("raw_tracepoint", bytes.fromhex("b700000000000000 9500000000000000"))
    with program:
        for name in found[:: len(found) // 5]:
            fd = lib.bpf_raw_tracepoint_open(name.encode(), program.fd)
            assert fd >= 0, name
            os.close(fd)


@pytest.mark.needs("btf")
def test_hooks_structs_and_iterators_are_listed(root):
    assert {"file_open", "bprm_check_security"} <= set(probe.lsm_hooks()) or not probe.lsm_hooks()
    assert "tcp_congestion_ops" in probe.struct_ops_types()
    assert {"task", "bpf_map"} <= set(probe.iterators())
    assert "num_new" not in probe.iterators()


@pytest.mark.needs("btf")
def test_kfuncs_are_what_the_btf_marks(root):
    found = probe.kfuncs()
    marked = "bpf_kfunc" in {tag for tags in bpf.Btf.kernel()._tags().values() for tag in tags}
    assert ("bpf_task_from_pid" in found) == marked


def test_system_calls_are_listed(root, x86):
    assert {"openat", "execve", "getppid"} <= set(probe.syscalls())


@pytest.mark.needs("btf")
def test_each_iterator_that_is_listed_is_one(root):
    with bpf.Btf.kernel() as btf:
        for name in probe.iterators():
            bpf.KernelProgram.load(
                "tracing",
                bytes.fromhex("b700000000000000 9500000000000000"),
                expected_attach_type="trace_iter",
                attach_btf_id=btf.find(f"bpf_iter_{name}", bpf.BtfKind.FUNC).id,
            ).close()


def test_each_system_call_that_is_listed_is_one(root, x86):
    # A driver has its own sys_info(), sys_imageblit() and the like.
    listed = set(probe.syscalls())
    with open("/proc/kallsyms", encoding="utf-8") as file:
        there = {line.split()[2] for line in file}
    assert listed
    assert {name for name in listed if not {f"__x64_sys_{name}", f"__se_sys_{name}"} & there} == set()


def test_tracepoints_are_listed_beside(root, tracefs):
    assert "sched:sched_switch" in tracepoints.tracepoints("sched")


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["kprobe", "uprobe"])
def test_whether_probes_can_be_attached_is_told(root, kernel_has, name):
    assert probe.event_sources()[name] == kernel_has(name)


@pytest.mark.every_kernel
def test_the_source_of_tracepoints_and_of_software_events_is_there(root):
    assert probe.event_sources()["tracepoint"]
    assert probe.event_sources()["software"]


def test_sources_of_events_that_cannot_be_listed_are_an_exception(monkeypatch):
    monkeypatch.setattr("libbpf_cffi._probe_targets._SOURCES", "/nowhere")
    with pytest.raises(bpf.LibbpfError, match="sysfs is not mounted"):
        probe.event_sources()
    assert probe._event_sources() == {"kprobe": None, "tracepoint": None, "uprobe": None}


def test_modules_with_btf_are_listed(root):
    assert probe.modules() == sorted(set(os.listdir("/sys/kernel/btf")) - {"vmlinux"})


# All of it


@pytest.mark.every_kernel
def test_all_is_one_record(root):
    found = probe.features()
    assert found.release == os.uname().release
    assert found.prog_types[ProgType.XDP] is True
    assert found.map_types[MapType.HASH] is True
    assert found.attach_types[AttachType.CGROUP_DEVICE] is True
    assert found.helpers == {}
    plain = json.loads(json.dumps(found.plain()))
    assert plain["map_types"]["hash"] is True
    assert plain["jit"]["enable"] == found.jit.enable
    assert plain["limits"]["insns"] == found.limits.insns


def test_the_command_prints_a_table_and_json(root, capsys):
    assert probe.main([]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^  xdp +yes$", said, re.MULTILINE)
    assert re.search(r"^event sources:(\n  .*)*\n  kprobe +(yes|no)$", said, re.MULTILINE)
    assert probe.main(["--json", "--helpers"]) == 0
    assert "bpf_xdp_adjust_head" in json.loads(capsys.readouterr().out)["helpers"]["xdp"]
