"""What a kernel may lack, each found out by trying it: for the marker `needs`.

`map:NAME` and `program:NAME` are types, as in bpf.h without BPF_MAP_TYPE_ and BPF_PROG_TYPE_; the rest is in `PROBES`.
A kernel's version is never asked for: distributions bring features to old ones, and leave them out of new ones.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from typing import TYPE_CHECKING

from libbpf_cffi import Btf, ffi, lib
from libbpf_cffi.tracefs import find_cgroup2

if TYPE_CHECKING:
    from collections.abc import Callable

PMU = "/sys/bus/event_source/devices"


def _map_type(name: str) -> bool:
    return _answer(lib.libbpf_probe_bpf_map_type(getattr(lib, f"BPF_MAP_TYPE_{name}"), ffi.NULL), f"map type {name}")


def _program_type(name: str) -> bool:
    kind = getattr(lib, f"BPF_PROG_TYPE_{name}")
    return _answer(lib.libbpf_probe_bpf_prog_type(kind, ffi.NULL), f"program type {name}")


def _answer(result: int, what: str) -> bool:
    if result < 0:
        raise RuntimeError(f"{what}: libbpf cannot tell whether the kernel has it: {os.strerror(-result)}")
    return bool(result)


def _percpu_flags() -> bool:
    fd = lib.bpf_map_create(lib.BPF_MAP_TYPE_PERCPU_ARRAY, b"probe", 4, 8, 1, ffi.NULL)
    if fd < 0:
        return False
    flags = lib.BPF_F_ALL_CPUS
    found = lib.bpf_map_update_elem(fd, ffi.new("__u32 *"), ffi.new("__u64 *"), flags) == 0
    os.close(fd)
    return found


def _program(kind: int, answer: int = 2, **fields: int) -> int:
    """Load a program that returns a small number, and give its descriptor, or a negative number."""
    options = ffi.new("struct bpf_prog_load_opts *", {"sz": ffi.sizeof("struct bpf_prog_load_opts"), **fields})
    code = ffi.from_buffer(bytes.fromhex(f"b7000000{answer:02x}000000 9500000000000000"))  # r0 = 2; exit
    return int(lib.bpf_prog_load(kind, b"probe", b"GPL", ffi.cast("struct bpf_insn *", code), 2, options))


def _overwriting_ring() -> bool:
    options = ffi.new("struct bpf_map_create_opts *")
    options.sz = ffi.sizeof("struct bpf_map_create_opts")
    options.map_flags = lib.BPF_F_RB_OVERWRITE
    fd = lib.bpf_map_create(lib.BPF_MAP_TYPE_RINGBUF, b"probe", 0, 0, os.sysconf("SC_PAGE_SIZE"), options)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def _xdp_frags() -> bool:
    fd = _program(lib.BPF_PROG_TYPE_XDP, prog_flags=lib.BPF_F_XDP_HAS_FRAGS)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def _verified_insns() -> bool:
    fd = _program(lib.BPF_PROG_TYPE_SOCKET_FILTER)
    assert fd >= 0
    info = ffi.new("struct bpf_prog_info *")
    assert lib.bpf_prog_get_info_by_fd(fd, info, ffi.new("__u32 *", ffi.sizeof("struct bpf_prog_info"))) == 0
    os.close(fd)
    return bool(info.verified_insns)


def _live_frames() -> bool:
    fd = _program(lib.BPF_PROG_TYPE_XDP)
    assert fd >= 0
    options = ffi.new("struct bpf_test_run_opts *")
    options.sz = ffi.sizeof("struct bpf_test_run_opts")
    packet = ffi.new("char[64]")
    options.data_in, options.data_size_in, options.repeat = packet, 64, 1
    options.flags = lib.BPF_F_TEST_XDP_LIVE_FRAMES
    result = lib.bpf_prog_test_run_opts(fd, options)
    os.close(fd)
    return result == 0


def _raw_tracepoint_cookie() -> bool:
    fd = _program(lib.BPF_PROG_TYPE_RAW_TRACEPOINT)
    if fd < 0:
        return False
    options = ffi.new("struct bpf_raw_tp_opts *")
    name = ffi.new("char[]", b"sys_enter")
    options.sz, options.tp_name, options.cookie = ffi.sizeof("struct bpf_raw_tp_opts"), name, 1
    link = lib.bpf_raw_tracepoint_open_opts(fd, options)
    for each in (fd, link):
        if each >= 0:
            os.close(each)
    return bool(link >= 0)


def _raw_tracepoint_twice() -> bool:
    fd = _program(lib.BPF_PROG_TYPE_RAW_TRACEPOINT)
    if fd < 0:
        return False
    links = [lib.bpf_raw_tracepoint_open(b"sys_enter", fd) for _ in range(2)]
    for each in (fd, *links):
        if each >= 0:
            os.close(each)
    return min(links) >= 0


def _attach_cookie() -> bool:
    kind, helper = lib.BPF_PROG_TYPE_KPROBE, lib.BPF_FUNC_get_attach_cookie
    return _answer(lib.libbpf_probe_bpf_helper(kind, helper, ffi.NULL), "helper get_attach_cookie")


def _snprintf() -> bool:
    kind, helper = lib.BPF_PROG_TYPE_RAW_TRACEPOINT, lib.BPF_FUNC_snprintf
    return _answer(lib.libbpf_probe_bpf_helper(kind, helper, ffi.NULL), "helper snprintf")


def _tc_comm() -> bool:
    """Tell whether programs of tc may ask for the name of the current process."""
    kind, helper = lib.BPF_PROG_TYPE_SCHED_CLS, lib.BPF_FUNC_get_current_comm
    return _answer(lib.libbpf_probe_bpf_helper(kind, helper, ffi.NULL), "helper get_current_comm")


def _code(*insns: str) -> bool:
    """Tell whether the kernel takes instructions, written in hexadecimal for a little-endian machine."""
    code = ffi.from_buffer(bytes.fromhex(" ".join((*insns, "b700000000000000 9500000000000000"))))
    kind = lib.BPF_PROG_TYPE_SOCKET_FILTER
    fd = lib.bpf_prog_load(kind, b"probe", b"GPL", ffi.cast("struct bpf_insn *", code), len(code) // 8, ffi.NULL)
    if fd >= 0:
        os.close(fd)
    return bool(fd >= 0)


def _fd_array() -> bool:
    """Tell whether instructions can name a map by its place in an array, which the kernel does not have before."""
    table = lib.bpf_map_create(lib.BPF_MAP_TYPE_ARRAY, b"probe", 4, 8, 1, ffi.NULL)
    assert table >= 0
    numbers = ffi.new("int[1]", [table])
    options = ffi.new("struct bpf_prog_load_opts *")
    options.sz, options.fd_array = ffi.sizeof("struct bpf_prog_load_opts"), numbers
    # r1 = map[fd_array 0]; r0 = 2; exit
    code = ffi.from_buffer(bytes.fromhex("1851000000000000 0000000000000000 b700000002000000 9500000000000000"))
    kind = lib.BPF_PROG_TYPE_SOCKET_FILTER
    program = lib.bpf_prog_load(kind, b"probe", b"GPL", ffi.cast("struct bpf_insn *", code), len(code) // 8, options)
    for each in (table, program):
        if each >= 0:
            os.close(each)
    return bool(program >= 0)


def _hash_taking() -> bool:
    """Tell whether a value is taken out of a hash in one step."""
    fd = lib.bpf_map_create(lib.BPF_MAP_TYPE_HASH, b"probe", 4, 8, 1, ffi.NULL)
    assert fd >= 0
    result = lib.bpf_map_lookup_and_delete_elem(fd, ffi.new("__u32 *"), ffi.new("__u64 *"))
    os.close(fd)
    return bool(result == -errno.ENOENT)


def _exclusive_map() -> bool:
    digest = ffi.new("unsigned char[32]", bytes(range(32)))
    options = ffi.new("struct bpf_map_create_opts *")
    options.sz = ffi.sizeof("struct bpf_map_create_opts")
    options.excl_prog_hash, options.excl_prog_hash_size = digest, len(digest)
    fd = lib.bpf_map_create(lib.BPF_MAP_TYPE_ARRAY, b"probe", 4, 8, 1, options)
    # An older kernel does not know the fields (E2BIG, or EINVAL where the last one before them is not at the end).
    if fd < 0:
        assert ffi.errno in {errno.E2BIG, errno.EINVAL}, os.strerror(ffi.errno)
        return False
    os.close(fd)
    return True


def _btf_names() -> bool:
    first = ffi.new("__u32 *")
    if lib.bpf_btf_get_next_id(0, first) < 0:
        return False
    fd = lib.bpf_btf_get_fd_by_id(first[0])
    assert fd >= 0
    name = ffi.new("char[64]")
    info = ffi.new("struct bpf_btf_info *")
    info.name, info.name_len = int(ffi.cast("uintptr_t", name)), len(name)
    result = lib.bpf_btf_get_info_by_fd(fd, info, ffi.new("__u32 *", ffi.sizeof("struct bpf_btf_info")))
    os.close(fd)
    assert result in {0, -errno.E2BIG}, os.strerror(-result)
    return bool(result == 0)


def _btf_float() -> bool:
    with Btf.new() as btf:
        btf.add_float("double", 8)
        raw = btf.raw
    fd = lib.bpf_btf_load(ffi.from_buffer(raw), len(raw), ffi.NULL)
    if fd >= 0:
        os.close(fd)
    return bool(fd >= 0)


def _btf() -> bool:
    return os.path.exists("/sys/kernel/btf/vmlinux")


@functools.cache
def _symbols() -> frozenset[str]:
    """Return the kernel's names: to read them once takes an emulated processor a second."""
    with open("/proc/kallsyms", encoding="utf-8") as file:
        return frozenset(line.split()[2] for line in file)


