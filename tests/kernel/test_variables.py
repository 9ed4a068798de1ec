"""Global variables on the real kernel: by name and typed, before load and after, in every kind of section."""

from __future__ import annotations

import errno
import gc
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCES = os.path.join(os.path.dirname(__file__), "..", "bpf")


def run(obj: bpf.Object, name: str = "work") -> None:
    """Run a program of the object once."""
    options = ffi.new("struct bpf_test_run_opts *", {"sz": ffi.sizeof("struct bpf_test_run_opts")})
    assert lib.bpf_prog_test_run_opts(obj.programs[name].fd, options) == 0
    assert options.retval == 0


def known(obj: bpf.Object) -> dict[str, object]:
    """Every value that can be had before load."""
    return dict(obj.variables)


@pytest.fixture
def before(opened: Callable[..., bpf.Object]) -> bpf.Object:
    """The object with a variable of every kind, open."""
    return opened("variables")


@pytest.fixture
def after(loaded: Callable[..., bpf.Object]) -> bpf.Object:
    """The same, loaded."""
    return loaded("variables")


@pytest.fixture(params=["open", "prepared", "loaded"])
def either(before: bpf.Object, request: pytest.FixtureRequest) -> bpf.Object:
    """The same, open, prepared or loaded: what can be read and set is the same."""
    if request.param == "prepared":
        before.prepare()
    elif request.param == "loaded":
        before.load()
    return before


# What there is


def test_the_variables_of_all_data_sections_are_there(before):
    assert set(before.variables) == {
        "answer", "small", "flag", "mode", "comm", "settings", "grid", "hits", "slots", "target_pid", "bounds",
        "own_constant", "own", "of_file", "work.counter", "work.counter.1", "work_too.counter",
    }  # fmt: skip
    assert len(before.variables) == len(set(before.variables))


def test_the_description_of_a_variable_of_a_closed_object_still_has_a_text(before):
    slots = before.variables.describe("slots")
    before.close()
    assert "'slots'" in repr(slots)


def test_before_load_the_mapping_is_what_has_a_value(before):
    variables = before.variables
    assert dict(variables) == {name: variables[name] for name in variables}
    assert len(dict(variables)) == len(list(variables.values())) == len(variables)


def test_the_kernels_settings_are_in_the_mapping_after_load(before):
    settings = {"LINUX_KERNEL_VERSION", "CONFIG_BPF_SYSCALL", "CONFIG_HZ", "CONFIG_DEFAULT_HOSTNAME"}
    early = set(before.variables)
    before.load()
    assert set(before.variables) - early == settings
    assert dict(before.variables)["CONFIG_BPF_SYSCALL"] is True


def test_a_setting_of_the_kernel_is_known_by_name_before_load(before):
    assert "CONFIG_HZ" in before.variables
    assert before.variables.describe("CONFIG_HZ").section == ".kconfig"
    with pytest.raises(bpf.StateError, match="load looks the kernel's settings up"):
        before.variables["CONFIG_HZ"]


def test_the_formats_of_printk_are_not_listed_but_found(opened):
    variables = opened("printing").variables
    assert not any("____fmt" in name for name in variables)
    assert variables["on_getppid.____fmt"] == "getppid of %u"


def test_a_variable_is_described(before):
    bounds = before.variables.describe("bounds")
    assert (bounds.name, bounds.section, bounds.size, bounds.linkage) == ("bounds", ".rodata", 32, "global")
    assert bounds.type.resolve().name == "limits"
    assert bounds.is_constant
    assert repr(bounds) == f"<Variable 'bounds' (struct limits) in .rodata at {bounds.offset}, 32 bytes>"
    assert "(__u32[4]) in .bss" in repr(before.variables.describe("slots"))
    assert not before.variables.describe("hits").is_constant
    assert before.variables.describe("own_constant").is_constant


@pytest.mark.parametrize("field", ["name", "offset", "size", "section", "type", "new"])
def test_what_describes_a_variable_cannot_be_changed(before, field):
    # By its offset memory is read and written.
    variable = before.variables.describe("hits")
    with pytest.raises(AttributeError, match="cannot be set"):
        setattr(variable, field, 1 << 40)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del variable.offset
    assert before.variables["hits"] == 0
    assert before.variables.describe("CONFIG_HZ").is_constant
    assert before.variables.describe("CONFIG_HZ").linkage == "extern"
    assert before.variables.describe("of_file").linkage == "static"


