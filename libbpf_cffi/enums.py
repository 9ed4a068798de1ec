"""The kernel's enumerations, with the values that the compiler saw; members drop C's prefix.

Not imported until one is asked for: an `enum` costs more to build than the whole extension to import.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from ._ffi import c_string, ffi, lib, text

__all__ = [
    "AttachType",
    "BpfCmd",
    "BtfKind",
    "CgroupIterOrder",
    "LinkType",
    "MapFlags",
    "MapType",
    "PerfEventType",
    "ProbeAttachMode",
    "ProgFlags",
    "ProgType",
    "TestRunFlags",
    "UpdateFlags",
]


class OpenEnum(IntEnum):
    """An enumeration that takes values of newer kernels: they are named ``UNKNOWN_n``."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    def __reduce_ex__(self, protocol: object) -> tuple[type[OpenEnum], tuple[int]]:
        # By value: some versions of Python pickle by name, which an unknown value has not.
        return type(self), (self._value_,)


class MapType(OpenEnum):
    """Type of a map: ``enum bpf_map_type`` of linux/bpf.h."""

    @property
    def libbpf_name(self) -> str:
        """The name that libbpf and bpftool have for it, such as ``percpu_hash``; empty for a value of a newer kernel.

        *Wraps* ``libbpf_bpf_map_type_str()``.
        """
        return text(lib.libbpf_bpf_map_type_str(self))

    UNSPEC = lib.BPF_MAP_TYPE_UNSPEC
    HASH = lib.BPF_MAP_TYPE_HASH
    ARRAY = lib.BPF_MAP_TYPE_ARRAY
    PROG_ARRAY = lib.BPF_MAP_TYPE_PROG_ARRAY
    PERF_EVENT_ARRAY = lib.BPF_MAP_TYPE_PERF_EVENT_ARRAY
    PERCPU_HASH = lib.BPF_MAP_TYPE_PERCPU_HASH
    PERCPU_ARRAY = lib.BPF_MAP_TYPE_PERCPU_ARRAY
    STACK_TRACE = lib.BPF_MAP_TYPE_STACK_TRACE
    CGROUP_ARRAY = lib.BPF_MAP_TYPE_CGROUP_ARRAY
    LRU_HASH = lib.BPF_MAP_TYPE_LRU_HASH
    LRU_PERCPU_HASH = lib.BPF_MAP_TYPE_LRU_PERCPU_HASH
    LPM_TRIE = lib.BPF_MAP_TYPE_LPM_TRIE
    ARRAY_OF_MAPS = lib.BPF_MAP_TYPE_ARRAY_OF_MAPS
    HASH_OF_MAPS = lib.BPF_MAP_TYPE_HASH_OF_MAPS
    DEVMAP = lib.BPF_MAP_TYPE_DEVMAP
    SOCKMAP = lib.BPF_MAP_TYPE_SOCKMAP
    CPUMAP = lib.BPF_MAP_TYPE_CPUMAP
    XSKMAP = lib.BPF_MAP_TYPE_XSKMAP
    SOCKHASH = lib.BPF_MAP_TYPE_SOCKHASH
    CGROUP_STORAGE = lib.BPF_MAP_TYPE_CGROUP_STORAGE
    CGROUP_STORAGE_DEPRECATED = lib.BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED
    REUSEPORT_SOCKARRAY = lib.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY
    PERCPU_CGROUP_STORAGE = lib.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE
    PERCPU_CGROUP_STORAGE_DEPRECATED = lib.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED
    QUEUE = lib.BPF_MAP_TYPE_QUEUE
    STACK = lib.BPF_MAP_TYPE_STACK
    SK_STORAGE = lib.BPF_MAP_TYPE_SK_STORAGE
    DEVMAP_HASH = lib.BPF_MAP_TYPE_DEVMAP_HASH
    STRUCT_OPS = lib.BPF_MAP_TYPE_STRUCT_OPS
    RINGBUF = lib.BPF_MAP_TYPE_RINGBUF
    INODE_STORAGE = lib.BPF_MAP_TYPE_INODE_STORAGE
    TASK_STORAGE = lib.BPF_MAP_TYPE_TASK_STORAGE
    BLOOM_FILTER = lib.BPF_MAP_TYPE_BLOOM_FILTER
    USER_RINGBUF = lib.BPF_MAP_TYPE_USER_RINGBUF
    CGRP_STORAGE = lib.BPF_MAP_TYPE_CGRP_STORAGE
    ARENA = lib.BPF_MAP_TYPE_ARENA
    INSN_ARRAY = lib.BPF_MAP_TYPE_INSN_ARRAY


