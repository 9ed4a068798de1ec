"""Which method attaches which program: for the hints of what cannot be attached, or not in that way."""

from __future__ import annotations

from ._ffi import lib

__all__ = ["method_of"]

_BY_TYPE = {
    "TRACEPOINT": "attach_tracepoint",
    "RAW_TRACEPOINT": "attach_raw_tracepoint",
    "RAW_TRACEPOINT_WRITABLE": "attach_raw_tracepoint",
    "TRACING": "attach_trace",
    "LSM": "attach_lsm",
    "EXT": "attach_freplace",
    "PERF_EVENT": "attach_perf_event",
    "XDP": "attach_xdp",
    "SCHED_CLS": "attach_tcx",
    "SK_LOOKUP": "attach_netns",
    "FLOW_DISSECTOR": "attach_netns",
    "SK_SKB": "attach_sockmap",
    "SK_MSG": "attach_sockmap",
    "NETFILTER": "attach_netfilter",
    "SOCKET_FILTER": "attach_socket",
    "SK_REUSEPORT": "attach_socket",
    "SOCK_OPS": "attach_cgroup",
    "CGROUP_SKB": "attach_cgroup",
    "CGROUP_SOCK": "attach_cgroup",
    "CGROUP_SOCK_ADDR": "attach_cgroup",
    "CGROUP_SOCKOPT": "attach_cgroup",
    "CGROUP_SYSCTL": "attach_cgroup",
    "CGROUP_DEVICE": "attach_cgroup",
    "LIRC_MODE2": "attach_lirc",
    "SYSCALL": "test_run",
}

_BY_ATTACH_TYPE = {
    "TRACE_ITER": "attach_iter",
    "LSM_CGROUP": "attach_cgroup",
    "TRACE_KPROBE_MULTI": "attach_kprobe_multi",
    "TRACE_KPROBE_SESSION": "attach_kprobe_multi",
    "TRACE_UPROBE_MULTI": "attach_uprobe_multi",
    "TRACE_UPROBE_SESSION": "attach_uprobe_multi",
    "NETKIT_PRIMARY": "attach_netkit",
    "NETKIT_PEER": "attach_netkit",
}

_BY_SECTION = {
    "kprobe": "attach_kprobe",
    "kretprobe": "attach_kprobe",
    "ksyscall": "attach_ksyscall",
    "kretsyscall": "attach_ksyscall",
    "uprobe": "attach_uprobe",
    "uprobe.s": "attach_uprobe",
    "uretprobe": "attach_uprobe",
    "uretprobe.s": "attach_uprobe",
    "usdt": "attach_usdt",
    "usdt.s": "attach_usdt",
}
"""The kinds of one type, BPF_PROG_TYPE_KPROBE, that differ in nothing else."""


def method_of(type: int, attach_type: int, section: str) -> str | None:
    """Give the name of the method of `Program` that attaches a program of these types, if there is one."""
    if section.partition("/")[0] in ("usdt", "usdt.s"):
        # Where the kernel has them, libbpf makes of these the programs of many uprobes.
        return "attach_usdt"
    for name, method in _BY_ATTACH_TYPE.items():
        if attach_type == getattr(lib, f"BPF_{name}"):
            return method
    if type == lib.BPF_PROG_TYPE_KPROBE:
        return _BY_SECTION.get(section.partition("/")[0], "attach_kprobe")
    for name, method in _BY_TYPE.items():
        if type == getattr(lib, f"BPF_PROG_TYPE_{name}"):
            return method
    return None