def test_a_missing_variable_is_a_key_error_that_names_close_ones(either):
    variables = either.variables
    for action in (variables.__getitem__, variables.describe, lambda name: variables.update({name: 1})):
        with pytest.raises(KeyError, match="no variable 'target_pit'; close names: 'target_pid'"):
            action("target_pit")


def test_a_missing_part_is_a_key_error_or_an_index_error(either):
    variables = either.variables
    with pytest.raises(KeyError, match=r"settings\.limits has no member 'lov'; close names: low"):
        variables["settings.limits.lov"]
    with pytest.raises(IndexError, match=r"slots has 4 elements: there is no \[4\]"):
        variables["slots[4]"]
    with pytest.raises(KeyError, match="answer is of type int, which has no member"):
        variables["answer.x"]
    with pytest.raises(KeyError, match="an index is a number in brackets"):
        variables["slots[-1]"]


def test_in_tells_whether_there_is_a_variable_or_a_part(either):
    variables = either.variables
    assert "answer" in variables
    assert "settings.list[1].inner" in variables
    assert "anwser" not in variables
    assert "slots[4]" not in variables
    assert 5 not in variables


def test_a_name_that_is_no_str_is_a_type_error(either):
    with pytest.raises(TypeError, match="must be str, not int"):
        either.variables[5]
    with pytest.raises(TypeError, match="must be str, not list"):
        either.variables[[]]


def test_the_repr_names_the_variables(before):
    assert "target_pid" in repr(before.variables)


def test_an_object_without_btf_has_no_variables(tmp_path, compiled):
    """Nothing says what is in its sections."""
    source = tmp_path / "plain.bpf.c"
    source.write_text('int x = 1;\n__attribute__((section("license"))) char LICENSE[] = "GPL";\n')
    data = bpf.compile_object(source, flags=["-g0"])
    with bpf.Object.open(data) as obj:
        assert list(obj.variables) == []
        with pytest.raises(KeyError, match="it has no variables"):
            obj.variables["x"]


# Values


def test_values_have_the_types_of_their_variables(either):
    variables = either.variables
    assert (variables["answer"], variables["small"], variables["hits"]) == (42, -5, 0)
    assert variables["flag"] is True
    assert variables["mode"].name == "AUTO"
    assert variables["comm"] == "before"
    assert variables["grid"] == ((1, 2, 3), (4, 5, 6))
    assert variables["slots"] == (0, 0, 0, 0)
    assert variables["bounds"] == (10, (20, 30, 40))
    assert variables["own"] == 9
    assert variables["own_constant"] == 8
    settings = variables["settings"]
    assert settings.limits.high == (2, 3, 4)
    assert (settings.first, settings.second, settings.third) == (5, -3, 0)
    assert settings.name == "first"


def test_a_second_reading_gives_the_same(either):
    """The first one prepares the way for the others."""
    assert known(either) == known(either)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("answer", -1),
        ("small", 127),
        ("flag", False),
        ("mode", 1),
        ("comm", "another"),
        ("hits", 2**64 - 1),
        ("slots", (9, 8, 7, 6)),
        ("slots", [9, 8, 7, 6]),
        ("grid", ((6, 5, 4), (3, 2, 1))),
        ("own", 10),
        ("of_file", 12),
        ("work.counter", 13),
        ("settings.limits", {"low": 5, "high": (6, 7, 8)}),
        ("settings.limits.high[1]", 2**64 - 1),
        ("settings.name", "second"),
        ("settings.first", 7),
        ("settings.second", -16),
        ("settings.third", 2**33 - 1),
        ("settings.either.bytes[7]", 255),
        ("settings.list[1].inner", -2),
        ("grid[1]", (7, 8, 9)),
        ("grid[1][2]", 9),
    ],
)
def test_what_is_set_is_read_and_all_else_stays(either, name, value):
    variables = either.variables
    whole = name if name.startswith("work") else name.partition(".")[0].partition("[")[0]
    others = {each: old for each, old in known(either).items() if each != whole}
    variables[name] = value
    read = variables[name]
    assert (read._asdict() if isinstance(value, dict) else read) == (tuple(value) if isinstance(value, list) else value)
    assert {each: variables[each] for each in others} == others