def _function(name: str) -> bool:
    """Tell whether the kernel has a function of that name."""
    return name in _symbols()


def _tracing() -> bool:
    return _btf() and _program_type("TRACING") and _function("bpf_trampoline_link_prog")


def _fmod_ret_test() -> bool:
    """Tell whether the kernel lets the result of its function for that be changed, as all do since Linux 6.3."""
    number = lib.libbpf_find_vmlinux_btf_id(b"bpf_modify_return_test", lib.BPF_MODIFY_RETURN) if _tracing() else -1
    if number < 0:
        return False
    fd = _program(lib.BPF_PROG_TYPE_TRACING, answer=0, expected_attach_type=lib.BPF_MODIFY_RETURN, attach_btf_id=number)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def _charged_maps() -> bool:
    """Tell whether a control group is charged for the memory of maps (5.11); before, RLIMIT_MEMLOCK bounds it."""
    return any(map(_function, ("bpf_map_alloc_percpu", "bpf_map_kmalloc_node", "bpf_map_kvcalloc", "bpf_map_kzalloc")))


def _in_btf(name: bytes) -> bool:
    """Tell whether the kernel's BTF has a name: an enumerator tells of what has no function of its own."""
    if not _btf():
        return False
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        return b"\0" + name + b"\0" in file.read()


