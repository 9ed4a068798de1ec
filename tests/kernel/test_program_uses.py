"""What else programs have: statistics, streams, maps that are bound to them, sections of one's own, an early end."""

from __future__ import annotations

import errno
import gc
import os

import pytest

import libbpf_cffi as bpf

RETURN_1 = bytes.fromhex("b700000001000000 9500000000000000")  # r0 = 1; exit


@pytest.fixture
def one(root):
    with bpf.KernelProgram.load("xdp", RETURN_1, name="one") as program:
        yield program


# Statistics


def test_runs_are_counted_while_statistics_are_enabled(one):
    with bpf.enable_stats():
        one.test_run(bytes(64), repeat=10)
    # The kernel counts runs of a test once for each, or all of them.
    counted = one.info
    assert counted.run_cnt >= 1
    assert counted.run_time_ns > 0
    one.test_run(bytes(64), repeat=10)
    assert one.info.run_cnt == counted.run_cnt


def test_statistics_that_two_want_last_until_both_are_closed(loaded, counted, tracefs):
    obj = loaded("basic")
    program = obj.programs["on_raw"]
    first, second = bpf.enable_stats(), bpf.enable_stats()
    with program.attach():
        first.close()
        first.close()
        before = program.info.run_cnt
        os.getppid()
        assert program.info.run_cnt > before
        second.close()
        before = program.info.run_cnt
        os.getppid()
        assert program.info.run_cnt == before


def test_closed_statistics_are_not_entered(root):
    stats = bpf.enable_stats()
    stats.close()
    assert stats.closed
    assert "closed" in repr(stats)
    with pytest.raises(bpf.ClosedError), stats:
        pass


def test_forgotten_statistics_are_closed_with_a_warning(root):
    stats = bpf.enable_stats()
    with pytest.warns(ResourceWarning, match="statistics"):
        del stats
        gc.collect()


def test_unknown_statistics_are_an_error_in_words(root):
    with pytest.raises(bpf.LibbpfError, match="no statistics 7") as caught:
        bpf.enable_stats(7)
    assert caught.value.errno == errno.EINVAL


# Streams


@pytest.mark.needs("prog_streams")
def test_a_stream_that_is_not_there_is_an_error_in_words(one):
    with pytest.raises(bpf.LibbpfError, match="no stream 3: 1 is stdout, 2 is stderr") as caught:
        one.stream_read(3)
    assert caught.value.errno == errno.ENOENT


def test_streams_of_what_is_not_loaded_are_not_read(opened):
    with pytest.raises(bpf.StateError):
        opened("network").programs["pass"].read_stdout()


# Maps


def test_a_map_is_bound_to_a_program(one):
    with bpf.Map.create("array", "u32", "u64", 1, name="bound") as table:
        one.bind_map(table)
        one.bind_map(table)
        assert one.info.map_ids == (table.id,)
        number = table.id
    with bpf.Map.from_id(number) as table:
        assert table.name == "bound"


def test_a_map_is_bound_to_a_program_of_an_object(loaded):
    obj = loaded("basic")
    before = set(obj.programs["pass"].info.map_ids)
    obj.programs["pass"].bind_map(obj.maps["events"])
    assert set(obj.programs["pass"].info.map_ids) == {*before, obj.maps["events"].id}


@pytest.mark.parametrize("wrong", [None, 5, "x"])
def test_only_a_map_is_bound(one, wrong):
    with pytest.raises(TypeError, match="Map"):
        one.bind_map(wrong)
    with pytest.raises(TypeError, match="struct_ops"):
        one.assoc_struct_ops(wrong)


def test_an_unknown_flag_of_binding_is_the_kernels_error(one):
    with bpf.Map.create("array", "u32", "u64", 1) as table, pytest.raises(bpf.LibbpfError) as caught:
        one.bind_map(table, flags=1)
    assert caught.value.errno == errno.EINVAL


def test_an_association_that_the_kernel_does_not_know_says_so(one, loaded, knows_association):
    if knows_association:
        return
    with pytest.raises(bpf.LibbpfError, match=r"before Linux 7\.0") as caught:
        one.assoc_struct_ops(loaded("struct_ops").maps["with_link"])
    assert caught.value.errno == errno.EINVAL


@pytest.fixture
def knows_association():
    with open("/proc/kallsyms", encoding="utf-8") as file:
        return any(line.split()[2] == "bpf_prog_assoc_struct_ops" for line in file)


# Unloaded


def test_an_unloaded_program_is_gone_and_the_others_stay(loaded, exists, until):
    obj = loaded("basic")
    number = obj.programs["on_raw"].id
    obj.programs["on_raw"].unload()
    until(lambda: not exists(number), "the program to go")
    with pytest.raises(bpf.StateError, match="unloaded"):
        _ = obj.programs["on_raw"].fd
    obj.programs["on_raw"].unload()
    assert obj.programs["on_tracepoint"].id > 0
    assert obj.programs["on_raw"].func_info == ()


def test_object_attach_leaves_an_unloaded_program_out(loaded, tracefs):
    obj = loaded("basic")
    obj.programs["on_raw"].unload()
    assert "on_raw" not in obj.attach()


def test_an_unloaded_program_stays_attached(loaded, attached):
    program = loaded("basic").programs["on_raw"]
    number = program.id
    link = program.attach()
    program.unload()
    assert attached(number) == [link.info.id]


def test_a_program_of_a_table_of_functions_is_not_unloaded(loaded):
    with pytest.raises(bpf.StateError, match="struct_ops map"):
        loaded("struct_ops").programs["cc_init"].unload()


def test_what_is_not_loaded_is_not_unloaded(opened):
    with pytest.raises(bpf.StateError):
        opened("basic").programs["on_raw"].unload()