def test_a_part_is_set_without_its_neighbours(either):
    variables = either.variables
    old = variables["settings"]
    variables["settings.second"] = 15
    variables["settings.limits.high[1]"] = 99
    assert variables["settings"] == old._replace(second=15, limits=old.limits._replace(high=(2, 99, 4)))


def test_an_enumerator_is_set_by_name_or_number(either):
    either.variables["mode"] = "ON"
    assert either.variables["mode"] == 1
    either.variables["mode"] = either.types["mode"].record.OFF
    assert either.variables["mode"] == 0


@pytest.mark.parametrize(
    ("name", "value", "kind", "message"),
    [
        ("small", 128, ValueError, r"variable 'small': .* must be from -128 to 127, not 128"),
        ("answer", "x", TypeError, r"variable 'answer': int must be an integer, not str"),
        ("comm", "x" * 17, ValueError, r"variable 'comm': char\[16\] has room for 16 bytes, not 17"),
        ("flag", "no", TypeError, "must be True or False, not str"),
        ("slots", (1, 2, 3), ValueError, "has 4 elements, not 3"),
        ("mode", "NEVER", ValueError, "has no enumerator 'NEVER'; it has OFF, ON, AUTO"),
        ("settings.first", 8, ValueError, "must be from 0 to 7, not 8"),
        ("settings", {"limit": 1}, ValueError, "has no member 'limit'; close names: limits"),
    ],
)
def test_a_wrong_value_is_refused_and_changes_nothing(either, name, value, kind, message):
    old = known(either)
    with pytest.raises(kind, match=message):
        either.variables[name] = value
    assert known(either) == old


def test_update_sets_several(either):
    either.variables.update({"settings.first": 1, "hits": 3}, answer=4)
    assert [either.variables[name] for name in ("settings.first", "hits", "answer")] == [1, 3, 4]


def test_update_with_one_wrong_value_sets_nothing(either):
    old = known(either)
    with pytest.raises(ValueError, match="variable 'small'"):
        either.variables.update(answer=1, hits=2, small=1000)
    with pytest.raises(KeyError, match="anwser"):
        either.variables.update(answer=1, anwser=2)
    with pytest.raises(bpf.StateError, match="CONFIG_HZ"):
        either.variables.update({"answer": 1, "CONFIG_HZ": 2})
    assert known(either) == old


def test_the_program_starts_with_what_was_set_before_load(before):
    before.variables.update(hits=100, target_pid=5, own_constant=1000, answer=0, own=1)
    before.variables["bounds.high[1]"] = 2000
    before.load()
    run(before)
    assert before.variables["hits"] == 105
    assert before.variables["answer"] == 3000
    assert before.variables["own"] == 2


def test_the_program_sees_what_is_set_after_load_and_is_seen(after):
    after.variables["hits"]  # the quick way is prepared
    after.variables["hits"] = 1000
    run(after)
    assert after.variables["hits"] == 1007
    assert after.variables["slots"] == (0, 0, 0, 1)
    assert after.variables["settings.limits.high[2]"] == 5
    assert after.variables["flag"] is False


# Constants and settings of the kernel


@pytest.mark.parametrize("name", ["target_pid", "bounds", "bounds.low", "own_constant"])
def test_a_constant_is_set_before_load_and_never_after(before, name):
    value = 3 if name != "bounds" else (1, (2, 3, 4))
    before.variables[name] = value
    assert before.variables[name] == value
    before.load()
    with pytest.raises(bpf.StateError, match=f"'{name}' .* it is a constant, and .* is loaded; set it before load"):
        before.variables[name] = value
    assert before.variables[name] == value
    # The quick way, which that reading has prepared, is none for writing.
    with pytest.raises(bpf.StateError, match="it is a constant"):
        before.variables[name] = value
    assert before.variables[name] == value


def test_a_constant_cannot_be_set_once_prepared(before):
    before.prepare()
    with pytest.raises(bpf.StateError, match="is prepared"):
        before.variables["target_pid"] = 1


def test_a_setting_of_the_kernel_is_read_after_load(after):
    version = after.variables["LINUX_KERNEL_VERSION"]
    major, minor = map(int, os.uname().release.split(".")[:2])
    assert (version >> 16, version >> 8 & 0xFF) == (major, minor)
    assert after.variables["CONFIG_BPF_SYSCALL"] is True


def test_a_setting_of_the_kernel_is_not_known_before_load(before):
    with pytest.raises(bpf.StateError, match="load looks the kernel's settings up"):
        before.variables["CONFIG_HZ"]


