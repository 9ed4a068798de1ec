"""The command of `kernel`: what the network and control groups have, names in place of numbers, and what is chosen."""

from __future__ import annotations

import json
import os

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import kernel, net


@pytest.fixture
def run(capsys):
    """Run the command; give what it printed."""

    def call(*arguments):
        assert kernel.main(arguments) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def nothing(capsys):
    """Run the command, which is to find nothing; give its status, and what it said of that."""

    def call(*arguments):
        status, out, said = kernel.main([*arguments, "--json"]), *capsys.readouterr()
        assert json.loads(out) == []
        assert (kernel.main(arguments), *capsys.readouterr()) == (status, "", said)
        return status, said.removeprefix("libbpf_cffi.kernel: ").removesuffix("\n")

    return call


@pytest.fixture
def rows(run):
    """Run the command; give its JSON."""
    return lambda *arguments: json.loads(run(*arguments, "--json"))


@pytest.fixture
def xdp(lab, only):
    """Give a link that attaches XDP to "eth0" of the lab."""
    with only("attach_net", "xdp_count").programs["xdp_count"].attach_xdp("eth0", mode="skb", netns=lab.here) as link:
        yield link


@pytest.mark.every_kernel
def test_net_lists_what_every_interface_has(lab, rows, xdp):
    (row,) = [each for each in lab.run(lab.here, lambda: rows("net")) if each["link_id"] == xdp.info.id]
    (found,) = net.attached("eth0", netns=lab.here)
    assert row == {"interface": "eth0", **found._asdict()}


@pytest.mark.every_kernel
def test_net_has_a_line_for_each_program(lab, run, xdp):
    assert lab.run(lab.here, lambda: run("net", "eth0")) == (
        f"eth0: xdp/skb  prog_id {xdp.info.prog_id}  xdp_count  link_id {xdp.info.id}\n"
    )


def test_net_lists_only_the_interfaces_that_are_named(lab, nothing, xdp):
    said = "there is no program attached to lo"
    assert lab.run(lab.here, lambda: nothing("net", "lo")) == (0, said)


@pytest.mark.every_kernel
def test_net_lists_what_the_network_namespace_has(lab, run, only):
    with only("attach_net", "lookup").programs["lookup"].attach_netns(lab.here) as link:
        said = lab.run(lab.here, lambda: run("net"))
        assert f"network namespace: sk_lookup  prog_id {link.info.prog_id}  lookup  link_id {link.info.id}\n" in said


@pytest.mark.needs("netfilter_link")
def test_net_lists_links_to_netfilter_by_the_names_of_their_hooks(lab, run, only):
    program = only("attach_net", "filter").programs["filter"]
    with program.attach_netfilter(pf="ipv4", hooknum="pre_routing", priority=7, netns=lab.here) as link:
        number = link.info.id
        said = run("net")
        assert "  ipv4  pre_routing" in run("link", "--id", str(number))
    assert f"netfilter: ipv4/pre_routing  prog_id {program.id}  filter  link_id {number}  priority 7\n" in said


def test_an_interface_that_has_gone_meanwhile_is_left_out_of_all(lab, rows, xdp, monkeypatch):
    monkeypatch.setattr("socket.if_nameindex", lambda: [(0x7FFFFFFF, "gone"), (1, "lo")])
    assert [each for each in lab.run(lab.here, lambda: rows("net")) if each["interface"]] == []


def test_an_interface_that_is_not_there_is_an_error(root, capsys):
    assert kernel.main(["net", "no-such"]) == 1
    assert "cannot find the network device 'no-such'" in capsys.readouterr().err


@pytest.mark.every_kernel
def test_cgroup_lists_the_tree(rows, run, only, cgroup):
    below = os.path.join(cgroup, "below")
    os.mkdir(below)
    try:
        with only("attach_cgroup", "sock_create").programs["sock_create"].attach_cgroup(below) as link:
            (row,) = [each for each in rows("cgroup") if each["link_id"] == link.info.id]
            (found,) = net.attached_cgroup(below)
            assert row == {"cgroup": below, **found._asdict()}
            what = f"prog_id {found.prog_id}  {found.prog_name}  link_id {link.info.id}"
            assert f"{below}: cgroup_inet_sock_create  {what}\n" in run("cgroup")
    finally:
        os.rmdir(below)


def test_cgroup_lists_only_the_groups_that_are_named(rows, nothing, only, cgroup):
    with only("attach_cgroup", "sock_create").programs["sock_create"].attach_cgroup(cgroup):
        assert [each["cgroup"] for each in rows("cgroup", cgroup)] == [cgroup]
        above = os.path.dirname(cgroup)
        assert nothing("cgroup", above) == (0, f"there is no program attached to {above}")