def _bpf_lsm() -> bool:
    """Tell whether the kernel was started with BPF among its LSMs; securityfs, which says it, may not be mounted."""
    if not (_tracing() and _program_type("LSM") and _function("bpf_lsm_task_getpgid")):
        return False
    with open("/proc/cmdline", encoding="utf-8") as file:
        chosen = [word for word in file.read().split() if word.startswith("lsm=")]
    if chosen:
        return "bpf" in chosen[-1].removeprefix("lsm=").split(",")
    path = "/sys/kernel/security/lsm"
    if not os.path.exists(path):
        return True
    with open(path, encoding="ascii") as file:
        return "bpf" in file.read().split(",")


def _cgroup_order() -> bool:
    """Tell whether the programs of a control group have a revision, and so an order."""
    fd = os.open(find_cgroup2(), os.O_RDONLY | os.O_DIRECTORY)
    options = ffi.new("struct bpf_prog_query_opts *")
    options.sz = ffi.sizeof("struct bpf_prog_query_opts")
    assert lib.bpf_prog_query_opts(fd, lib.BPF_CGROUP_INET_INGRESS, options) == 0
    os.close(fd)
    return bool(options.revision)


def _cgroup_preorder() -> bool:
    program = _program(lib.BPF_PROG_TYPE_CGROUP_SKB, answer=1)
    assert program >= 0
    options = ffi.new("struct bpf_link_create_opts *")
    options.sz = ffi.sizeof("struct bpf_link_create_opts")
    options.flags = lib.BPF_F_PREORDER
    # Of a descriptor that is no group's: the flags are looked at before that.
    result = lib.bpf_link_create(program, program, lib.BPF_CGROUP_INET_INGRESS, options)
    os.close(program)
    assert result in {-errno.EBADF, -errno.EINVAL}, os.strerror(-result)
    return bool(result == -errno.EBADF)


