"""The enumerations against the constants that the compiler saw, both ways."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from libbpf_cffi import enums, lib
from libbpf_cffi.enums import AttachType, BtfKind, LinkType, MapFlags, MapType, ProgFlags, ProgType


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [(MapType, "BPF_MAP_TYPE_"), (ProgType, "BPF_PROG_TYPE_"), (LinkType, "BPF_LINK_TYPE_")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_members_are_those_of_c(kind: type[MapType | ProgType | LinkType], prefix: str) -> None:
    """Each constant has a member of the same value, and no member is invented."""
    constants = {name.removeprefix(prefix): getattr(lib, name) for name in dir(lib) if name.startswith(prefix)}
    assert {name: member.value for name, member in kind.__members__.items()} == constants


def test_kinds_of_btf_are_those_of_c() -> None:
    """Each constant has a member, of which the first has a better name."""
    names = {name for name in dir(lib) if name.startswith("BTF_KIND_")} - {"BTF_KIND_MAX"}
    assert {f"BTF_KIND_{name}" for name in BtfKind.__members__} ^ names == {"BTF_KIND_VOID", "BTF_KIND_UNKN"}
    assert [member.value for member in BtfKind] == list(range(lib.NR_BTF_KINDS))


def test_attach_types_are_complete() -> None:
    """Every number below the kernel's count has a member, whose name is C's without the prefix."""
    assert {member.value for member in AttachType} == set(range(lib.__MAX_BPF_ATTACH_TYPE))
    for name, member in AttachType.__members__.items():
        assert getattr(lib, f"BPF_{name}") == member.value


HEADER = Path(__file__).resolve().parents[2] / "vendor" / "libbpf" / "source" / "include" / "uapi" / "linux" / "bpf.h"


@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [
        (MapFlags, "/* flags for BPF_MAP_CREATE command */", "};"),
        (ProgFlags, "/* If BPF_F_STRICT_ALIGNMENT is used", "/* link_create.kprobe_multi"),
    ],
)
def test_flags_are_those_of_the_kernels_header(kind: type[MapFlags | ProgFlags], first: str, last: str) -> None:
    """Each flag that the header defines for the command has a member, and no member is invented."""
    assert HEADER.exists(), "vendor/libbpf/source is not there: run vendor/libbpf/unpack.py, or build the package"
    part = HEADER.read_text(encoding="utf-8").partition(first)[2].partition(last)[0]
    flags = set(re.findall(r"BPF_F_(\w+)\s*=|#define BPF_F_(\w+)", part))
    names = {either or other for either, other in flags}
    if kind is ProgFlags:
        # The one flag that both commands have is defined with the other's.
        names.add("TOKEN_FD")
    assert set(kind.__members__) == names


@pytest.mark.parametrize("kind", [MapFlags, ProgFlags])
def test_flags_have_the_values_of_c(kind: type[MapFlags | ProgFlags]) -> None:
    """A flag is the constant of its name."""
    for name, member in kind.__members__.items():
        assert getattr(lib, f"BPF_F_{name}") == member.value


@pytest.mark.parametrize("kind", [MapType, ProgType, AttachType, LinkType, BtfKind])
def test_an_unknown_value_is_kept(kind: type[MapType]) -> None:
    """A newer kernel's value is a member called UNKNOWN_n, equal to its number."""
    member = kind(4711)
    assert member == 4711
    assert member.name == "UNKNOWN_4711"
    assert isinstance(member, kind)
    assert pickle.loads(pickle.dumps(member)) == member


def test_what_is_no_number_is_refused() -> None:
    """A string is no value of an enumeration."""
    with pytest.raises(ValueError, match="is not a valid MapType"):
        MapType("hash")


def test_the_module_exports_its_enumerations() -> None:
    """``__all__`` is what is defined."""
    defined = {name for name, value in vars(enums).items() if getattr(value, "__module__", "") == enums.__name__}
    assert defined - {"OpenEnum"} == set(enums.__all__)


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (MapType.PERCPU_HASH, "percpu_hash"),
        (ProgType.SCHED_CLS, "sched_cls"),
        (AttachType.CGROUP_INET4_BIND, "cgroup_inet4_bind"),
        (LinkType.RAW_TRACEPOINT, "raw_tracepoint"),
        (MapType(4711), ""),
        (ProgType(4711), ""),
        (AttachType(4711), ""),
        (LinkType(4711), ""),
    ],
)
def test_a_member_has_the_name_that_libbpf_has_for_it(member: MapType, name: str) -> None:
    """Of a value of a newer kernel libbpf knows none."""
    assert member.libbpf_name == name


def test_a_section_stands_for_types() -> None:
    """As libbpf reads it when it opens an object."""
    assert ProgType.of_section("tcx/ingress") == (ProgType.SCHED_CLS, AttachType.TCX_INGRESS)
    assert ProgType.of_section("cgroup/bind4") == (ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_BIND)
    assert AttachType.of_section("cgroup/bind4") is AttachType.CGROUP_INET4_BIND


def test_an_unknown_section_is_a_value_error() -> None:
    """So is one that has no attach type of its own."""
    with pytest.raises(ValueError, match="libbpf knows no section 'nosuch/thing'"):
        ProgType.of_section("nosuch/thing")
    with pytest.raises(ValueError, match="libbpf knows no attach type of the section 'nosuch'"):
        AttachType.of_section("nosuch")