def test_a_group_that_is_not_there_is_an_error(cgroup, capsys):
    assert kernel.main(["cgroup", f"{cgroup}/nothing"]) == 1
    assert "mkdir makes a control group" in capsys.readouterr().err


@pytest.mark.every_kernel
def test_a_link_shows_the_name_of_its_interface(lab, run, rows, xdp):
    number = str(xdp.info.id)
    (row,) = lab.run(lab.here, lambda: rows("link", "--id", number))
    assert row["details"] == {"ifindex": lab.number(lab.here), "interface": "eth0"}
    said = lab.run(lab.here, lambda: run("link", "--id", number))
    assert "  interface eth0" in said
    assert "ifindex" not in said


def test_a_link_to_an_interface_of_another_namespace_shows_the_number(lab, run, only):
    # Every namespace has an interface 1.
    with only("attach_net", "xdp_count").programs["xdp_count"].attach_xdp("lo", mode="skb", netns=lab.here) as link:
        said = lab.run(lab.there, lambda: run("link", "--id", str(link.info.id)))
    assert "  ifindex 1" in said
    assert "interface" not in said


@pytest.mark.every_kernel
def test_a_link_shows_the_path_of_its_control_group(run, rows, only, cgroup):
    with only("attach_cgroup", "sock_create").programs["sock_create"].attach_cgroup(cgroup) as link:
        (row,) = rows("link", "--id", str(link.info.id))
        assert (row["details"]["cgroup_id"], row["details"]["cgroup"]) == (os.stat(cgroup).st_ino, cgroup)
        assert row["details"]["attach_type"] == "cgroup_inet_sock_create"
        said = run("link", "--id", str(link.info.id))
    assert f"  cgroup {cgroup}  " in said
    assert "cgroup_id" not in said


def test_a_control_group_outside_of_the_tree_is_shown_by_its_number(run, only, cgroup, monkeypatch, tmp_path):
    monkeypatch.setattr("libbpf_cffi._kernel_table.find_cgroup2", lambda: str(tmp_path))
    with only("attach_cgroup", "sock_create").programs["sock_create"].attach_cgroup(cgroup) as link:
        assert f"  cgroup_id {os.stat(cgroup).st_ino}  " in run("link", "--id", str(link.info.id))


@pytest.fixture
def sampling(only):
    """Give a link that attaches a program to a perf event."""
    program = only("attach_kernel", "by_plain_perf_event").programs["by_plain_perf_event"]
    with bpf.PerfEvent.software("page_faults", pid=0) as event, program.attach_perf_event(event) as link:
        yield link


@pytest.mark.needs("perf_link", "perf_link_info")
def test_a_link_to_a_perf_event_has_the_type_of_the_link_first(run, sampling):
    said = run("link", "--id", str(sampling.info.id))
    assert said.startswith(f"{sampling.info.id}: perf_event  prog_id {sampling.info.prog_id}  ")
    assert "  perf_event_type event  config 2  type 1  " in said


@pytest.mark.needs("perf_link", "perf_link_info")
def test_enumerators_are_names_in_json_too(rows, sampling, create, only):
    (row,) = rows("link", "--id", str(sampling.info.id))
    assert (row["type"], row["details"]["perf_event_type"], row["details"]["type"]) == ("perf_event", "event", 1)
    table = create("prog_array", None, None, 1)
    table[0] = only("attach_kernel", "by_plain_perf_event").programs["by_plain_perf_event"]
    (row,) = rows("map", "--id", str(table.id))
    assert (row["type"], row["owner_prog_type"]) == ("prog_array", "perf_event")


@pytest.mark.needs("cgroup_iter")
def test_what_an_iterator_walks_over_is_shown_by_names(run, rows, one_program, cgroup):
    _, program = one_program("attach_iter", "cgroups")
    with program.attach_iter(cgroup=cgroup, order="descendants_pre") as link:
        number = str(link.info.id)
        (row,) = rows("link", "--id", number)
        assert row["details"]["cgroup"] == {"cgroup_id": os.stat(cgroup).st_ino, "order": "descendants_pre"}
        assert f"  cgroup_id {os.stat(cgroup).st_ino}  order descendants_pre" in run("link", "--id", number)