def _use_without_privilege() -> bool:
    """Tell whether a process without capabilities may use what it has open, as since Linux 5.19."""
    fd = lib.bpf_map_create(lib.BPF_MAP_TYPE_ARRAY, b"probe", 4, 8, 1, ffi.NULL)
    assert fd >= 0
    key, value = ffi.new("__u32 *"), ffi.new("__u64 *")
    pid = os.fork()
    if not pid:
        os.setresuid(65534, 65534, 65534)
        os._exit(lib.bpf_map_lookup_elem(fd, key, value) != 0)
    os.close(fd)
    return os.waitpid(pid, 0)[1] == 0


def _token() -> bool:
    """Tell whether the kernel knows tokens: of a descriptor that is none it says so only then."""
    return lib.bpf_token_create(-1, ffi.NULL) == -errno.EBADF


def _user_namespace() -> bool:
    """Tell whether this process may have a user namespace; one in a chroot may not, as in the virtual machines."""
    pid = os.fork()
    if not pid:
        os._exit(ctypes.CDLL(None).unshare(0x10000000) != 0)
    return os.waitpid(pid, 0)[1] == 0


def _token_info() -> bool:
    return _token() and _function("bpf_token_get_info_by_fd")


def _rc_loopback() -> bool:
    """Tell whether there is an infrared receiver that receives what it sends, and takes programs."""
    found = []
    if os.path.isdir("/sys/class/lirc"):
        for name in os.listdir("/sys/class/lirc"):
            with open(f"/sys/class/lirc/{name}/device/uevent", encoding="ascii") as file:
                found.append("DRV_NAME=rc-loopback" in file.read())
    return any(found) and _program_type("LIRC_MODE2")