class ProgType(OpenEnum):
    """Type of a program: ``enum bpf_prog_type`` of linux/bpf.h."""

    @property
    def libbpf_name(self) -> str:
        """As `MapType.libbpf_name`, such as ``sched_cls``. *Wraps* ``libbpf_bpf_prog_type_str()``."""
        return text(lib.libbpf_bpf_prog_type_str(self))

    @classmethod
    def of_section(cls, section: str) -> tuple[ProgType, AttachType]:
        """Give the types of program and attachment that libbpf takes from a ``SEC()``, such as ``tcx/ingress``.

        *Wraps* ``libbpf_prog_type_by_name()``. `ValueError` for a section that it does not know.
        """
        program, attach = ffi.new("enum bpf_prog_type *"), ffi.new("enum bpf_attach_type *")
        if lib.libbpf_prog_type_by_name(c_string(section, "section"), program, attach):
            raise ValueError(f"libbpf knows no section {section!r}")
        return cls(program[0]), AttachType(attach[0])

    UNSPEC = lib.BPF_PROG_TYPE_UNSPEC
    SOCKET_FILTER = lib.BPF_PROG_TYPE_SOCKET_FILTER
    KPROBE = lib.BPF_PROG_TYPE_KPROBE
    SCHED_CLS = lib.BPF_PROG_TYPE_SCHED_CLS
    SCHED_ACT = lib.BPF_PROG_TYPE_SCHED_ACT
    TRACEPOINT = lib.BPF_PROG_TYPE_TRACEPOINT
    XDP = lib.BPF_PROG_TYPE_XDP
    PERF_EVENT = lib.BPF_PROG_TYPE_PERF_EVENT
    CGROUP_SKB = lib.BPF_PROG_TYPE_CGROUP_SKB
    CGROUP_SOCK = lib.BPF_PROG_TYPE_CGROUP_SOCK
    LWT_IN = lib.BPF_PROG_TYPE_LWT_IN
    LWT_OUT = lib.BPF_PROG_TYPE_LWT_OUT
    LWT_XMIT = lib.BPF_PROG_TYPE_LWT_XMIT
    SOCK_OPS = lib.BPF_PROG_TYPE_SOCK_OPS
    SK_SKB = lib.BPF_PROG_TYPE_SK_SKB
    CGROUP_DEVICE = lib.BPF_PROG_TYPE_CGROUP_DEVICE
    SK_MSG = lib.BPF_PROG_TYPE_SK_MSG
    RAW_TRACEPOINT = lib.BPF_PROG_TYPE_RAW_TRACEPOINT
    CGROUP_SOCK_ADDR = lib.BPF_PROG_TYPE_CGROUP_SOCK_ADDR
    LWT_SEG6LOCAL = lib.BPF_PROG_TYPE_LWT_SEG6LOCAL
    LIRC_MODE2 = lib.BPF_PROG_TYPE_LIRC_MODE2
    SK_REUSEPORT = lib.BPF_PROG_TYPE_SK_REUSEPORT
    FLOW_DISSECTOR = lib.BPF_PROG_TYPE_FLOW_DISSECTOR
    CGROUP_SYSCTL = lib.BPF_PROG_TYPE_CGROUP_SYSCTL
    RAW_TRACEPOINT_WRITABLE = lib.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE
    CGROUP_SOCKOPT = lib.BPF_PROG_TYPE_CGROUP_SOCKOPT
    TRACING = lib.BPF_PROG_TYPE_TRACING
    STRUCT_OPS = lib.BPF_PROG_TYPE_STRUCT_OPS
    EXT = lib.BPF_PROG_TYPE_EXT
    LSM = lib.BPF_PROG_TYPE_LSM
    SK_LOOKUP = lib.BPF_PROG_TYPE_SK_LOOKUP
    SYSCALL = lib.BPF_PROG_TYPE_SYSCALL
    NETFILTER = lib.BPF_PROG_TYPE_NETFILTER