def test_a_setting_of_the_kernel_can_be_overridden_when_the_object_is_opened(loaded):
    obj = loaded("variables", kconfig='CONFIG_HZ=1234\nCONFIG_DEFAULT_HOSTNAME="here"\n')
    assert obj.variables["CONFIG_HZ"] == 1234
    assert obj.variables["CONFIG_DEFAULT_HOSTNAME"] == "here"


def test_a_setting_of_the_kernel_cannot_be_set(either):
    with pytest.raises(bpf.StateError, match=r"setting of the kernel; Object.open\(kconfig=\) overrides it"):
        either.variables["CONFIG_HZ"] = 100


# Static variables


def test_static_variables_of_functions_have_the_functions_name(after):
    names = ("work.counter", "work.counter.1", "work_too.counter")
    assert [after.variables[name] for name in names] == [100, 1000, 200]
    run(after)
    run(after, "work_too")
    assert [after.variables[name] for name in names] == [101, 1001, 202]
    assert after.variables["of_file"] == 12
    with pytest.raises(KeyError, match=r"close names: .*'work.counter'"):
        after.variables["counter"]


def test_sections_of_static_variables_alone_are_read_and_written_through_the_map(loaded):
    obj = loaded("variables_static")
    variables = obj.variables
    assert {name: variables[name] for name in ("one", "bytes", "step", "zero")} == {
        "one": 1, "bytes": (1, 2, 3), "step": 4, "zero": 0,
    }  # fmt: skip
    run(obj)
    assert (variables["one"], variables["bytes"], variables["zero"]) == (5, (1, 3, 3), -1)
    variables["bytes[2]"] = 9
    variables["halves.high"] = 15
    variables["one"] = 7
    assert (variables["one"], variables["bytes"], variables["halves"]) == (7, (1, 3, 9), (2, 15))
    run(obj)
    assert (variables["one"], variables["halves.low"]) == (11, 3)
    with pytest.raises(bpf.StateError, match="constant"):
        variables["step"] = 5


def test_sections_of_static_variables_alone_are_set_before_load(opened):
    obj = opened("variables_static")
    obj.variables.update({"one": 100, "step": 11, "halves.low": 9})
    obj.load()
    run(obj)
    assert obj.variables["one"] == 111
    assert obj.variables["halves"] == (10, 2)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files linked by libbpf's linker: the same static names in both."""
    folder = tmp_path_factory.mktemp("linked")
    source = os.path.join(SOURCES, "variables_linked.bpf.c")
    output = folder / "linked.bpf.o"
    linker = lib.bpf_linker__new(os.fsencode(output), ffi.NULL)
    for number, defines in enumerate(({}, {"THIS": "2"})):
        part = folder / f"part{number}.bpf.o"
        part.write_bytes(bpf.compile_object(source, defines=defines))
        assert lib.bpf_linker__add_file(linker, os.fsencode(part), ffi.NULL) == 0
    assert lib.bpf_linker__finalize(linker) == 0
    lib.bpf_linker__free(linker)
    return output


def test_static_variables_of_the_same_name_in_linked_files_are_numbered(root, linked):
    with bpf.Object.open(linked) as obj:
        variables = obj.variables
        assert set(variables) == {
            "shared", "same#1", "same#2", "same_zero#1", "same_zero#2", "work1.counter", "work2.counter",
        }  # fmt: skip
        assert (variables["same#1"], variables["same#2"]) == (10, 20)
        variables["same_zero#2"] = 40
        obj.load()
        run(obj, "work1")
        run(obj, "work2")
        assert (variables["same#1"], variables["same#2"], variables["shared"]) == (11, 21, 7)
        assert (variables["same_zero#1"], variables["same_zero#2"]) == (1, 42)
        assert (variables["work1.counter"], variables["work2.counter"]) == (101, 201)
        with pytest.raises(KeyError, match="close names: 'same#2', 'same#1'"):
            variables["same"]


# Sections whose map is another one than libbpf's own


def test_a_resized_section_has_a_longer_last_array(opened):
    obj = opened("variables")
    assert obj.variables["slots"] == (0, 0, 0, 0)
    old = obj.maps[".bss"].value_size
    obj.variables["hits"] = 5
    obj.maps[".bss"].value_size = old + 4 * 60
    assert obj.variables["slots"] == (0,) * 64
    assert obj.variables.describe("slots").size == 256
    obj.variables["slots[63]"] = 7
    obj.load()
    run(obj)
    assert obj.variables["slots[63]"] == 7
    assert obj.variables["slots"][:4] == (1, 0, 0, 0)
    assert obj.variables["hits"] == 12


