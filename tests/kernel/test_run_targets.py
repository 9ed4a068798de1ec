"""``python -m libbpf_cffi.run`` with programs that need a target: fired, and gone at the end."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import time

import pytest
from run_command import run

import libbpf_cffi as bpf
from libbpf_cffi import net, probe
from libbpf_cffi._elf_target import find_binary


@pytest.fixture
def network(compiled):
    return compiled("attach_net")


def hits(out: str) -> int:
    """Give the value of the variable that --map .bss has shown."""
    return json.loads(out)["value"]["hits"]


PLACED = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("uprobe/libc:0x1000") int placed(void *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
"""

SHOW = ("-N", "--map", ".bss", "--json")


@pytest.mark.parametrize("mode", ["", ":skb", ":drv"])
def test_an_xdp_program_runs_on_an_interface(lab, network, mode):
    status, out, said = run(
        "-P", "xdp_count", "--ifindex", f"eth0{mode}", *SHOW, network, netns=lab.here, meanwhile=lambda: lab.exchange(3)
    )
    assert status == 0, said
    assert hits(out) == 3
    assert net.attached("eth0", netns=lab.here) == []


@pytest.mark.parametrize(
    ("program", "options", "where"),
    [
        ("xdp_count", ("--ifindex", "eth0:skb"), "xdp of eth0"),
        ("xdp_count", ("--ifindex", "000000000001:skb"), "xdp of interface 000000000001"),
        ("socket_none", ("--ifindex", "eth0"), "a packet socket of eth0"),
        ("lookup", ("--netns", "{here}"), "sk_lookup of {here}"),
        pytest.param("tcx_a", ("--ifindex", "eth0"), "tcx ingress of eth0", marks=pytest.mark.needs("tcx")),
        pytest.param("tcx_out", ("--ifindex", "eth0"), "tcx egress of eth0", marks=pytest.mark.needs("tcx")),
        pytest.param("tc_count", ("--ifindex", "eth0"), "tcx ingress of eth0", marks=pytest.mark.needs("tcx")),
    ],
)
def test_where_a_program_is_attached_is_told(lab, network, program, options, where):
    given = [each.format(here=lab.here) for each in options]
    status, _, said = run("-P", program, *given, "-N", network, netns=lab.here)
    assert status == 0, said
    assert re.search(rf"attached program {program}: (link \d+, )?to {where.format(here=lab.here)}$", said, re.MULTILINE)


def test_the_namespace_of_an_interface_is_told_with_it(lab, network):
    status, _, said = run("-P", "xdp_count", "--netns", lab.here, "--ifindex", "eth0:skb", "-N", network)
    assert status == 0, said
    assert f", to xdp of eth0 in {lab.here}\n" in said


@pytest.mark.parametrize("form", ["name", "path", "program"])
def test_an_interface_may_be_in_another_namespace(lab, network, form):
    netns = {"name": lab.here, "path": f"/run/netns/{lab.here}", "program": f"xdp_c*={lab.here}"}[form]
    options = ("-P", "xdp_count", "--netns", netns, "--ifindex", "eth0:skb", *SHOW)
    status, out, said = run(*options, network, meanwhile=lambda: lab.exchange(3))
    assert status == 0, said
    assert hits(out) == 3


def test_a_namespace_may_be_called_like_a_process(lab, network):
    name, found = str(os.getpid()), []
    named = f"/run/netns/{name}"
    os.symlink(f"/run/netns/{lab.here}", named)
    try:
        options = ("-P", "lookup", "--netns", name, "-N")
        status, _, said = run(*options, network, meanwhile=lambda: found.extend(net.attached_netns(lab.here)))
    finally:
        os.unlink(named)
    assert status == 0, said
    assert f", to sk_lookup of {name}\n" in said
    assert [each.prog_name for each in found] == ["lookup"]


def test_digits_that_are_the_number_of_no_process_name_no_namespace(lab, network):
    status, _, said = run("-P", "lookup", "--netns", "9999999999", "-N", network)
    assert status == 1
    assert "cannot open the network namespace of process 9999999999: " in said
    assert "there is no such process" in said


def test_a_namespace_that_no_program_uses_is_a_usage_error(lab, network):
    options = ("-P", "xdp_count", "--netns", f"other={lab.here}", "--ifindex", "lo", "-N")
    status, _, said = run(*options, network)
    assert status == 2
    assert f"--netns other={lab.here}: there is no program 'other'; " in said