class AttachType(OpenEnum):
    """What a program is attached to: ``enum bpf_attach_type`` of linux/bpf.h."""

    @property
    def libbpf_name(self) -> str:
        """As `MapType.libbpf_name`, such as ``cgroup_inet4_bind``. *Wraps* ``libbpf_bpf_attach_type_str()``."""
        return text(lib.libbpf_bpf_attach_type_str(self))

    @classmethod
    def of_section(cls, section: str) -> AttachType:
        """Give the type of attachment that a ``SEC()`` stands for, if libbpf takes one from it.

        *Wraps* ``libbpf_attach_type_by_name()``. `ValueError` for a section that it does not know, or that can be
        attached by its type of program alone.
        """
        attach = ffi.new("enum bpf_attach_type *")
        if lib.libbpf_attach_type_by_name(c_string(section, "section"), attach):
            raise ValueError(f"libbpf knows no attach type of the section {section!r}")
        return cls(attach[0])

    CGROUP_INET_INGRESS = lib.BPF_CGROUP_INET_INGRESS
    CGROUP_INET_EGRESS = lib.BPF_CGROUP_INET_EGRESS
    CGROUP_INET_SOCK_CREATE = lib.BPF_CGROUP_INET_SOCK_CREATE
    CGROUP_SOCK_OPS = lib.BPF_CGROUP_SOCK_OPS
    SK_SKB_STREAM_PARSER = lib.BPF_SK_SKB_STREAM_PARSER
    SK_SKB_STREAM_VERDICT = lib.BPF_SK_SKB_STREAM_VERDICT
    CGROUP_DEVICE = lib.BPF_CGROUP_DEVICE
    SK_MSG_VERDICT = lib.BPF_SK_MSG_VERDICT
    CGROUP_INET4_BIND = lib.BPF_CGROUP_INET4_BIND
    CGROUP_INET6_BIND = lib.BPF_CGROUP_INET6_BIND
    CGROUP_INET4_CONNECT = lib.BPF_CGROUP_INET4_CONNECT
    CGROUP_INET6_CONNECT = lib.BPF_CGROUP_INET6_CONNECT
    CGROUP_INET4_POST_BIND = lib.BPF_CGROUP_INET4_POST_BIND
    CGROUP_INET6_POST_BIND = lib.BPF_CGROUP_INET6_POST_BIND
    CGROUP_UDP4_SENDMSG = lib.BPF_CGROUP_UDP4_SENDMSG
    CGROUP_UDP6_SENDMSG = lib.BPF_CGROUP_UDP6_SENDMSG
    LIRC_MODE2 = lib.BPF_LIRC_MODE2
    FLOW_DISSECTOR = lib.BPF_FLOW_DISSECTOR
    CGROUP_SYSCTL = lib.BPF_CGROUP_SYSCTL
    CGROUP_UDP4_RECVMSG = lib.BPF_CGROUP_UDP4_RECVMSG
    CGROUP_UDP6_RECVMSG = lib.BPF_CGROUP_UDP6_RECVMSG
    CGROUP_GETSOCKOPT = lib.BPF_CGROUP_GETSOCKOPT
    CGROUP_SETSOCKOPT = lib.BPF_CGROUP_SETSOCKOPT
    TRACE_RAW_TP = lib.BPF_TRACE_RAW_TP
    TRACE_FENTRY = lib.BPF_TRACE_FENTRY
    TRACE_FEXIT = lib.BPF_TRACE_FEXIT
    MODIFY_RETURN = lib.BPF_MODIFY_RETURN
    LSM_MAC = lib.BPF_LSM_MAC
    TRACE_ITER = lib.BPF_TRACE_ITER
    CGROUP_INET4_GETPEERNAME = lib.BPF_CGROUP_INET4_GETPEERNAME
    CGROUP_INET6_GETPEERNAME = lib.BPF_CGROUP_INET6_GETPEERNAME
    CGROUP_INET4_GETSOCKNAME = lib.BPF_CGROUP_INET4_GETSOCKNAME
    CGROUP_INET6_GETSOCKNAME = lib.BPF_CGROUP_INET6_GETSOCKNAME
    XDP_DEVMAP = lib.BPF_XDP_DEVMAP
    CGROUP_INET_SOCK_RELEASE = lib.BPF_CGROUP_INET_SOCK_RELEASE
    XDP_CPUMAP = lib.BPF_XDP_CPUMAP
    SK_LOOKUP = lib.BPF_SK_LOOKUP
    XDP = lib.BPF_XDP
    SK_SKB_VERDICT = lib.BPF_SK_SKB_VERDICT
    SK_REUSEPORT_SELECT = lib.BPF_SK_REUSEPORT_SELECT
    SK_REUSEPORT_SELECT_OR_MIGRATE = lib.BPF_SK_REUSEPORT_SELECT_OR_MIGRATE
    PERF_EVENT = lib.BPF_PERF_EVENT
    TRACE_KPROBE_MULTI = lib.BPF_TRACE_KPROBE_MULTI
    LSM_CGROUP = lib.BPF_LSM_CGROUP
    STRUCT_OPS = lib.BPF_STRUCT_OPS
    NETFILTER = lib.BPF_NETFILTER
    TCX_INGRESS = lib.BPF_TCX_INGRESS
    TCX_EGRESS = lib.BPF_TCX_EGRESS
    TRACE_UPROBE_MULTI = lib.BPF_TRACE_UPROBE_MULTI
    CGROUP_UNIX_CONNECT = lib.BPF_CGROUP_UNIX_CONNECT
    CGROUP_UNIX_SENDMSG = lib.BPF_CGROUP_UNIX_SENDMSG
    CGROUP_UNIX_RECVMSG = lib.BPF_CGROUP_UNIX_RECVMSG
    CGROUP_UNIX_GETPEERNAME = lib.BPF_CGROUP_UNIX_GETPEERNAME
    CGROUP_UNIX_GETSOCKNAME = lib.BPF_CGROUP_UNIX_GETSOCKNAME
    NETKIT_PRIMARY = lib.BPF_NETKIT_PRIMARY
    NETKIT_PEER = lib.BPF_NETKIT_PEER
    TRACE_KPROBE_SESSION = lib.BPF_TRACE_KPROBE_SESSION
    TRACE_UPROBE_SESSION = lib.BPF_TRACE_UPROBE_SESSION
    TRACE_FSESSION = lib.BPF_TRACE_FSESSION