def test_a_resized_section_has_a_longer_type(opened):
    obj = opened("variables")
    section = obj.maps[".bss"]
    assert len(section.value_type.decode(bytes(section.value_size)).slots) == 4
    section.value_size += 4 * 6
    obj.load()
    run(obj)
    assert section[0].slots == (0, 0, 0, 1, *(0,) * 6)


def test_a_section_that_is_resized_before_anything_is_read_has_a_longer_last_array(opened):
    obj = opened("variables")
    obj.maps[".bss"].value_size += 4
    assert obj.variables["slots"] == (0,) * 5


def test_a_resized_section_without_an_array_at_its_end_keeps_its_variables(opened):
    """Libbpf drops the type of such a map."""
    obj = opened("variables")
    obj.maps[".data.own"].value_size = 4096
    assert obj.variables["own"] == 9
    obj.load()
    run(obj)
    assert obj.variables["own"] == 10


def test_a_section_of_an_object_that_reuses_a_pinned_map_is_that_map(opened, pins):
    """The memory that libbpf keeps is its own, with the initial values."""
    first, second = opened("variables"), opened("variables")
    path = pins / "bss"
    for obj in (first, second):
        obj.maps[".bss"].pin_path = path
    first.load()
    first.variables["hits"] = 50
    second.load()
    assert second.variables["hits"] == 50
    run(second)
    assert (first.variables["hits"], second.variables["hits"]) == (57, 57)
    second.variables["hits"] = 60
    assert first.variables["hits"] == 60
    first.maps[".bss"].unpin()


def test_a_section_of_an_object_that_reuses_anothers_map_is_that_map_from_then_on(opened):
    first, second = opened("variables"), opened("variables")
    first.load()
    first.variables["hits"] = 50
    second.variables["hits"] = 1
    second.maps[".bss"].reuse(first.maps[".bss"])
    assert second.variables["hits"] == 50
    second.variables["hits"] = 60
    second.load()
    run(second)
    assert (first.variables["hits"], second.variables["hits"]) == (67, 67)


def test_a_section_that_programs_may_only_read_is_set_through_the_map(opened):
    """The kernel gives no writable memory of such a map."""
    obj = opened("variables")
    for program in obj.programs.values():
        program.autoload = False
    obj.maps[".data.own"].map_flags |= bpf.MapFlags.RDONLY_PROG
    obj.load()
    assert obj.variables["own"] == 9
    obj.variables["own"] = 10
    assert obj.variables["own"] == 10


def test_a_section_whose_map_is_not_created_has_no_values(opened):
    obj = opened("variables")
    for program in obj.programs.values():
        program.autoload = False
    obj.maps[".data.own"].autocreate = False
    obj.load()
    with pytest.raises(bpf.StateError, match=r"the map of \.data\.own was not created, its autocreate is False"):
        obj.variables["own"]
    with pytest.raises(bpf.StateError, match="was not created"):
        obj.variables["own"] = 1
    assert obj.variables["answer"] == 42


