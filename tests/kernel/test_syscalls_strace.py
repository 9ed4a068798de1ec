"""What is recorded of bpf(2) calls against what strace(1) decodes of the same calls."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
import libbpf_cffi as bpf
from libbpf_cffi import kernel

path, folder = sys.argv[1:]
RETURN_2 = bytes.fromhex("b700000002000000 9500000000000000")
with bpf.record_syscalls() as calls:
    with bpf.Map.create("hash", key="u32", value="u64", max_entries=8, name="seen") as made:
        made[1] = 2
        assert made[1] == 2
        made.update_many({1: 2, 3: 4})
        made.to_dict()
        made.delete_many([1, 3])
        made.clear()
        made.pin(f"{folder}/traced")
        bpf.Map.from_pin(f"{folder}/traced").close()
        made.unpin(f"{folder}/traced")
        bpf.Map.from_id(made.id).close()
    with bpf.Object.open(path) as obj:
        obj.load()
        obj.attach()
        kernel.programs()
    with bpf.KernelProgram.load("xdp", RETURN_2, name="traced") as program:
        program.test_run(bytes(64))
print(json.dumps([[call.listing(), call.result if call.result >= 0 else -call.errno] for call in calls]))
"""


MEMBERS = ("batch", "info", "test", "link_create", "raw_tracepoint", "perf_event")


def attributes(text: str) -> dict[str, str]:
    """Names and values of a call as strace writes them, what the kernel wrote and instructions left out."""
    text = re.sub(r"\}, \d+\) = .*", "", text.partition("} => {")[0], flags=re.DOTALL)
    text = re.sub(r"\bbtf=\"(?:[^\"\\]|\\.)*\"(?:\.\.\.)?", "", text)
    text = re.sub(r"\binsns=\[.*?\]", "", text, flags=re.DOTALL)
    text = re.sub(r" info=\{.*", "", text)
    return dict(re.findall(r"(\w+)=(\"(?:[^\"\\]|\\.)*\"|0x[0-9a-f]+|-?\w[\w|]*)", text))


def instructions(text: str) -> list[tuple[str, ...]]:
    """The fields of each instruction."""
    found = re.findall(r"code=([\w|]+),\s*dst_reg=(\w+),\s*src_reg=(\w+),\s*off=(-?\d+),\s*imm=(\w+)", text)
    # The one of XADD is older than the ones of all atomics.
    return [(code.replace("BPF_XADD", "BPF_ATOMIC"), *rest) for code, *rest in found]


def same(ours: str, theirs: str) -> bool:
    """Tell whether two values are one, though strace has names for 0 and for NULL, and knows no new ones."""
    if ours == theirs:
        return True
    if ours == "0":
        return theirs in ("NULL", "BPF_ANY", "BPF_CGROUP_INET_INGRESS", "KERNEL_VERSION")
    if theirs == "KERNEL_VERSION":
        return ours.isdigit()
    return ours.isdigit() and theirs.startswith("0x") and int(ours) == int(theirs, 16)


@pytest.mark.unsanitized("strace would look at what the sanitizer starts")
def test_attributes_and_instructions_are_those_that_strace_decodes(root, tracefs, pins, compiled, tmp_path):
    output = tmp_path / "strace"
    command = ["strace", "-f", "-v", "-s", "100", "-o", output, "-e", "trace=bpf", sys.executable, "-c", CODE]
    done = subprocess.run([*command, compiled("basic"), pins], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    recorded = json.loads(done.stdout)
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    traced = [line.partition(" ")[2].lstrip() for line in lines if " bpf(" in line]
    assert len(traced) == len(recorded)
    compared = seen = 0
    commands = set()
    for (ours, result), theirs in zip(recorded, traced, strict=True):
        # Strace may know fewer commands than the kernel's header of the package.
        if "BPF_???" in theirs or "/* BPF_" in theirs.partition("{")[0]:
            continue
        name = re.match(r"bpf\((\w+)", theirs)
        assert name is not None
        assert ours.startswith(f"bpf({name[1]},"), f"{ours}\n{theirs}"
        commands.add(name[1])
        if result >= 0:
            assert int(re.findall(r"\) = (-?\d+)", theirs)[-1]) == result
        else:
            assert f"= -1 {errno_name(-result)} " in theirs
        mine, known = attributes(ours), attributes(theirs)
        for field in mine.keys() & known.keys():
            assert same(mine[field], known[field]), f"{field}: {ours}\n{theirs}"
            compared += 1
        # Members of the union, and a field that the kernel does not read when it is asked for the next number.
        assert known.keys() - mine.keys() <= {*MEMBERS, "open_flags"}
        if "insns=[" in theirs and "..." not in theirs:
            assert instructions(ours) == instructions(theirs)
            seen += len(instructions(ours))
    assert {"BPF_MAP_CREATE", "BPF_PROG_LOAD", "BPF_BTF_LOAD", "BPF_OBJ_PIN", "BPF_LINK_CREATE"} <= commands
    assert len(commands) >= 15
    assert compared > 500
    assert seen > 50


def errno_name(number: int) -> str:
    import errno

    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode[number]