class LinkType(OpenEnum):
    """Type of a link: ``enum bpf_link_type`` of linux/bpf.h."""

    @property
    def libbpf_name(self) -> str:
        """As `MapType.libbpf_name`, such as ``raw_tracepoint``. *Wraps* ``libbpf_bpf_link_type_str()``."""
        return text(lib.libbpf_bpf_link_type_str(self))

    UNSPEC = lib.BPF_LINK_TYPE_UNSPEC
    RAW_TRACEPOINT = lib.BPF_LINK_TYPE_RAW_TRACEPOINT
    TRACING = lib.BPF_LINK_TYPE_TRACING
    CGROUP = lib.BPF_LINK_TYPE_CGROUP
    ITER = lib.BPF_LINK_TYPE_ITER
    NETNS = lib.BPF_LINK_TYPE_NETNS
    XDP = lib.BPF_LINK_TYPE_XDP
    PERF_EVENT = lib.BPF_LINK_TYPE_PERF_EVENT
    KPROBE_MULTI = lib.BPF_LINK_TYPE_KPROBE_MULTI
    STRUCT_OPS = lib.BPF_LINK_TYPE_STRUCT_OPS
    NETFILTER = lib.BPF_LINK_TYPE_NETFILTER
    TCX = lib.BPF_LINK_TYPE_TCX
    UPROBE_MULTI = lib.BPF_LINK_TYPE_UPROBE_MULTI
    NETKIT = lib.BPF_LINK_TYPE_NETKIT
    SOCKMAP = lib.BPF_LINK_TYPE_SOCKMAP


