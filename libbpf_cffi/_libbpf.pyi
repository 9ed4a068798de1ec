"""Type the compiled module: `ffi`, which makes and reads C data, and `lib`, which has libbpf's functions.

Written by csrc/stub.py from csrc/cdef; do not edit. A C handle has one type here, so that a map cannot be
passed for a program. These types are for type checkers alone: at run time each of them is `ffi.CData`.

`FFI` and `CData` are described here, and not taken from types-cffi: users of the package need not have that.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, NewType, TypeAlias, TypeVar, overload, type_check_only

from typing_extensions import Self, override

_T = TypeVar("_T")

@type_check_only
class CData:
    """A C value, pointer, array or struct that cffi made. `ffi.NULL` goes where a pointer is wanted."""

    def __getattr__(self, name: str, /) -> Any: ...
    @override
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __getitem__(self, index: int | slice, /) -> Any: ...
    def __setitem__(self, index: int | slice, value: Any, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __complex__(self) -> complex: ...
    @override
    def __hash__(self) -> int: ...
    @override
    def __eq__(self, other: object, /) -> bool: ...
    @override
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: CData, /) -> bool: ...
    def __le__(self, other: CData, /) -> bool: ...
    def __gt__(self, other: CData, /) -> bool: ...
    def __ge__(self, other: CData, /) -> bool: ...
    def __add__(self, other: int, /) -> CData: ...
    def __radd__(self, other: int, /) -> CData: ...
    @overload
    def __sub__(self, other: CData, /) -> int: ...
    @overload
    def __sub__(self, other: int, /) -> CData: ...
    def __call__(self, *args: Any) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

@type_check_only
class Values:
    """Values of a stretch of bytes, made when they are taken: a sequence that is its own iterator (csrc/decode.h)."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def __len__(self) -> int: ...
    def __length_hint__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> list[Any]: ...
    def __delitem__(self, index: slice, /) -> None: ...

class Decoder:
    """What decodes a type in C, see csrc/decode.h. It is absent from builds without a lock around the interpreter."""

    def __new__(cls, program: bytes, constants: tuple[Any, ...], alone: Callable[[Any, int], Any], /) -> Self: ...
    def one(self, buffer: Any, offset: int = 0, /) -> Any: ...
    def many(self, buffer: bytes | bytearray, offset: int, stride: int, count: int, /) -> list[Any]: ...
    def values(self, buffer: bytes | bytearray, offset: int, stride: int, count: int, /) -> Any: ...

def settle(waiting: list[_T], function: Callable[[_T], object], handle: _T, gone: object = ..., /) -> None:
    """Call `function`, whatever signal handlers raise meanwhile, see csrc/settle.h."""

@type_check_only
class CType:
    """A C type, as `ffi.typeof()` tells it."""

    kind: str
    cname: str
    def __getattr__(self, name: str, /) -> Any: ...

@type_check_only
class Buffer:
    """The bytes of a C value, as `ffi.buffer()` shows them: a view, not a copy."""

    def __new__(cls, cdata: CData, size: int = -1) -> Self: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int | slice, /) -> bytes: ...
    def __setitem__(self, index: int | slice, value: Any, /) -> None: ...
    @override
    def __eq__(self, other: object, /) -> bool: ...
    @override
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: object, /) -> bool: ...
    def __le__(self, other: object, /) -> bool: ...
    def __gt__(self, other: object, /) -> bool: ...
    def __ge__(self, other: object, /) -> bool: ...

# The class below has attributes of the same names.
_CData: TypeAlias = CData
_CType: TypeAlias = CType

@type_check_only
class FFI:
    """What cffi offers at run time; its documentation is cffi's."""

    NULL: Final[Any]
    CData: Final[type[Any]]
    CType: Final[type[Any]]
    RTLD_DEEPBIND: Final[int]
    RTLD_GLOBAL: Final[int]
    RTLD_LAZY: Final[int]
    RTLD_LOCAL: Final[int]
    RTLD_NODELETE: Final[int]
    RTLD_NOLOAD: Final[int]
    RTLD_NOW: Final[int]
    buffer: Final[type[Buffer]]
    errno: int
    error: Final[type[Exception]]
    def addressof(self, cdata: _CData | Lib, /, *fields_or_indexes: str | int) -> _CData: ...
    def alignof(self, cdecl: str | _CType | _CData) -> int: ...
    @overload
    def callback(
        self,
        cdecl: str | _CType,
        python_callable: None = ...,
        error: Any = ...,
        onerror: Callable[[type[BaseException], BaseException, TracebackType], Any] | None = ...,
    ) -> Callable[[Callable[..., Any]], _CData]: ...
    @overload
    def callback(
        self,
        cdecl: str | _CType,
        python_callable: Callable[..., Any],
        error: Any = ...,
        onerror: Callable[[type[BaseException], BaseException, TracebackType], Any] | None = ...,
    ) -> _CData: ...
    def cast(self, cdecl: str | _CType, value: Any) -> Any: ...
    def def_extern(self, name: str = ..., error: Any = ..., onerror: Any = ...) -> Callable[[_T], _T]: ...
    def dlclose(self, lib: Any, /) -> None: ...
    def dlopen(self, libpath: str | _CData | None, flags: int = ..., /) -> Any: ...
    def from_buffer(
        self,
        cdecl: str | _CType | Any,
        python_buffer: Any = ...,
        require_writable: bool = ...,
    ) -> _CData: ...
    def from_handle(self, cdata: _CData, /) -> Any: ...
    @overload
    def gc(self, cdata: _T, destructor: Callable[[_T], Any], size: int = ...) -> _T: ...
    @overload
    def gc(self, cdata: _CData, destructor: None, size: int = ...) -> None: ...
    def getctype(self, cdecl: str | _CType, replace_with: str = ...) -> str: ...
    def init_once(self, func: Callable[[], _T], tag: Any) -> _T: ...
    def integer_const(self, name: str) -> int: ...
    def list_types(self) -> tuple[list[str], list[str], list[str]]: ...
    def memmove(self, dest: Any, src: Any, n: int) -> None: ...
    def new(self, cdecl: str | _CType, init: Any = ...) -> _CData: ...
    def new_allocator(
        self,
        alloc: Callable[[int], Any] | None = ...,
        free: Callable[[Any], Any] | None = ...,
        should_clear_after_alloc: bool = ...,
    ) -> Callable[..., _CData]: ...
    def new_handle(self, value: Any, /) -> _CData: ...
    def offsetof(self, cdecl: str | _CType, field_or_index: str | int, /, *more: str | int) -> int: ...
    def release(self, cdata: _CData, /) -> None: ...
    def sizeof(self, cdecl: str | _CType | _CData, /) -> int: ...
    def string(self, cdata: _CData, maxlen: int = ...) -> bytes: ...
    def typeof(self, cdecl: str | _CType | _CData | Callable[..., Any], /) -> _CType: ...
    def unpack(self, cdata: _CData, length: int) -> Any: ...

bpf_link = NewType("bpf_link", CData)
bpf_linker = NewType("bpf_linker", CData)
bpf_map = NewType("bpf_map", CData)
bpf_object = NewType("bpf_object", CData)
bpf_prog_linfo = NewType("bpf_prog_linfo", CData)
bpf_program = NewType("bpf_program", CData)
btf = NewType("btf", CData)
btf_dump = NewType("btf_dump", CData)
btf_dump_printf_fn_t = NewType("btf_dump_printf_fn_t", CData)
btf_ext = NewType("btf_ext", CData)
lbc_arena = NewType("lbc_arena", CData)
lbc_cursor = NewType("lbc_cursor", CData)
lbc_elements = NewType("lbc_elements", CData)
lbc_link_input = NewType("lbc_link_input", CData)
lbc_map = NewType("lbc_map", CData)
lbc_message = NewType("lbc_message", CData)
lbc_perf_event = NewType("lbc_perf_event", CData)
lbc_perf_reader = NewType("lbc_perf_reader", CData)
lbc_perf_ring = NewType("lbc_perf_ring", CData)
lbc_perf_state = NewType("lbc_perf_state", CData)
lbc_prog = NewType("lbc_prog", CData)
lbc_progress = NewType("lbc_progress", CData)
lbc_ring = NewType("lbc_ring", CData)
lbc_ring_batch = NewType("lbc_ring_batch", CData)
lbc_ring_reader = NewType("lbc_ring_reader", CData)
lbc_ring_state = NewType("lbc_ring_state", CData)
lbc_socket_program = NewType("lbc_socket_program", CData)
lbc_syscall = NewType("lbc_syscall", CData)
lbc_text = NewType("lbc_text", CData)
lbc_token = NewType("lbc_token", CData)
lbc_trace_cpu = NewType("lbc_trace_cpu", CData)
lbc_trace_format = NewType("lbc_trace_format", CData)
lbc_trace_head = NewType("lbc_trace_head", CData)
lbc_trace_loss = NewType("lbc_trace_loss", CData)
lbc_trace_reader = NewType("lbc_trace_reader", CData)
lbc_user_ring = NewType("lbc_user_ring", CData)
lbc_user_sample = NewType("lbc_user_sample", CData)
libbpf_print_fn_t = NewType("libbpf_print_fn_t", CData)
perf_buffer = NewType("perf_buffer", CData)
ring = NewType("ring", CData)
ring_buffer = NewType("ring_buffer", CData)
user_ring_buffer = NewType("user_ring_buffer", CData)

#: A pointer to what C only reads: cffi passes the memory of a `bytes` object itself.
Bytes: TypeAlias = bytes | CData

