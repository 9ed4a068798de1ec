"""Which method attaches which program: for the hints of what cannot be attached, or not in that way."""

from __future__ import annotations

from ._ffi import lib

__all__ = ["advice", "method_of"]

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
    "NETFILTER": "attach_netfilter",
    "SK_LOOKUP": "attach_netns",
    "SK_REUSEPORT_SELECT": "attach_socket",
    "SK_REUSEPORT_SELECT_OR_MIGRATE": "attach_socket",
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

_WORDS_BY_TYPE = {
    "SCHED_CLS": "attach_tcx(), or net.TcHook,",
    "LIRC_MODE2": "net.prog_attach()",
    "LWT_IN": "`ip route … encap bpf in pinned PATH`",
    "LWT_OUT": "`ip route … encap bpf out pinned PATH`",
    "LWT_XMIT": "`ip route … encap bpf xmit pinned PATH`",
    "LWT_SEG6LOCAL": "`ip -6 route … encap seg6local action End.BPF endpoint pinned PATH`",
}

_WORDS_BY_ATTACH_TYPE = {
    "XDP": "attach_xdp(), or net.xdp_attach(),",
    "XDP_DEVMAP": "a value of a devmap",
    "XDP_CPUMAP": "a value of a cpumap",
}
"""What attaches programs otherwise, or in two ways."""


_NETKIT = (lib.BPF_NETKIT_PRIMARY, lib.BPF_NETKIT_PEER)


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


def advice(type: int, attach_type: int, section: str = "") -> str | None:
    """Say in words what attaches a program of these types; ``None`` where only its section says it."""
    for name, words in _WORDS_BY_ATTACH_TYPE.items():
        if attach_type == getattr(lib, f"BPF_{name}"):
            return words
    for name, words in _WORDS_BY_TYPE.items():
        if type == getattr(lib, f"BPF_PROG_TYPE_{name}") and attach_type not in _NETKIT:
            return words
    method = method_of(type, attach_type, section)
    return method and f"{method}()"