class BpfCmd(OpenEnum):
    """What bpf(2) is asked to do: ``enum bpf_cmd`` of linux/bpf.h."""

    MAP_CREATE = lib.BPF_MAP_CREATE
    MAP_LOOKUP_ELEM = lib.BPF_MAP_LOOKUP_ELEM
    MAP_UPDATE_ELEM = lib.BPF_MAP_UPDATE_ELEM
    MAP_DELETE_ELEM = lib.BPF_MAP_DELETE_ELEM
    MAP_GET_NEXT_KEY = lib.BPF_MAP_GET_NEXT_KEY
    PROG_LOAD = lib.BPF_PROG_LOAD
    OBJ_PIN = lib.BPF_OBJ_PIN
    OBJ_GET = lib.BPF_OBJ_GET
    PROG_ATTACH = lib.BPF_PROG_ATTACH
    PROG_DETACH = lib.BPF_PROG_DETACH
    PROG_TEST_RUN = lib.BPF_PROG_TEST_RUN
    PROG_RUN = lib.BPF_PROG_RUN
    PROG_GET_NEXT_ID = lib.BPF_PROG_GET_NEXT_ID
    MAP_GET_NEXT_ID = lib.BPF_MAP_GET_NEXT_ID
    PROG_GET_FD_BY_ID = lib.BPF_PROG_GET_FD_BY_ID
    MAP_GET_FD_BY_ID = lib.BPF_MAP_GET_FD_BY_ID
    OBJ_GET_INFO_BY_FD = lib.BPF_OBJ_GET_INFO_BY_FD
    PROG_QUERY = lib.BPF_PROG_QUERY
    RAW_TRACEPOINT_OPEN = lib.BPF_RAW_TRACEPOINT_OPEN
    BTF_LOAD = lib.BPF_BTF_LOAD
    BTF_GET_FD_BY_ID = lib.BPF_BTF_GET_FD_BY_ID
    TASK_FD_QUERY = lib.BPF_TASK_FD_QUERY
    MAP_LOOKUP_AND_DELETE_ELEM = lib.BPF_MAP_LOOKUP_AND_DELETE_ELEM
    MAP_FREEZE = lib.BPF_MAP_FREEZE
    BTF_GET_NEXT_ID = lib.BPF_BTF_GET_NEXT_ID
    MAP_LOOKUP_BATCH = lib.BPF_MAP_LOOKUP_BATCH
    MAP_LOOKUP_AND_DELETE_BATCH = lib.BPF_MAP_LOOKUP_AND_DELETE_BATCH
    MAP_UPDATE_BATCH = lib.BPF_MAP_UPDATE_BATCH
    MAP_DELETE_BATCH = lib.BPF_MAP_DELETE_BATCH
    LINK_CREATE = lib.BPF_LINK_CREATE
    LINK_UPDATE = lib.BPF_LINK_UPDATE
    LINK_GET_FD_BY_ID = lib.BPF_LINK_GET_FD_BY_ID
    LINK_GET_NEXT_ID = lib.BPF_LINK_GET_NEXT_ID
    ENABLE_STATS = lib.BPF_ENABLE_STATS
    ITER_CREATE = lib.BPF_ITER_CREATE
    LINK_DETACH = lib.BPF_LINK_DETACH
    PROG_BIND_MAP = lib.BPF_PROG_BIND_MAP
    TOKEN_CREATE = lib.BPF_TOKEN_CREATE
    PROG_STREAM_READ_BY_FD = lib.BPF_PROG_STREAM_READ_BY_FD
    PROG_ASSOC_STRUCT_OPS = lib.BPF_PROG_ASSOC_STRUCT_OPS


class PerfEventType(OpenEnum):
    """What the perf event of a link is: ``enum bpf_perf_event_type`` of linux/bpf.h."""

    UNSPEC = lib.BPF_PERF_EVENT_UNSPEC
    UPROBE = lib.BPF_PERF_EVENT_UPROBE
    URETPROBE = lib.BPF_PERF_EVENT_URETPROBE
    KPROBE = lib.BPF_PERF_EVENT_KPROBE
    KRETPROBE = lib.BPF_PERF_EVENT_KRETPROBE
    TRACEPOINT = lib.BPF_PERF_EVENT_TRACEPOINT
    EVENT = lib.BPF_PERF_EVENT_EVENT


class BtfKind(OpenEnum):
    """Kind of a BTF type: ``BTF_KIND_…`` of linux/btf.h, where void is called UNKN."""

    VOID = lib.BTF_KIND_UNKN
    INT = lib.BTF_KIND_INT
    PTR = lib.BTF_KIND_PTR
    ARRAY = lib.BTF_KIND_ARRAY
    STRUCT = lib.BTF_KIND_STRUCT
    UNION = lib.BTF_KIND_UNION
    ENUM = lib.BTF_KIND_ENUM
    FWD = lib.BTF_KIND_FWD
    TYPEDEF = lib.BTF_KIND_TYPEDEF
    VOLATILE = lib.BTF_KIND_VOLATILE
    CONST = lib.BTF_KIND_CONST
    RESTRICT = lib.BTF_KIND_RESTRICT
    FUNC = lib.BTF_KIND_FUNC
    FUNC_PROTO = lib.BTF_KIND_FUNC_PROTO
    VAR = lib.BTF_KIND_VAR
    DATASEC = lib.BTF_KIND_DATASEC
    FLOAT = lib.BTF_KIND_FLOAT
    DECL_TAG = lib.BTF_KIND_DECL_TAG
    TYPE_TAG = lib.BTF_KIND_TYPE_TAG
    ENUM64 = lib.BTF_KIND_ENUM64