PROBES: dict[str, Callable[[], bool]] = {
    "assoc_struct_ops": lambda: _function("bpf_prog_assoc_struct_ops"),
    # *(u64 *)(r10 -8) = 3; r1 = 3; lock *(u64 *)(r10 -8) |= r1
    "atomics": lambda: _code("7a0af8ff03000000", "b701000003000000", "db1af8ff40000000"),
    "attach_cookie": _attach_cookie,
    "bpf_loop": lambda: _function("bpf_loop"),
    "bpf_lsm": _bpf_lsm,
    "btf": _btf,
    "btf_float": _btf_float,
    # The kernel's own types are among what has an id since BTF has a name.
    "btf_names": _btf_names,
    "dummy_ops": lambda: _function("bpf_struct_ops_test_run"),
    "charged_maps": _charged_maps,
    "cgroup_iter": lambda: _function("bpf_iter_attach_cgroup"),
    "cgroup_order": _cgroup_order,
    # An enumerator of enum perf_event_subsys_id that there is with CONFIG_CGROUP_PERF.
    "cgroup_perf": lambda: _in_btf(b"perf_event_cgrp_id"),
    "cgroup_preorder": _cgroup_preorder,
    "exclusive_map": _exclusive_map,
    "fd_array": _fd_array,
    "fentry": lambda: _tracing() and _function("register_ftrace_direct"),
    "fmod_ret_test": _fmod_ret_test,
    "fsession": lambda: _tracing() and _in_btf(b"BPF_TRACE_FSESSION"),
    "hash_taking": _hash_taking,
    "isa_v4": lambda: _code("b701000001000000", "bf11080000000000"),  # r1 = 1; r1 = (s8)r1
    "task_iter_of_one": lambda: _function("bpf_iter_attach_task"),
    "kprobe": lambda: os.path.exists(f"{PMU}/kprobe/type"),
    # Without fprobes bpf_kprobe_multi_link_attach() is there, and refuses.
    "kprobe_multi": lambda: os.path.exists(f"{PMU}/kprobe/type") and _function("register_fprobe_ips"),
    # *(u64 *)(r10 -8) = 1; r1 = load_acquire((u64 *)(r10 -8))
    "load_acquire": lambda: _code("7a0af8ff01000000", "dba1f8ff00010000"),
    "live_frames": _live_frames,
    "may_goto": lambda: _code("e500000000000000"),
    "kprobe_session": lambda: _function("bpf_session_is_return"),
    "lsm_cgroup": lambda: _program_type("LSM") and _function("bpf_trampoline_link_cgroup_shim"),
    "lwt": lambda: _function("bpf_lwt_push_ip_encap"),
    "netfilter_link": lambda: _function("bpf_nf_link_attach"),
    "netdevsim": lambda: os.path.exists("/sys/bus/netdevsim/new_device"),
    "netkit": lambda: _function("netkit_link_attach"),
    "percpu_flags": _percpu_flags,
    "perf_link": lambda: _function("bpf_perf_link_release"),
    "perf_link_info": lambda: _function("bpf_perf_link_fill_link_info"),
    "overwriting_ring": _overwriting_ring,
    "raw_tracepoint_cookie": _raw_tracepoint_cookie,
    "raw_tracepoint_twice": _raw_tracepoint_twice,
    "rc_loopback": _rc_loopback,
    "sched_ext": lambda: os.path.exists("/sys/kernel/sched_ext/state"),
    "segment_routing": lambda: _function("bpf_lwt_seg6_action"),
    "sockmap_link": lambda: _function("sock_map_link_create"),
    "struct_ops_link": lambda: _function("bpf_struct_ops_link_create"),
    "snprintf": _snprintf,
    "tc_comm": _tc_comm,
    # To ask for programs of the type TRACING, libbpf loads one for the entry of a function, which is more.
    "tp_btf": lambda: _btf() and _program_type("RAW_TRACEPOINT"),
    "prog_streams": lambda: _function("bpf_prog_stream_read"),
    "sk_lookup_run": lambda: _function("bpf_prog_test_run_sk_lookup"),
    "stream_printk": lambda: _function("bpf_stream_vprintk_impl") or _function("bpf_stream_vprintk"),
    "struct_ops_update": lambda: _function("bpf_struct_ops_map_link_update"),
    "tcx": lambda: _function("tcx_link_attach"),
    "trace_cookie": lambda: _function("bpf_get_attach_cookie_tracing"),
    "unix_hooks": lambda: _function("bpf_sock_addr_set_sun_path"),
    "token": _token,
    "use_without_privilege": _use_without_privilege,
    "user_namespace": _user_namespace,
    "token_info": _token_info,
    "unset_stack": lambda: _code("79a0f8ff00000000"),  # r0 = *(u64 *)(r10 - 8)
    "uprobe": lambda: os.path.exists(f"{PMU}/uprobe/type"),
    "uprobe_multi": lambda: _function("bpf_uprobe_multi_link_attach"),
    "uprobe_session": lambda: _in_btf(b"BPF_TRACE_UPROBE_SESSION"),
    "verified_insns": _verified_insns,
    "xdp_features": lambda: _function("xdp_set_features_flag"),
    "xdp_frags": _xdp_frags,
}
"""Feature → whether this kernel has it."""

TYPES = {"map": _map_type, "program": _program_type}


@functools.cache
def kernel_has(feature: str) -> bool:
    """Tell whether this kernel has a feature. Raises `LookupError` for one that nobody knows."""
    kind, colon, name = feature.partition(":")
    try:
        if colon:
            return TYPES[kind](name)
        return PROBES[feature]()
    except (AttributeError, KeyError) as error:
        raise LookupError(f"{feature!r} is none of {', '.join(sorted(PROBES))}, map:TYPE, program:TYPE") from error


def all_features() -> dict[str, bool]:
    """Try every feature that there is a name for, and return what the kernel has and what it lacks."""
    from libbpf_cffi.enums import MapType, ProgType

    types = [f"map:{each.name}" for each in MapType if each] + [f"program:{each.name}" for each in ProgType if each]
    return {feature: kernel_has(feature) for feature in sorted([*PROBES, *types])}