@pytest.mark.parametrize(
    ("program", "options", "why"),
    [
        (
            "tc_count", ("--ifindex", "lo:egress", "--ifindex", "eth0"),
            "--ifindex eth0: 'tc_count' is attached to one direction, and another --ifindex has it attached to egress",
        ),
        (
            "xdp_count", ("--ifindex", "lo", "--netns", "{here}", "--netns", "x*={there}"),
            "'xdp_count' is attached in one namespace, not in {here} and {there}",
        ),
        (
            "filter", ("--netfilter", "ipv4:local_in", "--netns", "{here}", "--netns", "{there}"),
            "'filter' is attached in one namespace, not in {here} and {there}",
        ),
    ],
)  # fmt: skip
def test_a_program_has_one_direction_and_one_namespace(lab, network, program, options, why):
    names = {"here": lab.here, "there": lab.there}
    status, _, said = run("-P", program, *(each.format(**names) for each in options), "-N", network, netns=lab.here)
    assert status == 2
    assert why.format(**names) in said
    assert "loaded" not in said


def test_a_socket_filter_is_not_attached_in_another_namespace(lab, network):
    status, _, said = run("-P", "socket_none", "--netns", lab.here, "--ifindex", "eth0", "-N", network)
    assert status == 2
    assert "own network namespace" in said


def test_a_target_is_for_the_program_that_it_names(lab, network):
    options = ("-P", "xdp_other", "-P", "xdp_count", "--ifindex", "xdp_other=eth0", "-N")
    status, _, said = run(*options, network, netns=lab.here)
    assert status == 0, said
    assert "attached program xdp_other: " in said
    assert "program xdp_count is loaded but not attached" in said


def test_what_needs_a_target_is_told_the_option(network):
    status, _, said = run("-P", "xdp_count", "-N", network)
    assert status == 1
    assert "(--ifindex)" in said


def test_no_such_interface_is_a_usage_error(network):
    status, _, said = run("-P", "xdp_count", "--ifindex", "nosuch0", "-N", network)
    assert status == 2
    assert "no interface 'nosuch0'; there are lo" in said


def test_no_such_mode_is_a_usage_error(network):
    status, _, said = run("-P", "xdp_count", "--ifindex", "lo:dvr", "-N", network)
    assert status == 2
    assert "--ifindex lo:dvr: the mode is one of skb, drv, hw, ingress, egress" in said


def test_calls_are_shown_whatever_follows_the_option(network):
    status, _, said = run("-P", "xdp_count", "-L", "--syscalls", network)
    assert status == 0, said
    assert "PROG_LOAD" in said


def test_what_is_no_cgroup_is_a_usage_error(compiled, tmp_path):
    status, _, said = run("--cgroup", tmp_path, "-N", "-P", "*", compiled("attach_cgroup"))
    assert status == 2
    assert "is not the folder of a control group" in said


def test_a_target_that_no_program_uses_is_a_usage_error(network):
    status, _, said = run("-P", "xdp_count", "--cgroup", "/", "-N", network)
    assert status == 2
    assert "--cgroup /: there is no program that it is for: those of control groups, and iterators over them\n" in said


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("xdp_cuont=lo", "there is no program 'xdp_cuont'; close names: xdp_count, "),
        ("xdp_other=lo", "program 'xdp_other' is not loaded\n"),
        ("look*=lo", "it is for XDP, tc and netkit programs, and socket filters, not for 'lookup' of SEC('sk_lookup')"),
        ("lo:ingress", "no program that it is for: 'xdp_count' takes skb, drv, hw; 'socket_none' takes no mode\n"),
    ],
)
def test_a_target_that_is_for_no_program_is_told_why(network, target, why):
    status, _, said = run("-P", "xdp_count", "-P", "lookup", "-P", "socket_none", "--ifindex", target, "-N", network)
    assert status == 2
    assert f"error: --ifindex {target}: " in said
    assert why in said


@pytest.mark.parametrize("event", ["page-faults-min", "faults", "CS"])
def test_a_perf_event_has_every_name_that_it_has_for_perf(compiled, event):
    status, _, said = run("-P", "by_plain_perf_event", "--perf-event", event, "-N", compiled("attach_kernel"))
    assert status == 0, said


def test_a_perf_event_that_there_is_not_comes_with_those_that_there_are(compiled):
    obj = compiled("attach_kernel")
    status, _, said = run("-P", "by_plain_perf_event", "--perf-event", "cpu-clok:9", "-N", obj)
    assert status == 2
    assert "there is no event 'cpu-clok'; close names: cpu-clock" in said
    assert " cpu-clock, " in said
    assert " cycles, " in said