class MapFlags(IntFlag):
    """Flags of map creation: ``BPF_F_…`` of linux/bpf.h."""

    NO_PREALLOC = lib.BPF_F_NO_PREALLOC
    NO_COMMON_LRU = lib.BPF_F_NO_COMMON_LRU
    NUMA_NODE = lib.BPF_F_NUMA_NODE
    RDONLY = lib.BPF_F_RDONLY
    WRONLY = lib.BPF_F_WRONLY
    STACK_BUILD_ID = lib.BPF_F_STACK_BUILD_ID
    ZERO_SEED = lib.BPF_F_ZERO_SEED
    RDONLY_PROG = lib.BPF_F_RDONLY_PROG
    WRONLY_PROG = lib.BPF_F_WRONLY_PROG
    CLONE = lib.BPF_F_CLONE
    MMAPABLE = lib.BPF_F_MMAPABLE
    PRESERVE_ELEMS = lib.BPF_F_PRESERVE_ELEMS
    INNER_MAP = lib.BPF_F_INNER_MAP
    LINK = lib.BPF_F_LINK
    PATH_FD = lib.BPF_F_PATH_FD
    VTYPE_BTF_OBJ_FD = lib.BPF_F_VTYPE_BTF_OBJ_FD
    TOKEN_FD = lib.BPF_F_TOKEN_FD
    SEGV_ON_FAULT = lib.BPF_F_SEGV_ON_FAULT
    NO_USER_CONV = lib.BPF_F_NO_USER_CONV
    RB_OVERWRITE = lib.BPF_F_RB_OVERWRITE


class ProgFlags(IntFlag):
    """Flags of program load: ``BPF_F_…`` of linux/bpf.h."""

    STRICT_ALIGNMENT = lib.BPF_F_STRICT_ALIGNMENT
    ANY_ALIGNMENT = lib.BPF_F_ANY_ALIGNMENT
    TEST_RND_HI32 = lib.BPF_F_TEST_RND_HI32
    TEST_STATE_FREQ = lib.BPF_F_TEST_STATE_FREQ
    SLEEPABLE = lib.BPF_F_SLEEPABLE
    XDP_HAS_FRAGS = lib.BPF_F_XDP_HAS_FRAGS
    XDP_DEV_BOUND_ONLY = lib.BPF_F_XDP_DEV_BOUND_ONLY
    TEST_REG_INVARIANTS = lib.BPF_F_TEST_REG_INVARIANTS
    TOKEN_FD = lib.BPF_F_TOKEN_FD


class TestRunFlags(IntFlag):
    """Flags of a test run: ``BPF_F_TEST_…`` of linux/bpf.h."""

    RUN_ON_CPU = lib.BPF_F_TEST_RUN_ON_CPU
    XDP_LIVE_FRAMES = lib.BPF_F_TEST_XDP_LIVE_FRAMES
    SKB_CHECKSUM_COMPLETE = lib.BPF_F_TEST_SKB_CHECKSUM_COMPLETE


TestRunFlags.__test__ = False  # type: ignore[attr-defined]
"""It is none of pytest's."""


class UpdateFlags(IntFlag):
    """Flags of a map's update and lookup: ``BPF_ANY``, ``BPF_NOEXIST``, ``BPF_EXIST`` and ``BPF_F_LOCK``."""

    ANY = lib.BPF_ANY
    NOEXIST = lib.BPF_NOEXIST
    EXIST = lib.BPF_EXIST
    LOCK = lib.BPF_F_LOCK


class ProbeAttachMode(OpenEnum):
    """How a kprobe or uprobe is made: ``enum probe_attach_mode`` of libbpf.h."""

    DEFAULT = lib.PROBE_ATTACH_MODE_DEFAULT
    LEGACY = lib.PROBE_ATTACH_MODE_LEGACY
    PERF = lib.PROBE_ATTACH_MODE_PERF
    LINK = lib.PROBE_ATTACH_MODE_LINK


class CgroupIterOrder(OpenEnum):
    """Which relatives of a cgroup an iterator walks: ``enum bpf_cgroup_iter_order`` of linux/bpf.h."""

    SELF_ONLY = lib.BPF_CGROUP_ITER_SELF_ONLY
    DESCENDANTS_PRE = lib.BPF_CGROUP_ITER_DESCENDANTS_PRE
    DESCENDANTS_POST = lib.BPF_CGROUP_ITER_DESCENDANTS_POST
    ANCESTORS_UP = lib.BPF_CGROUP_ITER_ANCESTORS_UP
    CHILDREN = lib.BPF_CGROUP_ITER_CHILDREN