@pytest.mark.every_kernel
def test_programs_and_maps_show_where_they_are_pinned(loaded, run, rows, pins):
    obj = loaded("basic")
    for kind, each in (("prog", obj.programs["on_raw"]), ("map", obj.maps["raw_hits"])):
        path = str(pins / kind)
        each.pin(path)
        assert [row["pins"] for row in rows(kind, "--id", str(each.id))] == [[path]]
        assert f"  pinned at {path}" in run(kind, "--id", str(each.id))
        each.unpin(path)
        assert [row["pins"] for row in rows(kind, "--id", str(each.id))] == [[]]


@pytest.mark.every_kernel
def test_what_is_listed_is_chosen_by_name(loaded, rows, nothing):
    obj = loaded("basic")
    found = rows("prog", "--name", "on_r?w")
    assert obj.programs["on_raw"].id in {each["id"] for each in found}
    assert {each["name"] for each in found} == {"on_raw"}
    assert nothing("map", "--name", "on_raw") == (1, "there is no map with a name like 'on_raw'")


def test_links_and_what_is_attached_are_chosen_by_their_program(lab, rows, nothing, xdp):
    assert [each["id"] for each in rows("link", "--name", "xdp_c*") if each["id"] == xdp.info.id] == [xdp.info.id]
    by_id = lab.run(lab.here, lambda: rows("net", "--id", str(xdp.info.prog_id)))
    by_name = lab.run(lab.here, lambda: rows("net", "--name", "xdp_c*", "eth0"))
    assert [each["link_id"] for each in by_id + by_name] == [xdp.info.id] * 2
    said = "there is no program with a name like 'other' attached to eth0"
    assert lab.run(lab.here, lambda: nothing("net", "eth0", "--name", "other")) == (1, said)


def test_pins_are_chosen_by_the_name_of_their_file(loaded, rows, nothing, pins):
    each = loaded("basic").maps["raw_hits"]
    each.pin(pins / "chosen-by-name")
    assert [row["id"] for row in rows("pins", "--name", "chosen-*")] == [each.id]
    assert nothing("pins", "--name", "other-*") == (1, "there is no pin with a name like 'other-*'")
    each.unpin(pins / "chosen-by-name")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("prog", "--id", "2147483647"), "there is no program with the id 2147483647"),
        (("link", "--name", "nosuch"), "there is no link of a program with a name like 'nosuch'"),
        (("btf", "--id", "2147483647", "--name", "x"), "there is no BTF with the id 2147483647 with a name like 'x'"),
        (
            ("perf", "--id", "2147483647"),
            "there is no program with the id 2147483647 attached to a tracepoint, raw tracepoint, kprobe or uprobe",
        ),
    ],
)
def test_what_is_not_there_is_said_and_is_status_1(root, nothing, options, said):
    assert nothing(*options) == (1, said)


def test_that_the_kernel_has_nothing_at_all_is_said_and_no_failure(root, nothing, monkeypatch):
    for each in ("PROGRAMS", "MAPS"):
        monkeypatch.setattr(kernel, each, type("Kind", (), {"ids": staticmethod(list)}))
    assert nothing() == (0, "there is no program")
    assert nothing("map") == (0, "there is no map")


def test_only_net_and_cgroup_take_targets(root, capsys):
    with pytest.raises(SystemExit):
        kernel.main(["prog", "eth0"])
    assert "prog takes no 'eth0'" in capsys.readouterr().err


def test_options_may_stand_between_kind_and_targets(lab, rows, xdp):
    command = ("net", "--name", "xdp_count", "eth0")
    assert [each["link_id"] for each in lab.run(lab.here, lambda: rows(*command))] == [xdp.info.id]


def test_without_privileges_the_command_says_what_is_lacking(root, in_fork):
    import capability_matrix

    def child():
        import contextlib
        import io

        capability_matrix.import_everything()
        capability_matrix.give_up([])
        with contextlib.redirect_stderr(io.StringIO()) as said:
            return kernel.main(["net", "lo"]), said.getvalue()

    said = in_fork(child)
    assert said.startswith("(1, ")
    assert "cannot ask for the programs of 'lo'" in said


# What is in maps


@pytest.fixture
def dump(run):
    """Give the lines that are shown of a map."""
    return lambda each, *options: run("dump", "--id", str(each.id), *options).splitlines()


@pytest.fixture
def flows(loaded):
    """Give a map with an entry whose key and value are structs."""
    each = loaded("typed_maps").maps["flows"]
    each[{"saddr": 1, "port": 80, "comm": "curl"}] = {"packets": 7, "delta": -1}
    return each


@pytest.mark.every_kernel
def test_the_entries_of_a_map_are_shown_by_its_own_types(flows, dump):
    assert dump(flows) == [
        f"flows (id {flows.id}): 1 entry",
        "SADDR  PORT  COMM  PACKETS  DELTA",
        "    1    80  curl        7     -1",
    ]