@pytest.mark.needs("attach_cookie")
def test_a_perf_event_is_sampled_on_every_cpu(compiled):
    obj = compiled("attach_kernel")
    with bpf.Object.open(obj) as opened:
        name = next(each.name for each in opened.programs.values() if "perf_event" in each.section_name)
    status, _, said = run("-P", name, "--perf-event", "cpu-clock:99", "-N", obj)
    assert status == 0, said
    assert said.count("attached program") == os.cpu_count()


@pytest.mark.needs("attach_cookie")
def test_a_user_function_is_probed(compiled):
    obj = compiled("attach_user")
    with bpf.Object.open(obj) as opened:
        name = next(each.name for each in opened.programs.values() if each.section_name.lstrip("?") == "uprobe")
    status, _, said = run("-P", name, "--uprobe", f"{name}=libc.so.6:getpid", "-N", obj)
    assert status == 0, said
    assert f"attached program {name}: " in said


@pytest.mark.needs("attach_cookie")
@pytest.mark.parametrize(
    "name", ["by_uprobe", pytest.param("by_uprobe_multi", marks=pytest.mark.needs("uprobe_multi"))]
)
def test_a_place_in_a_file_is_probed(compiled, name):
    libc = find_binary("libc", "find the library")
    place = next(each.offset for each in probe.symbols(libc) if each.name == "getpid")
    status, _, said = run("-P", name, "--uprobe", f"libc:{place:#x}", "-N", compiled("attach_user"))
    assert status == 0, said
    assert f"attached program {name}: " in said


@pytest.mark.needs("attach_cookie")
def test_a_function_of_a_section_is_no_place_whether_a_process_is_given_or_not(tmp_path):
    path = tmp_path / "placed.bpf.o"
    path.write_bytes(bpf.compile_object(PLACED))
    for options in ((), ("--pid", os.getpid())):
        status, _, said = run(*options, path)
        assert status == 1
        assert "'libc' has no function '0x1000'" in said


def test_calls_are_shown_in_short(lab, network):
    _, _, said = run("-P", "xdp_count", "--ifindex", "eth0", "--syscalls=short", "-N", network, netns=lab.here)
    before, _, _ = said.partition(" until Ctrl-C")
    assert "PROG_LOAD" in before
    assert "LINK_CREATE" in before


def test_calls_are_listed_with_every_instruction(network):
    _, _, short = run("-P", "xdp_count", "--syscalls=short", "-L", network)
    _, _, full = run("-P", "xdp_count", "--syscalls", "-L", network)
    assert len(full.splitlines()) > 2 * len(short.splitlines())


TARGETS = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

int egress_seen, uprobe_seen, multi_seen, tc_seen, tick_seen;