def test_the_interface_that_is_set_reaches_the_kernel(opened):
    obj = opened("network")
    obj.programs["pass"].set_ifindex(1)
    # The loopback interface runs no BPF of its own.
    with pytest.raises(bpf.LibbpfError, match="pass") as caught:
        obj.load()
    assert caught.value.errno in (errno.EINVAL, errno.EOPNOTSUPP)
    with pytest.raises(bpf.StateError):
        obj.programs["pass"].set_ifindex(0)


# Sections of one's own


@pytest.fixture
def handler():
    made = bpf.register_prog_handler(
        "mine/", "raw_tracepoint",
        attach=lambda program: bpf.Link.raw_tracepoint_open(program, program.section_name.partition("/")[2]),
    )  # fmt: skip
    with made:
        yield made


def test_a_section_of_ones_own_has_a_type_and_is_attached(handler, opened):
    obj = opened("own_sections")
    assert obj.programs["on_mine"].type is bpf.ProgType.RAW_TRACEPOINT
    assert obj.programs["on_yours"].type is bpf.ProgType.UNSPEC
    obj.programs["on_yours"].autoload = False
    obj.load()
    links = obj.attach()
    assert list(links) == ["on_mine"]
    os.getppid()
    assert obj.variables["calls"] > 0
    assert links["on_mine"].info.details["tp_name"] == "sys_enter"


def test_an_expected_attach_type_is_set(opened):
    kind = bpf.AttachType.CGROUP_INET_EGRESS
    with bpf.register_prog_handler("yours", bpf.ProgType.CGROUP_SKB, kind):
        program = opened("own_sections").programs["on_yours"]
        assert (program.type, program.expected_attach_type) == (bpf.ProgType.CGROUP_SKB, kind)


def test_a_handler_that_calls_attach_again_is_told_so(opened):
    with bpf.register_prog_handler("mine+", "raw_tracepoint", attach=lambda program: program.attach()):
        obj = opened("own_sections")
        for program in obj.programs.values():
            program.autoload = program.section_name == "mine/sys_enter"
        obj.load()
        program = next(each for each in obj.programs.values() if each.autoload)
        for _ in range(2):
            with pytest.raises(bpf.StateError, match="which calls the handler"):
                program.attach()


def test_a_handler_that_was_unregistered_is_none(handler, opened):
    handler.unregister()
    handler.unregister()
    assert "unregistered" in repr(handler)
    assert opened("own_sections").programs["on_mine"].type is bpf.ProgType.UNSPEC


def test_a_handler_without_attach_attaches_nothing(opened):
    with bpf.register_prog_handler("mine/", "raw_tracepoint"), bpf.register_prog_handler("yours", "raw_tracepoint"):
        obj = opened("own_sections")
        obj.load()
        assert obj.attach() == {}
        assert set(obj.skipped) == {"on_mine", "on_yours"}


def test_a_newer_handler_goes_first(handler, opened):
    with bpf.register_prog_handler("mine+", "xdp"):
        assert opened("own_sections").programs["on_mine"].type is bpf.ProgType.XDP
    assert opened("own_sections").programs["on_mine"].type is bpf.ProgType.RAW_TRACEPOINT


def test_a_handler_goes_before_libbpfs_own(opened):
    with bpf.register_prog_handler("xdp", "sched_cls"):
        assert opened("network").programs["pass"].type is bpf.ProgType.SCHED_CLS


def test_a_handler_without_a_section_is_for_what_nothing_else_knows(handler, opened):
    attach = lambda program: bpf.Link.raw_tracepoint_open(program, "sys_exit")  # noqa: E731
    with bpf.register_prog_handler(None, "raw_tracepoint", attach=attach) as fallback:
        assert [fallback.matches(each) for each in ("yours", "?yours", "xdp", "tp/a/b")] == [True, True, False, False]
        obj = opened("own_sections")
        obj.load()
        links = obj.attach()
        assert {name: link.info.details["tp_name"] for name, link in links.items()} == {
            "on_mine": "sys_enter", "on_yours": "sys_exit",
        }  # fmt: skip
        assert opened("network").programs["pass"].type is bpf.ProgType.XDP


@pytest.mark.parametrize(
    ("sec", "matching", "others"),
    [
        ("mine", ["mine", "?mine"], ["mine/", "mine/x", "min", "minee"]),
        ("mine/", ["mine/", "mine/x", "?mine/x"], ["mine", "minex"]),
        ("mine+", ["mine", "mine/x", "mine/"], ["minex", "min"]),
    ],
)
def test_which_sections_a_handler_is_for(sec, matching, others):
    with bpf.register_prog_handler(sec, "xdp") as handler:
        assert [each for each in (*matching, *others) if handler.matches(each)] == matching


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("", "xdp"), ValueError), (("/", "xdp"), ValueError), ((5, "xdp"), TypeError), (("a", "nothing"), ValueError),
        (("a", "xdp", -1), ValueError),
    ],
)  # fmt: skip
def test_a_handler_that_cannot_be_is_refused(arguments, error):
    with pytest.raises(error):
        bpf.register_prog_handler(*arguments)


def test_what_attaches_must_be_a_function_that_gives_a_link(opened):
    with pytest.raises(TypeError, match="attach"):
        bpf.register_prog_handler("mine/", "xdp", attach=5)
    with bpf.register_prog_handler("mine/", "raw_tracepoint", attach=lambda _: 5):
        obj = opened("own_sections")
        obj.programs["on_yours"].autoload = False
        obj.load()
        with pytest.raises(TypeError, match="Link"):
            obj.programs["on_mine"].attach()