@pytest.mark.every_kernel
def test_the_entries_of_a_map_are_json_by_its_own_types(flows, rows):
    key, value = {"saddr": 1, "port": 80, "comm": "curl"}, {"packets": 7, "delta": -1}
    (row,) = rows("dump", "--name", "flow?", "--id", str(flows.id))
    assert row == {"map": "flows", "id": flows.id, "key": key, "value": value}


@pytest.mark.every_kernel
def test_the_map_that_is_pinned_somewhere_is_shown(flows, run, pins):
    flows.pin(pins / "flows")
    assert run("dump", "--pin", str(pins / "flows")).startswith(f"flows (id {flows.id}): 1 entry\n")
    flows.unpin(pins / "flows")


def test_what_is_pinned_and_no_map_is_said(loaded, nothing, pins):
    program = loaded("basic").programs["on_raw"]
    program.pin(pins / "program")
    path = str(pins / "program")
    assert nothing("dump", "--pin", path) == (1, f"there is no map pinned at {path!r}")
    program.unpin(pins / "program")


def test_a_map_that_is_not_there_is_said(root, nothing):
    assert nothing("dump", "--id", "2147483647") == (1, "there is no map with the id 2147483647")


@pytest.mark.every_kernel
def test_numbers_of_cpus_are_added_up(loaded, dump, rows):
    each = loaded("typed_maps").maps["percpu"]
    values = list(range(bpf.num_possible_cpus()))
    each[4] = values
    assert dump(each)[0] == f"percpu (id {each.id}): 1 entry; sums of {len(values)} CPUs"
    assert dump(each)[2].split()[:2] == ["4", str(sum(values))]
    (row,) = rows("dump", "--id", str(each.id))
    assert (row["key"], row["value"], row["sum"]) == (4, values, sum(values))


@pytest.mark.every_kernel
def test_only_the_largest_entries_are_shown(loaded, dump, rows):
    each = loaded("typed_maps").maps["numbers"]
    each.update({1: 5, 2: 9, 3: 7})
    shown = dump(each, "--top", "2")
    assert shown[0] == f"numbers (id {each.id}): 3 entries; the 2 largest"
    assert [line.split() for line in shown[2:]] == [["2", "9"], ["3", "7"]]
    assert [row["key"] for row in rows("dump", "--id", str(each.id), "--top", "2")] == [2, 3]


@pytest.mark.every_kernel
def test_a_map_without_types_is_shown_in_hexadecimal(create, dump, rows):
    each = create("hash", 4, 2, 4, name="untyped")
    each[bytes(3) + b"\x01"] = b"\xff\x02"
    assert dump(each)[1:] == ["KEY          VALUE", "00 00 00 01  ff 02"]
    assert [(row["key"], row["value"]) for row in rows("dump", "--id", str(each.id))] == [("00000001", "ff02")]


@pytest.mark.every_kernel
def test_a_data_section_is_shown_as_its_variables(only, dump, rows):
    each = only("attach_kernel", "by_plain_perf_event").maps[".bss"]
    assert ["hits", "0"] in [line.split() for line in dump(each)]
    (row,) = rows("dump", "--id", str(each.id))
    assert row["value"]["hits"] == 0


def test_a_map_that_cannot_be_read_is_said_and_others_are_shown(create, capsys):
    ring = create("ringbuf", None, None, 4096, name="lbc_ring")
    first, second = (create("hash", 4, 4, 4, name=f"lbc_{name}") for name in ("one", "two"))
    assert kernel.main(["dump", "--name", "lbc_*"]) == 1
    out, said = capsys.readouterr()
    assert out == f"lbc_one (id {first.id}): empty\n\nlbc_two (id {second.id}): empty\n"
    why = "a map of type ringbuf has no entries that could be shown"
    assert said == f"libbpf_cffi.kernel: lbc_ring (id {ring.id}): {why}\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("dump",), "dump takes the map's --id, --name or --pin"),
        (("dump", "--id", "1", "--top", "0"), "--top is at least 1"),
        (("dump", "counts"), "dump takes no 'counts'"),
        (("map", "--pin", "/sys/fs/bpf/x"), "map takes no --pin"),
        (("prog", "--top", "3"), "prog takes no --top"),
        (("cgroup", ""), "an interface or path is not empty"),
        (("dump", "--pin", ""), "an interface or path is not empty"),
    ],
)
def test_what_is_no_use_is_refused(root, capsys, options, said):
    with pytest.raises(SystemExit, match="2"):
        kernel.main(options)
    assert said in capsys.readouterr().err