SEC("cgroup_skb/egress") int on_egress(struct __sk_buff *skb) { __sync_fetch_and_add(&egress_seen, 1); return 1; }
SEC("uprobe") int on_probe(void *ctx) { __sync_fetch_and_add(&uprobe_seen, 1); return 0; }
SEC("uprobe.multi") int on_multi(void *ctx) { __sync_fetch_and_add(&multi_seen, 1); return 0; }
SEC("tc") int on_tc(struct __sk_buff *skb) { __sync_fetch_and_add(&tc_seen, 1); return -1; }
SEC("perf_event") int on_tick(void *ctx) { __sync_fetch_and_add(&tick_seen, 1); return 0; }
SEC("sk_lookup") int on_lookup(void *ctx) { return 1; }

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.needs("uprobe_multi", "tcx")
def test_each_kind_of_target_fires(cgroup, lab, tmp_path):
    path = tmp_path / "targets.bpf.o"
    path.write_bytes(bpf.compile_object(TARGETS))

    def fire():
        with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        try:
            lab.exchange(3)
            libc = ctypes.CDLL(None)
            for _ in range(5):
                libc.getpgrp()
            end = time.process_time() + 0.2
            while time.process_time() < end:
                pass
        finally:
            with open(os.path.join(os.path.dirname(cgroup), "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    status, out, said = run(
        "--ifindex", "eth0:ingress", "--cgroup", cgroup, "--netns", lab.here, "--uprobe", "libc:getpgrp",
        "--perf-event", "cpu-clock:997", *SHOW, path, netns=lab.here, meanwhile=fire,
    )  # fmt: skip
    assert status == 0, said
    seen = json.loads(out)["value"]
    assert seen["uprobe_seen"] >= 5
    assert seen["multi_seen"] >= 5
    assert seen["tc_seen"] >= 3
    assert seen["tick_seen"] >= 10
    assert seen["egress_seen"] >= 1
    assert "on_lookup: link" in said


def test_a_socket_filter_sees_the_packets_of_an_interface(lab, network):
    status, out, said = run(
        "-P", "socket_none", "--ifindex", "eth0", *SHOW, network, netns=lab.here, meanwhile=lambda: lab.exchange(3)
    )
    assert status == 0, said
    assert "attached program socket_none: to a packet socket" in said
    assert hits(out) >= 3


def test_a_socket_filter_is_not_pinned(network):
    status, _, said = run("-P", "socket_none", "--ifindex", "lo", "--pin", "/sys/fs/bpf/none", "-N", network)
    assert status == 2
    assert "is attached to a socket, which ends with this command" in said


@pytest.mark.needs("netfilter_link")
def test_a_hook_of_netfilter_is_named(lab, network):
    options = ("-P", "filter", "--netfilter", "ipv4:local_in:-5", *SHOW)
    status, out, said = run(*options, network, netns=lab.here, meanwhile=lambda: lab.exchange(3))
    assert status == 0, said
    assert hits(out) == 3


@pytest.mark.parametrize("hook", ["ipv4", "ipv4:", "ipv4:local_in:", "ipv4:local_in:x"])
def test_what_is_no_hook_of_netfilter_is_a_usage_error(network, hook):
    status, _, said = run("-P", "filter", "--netfilter", hook, "-N", network)
    assert status == 2
    assert "is not [PROGRAM=]PF:HOOK" in said


# Iterators, and programs that are called


@pytest.fixture
def iterators(compiled):
    return compiled("attach_iter")


def test_the_text_of_an_iterator_is_all_that_is_shown(iterators):
    status, out, said = run("-P", "tasks", iterators)
    assert status == 0, said
    assert f"{os.getpid()} {os.getpid()}" in out.splitlines()
    assert all(line.replace(" ", "").isdecimal() for line in out.splitlines())


def test_an_iterator_that_asks_for_the_same_object_for_ever_fails(iterators):
    status, out, said = run("-P", "again", iterators)
    assert (status, out) == (1, "")
    assert "the program returns 1, which asks for the same object again" in said


def test_an_iterator_takes_no_longer_than_it_may(iterators):
    status, _, said = run("-P", "again", "--duration", "0.001", iterators)
    assert status == 0, said
    assert "iterator again was not at its end after --duration" in said


@pytest.mark.needs("task_iter_of_one")
def test_an_iterator_walks_over_the_given_process(iterators):
    status, out, said = run("-P", "tasks", "--pid", os.getpid(), iterators)
    assert status == 0, said
    assert {line.partition(" ")[0] for line in out.splitlines()} == {str(os.getpid())}


def test_an_iterator_over_a_map_is_told_which(iterators):
    status, out, said = run("-P", "elements", "--iter-map", "numbers", "--json", iterators)
    assert status == 0, said
    assert [json.loads(line) for line in out.splitlines()] == [
        {"iterator": "elements", "line": f"{number}=0"} for number in range(3)
    ]


@pytest.mark.needs("cgroup_iter")
def test_an_iterator_over_cgroups_walks_from_the_given_one_down(iterators, cgroup):
    os.mkdir(os.path.join(cgroup, "below"))
    try:
        status, out, said = run("-P", "cgroups", "--cgroup", cgroup, iterators)
    finally:
        os.rmdir(os.path.join(cgroup, "below"))
    assert status == 0, said
    assert len(out.split()) == 2
    assert int(out.split()[0]) == os.stat(cgroup).st_ino


@pytest.mark.needs("cgroup_iter")
def test_a_control_group_is_that_of_a_process_by_its_number(iterators, cgroup):
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        status, out, said = run("-P", "cgroups", "--cgroup", process.pid, iterators)
    assert status == 0, said
    assert int(out.split()[0]) == os.stat(cgroup).st_ino


def test_the_control_group_of_no_process_is_a_usage_error(iterators):
    status, _, said = run("-P", "cgroups", "--cgroup", 4194303, iterators)
    assert status == 2
    assert "--cgroup 4194303: there is no such process" in said


@pytest.mark.needs("cgroup_iter")
def test_an_iterator_that_must_be_told_its_target_does_not_fail_the_rest(iterators):
    status, _, said = run("-P", "tasks", "-P", "elements", "-P", "cgroups", iterators)
    assert status == 0, said
    assert "program elements is loaded but not attached" in said
    assert "it needs a map (--iter-map)" in said
    assert "it needs a control group (--cgroup)" in said


CALLED = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("syscall") int answer(void *ctx) { return 42; }
SEC("syscall") int other(void *ctx) { return 7; }
SEC("?raw_tp/sys_enter") int entered(void *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.needs("program:SYSCALL")
def test_a_syscall_program_is_called(tmp_path):
    path = tmp_path / "called.bpf.o"
    path.write_bytes(bpf.compile_object(CALLED))
    status, _, said = run("--call", "answer", "--call", "oth*", path)
    assert status == 0, said
    assert "program answer returned 42" in said
    assert "program other returned 7" in said
    status, _, said = run("--call", "none", path)
    assert status == 2
    assert "--call none: there is no program 'none'; of its kind there are: answer, other\n" in said
    status, _, said = run("--call", "anwser", path)
    assert status == 2
    assert "--call anwser: there is no program 'anwser'; close names: answer\n" in said
    status, _, said = run("--call", "entered", path)
    assert status == 2
    assert """--call entered: it is for those of SEC("syscall"), not for 'entered' of SEC(""" in said
    status, _, said = run(path)
    assert status == 1
    assert "it needs to be run, not attached (--call)" in said


ARGUED = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct args { u32 a, b; u64 out; };

SEC("syscall") int mul(struct args *args) { args->out = (u64)args->a * args->b; return args->out + 3; }
SEC("syscall") int plain(void *ctx) { return 2; }
SEC("?syscall") int untyped(void *ctx) { return *(u64 *)ctx; }

struct large { char bytes[70000]; };
struct list { u32 count; u32 numbers[]; };

SEC("?syscall") int large(struct large *large) { return large->bytes[3]; }
SEC("?syscall") int list(struct list *list) { return list->numbers[0]; }

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.needs("program:SYSCALL")
@pytest.mark.parametrize("pattern", ["mul", "*"])
def test_a_syscall_program_with_a_typed_argument_is_called_with_zeros(tmp_path, pattern):
    path = tmp_path / "argued.bpf.o"
    path.write_bytes(bpf.compile_object(ARGUED))
    status, _, said = run("-P", "mul", "-P", "plain", "--call", pattern, "--duration", 0, path)
    assert status == 0, said
    assert "program mul returned 3" in said


@pytest.mark.needs("program:SYSCALL")
def test_a_syscall_program_with_an_untyped_argument_is_refused_in_words_for_the_command(tmp_path):
    path = tmp_path / "argued.bpf.o"
    path.write_bytes(bpf.compile_object(ARGUED))
    status, _, said = run("-P", "untyped", "--call", "untyped", path)
    assert status == 1
    assert "cannot run program 'untyped': Invalid argument (errno 22)" in said
    assert "hint: the program reads an argument, of which --call makes zeros only if it knows the type" in said
    assert "ctx_in" not in said


@pytest.mark.needs("program:SYSCALL")
@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("large", "its argument has 70000 bytes: this kernel takes 65535 for programs of this type"),
        ("list", "the program reads more than the 4 bytes of its argument"),
    ],
)
def test_a_syscall_program_whose_argument_of_zeros_does_not_do_is_told_why(tmp_path, program, hint):
    path = tmp_path / "argued.bpf.o"
    path.write_bytes(bpf.compile_object(ARGUED))
    status, _, said = run("-P", program, "--call", program, path)
    assert status == 1
    assert f"cannot run program '{program}': Invalid argument (errno 22)\n  hint: {hint}\n" in said