@type_check_only
class Lib:
    """libbpf's functions and constants, and ours (lbc_…), by the files of csrc/cdef."""

    # uapi_insn.h
    BPF_REG_0: Final[int]
    BPF_REG_1: Final[int]
    BPF_REG_2: Final[int]
    BPF_REG_3: Final[int]
    BPF_REG_4: Final[int]
    BPF_REG_5: Final[int]
    BPF_REG_6: Final[int]
    BPF_REG_7: Final[int]
    BPF_REG_8: Final[int]
    BPF_REG_9: Final[int]
    BPF_REG_10: Final[int]
    __MAX_BPF_REG: Final[int]
    BPF_LD: Final[int]
    BPF_LDX: Final[int]
    BPF_ST: Final[int]
    BPF_STX: Final[int]
    BPF_ALU: Final[int]
    BPF_JMP: Final[int]
    BPF_RET: Final[int]
    BPF_MISC: Final[int]
    BPF_W: Final[int]
    BPF_H: Final[int]
    BPF_B: Final[int]
    BPF_IMM: Final[int]
    BPF_ABS: Final[int]
    BPF_IND: Final[int]
    BPF_MEM: Final[int]
    BPF_LEN: Final[int]
    BPF_MSH: Final[int]
    BPF_ADD: Final[int]
    BPF_SUB: Final[int]
    BPF_MUL: Final[int]
    BPF_DIV: Final[int]
    BPF_OR: Final[int]
    BPF_AND: Final[int]
    BPF_LSH: Final[int]
    BPF_RSH: Final[int]
    BPF_NEG: Final[int]
    BPF_MOD: Final[int]
    BPF_XOR: Final[int]
    BPF_JA: Final[int]
    BPF_JEQ: Final[int]
    BPF_JGT: Final[int]
    BPF_JGE: Final[int]
    BPF_JSET: Final[int]
    BPF_K: Final[int]
    BPF_X: Final[int]
    BPF_MAXINSNS: Final[int]
    BPF_JMP32: Final[int]
    BPF_ALU64: Final[int]
    BPF_DW: Final[int]
    BPF_MEMSX: Final[int]
    BPF_ATOMIC: Final[int]
    BPF_XADD: Final[int]
    BPF_MOV: Final[int]
    BPF_ARSH: Final[int]
    BPF_END: Final[int]
    BPF_TO_LE: Final[int]
    BPF_TO_BE: Final[int]
    BPF_FROM_LE: Final[int]
    BPF_FROM_BE: Final[int]
    BPF_JNE: Final[int]
    BPF_JLT: Final[int]
    BPF_JLE: Final[int]
    BPF_JSGT: Final[int]
    BPF_JSGE: Final[int]
    BPF_JSLT: Final[int]
    BPF_JSLE: Final[int]
    BPF_JCOND: Final[int]
    BPF_CALL: Final[int]
    BPF_EXIT: Final[int]
    BPF_FETCH: Final[int]
    BPF_XCHG: Final[int]
    BPF_CMPXCHG: Final[int]
    BPF_LOAD_ACQ: Final[int]
    BPF_STORE_REL: Final[int]
    MAX_BPF_REG: Final[int]
    BPF_PSEUDO_MAP_FD: Final[int]
    BPF_PSEUDO_MAP_IDX: Final[int]
    BPF_PSEUDO_MAP_VALUE: Final[int]
    BPF_PSEUDO_MAP_IDX_VALUE: Final[int]
    BPF_PSEUDO_BTF_ID: Final[int]
    BPF_PSEUDO_FUNC: Final[int]
    BPF_PSEUDO_CALL: Final[int]
    BPF_PSEUDO_KFUNC_CALL: Final[int]
    BPF_MAY_GOTO: Final[int]
    BPF_ADDR_SPACE_CAST: Final[int]

    # uapi_bpf.h
    BPF_CGROUP_ITER_ORDER_UNSPEC: Final[int]
    BPF_CGROUP_ITER_SELF_ONLY: Final[int]
    BPF_CGROUP_ITER_DESCENDANTS_PRE: Final[int]
    BPF_CGROUP_ITER_DESCENDANTS_POST: Final[int]
    BPF_CGROUP_ITER_ANCESTORS_UP: Final[int]
    BPF_CGROUP_ITER_CHILDREN: Final[int]
    BPF_MAP_CREATE: Final[int]
    BPF_MAP_LOOKUP_ELEM: Final[int]
    BPF_MAP_UPDATE_ELEM: Final[int]
    BPF_MAP_DELETE_ELEM: Final[int]
    BPF_MAP_GET_NEXT_KEY: Final[int]
    BPF_PROG_LOAD: Final[int]
    BPF_OBJ_PIN: Final[int]
    BPF_OBJ_GET: Final[int]
    BPF_PROG_ATTACH: Final[int]
    BPF_PROG_DETACH: Final[int]
    BPF_PROG_TEST_RUN: Final[int]
    BPF_PROG_RUN: Final[int]
    BPF_PROG_GET_NEXT_ID: Final[int]
    BPF_MAP_GET_NEXT_ID: Final[int]
    BPF_PROG_GET_FD_BY_ID: Final[int]
    BPF_MAP_GET_FD_BY_ID: Final[int]
    BPF_OBJ_GET_INFO_BY_FD: Final[int]
    BPF_PROG_QUERY: Final[int]
    BPF_RAW_TRACEPOINT_OPEN: Final[int]
    BPF_BTF_LOAD: Final[int]
    BPF_BTF_GET_FD_BY_ID: Final[int]
    BPF_TASK_FD_QUERY: Final[int]
    BPF_MAP_LOOKUP_AND_DELETE_ELEM: Final[int]
    BPF_MAP_FREEZE: Final[int]
    BPF_BTF_GET_NEXT_ID: Final[int]
    BPF_MAP_LOOKUP_BATCH: Final[int]
    BPF_MAP_LOOKUP_AND_DELETE_BATCH: Final[int]
    BPF_MAP_UPDATE_BATCH: Final[int]
    BPF_MAP_DELETE_BATCH: Final[int]
    BPF_LINK_CREATE: Final[int]
    BPF_LINK_UPDATE: Final[int]
    BPF_LINK_GET_FD_BY_ID: Final[int]
    BPF_LINK_GET_NEXT_ID: Final[int]
    BPF_ENABLE_STATS: Final[int]
    BPF_ITER_CREATE: Final[int]
    BPF_LINK_DETACH: Final[int]
    BPF_PROG_BIND_MAP: Final[int]
    BPF_TOKEN_CREATE: Final[int]
    BPF_PROG_STREAM_READ_BY_FD: Final[int]
    BPF_PROG_ASSOC_STRUCT_OPS: Final[int]
    __MAX_BPF_CMD: Final[int]
    BPF_MAP_TYPE_UNSPEC: Final[int]
    BPF_MAP_TYPE_HASH: Final[int]
    BPF_MAP_TYPE_ARRAY: Final[int]
    BPF_MAP_TYPE_PROG_ARRAY: Final[int]
    BPF_MAP_TYPE_PERF_EVENT_ARRAY: Final[int]
    BPF_MAP_TYPE_PERCPU_HASH: Final[int]
    BPF_MAP_TYPE_PERCPU_ARRAY: Final[int]
    BPF_MAP_TYPE_STACK_TRACE: Final[int]
    BPF_MAP_TYPE_CGROUP_ARRAY: Final[int]
    BPF_MAP_TYPE_LRU_HASH: Final[int]
    BPF_MAP_TYPE_LRU_PERCPU_HASH: Final[int]
    BPF_MAP_TYPE_LPM_TRIE: Final[int]
    BPF_MAP_TYPE_ARRAY_OF_MAPS: Final[int]
    BPF_MAP_TYPE_HASH_OF_MAPS: Final[int]
    BPF_MAP_TYPE_DEVMAP: Final[int]
    BPF_MAP_TYPE_SOCKMAP: Final[int]
    BPF_MAP_TYPE_CPUMAP: Final[int]
    BPF_MAP_TYPE_XSKMAP: Final[int]
    BPF_MAP_TYPE_SOCKHASH: Final[int]
    BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED: Final[int]
    BPF_MAP_TYPE_CGROUP_STORAGE: Final[int]
    BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: Final[int]
    BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED: Final[int]
    BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: Final[int]
    BPF_MAP_TYPE_QUEUE: Final[int]
    BPF_MAP_TYPE_STACK: Final[int]
    BPF_MAP_TYPE_SK_STORAGE: Final[int]
    BPF_MAP_TYPE_DEVMAP_HASH: Final[int]
    BPF_MAP_TYPE_STRUCT_OPS: Final[int]
    BPF_MAP_TYPE_RINGBUF: Final[int]
    BPF_MAP_TYPE_INODE_STORAGE: Final[int]
    BPF_MAP_TYPE_TASK_STORAGE: Final[int]
    BPF_MAP_TYPE_BLOOM_FILTER: Final[int]
    BPF_MAP_TYPE_USER_RINGBUF: Final[int]
    BPF_MAP_TYPE_CGRP_STORAGE: Final[int]
    BPF_MAP_TYPE_ARENA: Final[int]
    BPF_MAP_TYPE_INSN_ARRAY: Final[int]
    __MAX_BPF_MAP_TYPE: Final[int]
    BPF_PROG_TYPE_UNSPEC: Final[int]
    BPF_PROG_TYPE_SOCKET_FILTER: Final[int]
    BPF_PROG_TYPE_KPROBE: Final[int]
    BPF_PROG_TYPE_SCHED_CLS: Final[int]
    BPF_PROG_TYPE_SCHED_ACT: Final[int]
    BPF_PROG_TYPE_TRACEPOINT: Final[int]
    BPF_PROG_TYPE_XDP: Final[int]
    BPF_PROG_TYPE_PERF_EVENT: Final[int]
    BPF_PROG_TYPE_CGROUP_SKB: Final[int]
    BPF_PROG_TYPE_CGROUP_SOCK: Final[int]
    BPF_PROG_TYPE_LWT_IN: Final[int]
    BPF_PROG_TYPE_LWT_OUT: Final[int]
    BPF_PROG_TYPE_LWT_XMIT: Final[int]
    BPF_PROG_TYPE_SOCK_OPS: Final[int]
    BPF_PROG_TYPE_SK_SKB: Final[int]
    BPF_PROG_TYPE_CGROUP_DEVICE: Final[int]
    BPF_PROG_TYPE_SK_MSG: Final[int]
    BPF_PROG_TYPE_RAW_TRACEPOINT: Final[int]
    BPF_PROG_TYPE_CGROUP_SOCK_ADDR: Final[int]
    BPF_PROG_TYPE_LWT_SEG6LOCAL: Final[int]
    BPF_PROG_TYPE_LIRC_MODE2: Final[int]
    BPF_PROG_TYPE_SK_REUSEPORT: Final[int]
    BPF_PROG_TYPE_FLOW_DISSECTOR: Final[int]
    BPF_PROG_TYPE_CGROUP_SYSCTL: Final[int]
    BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE: Final[int]
    BPF_PROG_TYPE_CGROUP_SOCKOPT: Final[int]
    BPF_PROG_TYPE_TRACING: Final[int]
    BPF_PROG_TYPE_STRUCT_OPS: Final[int]
    BPF_PROG_TYPE_EXT: Final[int]
    BPF_PROG_TYPE_LSM: Final[int]
    BPF_PROG_TYPE_SK_LOOKUP: Final[int]
    BPF_PROG_TYPE_SYSCALL: Final[int]
    BPF_PROG_TYPE_NETFILTER: Final[int]
    __MAX_BPF_PROG_TYPE: Final[int]
    BPF_CGROUP_INET_INGRESS: Final[int]
    BPF_CGROUP_INET_EGRESS: Final[int]
    BPF_CGROUP_INET_SOCK_CREATE: Final[int]
    BPF_CGROUP_SOCK_OPS: Final[int]
    BPF_SK_SKB_STREAM_PARSER: Final[int]
    BPF_SK_SKB_STREAM_VERDICT: Final[int]
    BPF_CGROUP_DEVICE: Final[int]
    BPF_SK_MSG_VERDICT: Final[int]
    BPF_CGROUP_INET4_BIND: Final[int]
    BPF_CGROUP_INET6_BIND: Final[int]
    BPF_CGROUP_INET4_CONNECT: Final[int]
    BPF_CGROUP_INET6_CONNECT: Final[int]
    BPF_CGROUP_INET4_POST_BIND: Final[int]
    BPF_CGROUP_INET6_POST_BIND: Final[int]
    BPF_CGROUP_UDP4_SENDMSG: Final[int]
    BPF_CGROUP_UDP6_SENDMSG: Final[int]
    BPF_LIRC_MODE2: Final[int]
    BPF_FLOW_DISSECTOR: Final[int]
    BPF_CGROUP_SYSCTL: Final[int]
    BPF_CGROUP_UDP4_RECVMSG: Final[int]
    BPF_CGROUP_UDP6_RECVMSG: Final[int]
    BPF_CGROUP_GETSOCKOPT: Final[int]
    BPF_CGROUP_SETSOCKOPT: Final[int]
    BPF_TRACE_RAW_TP: Final[int]
    BPF_TRACE_FENTRY: Final[int]
    BPF_TRACE_FEXIT: Final[int]
    BPF_MODIFY_RETURN: Final[int]
    BPF_LSM_MAC: Final[int]
    BPF_TRACE_ITER: Final[int]
    BPF_CGROUP_INET4_GETPEERNAME: Final[int]
    BPF_CGROUP_INET6_GETPEERNAME: Final[int]
    BPF_CGROUP_INET4_GETSOCKNAME: Final[int]
    BPF_CGROUP_INET6_GETSOCKNAME: Final[int]
    BPF_XDP_DEVMAP: Final[int]
    BPF_CGROUP_INET_SOCK_RELEASE: Final[int]
    BPF_XDP_CPUMAP: Final[int]
    BPF_SK_LOOKUP: Final[int]
    BPF_XDP: Final[int]
    BPF_SK_SKB_VERDICT: Final[int]
    BPF_SK_REUSEPORT_SELECT: Final[int]
    BPF_SK_REUSEPORT_SELECT_OR_MIGRATE: Final[int]
    BPF_PERF_EVENT: Final[int]
    BPF_TRACE_KPROBE_MULTI: Final[int]
    BPF_LSM_CGROUP: Final[int]
    BPF_STRUCT_OPS: Final[int]
    BPF_NETFILTER: Final[int]
    BPF_TCX_INGRESS: Final[int]
    BPF_TCX_EGRESS: Final[int]
    BPF_TRACE_UPROBE_MULTI: Final[int]
    BPF_CGROUP_UNIX_CONNECT: Final[int]
    BPF_CGROUP_UNIX_SENDMSG: Final[int]
    BPF_CGROUP_UNIX_RECVMSG: Final[int]
    BPF_CGROUP_UNIX_GETPEERNAME: Final[int]
    BPF_CGROUP_UNIX_GETSOCKNAME: Final[int]
    BPF_NETKIT_PRIMARY: Final[int]
    BPF_NETKIT_PEER: Final[int]
    BPF_TRACE_KPROBE_SESSION: Final[int]
    BPF_TRACE_UPROBE_SESSION: Final[int]
    BPF_TRACE_FSESSION: Final[int]
    __MAX_BPF_ATTACH_TYPE: Final[int]
    BPF_LINK_TYPE_UNSPEC: Final[int]
    BPF_LINK_TYPE_RAW_TRACEPOINT: Final[int]
    BPF_LINK_TYPE_TRACING: Final[int]
    BPF_LINK_TYPE_CGROUP: Final[int]
    BPF_LINK_TYPE_ITER: Final[int]
    BPF_LINK_TYPE_NETNS: Final[int]
    BPF_LINK_TYPE_XDP: Final[int]
    BPF_LINK_TYPE_PERF_EVENT: Final[int]
    BPF_LINK_TYPE_KPROBE_MULTI: Final[int]
    BPF_LINK_TYPE_STRUCT_OPS: Final[int]
    BPF_LINK_TYPE_NETFILTER: Final[int]
    BPF_LINK_TYPE_TCX: Final[int]
    BPF_LINK_TYPE_UPROBE_MULTI: Final[int]
    BPF_LINK_TYPE_NETKIT: Final[int]
    BPF_LINK_TYPE_SOCKMAP: Final[int]
    __MAX_BPF_LINK_TYPE: Final[int]
    BPF_PERF_EVENT_UNSPEC: Final[int]
    BPF_PERF_EVENT_UPROBE: Final[int]
    BPF_PERF_EVENT_URETPROBE: Final[int]
    BPF_PERF_EVENT_KPROBE: Final[int]
    BPF_PERF_EVENT_KRETPROBE: Final[int]
    BPF_PERF_EVENT_TRACEPOINT: Final[int]
    BPF_PERF_EVENT_EVENT: Final[int]
    BPF_STATS_RUN_TIME: Final[int]
    BPF_STACK_BUILD_ID_EMPTY: Final[int]
    BPF_STACK_BUILD_ID_VALID: Final[int]
    BPF_STACK_BUILD_ID_IP: Final[int]
    BPF_OK: Final[int]
    BPF_DROP: Final[int]
    BPF_REDIRECT: Final[int]
    BPF_LWT_REROUTE: Final[int]
    BPF_FLOW_DISSECTOR_CONTINUE: Final[int]
    TCX_NEXT: Final[int]
    TCX_PASS: Final[int]
    TCX_DROP: Final[int]
    TCX_REDIRECT: Final[int]
    XDP_ABORTED: Final[int]
    XDP_DROP: Final[int]
    XDP_PASS: Final[int]
    XDP_TX: Final[int]
    XDP_REDIRECT: Final[int]
    SK_DROP: Final[int]
    SK_PASS: Final[int]
    BPF_FD_TYPE_RAW_TRACEPOINT: Final[int]
    BPF_FD_TYPE_TRACEPOINT: Final[int]
    BPF_FD_TYPE_KPROBE: Final[int]
    BPF_FD_TYPE_KRETPROBE: Final[int]
    BPF_FD_TYPE_UPROBE: Final[int]
    BPF_FD_TYPE_URETPROBE: Final[int]
    BPF_CORE_FIELD_BYTE_OFFSET: Final[int]
    BPF_CORE_FIELD_BYTE_SIZE: Final[int]
    BPF_CORE_FIELD_EXISTS: Final[int]
    BPF_CORE_FIELD_SIGNED: Final[int]
    BPF_CORE_FIELD_LSHIFT_U64: Final[int]
    BPF_CORE_FIELD_RSHIFT_U64: Final[int]
    BPF_CORE_TYPE_ID_LOCAL: Final[int]
    BPF_CORE_TYPE_ID_TARGET: Final[int]
    BPF_CORE_TYPE_EXISTS: Final[int]
    BPF_CORE_TYPE_SIZE: Final[int]
    BPF_CORE_ENUMVAL_EXISTS: Final[int]
    BPF_CORE_ENUMVAL_VALUE: Final[int]
    BPF_CORE_TYPE_MATCHES: Final[int]

    # uapi_flags.h
    BPF_F_KPROBE_MULTI_RETURN: Final[int]
    BPF_F_UPROBE_MULTI_RETURN: Final[int]
    BPF_ANY: Final[int]
    BPF_NOEXIST: Final[int]
    BPF_EXIST: Final[int]
    BPF_F_LOCK: Final[int]
    BPF_F_CPU: Final[int]
    BPF_F_ALL_CPUS: Final[int]
    BPF_F_NO_PREALLOC: Final[int]
    BPF_F_NO_COMMON_LRU: Final[int]
    BPF_F_NUMA_NODE: Final[int]
    BPF_F_RDONLY: Final[int]
    BPF_F_WRONLY: Final[int]
    BPF_F_STACK_BUILD_ID: Final[int]
    BPF_F_ZERO_SEED: Final[int]
    BPF_F_RDONLY_PROG: Final[int]
    BPF_F_WRONLY_PROG: Final[int]
    BPF_F_CLONE: Final[int]
    BPF_F_MMAPABLE: Final[int]
    BPF_F_PRESERVE_ELEMS: Final[int]
    BPF_F_INNER_MAP: Final[int]
    BPF_F_LINK: Final[int]
    BPF_F_PATH_FD: Final[int]
    BPF_F_VTYPE_BTF_OBJ_FD: Final[int]
    BPF_F_TOKEN_FD: Final[int]
    BPF_F_SEGV_ON_FAULT: Final[int]
    BPF_F_NO_USER_CONV: Final[int]
    BPF_F_RB_OVERWRITE: Final[int]
    BPF_STREAM_STDOUT: Final[int]
    BPF_STREAM_STDERR: Final[int]
    BPF_F_RECOMPUTE_CSUM: Final[int]
    BPF_F_INVALIDATE_HASH: Final[int]
    BPF_F_HDR_FIELD_MASK: Final[int]
    BPF_F_PSEUDO_HDR: Final[int]
    BPF_F_MARK_MANGLED_0: Final[int]
    BPF_F_MARK_ENFORCE: Final[int]
    BPF_F_IPV6: Final[int]
    BPF_F_TUNINFO_IPV6: Final[int]
    BPF_F_SKIP_FIELD_MASK: Final[int]
    BPF_F_USER_STACK: Final[int]
    BPF_F_FAST_STACK_CMP: Final[int]
    BPF_F_REUSE_STACKID: Final[int]
    BPF_F_USER_BUILD_ID: Final[int]
    BPF_F_ZERO_CSUM_TX: Final[int]
    BPF_F_DONT_FRAGMENT: Final[int]
    BPF_F_SEQ_NUMBER: Final[int]
    BPF_F_NO_TUNNEL_KEY: Final[int]
    BPF_F_TUNINFO_FLAGS: Final[int]
    BPF_F_INDEX_MASK: Final[int]
    BPF_F_CURRENT_CPU: Final[int]
    BPF_F_CTXLEN_MASK: Final[int]
    BPF_F_CURRENT_NETNS: Final[int]
    BPF_CSUM_LEVEL_QUERY: Final[int]
    BPF_CSUM_LEVEL_INC: Final[int]
    BPF_CSUM_LEVEL_DEC: Final[int]
    BPF_CSUM_LEVEL_RESET: Final[int]
    BPF_F_ADJ_ROOM_FIXED_GSO: Final[int]
    BPF_F_ADJ_ROOM_ENCAP_L3_IPV4: Final[int]
    BPF_F_ADJ_ROOM_ENCAP_L3_IPV6: Final[int]
    BPF_F_ADJ_ROOM_ENCAP_L4_GRE: Final[int]
    BPF_F_ADJ_ROOM_ENCAP_L4_UDP: Final[int]
    BPF_F_ADJ_ROOM_NO_CSUM_RESET: Final[int]
    BPF_F_ADJ_ROOM_ENCAP_L2_ETH: Final[int]
    BPF_F_ADJ_ROOM_DECAP_L3_IPV4: Final[int]
    BPF_F_ADJ_ROOM_DECAP_L3_IPV6: Final[int]
    BPF_ADJ_ROOM_ENCAP_L2_MASK: Final[int]
    BPF_ADJ_ROOM_ENCAP_L2_SHIFT: Final[int]
    BPF_F_SYSCTL_BASE_NAME: Final[int]
    BPF_LOCAL_STORAGE_GET_F_CREATE: Final[int]
    BPF_SK_STORAGE_GET_F_CREATE: Final[int]
    BPF_F_GET_BRANCH_RECORDS_SIZE: Final[int]
    BPF_RB_NO_WAKEUP: Final[int]
    BPF_RB_FORCE_WAKEUP: Final[int]
    BPF_RB_AVAIL_DATA: Final[int]
    BPF_RB_RING_SIZE: Final[int]
    BPF_RB_CONS_POS: Final[int]
    BPF_RB_PROD_POS: Final[int]
    BPF_RB_OVERWRITE_POS: Final[int]
    BPF_RINGBUF_BUSY_BIT: Final[int]
    BPF_RINGBUF_DISCARD_BIT: Final[int]
    BPF_RINGBUF_HDR_SZ: Final[int]
    BPF_SK_LOOKUP_F_REPLACE: Final[int]
    BPF_SK_LOOKUP_F_NO_REUSEPORT: Final[int]
    BPF_F_BPRM_SECUREEXEC: Final[int]
    BPF_F_INGRESS: Final[int]
    BPF_F_BROADCAST: Final[int]
    BPF_F_EXCLUDE_INGRESS: Final[int]
    BPF_SKB_TSTAMP_UNSPEC: Final[int]
    BPF_SKB_TSTAMP_DELIVERY_MONO: Final[int]
    BPF_SKB_CLOCK_REALTIME: Final[int]
    BPF_SKB_CLOCK_MONOTONIC: Final[int]
    BPF_SKB_CLOCK_TAI: Final[int]
    BPF_SOCK_OPS_RTO_CB_FLAG: Final[int]
    BPF_SOCK_OPS_RETRANS_CB_FLAG: Final[int]
    BPF_SOCK_OPS_STATE_CB_FLAG: Final[int]
    BPF_SOCK_OPS_RTT_CB_FLAG: Final[int]
    BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG: Final[int]
    BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG: Final[int]
    BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG: Final[int]
    BPF_SOCK_OPS_ALL_CB_FLAGS: Final[int]
    SK_BPF_CB_TX_TIMESTAMPING: Final[int]
    SK_BPF_CB_MASK: Final[int]
    BPF_SOCK_OPS_VOID: Final[int]
    BPF_SOCK_OPS_TIMEOUT_INIT: Final[int]
    BPF_SOCK_OPS_RWND_INIT: Final[int]
    BPF_SOCK_OPS_TCP_CONNECT_CB: Final[int]
    BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB: Final[int]
    BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: Final[int]
    BPF_SOCK_OPS_NEEDS_ECN: Final[int]
    BPF_SOCK_OPS_BASE_RTT: Final[int]
    BPF_SOCK_OPS_RTO_CB: Final[int]
    BPF_SOCK_OPS_RETRANS_CB: Final[int]
    BPF_SOCK_OPS_STATE_CB: Final[int]
    BPF_SOCK_OPS_TCP_LISTEN_CB: Final[int]
    BPF_SOCK_OPS_RTT_CB: Final[int]
    BPF_SOCK_OPS_PARSE_HDR_OPT_CB: Final[int]
    BPF_SOCK_OPS_HDR_OPT_LEN_CB: Final[int]
    BPF_SOCK_OPS_WRITE_HDR_OPT_CB: Final[int]
    BPF_SOCK_OPS_TSTAMP_SCHED_CB: Final[int]
    BPF_SOCK_OPS_TSTAMP_SND_SW_CB: Final[int]
    BPF_SOCK_OPS_TSTAMP_SND_HW_CB: Final[int]
    BPF_SOCK_OPS_TSTAMP_ACK_CB: Final[int]
    BPF_SOCK_OPS_TSTAMP_SENDMSG_CB: Final[int]
    BPF_TCP_ESTABLISHED: Final[int]
    BPF_TCP_SYN_SENT: Final[int]
    BPF_TCP_SYN_RECV: Final[int]
    BPF_TCP_FIN_WAIT1: Final[int]
    BPF_TCP_FIN_WAIT2: Final[int]
    BPF_TCP_TIME_WAIT: Final[int]
    BPF_TCP_CLOSE: Final[int]
    BPF_TCP_CLOSE_WAIT: Final[int]
    BPF_TCP_LAST_ACK: Final[int]
    BPF_TCP_LISTEN: Final[int]
    BPF_TCP_CLOSING: Final[int]
    BPF_TCP_NEW_SYN_RECV: Final[int]
    BPF_TCP_BOUND_INACTIVE: Final[int]
    BPF_TCP_MAX_STATES: Final[int]
    TCP_BPF_IW: Final[int]
    TCP_BPF_SNDCWND_CLAMP: Final[int]
    TCP_BPF_DELACK_MAX: Final[int]
    TCP_BPF_RTO_MIN: Final[int]
    TCP_BPF_SYN: Final[int]
    TCP_BPF_SYN_IP: Final[int]
    TCP_BPF_SYN_MAC: Final[int]
    TCP_BPF_SOCK_OPS_CB_FLAGS: Final[int]
    SK_BPF_CB_FLAGS: Final[int]
    SK_BPF_BYPASS_PROT_MEM: Final[int]
    BPF_LOAD_HDR_OPT_TCP_SYN: Final[int]
    BPF_WRITE_HDR_TCP_CURRENT_MSS: Final[int]
    BPF_WRITE_HDR_TCP_SYNACK_COOKIE: Final[int]
    BPF_DEVCG_ACC_MKNOD: Final[int]
    BPF_DEVCG_ACC_READ: Final[int]
    BPF_DEVCG_ACC_WRITE: Final[int]
    BPF_DEVCG_DEV_BLOCK: Final[int]
    BPF_DEVCG_DEV_CHAR: Final[int]
    BPF_FIB_LOOKUP_DIRECT: Final[int]
    BPF_FIB_LOOKUP_OUTPUT: Final[int]
    BPF_FIB_LOOKUP_SKIP_NEIGH: Final[int]
    BPF_FIB_LOOKUP_TBID: Final[int]
    BPF_FIB_LOOKUP_SRC: Final[int]
    BPF_FIB_LOOKUP_MARK: Final[int]
    BPF_FIB_LKUP_RET_SUCCESS: Final[int]
    BPF_FIB_LKUP_RET_BLACKHOLE: Final[int]
    BPF_FIB_LKUP_RET_UNREACHABLE: Final[int]
    BPF_FIB_LKUP_RET_PROHIBIT: Final[int]
    BPF_FIB_LKUP_RET_NOT_FWDED: Final[int]
    BPF_FIB_LKUP_RET_FWD_DISABLED: Final[int]
    BPF_FIB_LKUP_RET_UNSUPP_LWT: Final[int]
    BPF_FIB_LKUP_RET_NO_NEIGH: Final[int]
    BPF_FIB_LKUP_RET_FRAG_NEEDED: Final[int]
    BPF_FIB_LKUP_RET_NO_SRC_ADDR: Final[int]
    BPF_FLOW_DISSECTOR_F_PARSE_1ST_FRAG: Final[int]
    BPF_FLOW_DISSECTOR_F_STOP_AT_FLOW_LABEL: Final[int]
    BPF_FLOW_DISSECTOR_F_STOP_AT_ENCAP: Final[int]
    BTF_F_COMPACT: Final[int]
    BTF_F_NONAME: Final[int]
    BTF_F_PTR_RAW: Final[int]
    BTF_F_ZERO: Final[int]
    BPF_F_TIMER_ABS: Final[int]
    BPF_F_TIMER_CPU_PIN: Final[int]
    MAX_BPF_ATTACH_TYPE: Final[int]
    MAX_BPF_LINK_TYPE: Final[int]
    BPF_F_ALLOW_OVERRIDE: Final[int]
    BPF_F_ALLOW_MULTI: Final[int]
    BPF_F_REPLACE: Final[int]
    BPF_F_BEFORE: Final[int]
    BPF_F_AFTER: Final[int]
    BPF_F_ID: Final[int]
    BPF_F_PREORDER: Final[int]
    BPF_F_STRICT_ALIGNMENT: Final[int]
    BPF_F_ANY_ALIGNMENT: Final[int]
    BPF_F_TEST_RND_HI32: Final[int]
    BPF_F_TEST_STATE_FREQ: Final[int]
    BPF_F_SLEEPABLE: Final[int]
    BPF_F_XDP_HAS_FRAGS: Final[int]
    BPF_F_XDP_DEV_BOUND_ONLY: Final[int]
    BPF_F_TEST_REG_INVARIANTS: Final[int]
    BPF_F_NETFILTER_IP_DEFRAG: Final[int]
    BPF_F_QUERY_EFFECTIVE: Final[int]
    BPF_F_TEST_RUN_ON_CPU: Final[int]
    BPF_F_TEST_XDP_LIVE_FRAMES: Final[int]
    BPF_F_TEST_SKB_CHECKSUM_COMPLETE: Final[int]
    BPF_F_REDIRECT_FLAGS: Final[int]
    BPF_BUILD_ID_SIZE: Final[int]
    BPF_OBJ_NAME_LEN: Final[int]
    BPF_TAG_SIZE: Final[int]
    XDP_PACKET_HEADROOM: Final[int]
    BPF_ADJ_ROOM_NET: Final[int]
    BPF_ADJ_ROOM_MAC: Final[int]
    BPF_HDR_START_MAC: Final[int]
    BPF_HDR_START_NET: Final[int]
    BPF_LWT_ENCAP_SEG6: Final[int]
    BPF_LWT_ENCAP_SEG6_INLINE: Final[int]
    BPF_LWT_ENCAP_IP: Final[int]
    BPF_MTU_CHK_SEGS: Final[int]
    BPF_MTU_CHK_RET_SUCCESS: Final[int]
    BPF_MTU_CHK_RET_FRAG_NEEDED: Final[int]
    BPF_MTU_CHK_RET_SEGS_TOOBIG: Final[int]
    BPF_F_PAD_ZEROS: Final[int]

    # uapi_func.h
    BPF_FUNC_unspec: Final[int]
    BPF_FUNC_map_lookup_elem: Final[int]
    BPF_FUNC_map_update_elem: Final[int]
    BPF_FUNC_map_delete_elem: Final[int]
    BPF_FUNC_probe_read: Final[int]
    BPF_FUNC_ktime_get_ns: Final[int]
    BPF_FUNC_trace_printk: Final[int]
    BPF_FUNC_get_prandom_u32: Final[int]
    BPF_FUNC_get_smp_processor_id: Final[int]
    BPF_FUNC_skb_store_bytes: Final[int]
    BPF_FUNC_l3_csum_replace: Final[int]
    BPF_FUNC_l4_csum_replace: Final[int]
    BPF_FUNC_tail_call: Final[int]
    BPF_FUNC_clone_redirect: Final[int]
    BPF_FUNC_get_current_pid_tgid: Final[int]
    BPF_FUNC_get_current_uid_gid: Final[int]
    BPF_FUNC_get_current_comm: Final[int]
    BPF_FUNC_get_cgroup_classid: Final[int]
    BPF_FUNC_skb_vlan_push: Final[int]
    BPF_FUNC_skb_vlan_pop: Final[int]
    BPF_FUNC_skb_get_tunnel_key: Final[int]
    BPF_FUNC_skb_set_tunnel_key: Final[int]
    BPF_FUNC_perf_event_read: Final[int]
    BPF_FUNC_redirect: Final[int]
    BPF_FUNC_get_route_realm: Final[int]
    BPF_FUNC_perf_event_output: Final[int]
    BPF_FUNC_skb_load_bytes: Final[int]
    BPF_FUNC_get_stackid: Final[int]
    BPF_FUNC_csum_diff: Final[int]
    BPF_FUNC_skb_get_tunnel_opt: Final[int]
    BPF_FUNC_skb_set_tunnel_opt: Final[int]
    BPF_FUNC_skb_change_proto: Final[int]
    BPF_FUNC_skb_change_type: Final[int]
    BPF_FUNC_skb_under_cgroup: Final[int]
    BPF_FUNC_get_hash_recalc: Final[int]
    BPF_FUNC_get_current_task: Final[int]
    BPF_FUNC_probe_write_user: Final[int]
    BPF_FUNC_current_task_under_cgroup: Final[int]
    BPF_FUNC_skb_change_tail: Final[int]
    BPF_FUNC_skb_pull_data: Final[int]
    BPF_FUNC_csum_update: Final[int]
    BPF_FUNC_set_hash_invalid: Final[int]
    BPF_FUNC_get_numa_node_id: Final[int]
    BPF_FUNC_skb_change_head: Final[int]
    BPF_FUNC_xdp_adjust_head: Final[int]
    BPF_FUNC_probe_read_str: Final[int]
    BPF_FUNC_get_socket_cookie: Final[int]
    BPF_FUNC_get_socket_uid: Final[int]
    BPF_FUNC_set_hash: Final[int]
    BPF_FUNC_setsockopt: Final[int]
    BPF_FUNC_skb_adjust_room: Final[int]
    BPF_FUNC_redirect_map: Final[int]
    BPF_FUNC_sk_redirect_map: Final[int]
    BPF_FUNC_sock_map_update: Final[int]
    BPF_FUNC_xdp_adjust_meta: Final[int]
    BPF_FUNC_perf_event_read_value: Final[int]
    BPF_FUNC_perf_prog_read_value: Final[int]
    BPF_FUNC_getsockopt: Final[int]
    BPF_FUNC_override_return: Final[int]
    BPF_FUNC_sock_ops_cb_flags_set: Final[int]
    BPF_FUNC_msg_redirect_map: Final[int]
    BPF_FUNC_msg_apply_bytes: Final[int]
    BPF_FUNC_msg_cork_bytes: Final[int]
    BPF_FUNC_msg_pull_data: Final[int]
    BPF_FUNC_bind: Final[int]
    BPF_FUNC_xdp_adjust_tail: Final[int]
    BPF_FUNC_skb_get_xfrm_state: Final[int]
    BPF_FUNC_get_stack: Final[int]
    BPF_FUNC_skb_load_bytes_relative: Final[int]
    BPF_FUNC_fib_lookup: Final[int]
    BPF_FUNC_sock_hash_update: Final[int]
    BPF_FUNC_msg_redirect_hash: Final[int]
    BPF_FUNC_sk_redirect_hash: Final[int]
    BPF_FUNC_lwt_push_encap: Final[int]
    BPF_FUNC_lwt_seg6_store_bytes: Final[int]
    BPF_FUNC_lwt_seg6_adjust_srh: Final[int]
    BPF_FUNC_lwt_seg6_action: Final[int]
    BPF_FUNC_rc_repeat: Final[int]
    BPF_FUNC_rc_keydown: Final[int]
    BPF_FUNC_skb_cgroup_id: Final[int]
    BPF_FUNC_get_current_cgroup_id: Final[int]
    BPF_FUNC_get_local_storage: Final[int]
    BPF_FUNC_sk_select_reuseport: Final[int]
    BPF_FUNC_skb_ancestor_cgroup_id: Final[int]
    BPF_FUNC_sk_lookup_tcp: Final[int]
    BPF_FUNC_sk_lookup_udp: Final[int]
    BPF_FUNC_sk_release: Final[int]
    BPF_FUNC_map_push_elem: Final[int]
    BPF_FUNC_map_pop_elem: Final[int]
    BPF_FUNC_map_peek_elem: Final[int]
    BPF_FUNC_msg_push_data: Final[int]
    BPF_FUNC_msg_pop_data: Final[int]
    BPF_FUNC_rc_pointer_rel: Final[int]
    BPF_FUNC_spin_lock: Final[int]
    BPF_FUNC_spin_unlock: Final[int]
    BPF_FUNC_sk_fullsock: Final[int]
    BPF_FUNC_tcp_sock: Final[int]
    BPF_FUNC_skb_ecn_set_ce: Final[int]
    BPF_FUNC_get_listener_sock: Final[int]
    BPF_FUNC_skc_lookup_tcp: Final[int]
    BPF_FUNC_tcp_check_syncookie: Final[int]
    BPF_FUNC_sysctl_get_name: Final[int]
    BPF_FUNC_sysctl_get_current_value: Final[int]
    BPF_FUNC_sysctl_get_new_value: Final[int]
    BPF_FUNC_sysctl_set_new_value: Final[int]
    BPF_FUNC_strtol: Final[int]
    BPF_FUNC_strtoul: Final[int]
    BPF_FUNC_sk_storage_get: Final[int]
    BPF_FUNC_sk_storage_delete: Final[int]
    BPF_FUNC_send_signal: Final[int]
    BPF_FUNC_tcp_gen_syncookie: Final[int]
    BPF_FUNC_skb_output: Final[int]
    BPF_FUNC_probe_read_user: Final[int]
    BPF_FUNC_probe_read_kernel: Final[int]
    BPF_FUNC_probe_read_user_str: Final[int]
    BPF_FUNC_probe_read_kernel_str: Final[int]
    BPF_FUNC_tcp_send_ack: Final[int]
    BPF_FUNC_send_signal_thread: Final[int]
    BPF_FUNC_jiffies64: Final[int]
    BPF_FUNC_read_branch_records: Final[int]
    BPF_FUNC_get_ns_current_pid_tgid: Final[int]
    BPF_FUNC_xdp_output: Final[int]
    BPF_FUNC_get_netns_cookie: Final[int]
    BPF_FUNC_get_current_ancestor_cgroup_id: Final[int]
    BPF_FUNC_sk_assign: Final[int]
    BPF_FUNC_ktime_get_boot_ns: Final[int]
    BPF_FUNC_seq_printf: Final[int]
    BPF_FUNC_seq_write: Final[int]
    BPF_FUNC_sk_cgroup_id: Final[int]
    BPF_FUNC_sk_ancestor_cgroup_id: Final[int]
    BPF_FUNC_ringbuf_output: Final[int]
    BPF_FUNC_ringbuf_reserve: Final[int]
    BPF_FUNC_ringbuf_submit: Final[int]
    BPF_FUNC_ringbuf_discard: Final[int]
    BPF_FUNC_ringbuf_query: Final[int]
    BPF_FUNC_csum_level: Final[int]
    BPF_FUNC_skc_to_tcp6_sock: Final[int]
    BPF_FUNC_skc_to_tcp_sock: Final[int]
    BPF_FUNC_skc_to_tcp_timewait_sock: Final[int]
    BPF_FUNC_skc_to_tcp_request_sock: Final[int]
    BPF_FUNC_skc_to_udp6_sock: Final[int]
    BPF_FUNC_get_task_stack: Final[int]
    BPF_FUNC_load_hdr_opt: Final[int]
    BPF_FUNC_store_hdr_opt: Final[int]
    BPF_FUNC_reserve_hdr_opt: Final[int]
    BPF_FUNC_inode_storage_get: Final[int]
    BPF_FUNC_inode_storage_delete: Final[int]
    BPF_FUNC_d_path: Final[int]
    BPF_FUNC_copy_from_user: Final[int]
    BPF_FUNC_snprintf_btf: Final[int]
    BPF_FUNC_seq_printf_btf: Final[int]
    BPF_FUNC_skb_cgroup_classid: Final[int]
    BPF_FUNC_redirect_neigh: Final[int]
    BPF_FUNC_per_cpu_ptr: Final[int]
    BPF_FUNC_this_cpu_ptr: Final[int]
    BPF_FUNC_redirect_peer: Final[int]
    BPF_FUNC_task_storage_get: Final[int]
    BPF_FUNC_task_storage_delete: Final[int]
    BPF_FUNC_get_current_task_btf: Final[int]
    BPF_FUNC_bprm_opts_set: Final[int]
    BPF_FUNC_ktime_get_coarse_ns: Final[int]
    BPF_FUNC_ima_inode_hash: Final[int]
    BPF_FUNC_sock_from_file: Final[int]
    BPF_FUNC_check_mtu: Final[int]
    BPF_FUNC_for_each_map_elem: Final[int]
    BPF_FUNC_snprintf: Final[int]
    BPF_FUNC_sys_bpf: Final[int]
    BPF_FUNC_btf_find_by_name_kind: Final[int]
    BPF_FUNC_sys_close: Final[int]
    BPF_FUNC_timer_init: Final[int]
    BPF_FUNC_timer_set_callback: Final[int]
    BPF_FUNC_timer_start: Final[int]
    BPF_FUNC_timer_cancel: Final[int]
    BPF_FUNC_get_func_ip: Final[int]
    BPF_FUNC_get_attach_cookie: Final[int]
    BPF_FUNC_task_pt_regs: Final[int]
    BPF_FUNC_get_branch_snapshot: Final[int]
    BPF_FUNC_trace_vprintk: Final[int]
    BPF_FUNC_skc_to_unix_sock: Final[int]
    BPF_FUNC_kallsyms_lookup_name: Final[int]
    BPF_FUNC_find_vma: Final[int]
    BPF_FUNC_loop: Final[int]
    BPF_FUNC_strncmp: Final[int]
    BPF_FUNC_get_func_arg: Final[int]
    BPF_FUNC_get_func_ret: Final[int]
    BPF_FUNC_get_func_arg_cnt: Final[int]
    BPF_FUNC_get_retval: Final[int]
    BPF_FUNC_set_retval: Final[int]
    BPF_FUNC_xdp_get_buff_len: Final[int]
    BPF_FUNC_xdp_load_bytes: Final[int]
    BPF_FUNC_xdp_store_bytes: Final[int]
    BPF_FUNC_copy_from_user_task: Final[int]
    BPF_FUNC_skb_set_tstamp: Final[int]
    BPF_FUNC_ima_file_hash: Final[int]
    BPF_FUNC_kptr_xchg: Final[int]
    BPF_FUNC_map_lookup_percpu_elem: Final[int]
    BPF_FUNC_skc_to_mptcp_sock: Final[int]
    BPF_FUNC_dynptr_from_mem: Final[int]
    BPF_FUNC_ringbuf_reserve_dynptr: Final[int]
    BPF_FUNC_ringbuf_submit_dynptr: Final[int]
    BPF_FUNC_ringbuf_discard_dynptr: Final[int]
    BPF_FUNC_dynptr_read: Final[int]
    BPF_FUNC_dynptr_write: Final[int]
    BPF_FUNC_dynptr_data: Final[int]
    BPF_FUNC_tcp_raw_gen_syncookie_ipv4: Final[int]
    BPF_FUNC_tcp_raw_gen_syncookie_ipv6: Final[int]
    BPF_FUNC_tcp_raw_check_syncookie_ipv4: Final[int]
    BPF_FUNC_tcp_raw_check_syncookie_ipv6: Final[int]
    BPF_FUNC_ktime_get_tai_ns: Final[int]
    BPF_FUNC_user_ringbuf_drain: Final[int]
    BPF_FUNC_cgrp_storage_get: Final[int]
    BPF_FUNC_cgrp_storage_delete: Final[int]
    __BPF_FUNC_MAX_ID: Final[int]

    # uapi_btf.h
    BTF_KIND_UNKN: Final[int]
    BTF_KIND_INT: Final[int]
    BTF_KIND_PTR: Final[int]
    BTF_KIND_ARRAY: Final[int]
    BTF_KIND_STRUCT: Final[int]
    BTF_KIND_UNION: Final[int]
    BTF_KIND_ENUM: Final[int]
    BTF_KIND_FWD: Final[int]
    BTF_KIND_TYPEDEF: Final[int]
    BTF_KIND_VOLATILE: Final[int]
    BTF_KIND_CONST: Final[int]
    BTF_KIND_RESTRICT: Final[int]
    BTF_KIND_FUNC: Final[int]
    BTF_KIND_FUNC_PROTO: Final[int]
    BTF_KIND_VAR: Final[int]
    BTF_KIND_DATASEC: Final[int]
    BTF_KIND_FLOAT: Final[int]
    BTF_KIND_DECL_TAG: Final[int]
    BTF_KIND_TYPE_TAG: Final[int]
    BTF_KIND_ENUM64: Final[int]
    NR_BTF_KINDS: Final[int]
    BTF_KIND_MAX: Final[int]
    BTF_VAR_STATIC: Final[int]
    BTF_VAR_GLOBAL_ALLOCATED: Final[int]
    BTF_VAR_GLOBAL_EXTERN: Final[int]
    BTF_MAGIC: Final[int]
    BTF_VERSION: Final[int]
    BTF_MAX_TYPE: Final[int]
    BTF_MAX_NAME_OFFSET: Final[int]
    BTF_MAX_VLEN: Final[int]
    BTF_INT_SIGNED: Final[int]
    BTF_INT_CHAR: Final[int]
    BTF_INT_BOOL: Final[int]
    BTF_FUNC_STATIC: Final[int]
    BTF_FUNC_GLOBAL: Final[int]
    BTF_FUNC_EXTERN: Final[int]

    # uapi_perf.h
    PERF_BR_UNKNOWN: Final[int]
    PERF_BR_COND: Final[int]
    PERF_BR_UNCOND: Final[int]
    PERF_BR_IND: Final[int]
    PERF_BR_CALL: Final[int]
    PERF_BR_IND_CALL: Final[int]
    PERF_BR_RET: Final[int]
    PERF_BR_SYSCALL: Final[int]
    PERF_BR_SYSRET: Final[int]
    PERF_BR_COND_CALL: Final[int]
    PERF_BR_COND_RET: Final[int]
    PERF_BR_ERET: Final[int]
    PERF_BR_IRQ: Final[int]
    PERF_BR_SERROR: Final[int]
    PERF_BR_NO_TX: Final[int]
    PERF_BR_EXTEND_ABI: Final[int]
    PERF_BR_MAX: Final[int]
    PERF_BR_SPEC_NA: Final[int]
    PERF_BR_SPEC_WRONG_PATH: Final[int]
    PERF_BR_NON_SPEC_CORRECT_PATH: Final[int]
    PERF_BR_SPEC_CORRECT_PATH: Final[int]
    PERF_BR_SPEC_MAX: Final[int]
    PERF_BR_NEW_FAULT_ALGN: Final[int]
    PERF_BR_NEW_FAULT_DATA: Final[int]
    PERF_BR_NEW_FAULT_INST: Final[int]
    PERF_BR_NEW_ARCH_1: Final[int]
    PERF_BR_NEW_ARCH_2: Final[int]
    PERF_BR_NEW_ARCH_3: Final[int]
    PERF_BR_NEW_ARCH_4: Final[int]
    PERF_BR_NEW_ARCH_5: Final[int]
    PERF_BR_NEW_MAX: Final[int]
    PERF_BR_PRIV_UNKNOWN: Final[int]
    PERF_BR_PRIV_USER: Final[int]
    PERF_BR_PRIV_KERNEL: Final[int]
    PERF_BR_PRIV_HV: Final[int]
    PERF_TXN_ELISION: Final[int]
    PERF_TXN_TRANSACTION: Final[int]
    PERF_TXN_SYNC: Final[int]
    PERF_TXN_ASYNC: Final[int]
    PERF_TXN_RETRY: Final[int]
    PERF_TXN_CONFLICT: Final[int]
    PERF_TXN_CAPACITY_WRITE: Final[int]
    PERF_TXN_CAPACITY_READ: Final[int]
    PERF_TXN_MAX: Final[int]
    PERF_TXN_ABORT_MASK: Final[int]
    PERF_TXN_ABORT_SHIFT: Final[int]
    NET_NS_INDEX: Final[int]
    UTS_NS_INDEX: Final[int]
    IPC_NS_INDEX: Final[int]
    PID_NS_INDEX: Final[int]
    USER_NS_INDEX: Final[int]
    MNT_NS_INDEX: Final[int]
    CGROUP_NS_INDEX: Final[int]
    NR_NAMESPACES: Final[int]
    PERF_PMU_TYPE_SHIFT: Final[int]
    PERF_HW_EVENT_MASK: Final[int]
    PERF_SAMPLE_WEIGHT_TYPE: Final[int]
    PERF_BR_ARM64_FIQ: Final[int]
    PERF_BR_ARM64_DEBUG_HALT: Final[int]
    PERF_BR_ARM64_DEBUG_EXIT: Final[int]
    PERF_BR_ARM64_DEBUG_INST: Final[int]
    PERF_BR_ARM64_DEBUG_DATA: Final[int]
    PERF_SAMPLE_BRANCH_PLM_ALL: Final[int]
    PERF_ATTR_SIZE_VER0: Final[int]
    PERF_ATTR_SIZE_VER1: Final[int]
    PERF_ATTR_SIZE_VER2: Final[int]
    PERF_ATTR_SIZE_VER3: Final[int]
    PERF_ATTR_SIZE_VER4: Final[int]
    PERF_ATTR_SIZE_VER5: Final[int]
    PERF_ATTR_SIZE_VER6: Final[int]
    PERF_ATTR_SIZE_VER7: Final[int]
    PERF_ATTR_SIZE_VER8: Final[int]
    PERF_ATTR_SIZE_VER9: Final[int]
    PERF_EVENT_IOC_ENABLE: Final[int]
    PERF_EVENT_IOC_DISABLE: Final[int]
    PERF_EVENT_IOC_REFRESH: Final[int]
    PERF_EVENT_IOC_RESET: Final[int]
    PERF_EVENT_IOC_PERIOD: Final[int]
    PERF_EVENT_IOC_SET_OUTPUT: Final[int]
    PERF_EVENT_IOC_SET_FILTER: Final[int]
    PERF_EVENT_IOC_ID: Final[int]
    PERF_EVENT_IOC_SET_BPF: Final[int]
    PERF_EVENT_IOC_PAUSE_OUTPUT: Final[int]
    PERF_EVENT_IOC_QUERY_BPF: Final[int]
    PERF_EVENT_IOC_MODIFY_ATTRIBUTES: Final[int]
    PERF_RECORD_MISC_CPUMODE_MASK: Final[int]
    PERF_RECORD_MISC_CPUMODE_UNKNOWN: Final[int]
    PERF_RECORD_MISC_KERNEL: Final[int]
    PERF_RECORD_MISC_USER: Final[int]
    PERF_RECORD_MISC_HYPERVISOR: Final[int]
    PERF_RECORD_MISC_GUEST_KERNEL: Final[int]
    PERF_RECORD_MISC_GUEST_USER: Final[int]
    PERF_RECORD_MISC_PROC_MAP_PARSE_TIMEOUT: Final[int]
    PERF_RECORD_MISC_MMAP_DATA: Final[int]
    PERF_RECORD_MISC_COMM_EXEC: Final[int]
    PERF_RECORD_MISC_FORK_EXEC: Final[int]
    PERF_RECORD_MISC_SWITCH_OUT: Final[int]
    PERF_RECORD_MISC_EXACT_IP: Final[int]
    PERF_RECORD_MISC_SWITCH_OUT_PREEMPT: Final[int]
    PERF_RECORD_MISC_MMAP_BUILD_ID: Final[int]
    PERF_RECORD_MISC_EXT_RESERVED: Final[int]
    PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER: Final[int]
    PERF_MAX_STACK_DEPTH: Final[int]
    PERF_MAX_CONTEXTS_PER_STACK: Final[int]
    PERF_AUX_FLAG_TRUNCATED: Final[int]
    PERF_AUX_FLAG_OVERWRITE: Final[int]
    PERF_AUX_FLAG_PARTIAL: Final[int]
    PERF_AUX_FLAG_COLLISION: Final[int]
    PERF_AUX_FLAG_PMU_FORMAT_TYPE_MASK: Final[int]
    PERF_AUX_FLAG_CORESIGHT_FORMAT_CORESIGHT: Final[int]
    PERF_AUX_FLAG_CORESIGHT_FORMAT_RAW: Final[int]
    PERF_FLAG_FD_NO_GROUP: Final[int]
    PERF_FLAG_FD_OUTPUT: Final[int]
    PERF_FLAG_PID_CGROUP: Final[int]
    PERF_FLAG_FD_CLOEXEC: Final[int]
    PERF_MEM_OP_NA: Final[int]
    PERF_MEM_OP_LOAD: Final[int]
    PERF_MEM_OP_STORE: Final[int]
    PERF_MEM_OP_PFETCH: Final[int]
    PERF_MEM_OP_EXEC: Final[int]
    PERF_MEM_OP_SHIFT: Final[int]
    PERF_MEM_LVL_NA: Final[int]
    PERF_MEM_LVL_HIT: Final[int]
    PERF_MEM_LVL_MISS: Final[int]
    PERF_MEM_LVL_L1: Final[int]
    PERF_MEM_LVL_LFB: Final[int]
    PERF_MEM_LVL_L2: Final[int]
    PERF_MEM_LVL_L3: Final[int]
    PERF_MEM_LVL_LOC_RAM: Final[int]
    PERF_MEM_LVL_REM_RAM1: Final[int]
    PERF_MEM_LVL_REM_RAM2: Final[int]
    PERF_MEM_LVL_REM_CCE1: Final[int]
    PERF_MEM_LVL_REM_CCE2: Final[int]
    PERF_MEM_LVL_IO: Final[int]
    PERF_MEM_LVL_UNC: Final[int]
    PERF_MEM_LVL_SHIFT: Final[int]
    PERF_MEM_REMOTE_REMOTE: Final[int]
    PERF_MEM_REMOTE_SHIFT: Final[int]
    PERF_MEM_LVLNUM_L1: Final[int]
    PERF_MEM_LVLNUM_L2: Final[int]
    PERF_MEM_LVLNUM_L3: Final[int]
    PERF_MEM_LVLNUM_L4: Final[int]
    PERF_MEM_LVLNUM_L2_MHB: Final[int]
    PERF_MEM_LVLNUM_MSC: Final[int]
    PERF_MEM_LVLNUM_L0: Final[int]
    PERF_MEM_LVLNUM_UNC: Final[int]
    PERF_MEM_LVLNUM_CXL: Final[int]
    PERF_MEM_LVLNUM_IO: Final[int]
    PERF_MEM_LVLNUM_ANY_CACHE: Final[int]
    PERF_MEM_LVLNUM_LFB: Final[int]
    PERF_MEM_LVLNUM_RAM: Final[int]
    PERF_MEM_LVLNUM_PMEM: Final[int]
    PERF_MEM_LVLNUM_NA: Final[int]
    PERF_MEM_LVLNUM_SHIFT: Final[int]
    PERF_MEM_SNOOP_NA: Final[int]
    PERF_MEM_SNOOP_NONE: Final[int]
    PERF_MEM_SNOOP_HIT: Final[int]
    PERF_MEM_SNOOP_MISS: Final[int]
    PERF_MEM_SNOOP_HITM: Final[int]
    PERF_MEM_SNOOP_SHIFT: Final[int]
    PERF_MEM_SNOOPX_FWD: Final[int]
    PERF_MEM_SNOOPX_PEER: Final[int]
    PERF_MEM_SNOOPX_SHIFT: Final[int]
    PERF_MEM_LOCK_NA: Final[int]
    PERF_MEM_LOCK_LOCKED: Final[int]
    PERF_MEM_LOCK_SHIFT: Final[int]
    PERF_MEM_TLB_NA: Final[int]
    PERF_MEM_TLB_HIT: Final[int]
    PERF_MEM_TLB_MISS: Final[int]
    PERF_MEM_TLB_L1: Final[int]
    PERF_MEM_TLB_L2: Final[int]
    PERF_MEM_TLB_WK: Final[int]
    PERF_MEM_TLB_OS: Final[int]
    PERF_MEM_TLB_SHIFT: Final[int]
    PERF_MEM_BLK_NA: Final[int]
    PERF_MEM_BLK_DATA: Final[int]
    PERF_MEM_BLK_ADDR: Final[int]
    PERF_MEM_BLK_SHIFT: Final[int]
    PERF_MEM_HOPS_0: Final[int]
    PERF_MEM_HOPS_1: Final[int]
    PERF_MEM_HOPS_2: Final[int]
    PERF_MEM_HOPS_3: Final[int]
    PERF_MEM_HOPS_SHIFT: Final[int]
    PERF_MEM_REGION_NA: Final[int]
    PERF_MEM_REGION_RSVD: Final[int]
    PERF_MEM_REGION_L_SHARE: Final[int]
    PERF_MEM_REGION_L_NON_SHARE: Final[int]
    PERF_MEM_REGION_O_IO: Final[int]
    PERF_MEM_REGION_O_SHARE: Final[int]
    PERF_MEM_REGION_O_NON_SHARE: Final[int]
    PERF_MEM_REGION_MMIO: Final[int]
    PERF_MEM_REGION_MEM0: Final[int]
    PERF_MEM_REGION_MEM1: Final[int]
    PERF_MEM_REGION_MEM2: Final[int]
    PERF_MEM_REGION_MEM3: Final[int]
    PERF_MEM_REGION_MEM4: Final[int]
    PERF_MEM_REGION_MEM5: Final[int]
    PERF_MEM_REGION_MEM6: Final[int]
    PERF_MEM_REGION_MEM7: Final[int]
    PERF_MEM_REGION_SHIFT: Final[int]
    PERF_BRANCH_ENTRY_INFO_BITS_MAX: Final[int]
    PERF_TYPE_HARDWARE: Final[int]
    PERF_TYPE_SOFTWARE: Final[int]
    PERF_TYPE_TRACEPOINT: Final[int]
    PERF_TYPE_HW_CACHE: Final[int]
    PERF_TYPE_RAW: Final[int]
    PERF_TYPE_BREAKPOINT: Final[int]
    PERF_TYPE_MAX: Final[int]
    PERF_COUNT_HW_CPU_CYCLES: Final[int]
    PERF_COUNT_HW_INSTRUCTIONS: Final[int]
    PERF_COUNT_HW_CACHE_REFERENCES: Final[int]
    PERF_COUNT_HW_CACHE_MISSES: Final[int]
    PERF_COUNT_HW_BRANCH_INSTRUCTIONS: Final[int]
    PERF_COUNT_HW_BRANCH_MISSES: Final[int]
    PERF_COUNT_HW_BUS_CYCLES: Final[int]
    PERF_COUNT_HW_STALLED_CYCLES_FRONTEND: Final[int]
    PERF_COUNT_HW_STALLED_CYCLES_BACKEND: Final[int]
    PERF_COUNT_HW_REF_CPU_CYCLES: Final[int]
    PERF_COUNT_HW_MAX: Final[int]
    PERF_COUNT_HW_CACHE_L1D: Final[int]
    PERF_COUNT_HW_CACHE_L1I: Final[int]
    PERF_COUNT_HW_CACHE_LL: Final[int]
    PERF_COUNT_HW_CACHE_DTLB: Final[int]
    PERF_COUNT_HW_CACHE_ITLB: Final[int]
    PERF_COUNT_HW_CACHE_BPU: Final[int]
    PERF_COUNT_HW_CACHE_NODE: Final[int]
    PERF_COUNT_HW_CACHE_MAX: Final[int]
    PERF_COUNT_HW_CACHE_OP_READ: Final[int]
    PERF_COUNT_HW_CACHE_OP_WRITE: Final[int]
    PERF_COUNT_HW_CACHE_OP_PREFETCH: Final[int]
    PERF_COUNT_HW_CACHE_OP_MAX: Final[int]
    PERF_COUNT_HW_CACHE_RESULT_ACCESS: Final[int]
    PERF_COUNT_HW_CACHE_RESULT_MISS: Final[int]
    PERF_COUNT_HW_CACHE_RESULT_MAX: Final[int]
    PERF_COUNT_SW_CPU_CLOCK: Final[int]
    PERF_COUNT_SW_TASK_CLOCK: Final[int]
    PERF_COUNT_SW_PAGE_FAULTS: Final[int]
    PERF_COUNT_SW_CONTEXT_SWITCHES: Final[int]
    PERF_COUNT_SW_CPU_MIGRATIONS: Final[int]
    PERF_COUNT_SW_PAGE_FAULTS_MIN: Final[int]
    PERF_COUNT_SW_PAGE_FAULTS_MAJ: Final[int]
    PERF_COUNT_SW_ALIGNMENT_FAULTS: Final[int]
    PERF_COUNT_SW_EMULATION_FAULTS: Final[int]
    PERF_COUNT_SW_DUMMY: Final[int]
    PERF_COUNT_SW_BPF_OUTPUT: Final[int]
    PERF_COUNT_SW_CGROUP_SWITCHES: Final[int]
    PERF_COUNT_SW_MAX: Final[int]
    PERF_SAMPLE_IP: Final[int]
    PERF_SAMPLE_TID: Final[int]
    PERF_SAMPLE_TIME: Final[int]
    PERF_SAMPLE_ADDR: Final[int]
    PERF_SAMPLE_READ: Final[int]
    PERF_SAMPLE_CALLCHAIN: Final[int]
    PERF_SAMPLE_ID: Final[int]
    PERF_SAMPLE_CPU: Final[int]
    PERF_SAMPLE_PERIOD: Final[int]
    PERF_SAMPLE_STREAM_ID: Final[int]
    PERF_SAMPLE_RAW: Final[int]
    PERF_SAMPLE_BRANCH_STACK: Final[int]
    PERF_SAMPLE_REGS_USER: Final[int]
    PERF_SAMPLE_STACK_USER: Final[int]
    PERF_SAMPLE_WEIGHT: Final[int]
    PERF_SAMPLE_DATA_SRC: Final[int]
    PERF_SAMPLE_IDENTIFIER: Final[int]
    PERF_SAMPLE_TRANSACTION: Final[int]
    PERF_SAMPLE_REGS_INTR: Final[int]
    PERF_SAMPLE_PHYS_ADDR: Final[int]
    PERF_SAMPLE_AUX: Final[int]
    PERF_SAMPLE_CGROUP: Final[int]
    PERF_SAMPLE_DATA_PAGE_SIZE: Final[int]
    PERF_SAMPLE_CODE_PAGE_SIZE: Final[int]
    PERF_SAMPLE_WEIGHT_STRUCT: Final[int]
    PERF_SAMPLE_MAX: Final[int]
    PERF_SAMPLE_BRANCH_USER_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_KERNEL_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_HV_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_ANY_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_ANY_CALL_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_ANY_RETURN_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_IND_CALL_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_ABORT_TX_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_IN_TX_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_NO_TX_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_COND_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_CALL_STACK_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_IND_JUMP_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_CALL_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_NO_FLAGS_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_NO_CYCLES_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_TYPE_SAVE_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_HW_INDEX_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_PRIV_SAVE_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_COUNTERS_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_MAX_SHIFT: Final[int]
    PERF_SAMPLE_BRANCH_USER: Final[int]
    PERF_SAMPLE_BRANCH_KERNEL: Final[int]
    PERF_SAMPLE_BRANCH_HV: Final[int]
    PERF_SAMPLE_BRANCH_ANY: Final[int]
    PERF_SAMPLE_BRANCH_ANY_CALL: Final[int]
    PERF_SAMPLE_BRANCH_ANY_RETURN: Final[int]
    PERF_SAMPLE_BRANCH_IND_CALL: Final[int]
    PERF_SAMPLE_BRANCH_ABORT_TX: Final[int]
    PERF_SAMPLE_BRANCH_IN_TX: Final[int]
    PERF_SAMPLE_BRANCH_NO_TX: Final[int]
    PERF_SAMPLE_BRANCH_COND: Final[int]
    PERF_SAMPLE_BRANCH_CALL_STACK: Final[int]
    PERF_SAMPLE_BRANCH_IND_JUMP: Final[int]
    PERF_SAMPLE_BRANCH_CALL: Final[int]
    PERF_SAMPLE_BRANCH_NO_FLAGS: Final[int]
    PERF_SAMPLE_BRANCH_NO_CYCLES: Final[int]
    PERF_SAMPLE_BRANCH_TYPE_SAVE: Final[int]
    PERF_SAMPLE_BRANCH_HW_INDEX: Final[int]
    PERF_SAMPLE_BRANCH_PRIV_SAVE: Final[int]
    PERF_SAMPLE_BRANCH_COUNTERS: Final[int]
    PERF_SAMPLE_BRANCH_MAX: Final[int]
    PERF_SAMPLE_REGS_ABI_NONE: Final[int]
    PERF_SAMPLE_REGS_ABI_32: Final[int]
    PERF_SAMPLE_REGS_ABI_64: Final[int]
    PERF_FORMAT_TOTAL_TIME_ENABLED: Final[int]
    PERF_FORMAT_TOTAL_TIME_RUNNING: Final[int]
    PERF_FORMAT_ID: Final[int]
    PERF_FORMAT_GROUP: Final[int]
    PERF_FORMAT_LOST: Final[int]
    PERF_FORMAT_MAX: Final[int]
    PERF_IOC_FLAG_GROUP: Final[int]
    PERF_RECORD_MMAP: Final[int]
    PERF_RECORD_LOST: Final[int]
    PERF_RECORD_COMM: Final[int]
    PERF_RECORD_EXIT: Final[int]
    PERF_RECORD_THROTTLE: Final[int]
    PERF_RECORD_UNTHROTTLE: Final[int]
    PERF_RECORD_FORK: Final[int]
    PERF_RECORD_READ: Final[int]
    PERF_RECORD_SAMPLE: Final[int]
    PERF_RECORD_MMAP2: Final[int]
    PERF_RECORD_AUX: Final[int]
    PERF_RECORD_ITRACE_START: Final[int]
    PERF_RECORD_LOST_SAMPLES: Final[int]
    PERF_RECORD_SWITCH: Final[int]
    PERF_RECORD_SWITCH_CPU_WIDE: Final[int]
    PERF_RECORD_NAMESPACES: Final[int]
    PERF_RECORD_KSYMBOL: Final[int]
    PERF_RECORD_BPF_EVENT: Final[int]
    PERF_RECORD_CGROUP: Final[int]
    PERF_RECORD_TEXT_POKE: Final[int]
    PERF_RECORD_AUX_OUTPUT_HW_ID: Final[int]
    PERF_RECORD_CALLCHAIN_DEFERRED: Final[int]
    PERF_RECORD_MAX: Final[int]
    PERF_RECORD_KSYMBOL_TYPE_UNKNOWN: Final[int]
    PERF_RECORD_KSYMBOL_TYPE_BPF: Final[int]
    PERF_RECORD_KSYMBOL_TYPE_OOL: Final[int]
    PERF_RECORD_KSYMBOL_TYPE_MAX: Final[int]
    PERF_BPF_EVENT_UNKNOWN: Final[int]
    PERF_BPF_EVENT_PROG_LOAD: Final[int]
    PERF_BPF_EVENT_PROG_UNLOAD: Final[int]
    PERF_BPF_EVENT_MAX: Final[int]
    PERF_CONTEXT_HV: Final[int]
    PERF_CONTEXT_KERNEL: Final[int]
    PERF_CONTEXT_USER: Final[int]
    PERF_CONTEXT_USER_DEFERRED: Final[int]
    PERF_CONTEXT_GUEST: Final[int]
    PERF_CONTEXT_GUEST_KERNEL: Final[int]
    PERF_CONTEXT_GUEST_USER: Final[int]
    PERF_CONTEXT_MAX: Final[int]

    # uapi_net.h
    IFLA_XDP: Final[int]
    IFLA_NETKIT_UNSPEC: Final[int]
    IFLA_NETKIT_PEER_INFO: Final[int]
    IFLA_NETKIT_PRIMARY: Final[int]
    IFLA_NETKIT_POLICY: Final[int]
    IFLA_NETKIT_PEER_POLICY: Final[int]
    IFLA_NETKIT_MODE: Final[int]
    IFLA_NETKIT_SCRUB: Final[int]
    IFLA_NETKIT_PEER_SCRUB: Final[int]
    IFLA_NETKIT_HEADROOM: Final[int]
    IFLA_NETKIT_TAILROOM: Final[int]
    __IFLA_NETKIT_MAX: Final[int]
    XDP_ATTACHED_NONE: Final[int]
    XDP_ATTACHED_DRV: Final[int]
    XDP_ATTACHED_SKB: Final[int]
    XDP_ATTACHED_HW: Final[int]
    XDP_ATTACHED_MULTI: Final[int]
    IFLA_XDP_UNSPEC: Final[int]
    IFLA_XDP_FD: Final[int]
    IFLA_XDP_ATTACHED: Final[int]
    IFLA_XDP_FLAGS: Final[int]
    IFLA_XDP_PROG_ID: Final[int]
    IFLA_XDP_DRV_PROG_ID: Final[int]
    IFLA_XDP_SKB_PROG_ID: Final[int]
    IFLA_XDP_HW_PROG_ID: Final[int]
    IFLA_XDP_EXPECTED_FD: Final[int]
    __IFLA_XDP_MAX: Final[int]
    XDP_FLAGS_UPDATE_IF_NOEXIST: Final[int]
    XDP_FLAGS_SKB_MODE: Final[int]
    XDP_FLAGS_DRV_MODE: Final[int]
    XDP_FLAGS_HW_MODE: Final[int]
    XDP_FLAGS_REPLACE: Final[int]
    XDP_FLAGS_MODES: Final[int]
    XDP_FLAGS_MASK: Final[int]
    TC_H_MAJ_MASK: Final[int]
    TC_H_MIN_MASK: Final[int]
    TC_H_UNSPEC: Final[int]
    TC_H_ROOT: Final[int]
    TC_H_INGRESS: Final[int]
    TC_H_CLSACT: Final[int]
    TC_H_MIN_PRIORITY: Final[int]
    TC_H_MIN_INGRESS: Final[int]
    TC_H_MIN_EGRESS: Final[int]
    TC_ACT_UNSPEC: Final[int]
    TC_ACT_OK: Final[int]
    TC_ACT_RECLASSIFY: Final[int]
    TC_ACT_SHOT: Final[int]
    TC_ACT_PIPE: Final[int]
    TC_ACT_STOLEN: Final[int]
    TC_ACT_QUEUED: Final[int]
    TC_ACT_REPEAT: Final[int]
    TC_ACT_REDIRECT: Final[int]
    TC_ACT_TRAP: Final[int]
    TC_ACT_VALUE_MAX: Final[int]
    TC_ACT_EXT_VAL_MASK: Final[int]
    TC_ACT_JUMP: Final[int]
    TC_ACT_GOTO_CHAIN: Final[int]
    TC_ACT_EXT_OPCODE_MAX: Final[int]
    TCA_CLS_FLAGS_SKIP_HW: Final[int]
    TCA_CLS_FLAGS_SKIP_SW: Final[int]
    TCA_CLS_FLAGS_IN_HW: Final[int]
    TCA_CLS_FLAGS_NOT_IN_HW: Final[int]
    TCA_CLS_FLAGS_VERBOSE: Final[int]
    TCA_BPF_FLAG_ACT_DIRECT: Final[int]
    NETKIT_NEXT: Final[int]
    NETKIT_PASS: Final[int]
    NETKIT_DROP: Final[int]
    NETKIT_REDIRECT: Final[int]
    NETKIT_L2: Final[int]
    NETKIT_L3: Final[int]
    NETKIT_SCRUB_NONE: Final[int]
    NETKIT_SCRUB_DEFAULT: Final[int]
    NETDEV_XDP_ACT_BASIC: Final[int]
    NETDEV_XDP_ACT_REDIRECT: Final[int]
    NETDEV_XDP_ACT_NDO_XMIT: Final[int]
    NETDEV_XDP_ACT_XSK_ZEROCOPY: Final[int]
    NETDEV_XDP_ACT_HW_OFFLOAD: Final[int]
    NETDEV_XDP_ACT_RX_SG: Final[int]
    NETDEV_XDP_ACT_NDO_XMIT_SG: Final[int]
    NETDEV_XDP_ACT_MASK: Final[int]
    NETDEV_XDP_RX_METADATA_TIMESTAMP: Final[int]
    NETDEV_XDP_RX_METADATA_HASH: Final[int]
    NETDEV_XDP_RX_METADATA_VLAN_TAG: Final[int]

    # version.h
    LIBBPF_MAJOR_VERSION: Final[int]
    LIBBPF_MINOR_VERSION: Final[int]
    MAPS_RELAX_COMPAT: Final[int]
    LIBBPF_STRICT_ALL: Final[int]
    LIBBPF_STRICT_NONE: Final[int]
    LIBBPF_STRICT_CLEAN_PTRS: Final[int]
    LIBBPF_STRICT_DIRECT_ERRS: Final[int]
    LIBBPF_STRICT_SEC_NAME: Final[int]
    LIBBPF_STRICT_NO_OBJECT_LIST: Final[int]
    LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK: Final[int]
    LIBBPF_STRICT_MAP_DEFINITIONS: Final[int]
    __LIBBPF_STRICT_LAST: Final[int]
    __LIBBPF_ERRNO__START: Final[int]
    LIBBPF_ERRNO__LIBELF: Final[int]
    LIBBPF_ERRNO__FORMAT: Final[int]
    LIBBPF_ERRNO__KVERSION: Final[int]
    LIBBPF_ERRNO__ENDIAN: Final[int]
    LIBBPF_ERRNO__INTERNAL: Final[int]
    LIBBPF_ERRNO__RELOC: Final[int]
    LIBBPF_ERRNO__LOAD: Final[int]
    LIBBPF_ERRNO__VERIFY: Final[int]
    LIBBPF_ERRNO__PROG2BIG: Final[int]
    LIBBPF_ERRNO__KVER: Final[int]
    LIBBPF_ERRNO__PROGTYPE: Final[int]
    LIBBPF_ERRNO__WRNGPID: Final[int]
    LIBBPF_ERRNO__INVSEQ: Final[int]
    LIBBPF_ERRNO__NLPARSE: Final[int]
    __LIBBPF_ERRNO__END: Final[int]
    def libbpf_set_strict_mode(self, mode: int, /) -> int: ...
    def libbpf_get_error(self, ptr: Bytes, /) -> int: ...
    def libbpf_major_version(self, /) -> int: ...
    def libbpf_minor_version(self, /) -> int: ...
    def libbpf_version_string(self, /) -> CData: ...
    def libbpf_strerror(self, err: int, buf: CData, size: int, /) -> int: ...
    def libbpf_bpf_attach_type_str(self, t: int, /) -> CData: ...
    def libbpf_bpf_link_type_str(self, t: int, /) -> CData: ...
    def libbpf_bpf_map_type_str(self, t: int, /) -> CData: ...
    def libbpf_bpf_prog_type_str(self, t: int, /) -> CData: ...
    def libbpf_prog_type_by_name(
        self,
        name: Bytes,
        prog_type: CData,
        expected_attach_type: CData,
        /,
    ) -> int: ...
    def libbpf_attach_type_by_name(self, name: Bytes, attach_type: CData, /) -> int: ...
    def libbpf_find_vmlinux_btf_id(self, name: Bytes, attach_type: int, /) -> int: ...
    def libbpf_set_memlock_rlim(self, memlock_bytes: int, /) -> int: ...

    # log.h
    LIBBPF_WARN: Final[int]
    LIBBPF_INFO: Final[int]
    LIBBPF_DEBUG: Final[int]
    def libbpf_set_print(self, fn: libbpf_print_fn_t, /) -> libbpf_print_fn_t: ...

    # object.h
    TRI_NO: Final[int]
    TRI_YES: Final[int]
    TRI_MODULE: Final[int]
    def bpf_object__open(self, path: Bytes, /) -> bpf_object: ...
    def bpf_object__open_file(self, path: Bytes, opts: CData, /) -> bpf_object: ...
    def bpf_object__open_mem(self, obj_buf: Bytes, obj_buf_sz: int, opts: CData, /) -> bpf_object: ...
    def bpf_object__prepare(self, obj: bpf_object, /) -> int: ...
    def bpf_object__load(self, obj: bpf_object, /) -> int: ...
    def bpf_object__close(self, obj: bpf_object, /) -> None: ...
    def bpf_object__pin_maps(self, obj: bpf_object, path: Bytes, /) -> int: ...
    def bpf_object__unpin_maps(self, obj: bpf_object, path: Bytes, /) -> int: ...
    def bpf_object__pin_programs(self, obj: bpf_object, path: Bytes, /) -> int: ...
    def bpf_object__unpin_programs(self, obj: bpf_object, path: Bytes, /) -> int: ...
    def bpf_object__pin(self, object: bpf_object, path: Bytes, /) -> int: ...
    def bpf_object__unpin(self, object: bpf_object, path: Bytes, /) -> int: ...
    def bpf_object__name(self, obj: bpf_object, /) -> CData: ...
    def bpf_object__kversion(self, obj: bpf_object, /) -> int: ...
    def bpf_object__set_kversion(self, obj: bpf_object, kern_version: int, /) -> int: ...
    def bpf_object__token_fd(self, obj: bpf_object, /) -> int: ...
    def bpf_object__btf(self, obj: bpf_object, /) -> btf: ...
    def bpf_object__btf_fd(self, obj: bpf_object, /) -> int: ...

    # program.h
    def bpf_object__find_program_by_name(self, obj: bpf_object, name: Bytes, /) -> bpf_program: ...
    def bpf_object__next_program(self, obj: bpf_object, prog: bpf_program, /) -> bpf_program: ...
    def bpf_object__prev_program(self, obj: bpf_object, prog: bpf_program, /) -> bpf_program: ...
    def bpf_program__set_ifindex(self, prog: bpf_program, ifindex: int, /) -> None: ...
    def bpf_program__name(self, prog: bpf_program, /) -> CData: ...
    def bpf_program__section_name(self, prog: bpf_program, /) -> CData: ...
    def bpf_program__autoload(self, prog: bpf_program, /) -> bool: ...
    def bpf_program__set_autoload(self, prog: bpf_program, autoload: bool, /) -> int: ...
    def bpf_program__autoattach(self, prog: bpf_program, /) -> bool: ...
    def bpf_program__set_autoattach(self, prog: bpf_program, autoattach: bool, /) -> None: ...
    def bpf_program__insns(self, prog: bpf_program, /) -> CData: ...
    def bpf_program__set_insns(self, prog: bpf_program, new_insns: CData, new_insn_cnt: int, /) -> int: ...
    def bpf_program__insn_cnt(self, prog: bpf_program, /) -> int: ...
    def bpf_program__fd(self, prog: bpf_program, /) -> int: ...
    def bpf_program__pin(self, prog: bpf_program, path: Bytes, /) -> int: ...
    def bpf_program__unpin(self, prog: bpf_program, path: Bytes, /) -> int: ...
    def bpf_program__unload(self, prog: bpf_program, /) -> None: ...
    def bpf_program__type(self, prog: bpf_program, /) -> int: ...
    def bpf_program__set_type(self, prog: bpf_program, type: int, /) -> int: ...
    def bpf_program__expected_attach_type(self, prog: bpf_program, /) -> int: ...
    def bpf_program__set_expected_attach_type(self, prog: bpf_program, type: int, /) -> int: ...
    def bpf_program__flags(self, prog: bpf_program, /) -> int: ...
    def bpf_program__set_flags(self, prog: bpf_program, flags: int, /) -> int: ...
    def bpf_program__log_level(self, prog: bpf_program, /) -> int: ...
    def bpf_program__set_log_level(self, prog: bpf_program, log_level: int, /) -> int: ...
    def bpf_program__log_buf(self, prog: bpf_program, log_size: CData, /) -> CData: ...
    def bpf_program__set_log_buf(self, prog: bpf_program, log_buf: CData, log_size: int, /) -> int: ...
    def bpf_program__func_info(self, prog: bpf_program, /) -> CData: ...
    def bpf_program__func_info_cnt(self, prog: bpf_program, /) -> int: ...
    def bpf_program__line_info(self, prog: bpf_program, /) -> CData: ...
    def bpf_program__line_info_cnt(self, prog: bpf_program, /) -> int: ...
    def bpf_program__set_attach_target(
        self,
        prog: bpf_program,
        attach_prog_fd: int,
        attach_func_name: Bytes,
        /,
    ) -> int: ...
    def bpf_program__assoc_struct_ops(self, prog: bpf_program, map: bpf_map, opts: CData, /) -> int: ...
    def bpf_program__get_type(self, prog: bpf_program, /) -> int: ...
    def bpf_program__get_expected_attach_type(self, prog: bpf_program, /) -> int: ...

    # attach.h
    PROBE_ATTACH_MODE_DEFAULT: Final[int]
    PROBE_ATTACH_MODE_LEGACY: Final[int]
    PROBE_ATTACH_MODE_PERF: Final[int]
    PROBE_ATTACH_MODE_LINK: Final[int]
    def bpf_program__attach(self, prog: bpf_program, /) -> bpf_link: ...
    def bpf_program__attach_perf_event(self, prog: bpf_program, pfd: int, /) -> bpf_link: ...
    def bpf_program__attach_perf_event_opts(
        self,
        prog: bpf_program,
        pfd: int,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_kprobe(
        self,
        prog: bpf_program,
        retprobe: bool,
        func_name: Bytes,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_kprobe_opts(
        self,
        prog: bpf_program,
        func_name: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_kprobe_multi_opts(
        self,
        prog: bpf_program,
        pattern: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_uprobe_multi(
        self,
        prog: bpf_program,
        pid: int,
        binary_path: Bytes,
        func_pattern: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_ksyscall(
        self,
        prog: bpf_program,
        syscall_name: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_uprobe(
        self,
        prog: bpf_program,
        retprobe: bool,
        pid: int,
        binary_path: Bytes,
        func_offset: int,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_uprobe_opts(
        self,
        prog: bpf_program,
        pid: int,
        binary_path: Bytes,
        func_offset: int,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_usdt(
        self,
        prog: bpf_program,
        pid: int,
        binary_path: Bytes,
        usdt_provider: Bytes,
        usdt_name: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_tracepoint(
        self,
        prog: bpf_program,
        tp_category: Bytes,
        tp_name: Bytes,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_tracepoint_opts(
        self,
        prog: bpf_program,
        tp_category: Bytes,
        tp_name: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_raw_tracepoint(self, prog: bpf_program, tp_name: Bytes, /) -> bpf_link: ...
    def bpf_program__attach_raw_tracepoint_opts(
        self,
        prog: bpf_program,
        tp_name: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_trace(self, prog: bpf_program, /) -> bpf_link: ...
    def bpf_program__attach_trace_opts(self, prog: bpf_program, opts: CData, /) -> bpf_link: ...
    def bpf_program__attach_lsm(self, prog: bpf_program, /) -> bpf_link: ...
    def bpf_program__attach_cgroup(self, prog: bpf_program, cgroup_fd: int, /) -> bpf_link: ...
    def bpf_program__attach_netns(self, prog: bpf_program, netns_fd: int, /) -> bpf_link: ...
    def bpf_program__attach_sockmap(self, prog: bpf_program, map_fd: int, /) -> bpf_link: ...
    def bpf_program__attach_xdp(self, prog: bpf_program, ifindex: int, /) -> bpf_link: ...
    def bpf_program__attach_freplace(
        self,
        prog: bpf_program,
        target_fd: int,
        attach_func_name: Bytes,
        /,
    ) -> bpf_link: ...
    def bpf_program__attach_netfilter(self, prog: bpf_program, opts: CData, /) -> bpf_link: ...
    def bpf_program__attach_tcx(self, prog: bpf_program, ifindex: int, opts: CData, /) -> bpf_link: ...
    def bpf_program__attach_netkit(self, prog: bpf_program, ifindex: int, opts: CData, /) -> bpf_link: ...
    def bpf_program__attach_cgroup_opts(
        self,
        prog: bpf_program,
        cgroup_fd: int,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def bpf_map__attach_struct_ops(self, map: bpf_map, /) -> bpf_link: ...
    def bpf_program__attach_iter(self, prog: bpf_program, opts: CData, /) -> bpf_link: ...

    # link.h
    def bpf_link__open(self, path: Bytes, /) -> bpf_link: ...
    def bpf_link__fd(self, link: bpf_link, /) -> int: ...
    def bpf_link__pin_path(self, link: bpf_link, /) -> CData: ...
    def bpf_link__pin(self, link: bpf_link, path: Bytes, /) -> int: ...
    def bpf_link__unpin(self, link: bpf_link, /) -> int: ...
    def bpf_link__update_program(self, link: bpf_link, prog: bpf_program, /) -> int: ...
    def bpf_link__disconnect(self, link: bpf_link, /) -> None: ...
    def bpf_link__detach(self, link: bpf_link, /) -> int: ...
    def bpf_link__destroy(self, link: bpf_link, /) -> int: ...
    def bpf_link__update_map(self, link: bpf_link, map: bpf_map, /) -> int: ...

    # map.h
    def bpf_object__find_map_by_name(self, obj: bpf_object, name: Bytes, /) -> bpf_map: ...
    def bpf_object__find_map_fd_by_name(self, obj: bpf_object, name: Bytes, /) -> int: ...
    def bpf_object__next_map(self, obj: bpf_object, map: bpf_map, /) -> bpf_map: ...
    def bpf_object__prev_map(self, obj: bpf_object, map: bpf_map, /) -> bpf_map: ...
    def bpf_map__set_autocreate(self, map: bpf_map, autocreate: bool, /) -> int: ...
    def bpf_map__autocreate(self, map: bpf_map, /) -> bool: ...
    def bpf_map__set_autoattach(self, map: bpf_map, autoattach: bool, /) -> int: ...
    def bpf_map__autoattach(self, map: bpf_map, /) -> bool: ...
    def bpf_map__fd(self, map: bpf_map, /) -> int: ...
    def bpf_map__reuse_fd(self, map: bpf_map, fd: int, /) -> int: ...
    def bpf_map__name(self, map: bpf_map, /) -> CData: ...
    def bpf_map__type(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_type(self, map: bpf_map, type: int, /) -> int: ...
    def bpf_map__max_entries(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_max_entries(self, map: bpf_map, max_entries: int, /) -> int: ...
    def bpf_map__map_flags(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_map_flags(self, map: bpf_map, flags: int, /) -> int: ...
    def bpf_map__numa_node(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_numa_node(self, map: bpf_map, numa_node: int, /) -> int: ...
    def bpf_map__key_size(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_key_size(self, map: bpf_map, size: int, /) -> int: ...
    def bpf_map__value_size(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_value_size(self, map: bpf_map, size: int, /) -> int: ...
    def bpf_map__btf_key_type_id(self, map: bpf_map, /) -> int: ...
    def bpf_map__btf_value_type_id(self, map: bpf_map, /) -> int: ...
    def bpf_map__ifindex(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_ifindex(self, map: bpf_map, ifindex: int, /) -> int: ...
    def bpf_map__map_extra(self, map: bpf_map, /) -> int: ...
    def bpf_map__set_map_extra(self, map: bpf_map, map_extra: int, /) -> int: ...
    def bpf_map__set_initial_value(self, map: bpf_map, data: Bytes, size: int, /) -> int: ...
    def bpf_map__initial_value(self, map: bpf_map, psize: CData, /) -> CData: ...
    def bpf_map__is_internal(self, map: bpf_map, /) -> bool: ...
    def bpf_map__set_pin_path(self, map: bpf_map, path: Bytes, /) -> int: ...
    def bpf_map__pin_path(self, map: bpf_map, /) -> CData: ...
    def bpf_map__is_pinned(self, map: bpf_map, /) -> bool: ...
    def bpf_map__pin(self, map: bpf_map, path: Bytes, /) -> int: ...
    def bpf_map__unpin(self, map: bpf_map, path: Bytes, /) -> int: ...
    def bpf_map__set_inner_map_fd(self, map: bpf_map, fd: int, /) -> int: ...
    def bpf_map__inner_map(self, map: bpf_map, /) -> bpf_map: ...
    def bpf_map__lookup_elem(
        self,
        map: bpf_map,
        key: Bytes,
        key_sz: int,
        value: CData,
        value_sz: int,
        flags: int,
        /,
    ) -> int: ...
    def bpf_map__update_elem(
        self,
        map: bpf_map,
        key: Bytes,
        key_sz: int,
        value: Bytes,
        value_sz: int,
        flags: int,
        /,
    ) -> int: ...
    def bpf_map__delete_elem(self, map: bpf_map, key: Bytes, key_sz: int, flags: int, /) -> int: ...
    def bpf_map__lookup_and_delete_elem(
        self,
        map: bpf_map,
        key: Bytes,
        key_sz: int,
        value: CData,
        value_sz: int,
        flags: int,
        /,
    ) -> int: ...
    def bpf_map__get_next_key(self, map: bpf_map, cur_key: Bytes, next_key: CData, key_sz: int, /) -> int: ...
    def bpf_map__set_exclusive_program(self, map: bpf_map, prog: bpf_program, /) -> int: ...
    def bpf_map__exclusive_program(self, map: bpf_map, /) -> bpf_program: ...
    def bpf_map__get_pin_path(self, map: bpf_map, /) -> CData: ...

    # ring_buffer.h
    def ring_buffer__new(self, map_fd: int, sample_cb: CData, ctx: CData, opts: CData, /) -> ring_buffer: ...
    def ring_buffer__free(self, rb: ring_buffer, /) -> None: ...
    def ring_buffer__add(self, rb: ring_buffer, map_fd: int, sample_cb: CData, ctx: CData, /) -> int: ...
    def ring_buffer__poll(self, rb: ring_buffer, timeout_ms: int, /) -> int: ...
    def ring_buffer__consume(self, rb: ring_buffer, /) -> int: ...
    def ring_buffer__consume_n(self, rb: ring_buffer, n: int, /) -> int: ...
    def ring_buffer__epoll_fd(self, rb: ring_buffer, /) -> int: ...
    def ring_buffer__ring(self, rb: ring_buffer, idx: int, /) -> ring: ...
    def ring__consumer_pos(self, r: ring, /) -> int: ...
    def ring__producer_pos(self, r: ring, /) -> int: ...
    def ring__avail_data_size(self, r: ring, /) -> int: ...
    def ring__size(self, r: ring, /) -> int: ...
    def ring__map_fd(self, r: ring, /) -> int: ...
    def ring__consume(self, r: ring, /) -> int: ...
    def ring__consume_n(self, r: ring, n: int, /) -> int: ...

    # user_ring_buffer.h
    def user_ring_buffer__new(self, map_fd: int, opts: CData, /) -> user_ring_buffer: ...
    def user_ring_buffer__reserve(self, rb: user_ring_buffer, size: int, /) -> CData: ...
    def user_ring_buffer__reserve_blocking(
        self,
        rb: user_ring_buffer,
        size: int,
        timeout_ms: int,
        /,
    ) -> CData: ...
    def user_ring_buffer__submit(self, rb: user_ring_buffer, sample: CData, /) -> None: ...
    def user_ring_buffer__discard(self, rb: user_ring_buffer, sample: CData, /) -> None: ...
    def user_ring_buffer__free(self, rb: user_ring_buffer, /) -> None: ...

    # perf_buffer.h
    LIBBPF_PERF_EVENT_DONE: Final[int]
    LIBBPF_PERF_EVENT_ERROR: Final[int]
    LIBBPF_PERF_EVENT_CONT: Final[int]
    def perf_buffer__new(
        self,
        map_fd: int,
        page_cnt: int,
        sample_cb: CData,
        lost_cb: CData,
        ctx: CData,
        opts: CData,
        /,
    ) -> perf_buffer: ...
    def perf_buffer__new_raw(
        self,
        map_fd: int,
        page_cnt: int,
        attr: CData,
        event_cb: CData,
        ctx: CData,
        opts: CData,
        /,
    ) -> perf_buffer: ...
    def perf_buffer__free(self, pb: perf_buffer, /) -> None: ...
    def perf_buffer__epoll_fd(self, pb: perf_buffer, /) -> int: ...
    def perf_buffer__poll(self, pb: perf_buffer, timeout_ms: int, /) -> int: ...
    def perf_buffer__consume(self, pb: perf_buffer, /) -> int: ...
    def perf_buffer__consume_buffer(self, pb: perf_buffer, buf_idx: int, /) -> int: ...
    def perf_buffer__buffer_cnt(self, pb: perf_buffer, /) -> int: ...
    def perf_buffer__buffer_fd(self, pb: perf_buffer, buf_idx: int, /) -> int: ...
    def perf_buffer__buffer(self, pb: perf_buffer, buf_idx: int, buf: CData, buf_size: CData, /) -> int: ...

    # prog_linfo.h
    def bpf_prog_linfo__free(self, prog_linfo: bpf_prog_linfo, /) -> None: ...
    def bpf_prog_linfo__new(self, info: CData, /) -> bpf_prog_linfo: ...
    def bpf_prog_linfo__lfind_addr_func(
        self,
        prog_linfo: bpf_prog_linfo,
        addr: int,
        func_idx: int,
        nr_skip: int,
        /,
    ) -> CData: ...
    def bpf_prog_linfo__lfind(self, prog_linfo: bpf_prog_linfo, insn_off: int, nr_skip: int, /) -> CData: ...

    # xdp.h
    def bpf_xdp_attach(self, ifindex: int, prog_fd: int, flags: int, opts: CData, /) -> int: ...
    def bpf_xdp_detach(self, ifindex: int, flags: int, opts: CData, /) -> int: ...
    def bpf_xdp_query(self, ifindex: int, flags: int, opts: CData, /) -> int: ...
    def bpf_xdp_query_id(self, ifindex: int, flags: int, prog_id: CData, /) -> int: ...

    # tc.h
    BPF_TC_INGRESS: Final[int]
    BPF_TC_EGRESS: Final[int]
    BPF_TC_CUSTOM: Final[int]
    BPF_TC_QDISC: Final[int]
    BPF_TC_F_REPLACE: Final[int]
    def bpf_tc_hook_create(self, hook: CData, /) -> int: ...
    def bpf_tc_hook_destroy(self, hook: CData, /) -> int: ...
    def bpf_tc_attach(self, hook: CData, opts: CData, /) -> int: ...
    def bpf_tc_detach(self, hook: CData, opts: CData, /) -> int: ...
    def bpf_tc_query(self, hook: CData, opts: CData, /) -> int: ...

    # skeleton.h
    def bpf_object__open_skeleton(self, s: CData, opts: CData, /) -> int: ...
    def bpf_object__load_skeleton(self, s: CData, /) -> int: ...
    def bpf_object__attach_skeleton(self, s: CData, /) -> int: ...
    def bpf_object__detach_skeleton(self, s: CData, /) -> None: ...
    def bpf_object__destroy_skeleton(self, s: CData, /) -> None: ...
    def bpf_object__open_subskeleton(self, s: CData, /) -> int: ...
    def bpf_object__destroy_subskeleton(self, s: CData, /) -> None: ...

    # gen_loader.h
    def bpf_object__gen_loader(self, obj: bpf_object, opts: CData, /) -> int: ...

    # linker.h
    def bpf_linker__new(self, filename: Bytes, opts: CData, /) -> bpf_linker: ...
    def bpf_linker__new_fd(self, fd: int, opts: CData, /) -> bpf_linker: ...
    def bpf_linker__add_file(self, linker: bpf_linker, filename: Bytes, opts: CData, /) -> int: ...
    def bpf_linker__add_fd(self, linker: bpf_linker, fd: int, opts: CData, /) -> int: ...
    def bpf_linker__add_buf(self, linker: bpf_linker, buf: CData, buf_sz: int, opts: CData, /) -> int: ...
    def bpf_linker__finalize(self, linker: bpf_linker, /) -> int: ...
    def bpf_linker__free(self, linker: bpf_linker, /) -> None: ...

    # handler.h
    def libbpf_register_prog_handler(
        self,
        sec: Bytes,
        prog_type: int,
        exp_attach_type: int,
        opts: CData,
        /,
    ) -> int: ...
    def libbpf_unregister_prog_handler(self, handler_id: int, /) -> int: ...

    # probe.h
    def libbpf_probe_bpf_prog_type(self, prog_type: int, opts: Bytes, /) -> int: ...
    def libbpf_probe_bpf_map_type(self, map_type: int, opts: Bytes, /) -> int: ...
    def libbpf_probe_bpf_helper(self, prog_type: int, helper_id: int, opts: Bytes, /) -> int: ...
    def libbpf_num_possible_cpus(self, /) -> int: ...

    # sys_map.h
    def bpf_map_create(
        self,
        map_type: int,
        map_name: Bytes,
        key_size: int,
        value_size: int,
        max_entries: int,
        opts: CData,
        /,
    ) -> int: ...
    def bpf_map_update_elem(self, fd: int, key: Bytes, value: Bytes, flags: int, /) -> int: ...
    def bpf_map_lookup_elem(self, fd: int, key: Bytes, value: CData, /) -> int: ...
    def bpf_map_lookup_elem_flags(self, fd: int, key: Bytes, value: CData, flags: int, /) -> int: ...
    def bpf_map_lookup_and_delete_elem(self, fd: int, key: Bytes, value: CData, /) -> int: ...
    def bpf_map_lookup_and_delete_elem_flags(
        self,
        fd: int,
        key: Bytes,
        value: CData,
        flags: int,
        /,
    ) -> int: ...
    def bpf_map_delete_elem(self, fd: int, key: Bytes, /) -> int: ...
    def bpf_map_delete_elem_flags(self, fd: int, key: Bytes, flags: int, /) -> int: ...
    def bpf_map_get_next_key(self, fd: int, key: Bytes, next_key: CData, /) -> int: ...
    def bpf_map_freeze(self, fd: int, /) -> int: ...
    def bpf_map_delete_batch(self, fd: int, keys: Bytes, count: CData, opts: CData, /) -> int: ...
    def bpf_map_lookup_batch(
        self,
        fd: int,
        in_batch: CData,
        out_batch: CData,
        keys: CData,
        values: CData,
        count: CData,
        opts: CData,
        /,
    ) -> int: ...
    def bpf_map_lookup_and_delete_batch(
        self,
        fd: int,
        in_batch: CData,
        out_batch: CData,
        keys: CData,
        values: CData,
        count: CData,
        opts: CData,
        /,
    ) -> int: ...
    def bpf_map_update_batch(
        self,
        fd: int,
        keys: Bytes,
        values: Bytes,
        count: CData,
        opts: CData,
        /,
    ) -> int: ...

    # sys_prog.h
    BPF_LOG_BUF_SIZE: Final[int]
    def bpf_prog_load(
        self,
        prog_type: int,
        prog_name: Bytes,
        license: Bytes,
        insns: CData,
        insn_cnt: int,
        opts: CData,
        /,
    ) -> int: ...
    def bpf_prog_attach(self, prog_fd: int, attachable_fd: int, type: int, flags: int, /) -> int: ...
    def bpf_prog_detach(self, attachable_fd: int, type: int, /) -> int: ...
    def bpf_prog_detach2(self, prog_fd: int, attachable_fd: int, type: int, /) -> int: ...
    def bpf_prog_attach_opts(self, prog_fd: int, target: int, type: int, opts: CData, /) -> int: ...
    def bpf_prog_detach_opts(self, prog_fd: int, target: int, type: int, opts: CData, /) -> int: ...
    def bpf_prog_query_opts(self, target: int, type: int, opts: CData, /) -> int: ...
    def bpf_prog_query(
        self,
        target_fd: int,
        type: int,
        query_flags: int,
        attach_flags: CData,
        prog_ids: CData,
        prog_cnt: CData,
        /,
    ) -> int: ...
    def bpf_prog_bind_map(self, prog_fd: int, map_fd: int, opts: CData, /) -> int: ...
    def bpf_prog_test_run_opts(self, prog_fd: int, opts: CData, /) -> int: ...
    def bpf_prog_stream_read(
        self,
        prog_fd: int,
        stream_id: int,
        buf: CData,
        buf_len: int,
        opts: CData,
        /,
    ) -> int: ...
    def bpf_prog_assoc_struct_ops(self, prog_fd: int, map_fd: int, opts: CData, /) -> int: ...

    # sys_link.h
    def bpf_link_create(self, prog_fd: int, target_fd: int, attach_type: int, opts: CData, /) -> int: ...
    def bpf_link_detach(self, link_fd: int, /) -> int: ...
    def bpf_link_update(self, link_fd: int, new_prog_fd: int, opts: CData, /) -> int: ...
    def bpf_iter_create(self, link_fd: int, /) -> int: ...
    def bpf_raw_tracepoint_open_opts(self, prog_fd: int, opts: CData, /) -> int: ...
    def bpf_raw_tracepoint_open(self, name: Bytes, prog_fd: int, /) -> int: ...

    # sys_obj.h
    def bpf_btf_load(self, btf_data: Bytes, btf_size: int, opts: CData, /) -> int: ...
    def bpf_obj_pin(self, fd: int, pathname: Bytes, /) -> int: ...
    def bpf_obj_pin_opts(self, fd: int, pathname: Bytes, opts: CData, /) -> int: ...
    def bpf_obj_get(self, pathname: Bytes, /) -> int: ...
    def bpf_obj_get_opts(self, pathname: Bytes, opts: CData, /) -> int: ...
    def bpf_prog_get_next_id(self, start_id: int, next_id: CData, /) -> int: ...
    def bpf_map_get_next_id(self, start_id: int, next_id: CData, /) -> int: ...
    def bpf_btf_get_next_id(self, start_id: int, next_id: CData, /) -> int: ...
    def bpf_link_get_next_id(self, start_id: int, next_id: CData, /) -> int: ...
    def bpf_prog_get_fd_by_id(self, id: int, /) -> int: ...
    def bpf_prog_get_fd_by_id_opts(self, id: int, opts: CData, /) -> int: ...
    def bpf_map_get_fd_by_id(self, id: int, /) -> int: ...
    def bpf_map_get_fd_by_id_opts(self, id: int, opts: CData, /) -> int: ...
    def bpf_btf_get_fd_by_id(self, id: int, /) -> int: ...
    def bpf_btf_get_fd_by_id_opts(self, id: int, opts: CData, /) -> int: ...
    def bpf_link_get_fd_by_id(self, id: int, /) -> int: ...
    def bpf_link_get_fd_by_id_opts(self, id: int, opts: CData, /) -> int: ...
    def bpf_obj_get_info_by_fd(self, bpf_fd: int, info: CData, info_len: CData, /) -> int: ...
    def bpf_prog_get_info_by_fd(self, prog_fd: int, info: CData, info_len: CData, /) -> int: ...
    def bpf_map_get_info_by_fd(self, map_fd: int, info: CData, info_len: CData, /) -> int: ...
    def bpf_btf_get_info_by_fd(self, btf_fd: int, info: CData, info_len: CData, /) -> int: ...
    def bpf_link_get_info_by_fd(self, link_fd: int, info: CData, info_len: CData, /) -> int: ...
    def bpf_task_fd_query(
        self,
        pid: int,
        fd: int,
        flags: int,
        buf: CData,
        buf_len: CData,
        prog_id: CData,
        fd_type: CData,
        probe_offset: CData,
        probe_addr: CData,
        /,
    ) -> int: ...
    def bpf_enable_stats(self, type: int, /) -> int: ...
    def bpf_token_create(self, bpffs_fd: int, opts: CData, /) -> int: ...

    # btf.h
    BTF_LITTLE_ENDIAN: Final[int]
    BTF_BIG_ENDIAN: Final[int]
    BTF_ELF_SEC: Final[CData]
    BTF_EXT_ELF_SEC: Final[CData]
    BTF_BASE_ELF_SEC: Final[CData]
    MAPS_ELF_SEC: Final[CData]
    def btf__free(self, btf: btf, /) -> None: ...
    def btf__new(self, data: Bytes, size: int, /) -> btf: ...
    def btf__new_split(self, data: Bytes, size: int, base_btf: btf, /) -> btf: ...
    def btf__parse(self, path: Bytes, btf_ext: CData, /) -> btf: ...
    def btf__parse_split(self, path: Bytes, base_btf: btf, /) -> btf: ...
    def btf__parse_elf(self, path: Bytes, btf_ext: CData, /) -> btf: ...
    def btf__parse_elf_split(self, path: Bytes, base_btf: btf, /) -> btf: ...
    def btf__parse_raw(self, path: Bytes, /) -> btf: ...
    def btf__parse_raw_split(self, path: Bytes, base_btf: btf, /) -> btf: ...
    def btf__load_vmlinux_btf(self, /) -> btf: ...
    def btf__load_module_btf(self, module_name: Bytes, vmlinux_btf: btf, /) -> btf: ...
    def btf__load_from_kernel_by_id(self, id: int, /) -> btf: ...
    def btf__load_from_kernel_by_id_split(self, id: int, base_btf: btf, /) -> btf: ...
    def btf__load_into_kernel(self, btf: btf, /) -> int: ...
    def btf__find_by_name(self, btf: btf, type_name: Bytes, /) -> int: ...
    def btf__find_by_name_kind(self, btf: btf, type_name: Bytes, kind: int, /) -> int: ...
    def btf__type_cnt(self, btf: btf, /) -> int: ...
    def btf__base_btf(self, btf: btf, /) -> btf: ...
    def btf__type_by_id(self, btf: btf, id: int, /) -> CData: ...
    def btf__pointer_size(self, btf: btf, /) -> int: ...
    def btf__endianness(self, btf: btf, /) -> int: ...
    def btf__resolve_size(self, btf: btf, type_id: int, /) -> int: ...
    def btf__resolve_type(self, btf: btf, type_id: int, /) -> int: ...
    def btf__align_of(self, btf: btf, id: int, /) -> int: ...
    def btf__fd(self, btf: btf, /) -> int: ...
    def btf__raw_data(self, btf: btf, size: CData, /) -> CData: ...
    def btf__name_by_offset(self, btf: btf, offset: int, /) -> CData: ...
    def btf__str_by_offset(self, btf: btf, offset: int, /) -> CData: ...
    def libbpf_find_kernel_btf(self, /) -> btf: ...
    def btf__get_raw_data(self, btf: btf, size: CData, /) -> CData: ...

    # btf_write.h
    BTF_FWD_STRUCT: Final[int]
    BTF_FWD_UNION: Final[int]
    BTF_FWD_ENUM: Final[int]
    def btf__new_empty(self, /) -> btf: ...
    def btf__new_empty_split(self, base_btf: btf, /) -> btf: ...
    def btf__distill_base(self, src_btf: btf, new_base_btf: CData, new_split_btf: CData, /) -> int: ...
    def btf__set_pointer_size(self, btf: btf, ptr_sz: int, /) -> int: ...
    def btf__set_endianness(self, btf: btf, endian: int, /) -> int: ...
    def btf__set_fd(self, btf: btf, fd: int, /) -> None: ...
    def btf__find_str(self, btf: btf, s: Bytes, /) -> int: ...
    def btf__add_str(self, btf: btf, s: Bytes, /) -> int: ...
    def btf__add_type(self, btf: btf, src_btf: btf, src_type: CData, /) -> int: ...
    def btf__add_btf(self, btf: btf, src_btf: btf, /) -> int: ...
    def btf__add_int(self, btf: btf, name: Bytes, byte_sz: int, encoding: int, /) -> int: ...
    def btf__add_float(self, btf: btf, name: Bytes, byte_sz: int, /) -> int: ...
    def btf__add_ptr(self, btf: btf, ref_type_id: int, /) -> int: ...
    def btf__add_array(self, btf: btf, index_type_id: int, elem_type_id: int, nr_elems: int, /) -> int: ...
    def btf__add_struct(self, btf: btf, name: Bytes, sz: int, /) -> int: ...
    def btf__add_union(self, btf: btf, name: Bytes, sz: int, /) -> int: ...
    def btf__add_field(
        self,
        btf: btf,
        name: Bytes,
        field_type_id: int,
        bit_offset: int,
        bit_size: int,
        /,
    ) -> int: ...
    def btf__add_enum(self, btf: btf, name: Bytes, bytes_sz: int, /) -> int: ...
    def btf__add_enum_value(self, btf: btf, name: Bytes, value: int, /) -> int: ...
    def btf__add_enum64(self, btf: btf, name: Bytes, bytes_sz: int, is_signed: bool, /) -> int: ...
    def btf__add_enum64_value(self, btf: btf, name: Bytes, value: int, /) -> int: ...
    def btf__add_fwd(self, btf: btf, name: Bytes, fwd_kind: int, /) -> int: ...
    def btf__add_typedef(self, btf: btf, name: Bytes, ref_type_id: int, /) -> int: ...
    def btf__add_volatile(self, btf: btf, ref_type_id: int, /) -> int: ...
    def btf__add_const(self, btf: btf, ref_type_id: int, /) -> int: ...
    def btf__add_restrict(self, btf: btf, ref_type_id: int, /) -> int: ...
    def btf__add_type_tag(self, btf: btf, value: Bytes, ref_type_id: int, /) -> int: ...
    def btf__add_type_attr(self, btf: btf, value: Bytes, ref_type_id: int, /) -> int: ...
    def btf__add_func(self, btf: btf, name: Bytes, linkage: int, proto_type_id: int, /) -> int: ...
    def btf__add_func_proto(self, btf: btf, ret_type_id: int, /) -> int: ...
    def btf__add_func_param(self, btf: btf, name: Bytes, type_id: int, /) -> int: ...
    def btf__add_var(self, btf: btf, name: Bytes, linkage: int, type_id: int, /) -> int: ...
    def btf__add_datasec(self, btf: btf, name: Bytes, byte_sz: int, /) -> int: ...
    def btf__add_datasec_var_info(self, btf: btf, var_type_id: int, offset: int, byte_sz: int, /) -> int: ...
    def btf__add_decl_tag(self, btf: btf, value: Bytes, ref_type_id: int, component_idx: int, /) -> int: ...
    def btf__add_decl_attr(self, btf: btf, value: Bytes, ref_type_id: int, component_idx: int, /) -> int: ...
    def btf__dedup(self, btf: btf, opts: CData, /) -> int: ...
    def btf__relocate(self, btf: btf, base_btf: btf, /) -> int: ...
    def btf__permute(self, btf: btf, id_map: CData, id_map_cnt: int, opts: CData, /) -> int: ...

    # btf_inline.h
    def btf_kind(self, t: CData, /) -> int: ...
    def btf_vlen(self, t: CData, /) -> int: ...
    def btf_kflag(self, t: CData, /) -> bool: ...
    def btf_is_void(self, t: CData, /) -> bool: ...
    def btf_is_int(self, t: CData, /) -> bool: ...
    def btf_is_ptr(self, t: CData, /) -> bool: ...
    def btf_is_array(self, t: CData, /) -> bool: ...
    def btf_is_struct(self, t: CData, /) -> bool: ...
    def btf_is_union(self, t: CData, /) -> bool: ...
    def btf_is_composite(self, t: CData, /) -> bool: ...
    def btf_is_enum(self, t: CData, /) -> bool: ...
    def btf_is_enum64(self, t: CData, /) -> bool: ...
    def btf_is_fwd(self, t: CData, /) -> bool: ...
    def btf_is_typedef(self, t: CData, /) -> bool: ...
    def btf_is_volatile(self, t: CData, /) -> bool: ...
    def btf_is_const(self, t: CData, /) -> bool: ...
    def btf_is_restrict(self, t: CData, /) -> bool: ...
    def btf_is_mod(self, t: CData, /) -> bool: ...
    def btf_is_func(self, t: CData, /) -> bool: ...
    def btf_is_func_proto(self, t: CData, /) -> bool: ...
    def btf_is_var(self, t: CData, /) -> bool: ...
    def btf_is_datasec(self, t: CData, /) -> bool: ...
    def btf_is_float(self, t: CData, /) -> bool: ...
    def btf_is_decl_tag(self, t: CData, /) -> bool: ...
    def btf_is_type_tag(self, t: CData, /) -> bool: ...
    def btf_is_any_enum(self, t: CData, /) -> bool: ...
    def btf_kind_core_compat(self, t1: CData, t2: CData, /) -> bool: ...
    def btf_int_encoding(self, t: CData, /) -> int: ...
    def btf_int_offset(self, t: CData, /) -> int: ...
    def btf_int_bits(self, t: CData, /) -> int: ...
    def btf_array(self, t: CData, /) -> CData: ...
    def btf_enum(self, t: CData, /) -> CData: ...
    def btf_enum64(self, t: CData, /) -> CData: ...
    def btf_enum64_value(self, e: CData, /) -> int: ...
    def btf_members(self, t: CData, /) -> CData: ...
    def btf_member_bit_offset(self, t: CData, member_idx: int, /) -> int: ...
    def btf_member_bitfield_size(self, t: CData, member_idx: int, /) -> int: ...
    def btf_params(self, t: CData, /) -> CData: ...
    def btf_var(self, t: CData, /) -> CData: ...
    def btf_var_secinfos(self, t: CData, /) -> CData: ...
    def btf_decl_tag(self, t: CData, /) -> CData: ...

    # btf_ext.h
    def btf_ext__new(self, data: Bytes, size: int, /) -> btf_ext: ...
    def btf_ext__free(self, btf_ext: btf_ext, /) -> None: ...
    def btf_ext__raw_data(self, btf_ext: btf_ext, size: CData, /) -> CData: ...
    def btf_ext__endianness(self, btf_ext: btf_ext, /) -> int: ...
    def btf_ext__set_endianness(self, btf_ext: btf_ext, endian: int, /) -> int: ...
    def btf_ext__get_raw_data(self, btf_ext: btf_ext, size: CData, /) -> CData: ...

    # btf_dump.h
    def btf_dump__new(
        self,
        btf: btf,
        printf_fn: btf_dump_printf_fn_t,
        ctx: CData,
        opts: CData,
        /,
    ) -> btf_dump: ...
    def btf_dump__free(self, d: btf_dump, /) -> None: ...
    def btf_dump__dump_type(self, d: btf_dump, id: int, /) -> int: ...
    def btf_dump__emit_type_decl(self, d: btf_dump, id: int, opts: CData, /) -> int: ...
    def btf_dump__dump_type_data(
        self,
        d: btf_dump,
        id: int,
        data: Bytes,
        data_sz: int,
        opts: CData,
        /,
    ) -> int: ...

    # lbc.h
    LBC_CLOSED: Final[int]
    LBC_LOOK_AGAIN: Final[int]
    def lbc_text__new(self, /) -> lbc_text: ...
    def lbc_text__reset(self, text: lbc_text, /) -> None: ...
    def lbc_text__free(self, text: lbc_text, /) -> None: ...
    def lbc_btf_dump__new(self, btf: btf, text: lbc_text, opts: CData, /) -> btf_dump: ...
    def lbc_btf_check_header(self, data: Bytes, size: int, why: CData, why_size: int, /) -> int: ...
    def lbc_btf_check(self, btf: btf, why: CData, why_size: int, /) -> int: ...
    def lbc_btf_ext_check(self, data: Bytes, size: int, why: CData, why_size: int, /) -> int: ...
    def lbc_elf_check(self, data: Bytes, size: int, linking: int, why: CData, why_size: int, /) -> int: ...
    def lbc_btf_dump__dump_types(self, dump: btf_dump, btf: btf, first: int, last: int, /) -> int: ...
    def lbc_btf__dedup(self, btf: btf, opts: CData, /) -> int: ...
    def lbc_log_install(self, /) -> None: ...
    def lbc_log_set_level(self, level: int, /) -> int: ...
    def lbc_log_pending(self, /) -> int: ...
    def lbc_log_take(self, dropped: CData, /) -> lbc_message: ...
    def lbc_log_free(self, message: lbc_message, /) -> None: ...
    def lbc_object__open_mem(self, data: Bytes, size: int, opts: CData, /) -> bpf_object: ...
    def lbc_object_prepare(self, obj: bpf_object, result: CData, /) -> None: ...
    def lbc_object_load(self, obj: bpf_object, result: CData, /) -> None: ...
    def lbc_object_generate(self, obj: bpf_object, opts: CData, result: CData, /) -> None: ...
    def lbc_features_forget_missing(self, /) -> None: ...
    def lbc_syscalls_record(self, on: int, limit: int, /) -> int: ...
    def lbc_syscalls_take(self, dropped: CData, /) -> lbc_syscall: ...
    def lbc_syscalls_free(self, call: lbc_syscall, /) -> None: ...
    def lbc_syscalls_fail(self, command: int, count: int, error: int, /) -> int: ...
    def lbc_syscalls_failed(self, /) -> int: ...
    def lbc_features_arena_data_at_end(self, /) -> int: ...
    def lbc_memory_copy(self, buffer: CData, memory: Bytes, size: int, write: int, /) -> int: ...
    def lbc_link_perf_event_fd(self, link: bpf_link, /) -> int: ...
    def lbc_link_legacy_event(self, link: bpf_link, /) -> CData: ...
    def lbc_link_usdt_parts(self, link: bpf_link, parts: CData, capacity: int, /) -> int: ...
    def lbc_link__from_fd(self, fd: int, /) -> bpf_link: ...
    def lbc_link__from_id(self, id: int, /) -> bpf_link: ...
    def lbc_link__create(self, prog_fd: int, target_fd: int, type: int, opts: CData, /) -> bpf_link: ...
    def lbc_link__raw_tracepoint(self, prog_fd: int, opts: CData, /) -> bpf_link: ...
    def lbc_prog__load(
        self,
        type: int,
        name: Bytes,
        license: Bytes,
        insns: CData,
        insn_cnt: int,
        opts: CData,
        /,
    ) -> lbc_prog: ...
    def lbc_prog__from_id(self, id: int, /) -> lbc_prog: ...
    def lbc_prog__from_pin(self, path: Bytes, /) -> lbc_prog: ...
    def lbc_prog__from_fd(self, fd: int, /) -> lbc_prog: ...
    def lbc_prog__close(self, prog: lbc_prog, /) -> None: ...
    def lbc_descriptor__close(self, fd: int, /) -> None: ...
    def lbc_descriptor_tables(self, pid: int, other: int, /) -> int: ...
    def lbc_map__create(
        self,
        type: int,
        name: Bytes,
        key_size: int,
        value_size: int,
        max_entries: int,
        opts: CData,
        /,
    ) -> lbc_map: ...
    def lbc_map__from_id(self, id: int, open_flags: int, /) -> lbc_map: ...
    def lbc_map__from_pin(self, path: Bytes, file_flags: int, /) -> lbc_map: ...
    def lbc_map__from_fd(self, fd: int, /) -> lbc_map: ...
    def lbc_map__close(self, map: lbc_map, /) -> None: ...
    def lbc_elements_open(self, elements: lbc_elements, /) -> None: ...
    def lbc_elements_map_memory(self, elements: lbc_elements, size: int, writable: int, /) -> int: ...
    def lbc_elements_close(self, elements: lbc_elements, /) -> None: ...
    def lbc_lookup(self, elements: lbc_elements, key: Bytes, value: CData, flags: int, /) -> int: ...
    def lbc_update(self, elements: lbc_elements, key: Bytes, value: Bytes, flags: int, /) -> int: ...
    def lbc_delete(self, elements: lbc_elements, key: Bytes, flags: int, /) -> int: ...
    def lbc_lookup_and_delete(
        self,
        elements: lbc_elements,
        key: Bytes,
        value: CData,
        flags: int,
        /,
    ) -> int: ...
    def lbc_next_key(self, elements: lbc_elements, key: Bytes, next: CData, /) -> int: ...
    def lbc_quick_lookup_uu(self, elements: lbc_elements, key: int, /) -> int: ...
    def lbc_quick_lookup_us(self, elements: lbc_elements, key: int, /) -> int: ...
    def lbc_quick_lookup_su(self, elements: lbc_elements, key: int, /) -> int: ...
    def lbc_quick_lookup_ss(self, elements: lbc_elements, key: int, /) -> int: ...
    def lbc_quick_update_uu(self, elements: lbc_elements, key: int, value: int, /) -> int: ...
    def lbc_quick_update_us(self, elements: lbc_elements, key: int, value: int, /) -> int: ...
    def lbc_quick_update_su(self, elements: lbc_elements, key: int, value: int, /) -> int: ...
    def lbc_quick_update_ss(self, elements: lbc_elements, key: int, value: int, /) -> int: ...
    def lbc_quick_peek_u(self, elements: lbc_elements, index: int, /) -> int: ...
    def lbc_quick_peek_s(self, elements: lbc_elements, index: int, /) -> int: ...
    def lbc_quick_poke_u(self, elements: lbc_elements, index: int, value: int, /) -> int: ...
    def lbc_quick_poke_s(self, elements: lbc_elements, index: int, value: int, /) -> int: ...
    def lbc_peek(self, elements: lbc_elements, index: int, value: CData, /) -> int: ...
    def lbc_poke(self, elements: lbc_elements, index: int, value: Bytes, /) -> int: ...
    def lbc_read(
        self,
        elements: lbc_elements,
        cursor: lbc_cursor,
        keys: CData,
        values: CData,
        capacity: int,
        /,
    ) -> int: ...
    def lbc_update_many(
        self,
        elements: lbc_elements,
        keys: Bytes,
        values: Bytes,
        count: int,
        flags: int,
        progress: lbc_progress,
        /,
    ) -> int: ...
    def lbc_delete_many(
        self,
        elements: lbc_elements,
        keys: Bytes,
        count: int,
        flags: int,
        progress: lbc_progress,
        /,
    ) -> int: ...
    def lbc_arena__map(self, fd: int, address: int, size: int, /) -> lbc_arena: ...
    def lbc_arena__unmap(self, arena: lbc_arena, /) -> None: ...
    def lbc_ring_reader__open(
        self,
        reader: lbc_ring_reader,
        fds: CData,
        count: int,
        /,
    ) -> lbc_ring_reader: ...
    def lbc_ring_reader__close(self, reader: lbc_ring_reader, /) -> None: ...
    def lbc_ring_reader__dup(self, reader: lbc_ring_reader, fds: CData, /) -> int: ...
    def lbc_ring_reader__signal(self, reader: lbc_ring_reader, on: int, /) -> int: ...
    def lbc_ring_reader__rearm(self, reader: lbc_ring_reader, /) -> int: ...
    def lbc_ring_reader__state(
        self,
        reader: lbc_ring_reader,
        index: int,
        state: lbc_ring_state,
        /,
    ) -> int: ...
    def lbc_ring_read(self, reader: lbc_ring_reader, batch: lbc_ring_batch, timeout_ms: int, /) -> int: ...
    def lbc_perf_reader__open(
        self,
        reader: lbc_perf_reader,
        map_fd: int,
        attr: CData,
        page_cnt: int,
        /,
    ) -> lbc_perf_reader: ...
    def lbc_perf_reader__close(self, reader: lbc_perf_reader, /) -> None: ...
    def lbc_perf_reader__look(self, reader: lbc_perf_reader, swallow: int, /) -> int: ...
    def lbc_perf_reader__state(
        self,
        reader: lbc_perf_reader,
        index: int,
        state: lbc_perf_state,
        /,
    ) -> int: ...
    def lbc_perf_reader__copy(
        self,
        reader: lbc_perf_reader,
        index: int,
        buffer: CData,
        size: int,
        /,
    ) -> int: ...
    def lbc_perf_read(
        self,
        reader: lbc_perf_reader,
        batch: lbc_ring_batch,
        timeout_ms: int,
        only: int,
        /,
    ) -> int: ...
    def lbc_user_ring__open(self, ring: lbc_user_ring, fd: int, /) -> lbc_user_ring: ...
    def lbc_user_ring__close(self, ring: lbc_user_ring, /) -> None: ...
    def lbc_user_ring__send(self, ring: lbc_user_ring, data: Bytes, size: int, /) -> int: ...
    def lbc_user_ring__wait(self, ring: lbc_user_ring, timeout_ms: int, /) -> int: ...
    def lbc_user_sample__reserve(self, ring: lbc_user_ring, size: int, /) -> lbc_user_sample: ...
    def lbc_user_sample__submit(self, sample: lbc_user_sample, data: Bytes, /) -> int: ...
    def lbc_user_sample__free(self, sample: lbc_user_sample, /) -> None: ...
    def lbc_program_forget_infos(self, prog: bpf_program, /) -> None: ...
    def lbc_map_fill_struct_ops(self, map: bpf_map, /) -> int: ...
    def lbc_trace_reader__new(
        self,
        format: lbc_trace_format,
        fds: CData,
        cpus: CData,
        count: int,
        /,
    ) -> lbc_trace_reader: ...
    def lbc_trace_reader__free(self, reader: lbc_trace_reader, /) -> None: ...
    def lbc_trace_read(self, reader: lbc_trace_reader, /) -> int: ...
    def lbc_trace_symbol(self, address: int, name: CData, size: int, /) -> None: ...
    def lbc_trace_feed(self, reader: lbc_trace_reader, index: int, data: Bytes, size: int, /) -> int: ...
    def lbc_map_forget_btf(self, map: bpf_map, /) -> None: ...
    def lbc_map_adopt_inner(self, map: bpf_map, /) -> int: ...
    def lbc_target_open(self, root_fd: int, path: Bytes, /) -> int: ...
    def lbc_target_copy(self, fd: int, why: CData, why_size: int, /) -> int: ...
    def lbc_target_symbol(self, copy: int, path: Bytes, name: Bytes, /) -> int: ...
    def lbc_attach_uprobe_multi(
        self,
        prog: bpf_program,
        copy: int,
        pid: int,
        path: Bytes,
        pattern: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def lbc_attach_usdt(
        self,
        prog: bpf_program,
        copy: int,
        pid: int,
        path: Bytes,
        provider: Bytes,
        name: Bytes,
        opts: CData,
        /,
    ) -> bpf_link: ...
    def lbc_perf_event__open(
        self,
        attr: Bytes,
        pid: int,
        cpu: int,
        group_fd: int,
        flags: int,
        /,
    ) -> lbc_perf_event: ...
    def lbc_perf_event__close(self, event: lbc_perf_event, /) -> None: ...
    def lbc_program__attach_perf_event(self, prog: bpf_program, pfd: int, opts: CData, /) -> bpf_link: ...
    def lbc_attach_xdp(self, prog: bpf_program, ifindex: int, flags: int, /) -> bpf_link: ...
    def lbc_enter_netns(self, fd: int, /) -> int: ...
    def lbc_socket_program__attach(
        self,
        made: lbc_socket_program,
        fd: int,
        prog_fd: int,
        reuseport: bool,
        /,
    ) -> lbc_socket_program: ...
    def lbc_socket_program__detach(self, made: lbc_socket_program, /) -> int: ...
    def lbc_link__start(self, inputs: lbc_link_input, count: int, output: int, report: int, /) -> int: ...
    def lbc_open__start(
        self,
        data: Bytes,
        size: int,
        opts: CData,
        report: int,
        seconds: int,
        memory: int,
        /,
    ) -> int: ...
    def lbc_token__create(self, bpffs_fd: int, opts: CData, /) -> lbc_token: ...
    def lbc_token__close(self, token: lbc_token, /) -> None: ...

ffi: Final[FFI]
lib: Final[Lib]