def test_without_proc_the_map_is_asked(after, monkeypatch):
    """Where a map's memory is, /proc tells; there need not be one."""
    import builtins

    real = builtins.open

    def no_proc(file: object, *arguments: object, **options: object) -> object:
        if str(file).startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
        return real(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", no_proc)
    assert after.variables["answer"] == 42
    after.variables["answer"] = 43
    monkeypatch.undo()
    run(after)
    assert after.variables["answer"] == 43 + 38


# Arenas


@pytest.mark.needs("map:ARENA")
def test_variables_of_an_arena_are_read_and_set_before_load_and_after(opened):
    obj = opened("variables_arena")
    variables = obj.variables
    assert (variables["counter"], variables["pair"], variables["ordinary"]) == (40, (1, 2), 3)
    assert variables.describe("counter").section == ".addr_space.1"
    variables["pair.right"] = 10
    obj.load()
    assert (variables["counter"], variables["pair"]) == (40, (1, 10))
    run(obj)
    assert (variables["counter"], variables["pair"], variables["pages[4096]"]) == (42, (1, 11), 1)
    variables["counter"] = 100
    run(obj)
    assert (variables["counter"], variables["ordinary"]) == (102, 5)


def test_a_page_of_an_arena_that_the_program_gave_back_is_read_as_a_new_one(loaded):
    obj = loaded("variables_arena")
    variables = obj.variables
    assert variables["counter"] == 40
    run(obj, "give_back")
    assert variables["counter"] == 0
    run(obj)
    assert variables["counter"] == 2


@pytest.mark.parametrize("write", [False, True])
def test_memory_that_is_gone_is_an_error_and_no_crash(write):
    """So the variables of an arena are read and written, whose pages come and go."""
    # Where no process has memory.
    address = ffi.cast("char *", 4096)
    buffer = ffi.new("char[]", 8)
    assert lib.lbc_memory_copy(buffer, address, 8, write) == -errno.EFAULT


@pytest.mark.needs("map:ARENA")
def test_an_arena_with_variables_whose_pages_must_not_be_touched_is_refused(opened):
    """Load would write the initial values there: a SIGSEGV in libbpf."""
    obj = opened("variables_arena")
    obj.maps["arena"].map_flags |= bpf.MapFlags.SEGV_ON_FAULT
    with pytest.raises(bpf.LibbpfError, match="SEGV_ON_FAULT") as refused:
        obj.load()
    assert refused.value.errno == errno.EFAULT
    obj.maps["arena"].map_flags = bpf.MapFlags.MMAPABLE
    obj.load()
    assert obj.variables["counter"] == 40


# Its end


def test_after_close_everything_says_so(either):
    variables = either.variables
    variables["answer"]
    variables["settings"]
    either.close()
    for action in (
        lambda: variables["answer"],
        lambda: variables["settings"],
        lambda: variables["own"],
        lambda: variables.update(answer=1),
        lambda: list(variables),
        lambda: len(variables),
        lambda: "answer" in variables,
        lambda: variables.describe("answer"),
        lambda: either.variables,
    ):
        with pytest.raises(bpf.ClosedError):
            action()
    assert "closed" in repr(variables)


def test_a_value_stays_after_close(either):
    settings = either.variables["settings"]
    either.close()
    assert settings.limits.high == (2, 3, 4)


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_close_by_another_thread_while_values_are_read_is_a_closed_error(compiled, tracefs, eager_threads):
    """Reading does not touch memory that is gone."""
    names = ("hits", "settings", "settings", "grid")
    for _ in range(50):
        obj = bpf.Object.open(compiled("variables"))
        obj.load()
        variables = obj.variables
        started = threading.Barrier(len(names) + 1)
        ended: list[type] = []

        def read(name: str, variables=variables, started=started, ended=ended) -> None:
            variables[name]
            started.wait()
            try:
                while True:
                    variables[name]
            except bpf.ClosedError as error:
                ended.append(type(error))

        threads = [threading.Thread(target=read, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
        started.wait()
        obj.close()
        for thread in threads:
            thread.join(60)
        assert ended == [bpf.ClosedError] * len(names)


def test_the_variables_keep_no_object_alive(compiled, tracefs):
    """What is dropped unclosed is closed with a warning, also when its variables were used."""
    obj = bpf.Object.open(compiled("variables"))
    obj.load()
    variables = obj.variables
    variables["answer"]
    with pytest.warns(ResourceWarning, match="was not closed"):
        del obj
        gc.collect()
    with pytest.raises(bpf.ClosedError):
        variables["answer"]


def test_a_forked_child_cannot_read(after, in_fork):
    variables = after.variables
    variables["answer"]

    def child() -> str:
        try:
            return str(variables["answer"])
        except bpf.ClosedError as error:
            return str(error)

    assert "belongs to the process that forked" in in_fork(child)
    assert variables["answer"] == 42


def test_a_failed_load_leaves_no_values(opened):
    obj = opened("variables")
    obj.variables["answer"]
    obj.maps[".bss"].map_flags = 0x80000000
    with pytest.raises(bpf.LibbpfError):
        obj.load()
    with pytest.raises(bpf.StateError, match="failed to load"):
        obj.variables["answer"]
    with pytest.raises(bpf.StateError, match="failed to load"):
        obj.variables["answer"] = 1


def test_nothing_of_it_is_imported_before_it_is_used(python):
    code = "import sys, libbpf_cffi; print(any(name.endswith(('variables', '_sections')) for name in sys.modules))"
    assert python(code).strip() == "False"