COUNTED = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

u64 count;

SEC("syscall") int call(void *ctx) { count++; bpf_printk("called"); return 0; }
SEC("syscall") int uncalled(void *ctx) { return 0; }
SEC("?iter/task") int each(struct bpf_iter__task *ctx) { count += !ctx->task; return 0; }

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.needs("program:SYSCALL")
@pytest.mark.parametrize("options", [["-P", "call", "--call", "call"], ["--call", "call"], ["-P", "each"]])
@pytest.mark.parametrize("shown", [[], ["--map", ".bss"]])
def test_maps_are_shown_and_that_is_the_end_where_nothing_stays_attached(tmp_path, options, shown):
    path = tmp_path / "counted.bpf.o"
    path.write_bytes(bpf.compile_object(COUNTED))
    status, out, said = run(*options, *shown, "--json", path)
    assert status == 0, said
    assert " until Ctrl-C" not in said
    found = [json.loads(line) for line in out.splitlines()]
    assert [each["value"] for each in found if "value" in each] == [{"count": 1}] * bool(shown)
    # What the programs have printed comes before the maps.
    assert [each["message"] for each in found[: len(found) - bool(shown)]] == ["called"] * ("call" in options)


NAMESAKE = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter") int each(void *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
"""


def test_a_program_that_is_called_like_an_iterator_of_another_object_is_none(tmp_path):
    iterator, namesake = tmp_path / "counted.bpf.o", tmp_path / "namesake.bpf.o"
    iterator.write_bytes(bpf.compile_object(COUNTED))
    namesake.write_bytes(bpf.compile_object(NAMESAKE))
    status, _, said = run("-P", "each", "-N", iterator, namesake)
    assert status == 0, said
    assert " until Ctrl-C" in said


@pytest.mark.needs("program:SYSCALL")
def test_a_map_that_is_shown_now_and_then_is_so_until_the_command_is_told_to_end(tmp_path):
    path = tmp_path / "counted.bpf.o"
    path.write_bytes(bpf.compile_object(COUNTED))
    status, _, said = run("--call", "call", "--map", ".bss=10", path)
    assert status == 0, said
    assert " until Ctrl-C" in said


KINDS = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
SEC("xdp/devmap") int to_device(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp/cpumap") int to_cpu(struct xdp_md *ctx) { return XDP_PASS; }
SEC("ksyscall") int at_call(void *ctx) { return 0; }
SEC("kprobe.multi") int at_functions(void *ctx) { return 0; }
SEC("kretprobe") int at_return(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


def test_kinds_of_one_type_are_told_apart_in_what_they_need(tmp_path):
    source = tmp_path / "kinds.bpf.c"
    source.write_text(KINDS)
    _, _, said = run("-N", source)
    lines = [line for line in said.splitlines() if "is loaded but not attached" in line]
    found = {line.partition("program ")[2].partition(" ")[0]: line.partition("it needs ")[2] for line in lines}
    assert found == {
        "to_device": "a value of a map of devices (DevMap), into which a program of its own puts it",
        "to_cpu": "a value of a map of CPUs (CpuMap), into which a program of its own puts it",
        "at_call": 'a system call, as in SEC("ksyscall/NAME")',
        "at_functions": 'functions, as in SEC("kprobe.multi/PATTERN")',
        "at_return": 'a function, as in SEC("kretprobe/FUNCTION")',
    }


WITHOUT_TARGET = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
SEC("raw_tp/sys_enter") int at_raw(void *ctx) { return 0; }
SEC("freplace/some_function") int replacement(struct __sk_buff *ctx) { return 0; }
SEC("fentry") int at_entry(void *ctx) { return 0; }
SEC("tp_btf") int at_switch(void *ctx) { return 0; }
SEC("lsm") int at_hook(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture
def without_target(tmp_path):
    source = tmp_path / "without_target.bpf.c"
    source.write_text(WITHOUT_TARGET)
    return source


def test_what_cannot_be_loaded_without_a_target_does_not_fail_the_rest(without_target):
    status, _, said = run("-N", without_target)
    assert status == 0, said
    assert "attached program at_raw: " in said
    for name in ("at_entry", "at_switch", "at_hook"):
        [line] = [line for line in said.splitlines() if f"program {name} is not loaded" in line]
        assert line.endswith("(--function)")
    assert "program replacement is not loaded: " in said
    assert "it needs a program whose function it replaces" in said


@pytest.mark.needs("tp_btf")
def test_a_function_is_told_before_load(without_target):
    status, _, said = run("-N", "-P", "at_switch", "--function", "at_switch=sched_switch", without_target)
    assert status == 0, said
    assert "attached program at_switch: " in said
    assert "is not loaded" not in said


def test_a_function_that_there_is_not_is_an_error(without_target):
    status, _, said = run("-N", "-P", "at_switch", "--function", "no_such_tracepoint", without_target)
    assert status == 1
    assert "set the attach target of program 'at_switch' to function 'no_such_tracepoint'" in said


def test_a_program_has_one_function(without_target):
    options = ("--function", "sched_switch", "--function", "at_*=sched_wakeup")
    status, _, said = run("-N", "-P", "at_switch", *options, without_target)
    assert status == 2
    assert "--function sched_wakeup: another --function has named that of 'at_switch'" in said
