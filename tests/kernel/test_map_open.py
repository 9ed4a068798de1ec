"""Stand-alone maps: created, opened by id, pin, descriptor and name; and maps of objects that take others."""

from __future__ import annotations

import errno
import gc
import os
import warnings

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib

NAME = "lbc_test_map"


@pytest.fixture
def created(root):
    """A hash of our own."""
    with bpf.Map.create("hash", 4, 8, 16, name=NAME) as found:
        yield found


# Create


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("hash", bpf.HashMap),
        ("LRU_HASH", bpf.HashMap),
        (bpf.MapType.ARRAY, bpf.ArrayMap),
        (lib.BPF_MAP_TYPE_PERCPU_HASH, bpf.PercpuHashMap),
        ("percpu_array", bpf.PercpuArrayMap),
        ("stack_trace", bpf.Map),
    ],
)
def test_a_created_map_has_the_class_of_its_type(root, type, kind):
    with bpf.Map.create(type, 4, 8, 16) as found:
        assert isinstance(found, kind)
        assert (found.key_size, found.value_size, found.max_entries) == (4, 8, 16)


def test_a_created_map_is_what_was_asked_for(root):
    with bpf.Map.create("hash", 4, 8, 16, name=NAME, map_flags=bpf.MapFlags.NO_PREALLOC, numa_node=0) as found:
        assert found.name == found.info.name == NAME
        assert found.map_flags == bpf.MapFlags.NO_PREALLOC | bpf.MapFlags.NUMA_NODE
        assert found.numa_node == 0
        assert found.id == found.info.id
        assert found.autocreate
        assert not found.is_internal
        assert NAME in repr(found)


def test_errors_call_a_map_without_a_name_by_its_id(root, tmp_path):
    with pytest.raises(bpf.LibbpfError, match=r"^cannot create a map without a name: "):
        bpf.Map.create("array", 4, 0, 1)
    with bpf.Map.create("array", 4, 4, 1) as found:
        with pytest.raises(bpf.LibbpfError, match=f"^cannot pin map {found.id} at "):
            found.pin(tmp_path / "pin")
        with pytest.raises(bpf.StateError, match=f"map {found.id}"):
            found.autocreate = False


@pytest.mark.needs("map:BLOOM_FILTER")
def test_map_extra_reaches_the_kernel(root):
    with bpf.Map.create("bloom_filter", 0, 8, 16, map_extra=3) as found:
        assert found.map_extra == found.info.map_extra == 3


def test_memory_use_is_in_the_info(created):
    assert created.info.memlock > 16 * 12
    assert created.info.frozen is False
    assert created.info.owner_prog_type is None


def test_a_program_array_says_what_programs_are_in_it(loaded):
    assert loaded("map_kinds").maps["jumps"].info.owner_prog_type is bpf.ProgType.RAW_TRACEPOINT


def test_a_definition_that_the_kernel_refuses_is_shown(root):
    with pytest.raises(bpf.LibbpfError, match="create map 'odd'") as caught:
        bpf.Map.create("array", 3, 8, 16, name="odd")
    assert caught.value.errno == errno.EINVAL
    assert "key_size 3" in caught.value.hint


def test_an_unknown_type_names_those_that_come_close(root):
    with pytest.raises(ValueError, match="percpu_hash"):
        bpf.Map.create("percpu_hsh", 4, 8, 16)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": "a" * 16}, "16 bytes"),
        ({"name": "a\0"}, "NUL"),
        ({"key": -1}, "key_size"),
        ({"value": 1 << 32}, "value_size"),
        ({"max_entries": -1}, "max_entries"),
        ({"map_flags": -1}, "map_flags"),
        ({"numa_node": -1}, "numa_node"),
    ],
)
def test_a_bad_argument_is_refused(root, arguments, error):
    with pytest.raises(ValueError, match=error):
        bpf.Map.create(**{"type": "hash", "key": 4, "value": 8, "max_entries": 4, **arguments})


def test_a_map_of_maps_is_created_like_an_inner_map(created):
    with bpf.Map.create("hash_of_maps", 4, 4, 8, inner=created) as outer:
        assert outer.type is bpf.MapType.HASH_OF_MAPS


def test_a_map_is_made_by_its_class_only(root):
    with pytest.raises(TypeError, match=r"Map\.create"):
        bpf.Map()
    with pytest.raises(TypeError, match="is of class HashMap, not ArrayMap"):
        bpf.ArrayMap.create("hash", 4, 4, 4)


# Of an object


def test_a_map_of_an_object_is_given_by_its_class(opened):
    obj = opened("basic")
    assert bpf.HashMap.of(obj, "raw_hits") is obj.maps["raw_hits"]
    assert bpf.Map.of(obj, "events") is bpf.RingBufferMap.of(obj, "events")


def test_a_map_of_an_object_that_is_of_another_class_is_a_type_error_that_names_it(opened):
    with pytest.raises(TypeError, match=r"map 'raw_hits' .*is of class HashMap, not RingBufferMap"):
        bpf.RingBufferMap.of(opened("basic"), "raw_hits")


def test_a_map_that_an_object_does_not_have_is_a_key_error_that_names_close_ones(opened):
    with pytest.raises(KeyError, match=r"raw_hit'.*'raw_hits'"):
        bpf.HashMap.of(opened("basic"), "raw_hit")


@pytest.mark.parametrize("wrong", [None, "raw_hits", {"raw_hits": 1}])
def test_what_is_no_object_has_no_maps(wrong):
    with pytest.raises(TypeError, match="obj must be an Object, not"):
        bpf.HashMap.of(wrong, "raw_hits")


# Its end


def test_a_closed_map_is_closed(created):
    created.close()
    created.close()
    assert created.closed
    with pytest.raises(bpf.ClosedError, match=NAME):
        _ = created.fd
    with pytest.raises(bpf.ClosedError):
        created[b"1234"]
    with pytest.raises(bpf.ClosedError):
        _ = created.max_entries
    assert "closed" in repr(created)


def test_the_map_is_gone_with_its_last_user(created, until):
    number = created.id
    created.close()

    def gone():
        try:
            bpf.Map.from_id(number).close()
        except bpf.LibbpfError as error:
            return error.errno == errno.ENOENT
        return False

    until(gone, "the kernel to free the map")


def test_a_map_that_is_dropped_is_closed_with_a_warning(root):
    found = bpf.Map.create("hash", 4, 8, 16, name=NAME)
    fd = found.fd
    with pytest.warns(ResourceWarning, match=f"map '{NAME}' was not closed"):
        del found
        gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_a_view_keeps_the_map_open(root):
    raw = bpf.Map.create("hash", 4, 8, 16, name=NAME).raw
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    raw[b"1234"] = bytes(8)
    raw.close()


def test_a_map_of_an_object_is_closed_by_the_object_alone(loaded):
    with pytest.raises(bpf.StateError, match="object 'basic'"):
        loaded("basic").maps["raw_hits"].close()
    with pytest.raises(bpf.StateError, match="object 'basic'"), loaded("basic").maps["raw_hits"]:
        pass


def test_descriptors_are_closed_on_exec(created):
    assert not os.get_inheritable(created.fd)
    with bpf.Map.from_fd(created.fd) as other:
        assert not os.get_inheritable(other.fd)


def test_a_child_drops_its_copy_of_the_descriptor(created, in_fork):
    created[b"1234"] = bytes(8)
    fd = created.fd

    def check():
        with pytest.raises(bpf.ClosedError, match="forked"):
            created[b"1234"]
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)

    in_fork(check)
    assert created[b"1234"] == bytes(8)


@pytest.mark.parametrize(
    "setting", ["type", "key_size", "max_entries", "map_flags", "pin_path", "autocreate", "ifindex"]
)
def test_a_map_that_exists_cannot_be_configured(created, setting):
    with pytest.raises(bpf.StateError, match=f"set {setting}"):
        setattr(created, setting, "/sys/fs/bpf/x" if setting == "pin_path" else 1)


def test_a_stand_alone_map_has_no_pointer_of_libbpfs(created):
    with pytest.raises(bpf.StateError, match="belongs to no object"), bpf.pointer(created):
        pass


# Open


@pytest.mark.every_kernel
def test_a_map_is_found_by_its_id_with_its_types(loaded):
    flows = loaded("typed_maps").maps["flows"]
    flows[1, 2, "sh"] = (3, -4)
    with bpf.Map.from_id(flows.id) as same:
        ((key, value),) = same.items()
        assert (key.comm, value.delta) == ("sh", -4)
        assert same.key_type.name == "flow"
        assert same.value_type.name == "counter"


def test_an_id_that_no_map_has_says_so(root):
    with pytest.raises(bpf.LibbpfError, match="open map 4294967295") as caught:
        bpf.Map.from_id((1 << 32) - 1)
    assert caught.value.errno == errno.ENOENT
    assert "no map has the id" in caught.value.hint


def test_from_fd_leaves_the_descriptor_to_its_owner(created):
    with bpf.Map.from_fd(created.fd) as other:
        other[b"1234"] = bytes(8)
        assert other.fd != created.fd
    assert created[b"1234"] == bytes(8)


def test_a_descriptor_of_something_else_is_refused(loaded):
    with pytest.raises(bpf.LibbpfError, match="descriptor") as caught:
        bpf.Map.from_fd(loaded("basic").programs["on_raw"].fd)
    assert caught.value.errno == errno.EINVAL
    assert "other than a map" in caught.value.hint


def test_a_descriptor_that_is_not_open_is_refused(root):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Map.from_fd(1_000_000)
    assert caught.value.errno == errno.EBADF


@pytest.mark.every_kernel
def test_read_only_and_write_only_are_what_they_say(created):
    created[b"1234"] = bytes(8)
    with bpf.Map.from_id(created.id, read_only=True) as reader:
        assert reader[b"1234"] == bytes(8)
        with pytest.raises(bpf.LibbpfPermissionError) as caught:
            reader[b"1234"] = bytes(8)
        assert "read-only" in caught.value.hint
    with bpf.Map.from_id(created.id, write_only=True) as writer:
        writer[b"1234"] = b"x" * 8
        with pytest.raises(bpf.LibbpfPermissionError) as caught:
            writer[b"1234"]
        assert "write-only" in caught.value.hint
    assert created[b"1234"] == b"x" * 8
    with pytest.raises(ValueError, match="both"):
        bpf.Map.from_id(created.id, read_only=True, write_only=True)


def test_find_opens_the_map_of_a_name(created):
    with bpf.Map.find(NAME) as found:
        assert found.id == created.id


def test_find_takes_a_name_that_is_longer_than_the_kernels(root):
    name = "lbc_a_long_name"
    with bpf.Map.create("hash", 4, 8, 16, name=name) as created, bpf.Map.find(f"{name}_and_more") as found:
        assert found.id == created.id


def test_a_name_that_no_map_has_is_a_key_error(root):
    with pytest.raises(KeyError, match="lbc_no_such_map"):
        bpf.Map.find("lbc_no_such_map")


def test_a_name_that_several_have_is_an_error_with_their_ids(created):
    with bpf.Map.create("array", 4, 8, 16, name=NAME) as other:
        with pytest.raises(ValueError, match=f"{created.id}.*{other.id}|{other.id}.*{created.id}"):
            bpf.Map.find(NAME)
        found = bpf.Map.find_all(NAME)
        assert {each.id for each in found} == {created.id, other.id}
        for each in found:
            each.close()
        with bpf.ArrayMap.find(NAME) as array:
            assert array.id == other.id


# Pins


@pytest.mark.every_kernel
def test_a_pinned_map_is_opened_by_its_path(created, pins):
    path = pins / "one" / "map"
    created.pin(path)
    assert created.pin_path == str(path)
    assert created.is_pinned
    created[b"1234"] = b"x" * 8
    with bpf.Map.from_pin(path) as same:
        assert same.id == created.id
        assert same[b"1234"] == b"x" * 8
        assert same.pin_path == str(path)
        same.unpin()
        assert same.pin_path is None
    assert not path.exists()


def test_a_pin_is_opened_read_only(created, pins):
    created.pin(pins / "map")
    with bpf.Map.from_pin(pins / "map", read_only=True) as reader, pytest.raises(bpf.LibbpfPermissionError):
        reader[b"1234"] = bytes(8)


def test_a_map_without_a_pin_needs_a_path(created):
    with pytest.raises(ValueError, match="no pin_path"):
        created.pin()
    with pytest.raises(ValueError, match="no pin_path"):
        created.unpin()


def test_what_is_not_pinned_cannot_be_unpinned_or_opened(created, pins):
    with pytest.raises(bpf.LibbpfError, match="unpin") as caught:
        created.unpin(pins / "nothing")
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(bpf.LibbpfError, match="nothing") as caught:
        bpf.Map.from_pin(pins / "nothing")
    assert caught.value.errno == errno.ENOENT


def test_a_pin_of_something_else_is_refused(loaded, pins):
    loaded("basic").programs["on_raw"].pin(pins / "program")
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Map.from_pin(pins / "program")
    assert caught.value.errno == errno.EINVAL


def test_a_pin_through_a_folder_that_others_can_write_is_refused(created, pins):
    folder = pins / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(bpf.LibbpfPermissionError, match="pin map"):
        created.pin(folder / "map")
    assert created.pin_path is None


# Reuse


def test_load_takes_a_map_that_is_to_be_reused(opened, created, root):
    obj = opened("basic")
    with bpf.Map.create("hash", 4, 8, 256, name="raw_hits") as mine:
        mine[b"\1\0\0\0"] = b"\5" + bytes(7)
        obj.maps["raw_hits"].reuse(mine)
        assert obj.maps["raw_hits"].max_entries == 256
        obj.load()
        assert obj.maps["raw_hits"].id == mine.id
        assert obj.maps["raw_hits"][b"\1\0\0\0"] == b"\5" + bytes(7)


def test_a_map_of_another_type_is_not_reused(opened, root):
    obj = opened("basic")
    with bpf.Map.create("array", 4, 8, 256) as mine, pytest.raises(ValueError, match="its type is 2, not 1"):
        obj.maps["raw_hits"].reuse(mine)
    with pytest.raises(TypeError, match="must be a Map"):
        obj.maps["raw_hits"].reuse(5)


def test_after_load_nothing_is_reused(loaded, created):
    with pytest.raises(bpf.StateError, match="reuse map"):
        loaded("basic").maps["raw_hits"].reuse(created)


def test_a_data_section_reuses_only_one_of_the_same_size(opened, root):
    obj = opened("basic")
    with bpf.Map.create("array", 4, 64, 1) as mine, pytest.raises(ValueError, match="value_size is 64, not 8"):
        obj.maps[".bss"].reuse(mine)


# Inner maps and exclusive programs


@pytest.mark.needs("map:BLOOM_FILTER")
def test_the_template_of_a_map_of_maps_is_configured_before_load(opened):
    obj = opened("map_kinds")
    inner = obj.maps["outer"].inner_map
    assert (inner.type, inner.max_entries) == (bpf.MapType.ARRAY, 2)
    assert obj.maps["lazy"].inner_map is None
    obj.load()
    assert obj.maps["outer"].inner_map is None
    with pytest.raises(bpf.StateError, match="gone"):
        _ = inner.max_entries


@pytest.mark.needs("map:BLOOM_FILTER")
def test_the_template_is_replaced_by_an_existing_map(opened):
    obj = opened("map_kinds")
    old = obj.maps["outer"].inner_map
    with bpf.Map.create("array", 4, 4, 2) as template:
        obj.maps["outer"].inner_map = template
    assert obj.maps["outer"].inner_map is None
    with pytest.raises(bpf.StateError, match="gone"):
        _ = old.type
    obj.load()


def test_a_template_that_is_set_twice_is_refused(opened):
    obj = opened("map_kinds")
    with bpf.Map.create("array", 4, 4, 2) as template:
        obj.maps["outer"].inner_map = template
        with pytest.raises(bpf.LibbpfError, match="inner_map of map 'outer'"):
            obj.maps["outer"].inner_map = template
        with pytest.raises(bpf.LibbpfError, match="inner_map of map 'lazy'"):
            obj.maps["lazy"].inner_map = template
        with pytest.raises(TypeError, match="must be a Map"):
            obj.maps["outer"].inner_map = 5


@pytest.mark.needs("exclusive_map")
def test_an_exclusive_map_belongs_to_one_program(opened):
    obj = opened("exclusive")
    assert obj.maps["secret"].exclusive_program is None
    obj.maps["secret"].exclusive_program = obj.programs["owner"]
    assert obj.maps["secret"].exclusive_program is obj.programs["owner"]
    obj.load()


@pytest.mark.needs("exclusive_map")
def test_an_exclusive_map_is_refused_to_another_program(opened):
    obj = opened("exclusive")
    obj.maps["secret"].exclusive_program = obj.programs["owner"]
    obj.programs["other"].autoload = True
    with pytest.raises(bpf.LibbpfError):
        obj.load()


@pytest.mark.parametrize("value", [None, 5, "owner"])
def test_what_is_no_program_of_the_object_cannot_be_exclusive(opened, value):
    with pytest.raises(ValueError, match="must be a Program of object 'exclusive'"):
        opened("exclusive").maps["secret"].exclusive_program = value


def test_a_program_of_another_object_cannot_be_exclusive(opened):
    with pytest.raises(ValueError, match="must be a Program of object 'exclusive'"):
        opened("exclusive").maps["secret"].exclusive_program = opened("basic").programs["on_raw"]


def test_a_pin_of_another_user_is_not_opened(created, pins):
    created.pin(pins / "map")
    os.chown(pins / "map", 65534, 65534)
    with pytest.raises(bpf.LibbpfPermissionError) as caught:
        bpf.Map.from_pin(pins / "map")
    assert "65534" in caught.value.hint


# Types that the opener says


def test_a_map_without_btf_is_given_types_when_it_is_opened(created, pins):
    created.raw[bytes(4)] = (7).to_bytes(8, "little")
    created.pin(f"{pins}/typed")
    openers = {
        "from_id": created.id,
        "from_fd": created.fd,
        "from_pin": f"{pins}/typed",
        "find": NAME,
    }
    for opener, argument in openers.items():
        with getattr(bpf.Map, opener)(argument, key="u32", value="u64") as same:
            assert same[0] == 7, opener
    (same,) = bpf.Map.find_all(NAME, key="u32", value={"low": "u32", "high": "u32"})
    assert same[0].low == 7
    same.close()


def test_a_view_has_the_types_that_it_was_asked_for(created):
    view = created.typed(key="u32", value="s64")
    view[1] = -1
    assert dict(view.items()) == {1: -1}
    assert created[b"\1\0\0\0"] == b"\xff" * 8
    assert view.typed(value=8)[1] == b"\xff" * 8
    assert (view.key_type.name, created.key_type, view.raw[b"\1\0\0\0"]) == ("u32", None, b"\xff" * 8)


def test_types_of_another_size_are_refused_and_leave_nothing_open(created):
    with pytest.raises(ValueError, match=f"a value of map '{NAME}' has 8 bytes, and not 4 as value='u32'"):
        bpf.Map.from_id(created.id, value="u32")


def test_a_kind_that_says_itself_what_its_values_are_takes_no_other_type(root):
    with bpf.Map.create("prog_array", max_entries=1) as table, pytest.raises(TypeError, match="says itself"):
        table.typed(value="u32")


def test_bytes_for_want_of_btf_are_explained(created):
    with pytest.raises(TypeError, match=rf"^key of map '{NAME}': .*no BTF for its keys: use typed\(key="):
        created[1]
    with pytest.raises(TypeError, match=rf"^value of map '{NAME}': .*use typed\(value="):
        created[bytes(4)] = 1


def test_an_object_s_map_has_a_typed_view(loaded):
    table = next(each for each in loaded("map_kinds").maps.values() if type(each) is bpf.HashMap)
    view = table.typed(key=table.key_size)
    assert view.key_type is None
    assert type(view) is bpf.HashMap


def test_errors_name_the_map_and_its_key_or_value(root):
    with bpf.Map.create("hash", "u32", {"pid": "u32"}, 16, name=NAME) as found:
        for wrong, told in [
            (lambda: found["x"], rf"^key of map '{NAME}': unsigned int must be an integer, not str"),
            (lambda: found.update_elem(1, {"pid": -1}), rf"^value of map '{NAME}': pid \(unsigned int\) must"),
            (lambda: found.update({1: (1,), -1: (1,)}), rf"^key of map '{NAME}': \[1\] "),
        ]:
            with pytest.raises((TypeError, ValueError), match=told):
                wrong()


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ((["10.0.0.0/8"],), TypeError, "pairs of key and value: the one at 0 is '10.0.0.0/8'"),
        (([1, 2], 7), TypeError, f"the values for map '{NAME}' must be .* not int"),
        (([1, 2], [7]), ValueError, "2 keys and 1 values"),
        ((7,), TypeError, f"what map '{NAME}' is to get must be .* not int"),
    ],
)
def test_what_is_no_mapping_is_explained(root, given, error, told):
    with bpf.Map.create("hash", "u32", "u32", 16, name=NAME) as found, pytest.raises(error, match=told):
        found.update(*given)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"key": int}, TypeError, "not the class int"),
        ({"key": "struct in6_addr"}, ValueError, r"no type 'struct in6_addr'; give the type itself.*Btf\.kernel\(\)\["),
        ({"name": "a b"}, OSError, "only ASCII letters, digits, '_' and '.': 'a b' does not"),
    ],
)
def test_what_is_wrong_with_a_definition_is_named(root, arguments, error, told):
    with pytest.raises(error, match=told):
        bpf.Map.create(**{"type": "hash", "key": 4, "value": 8, "max_entries": 4, **arguments})


def test_a_type_may_have_its_name_of_c(root):
    with bpf.Map.create("BPF_MAP_TYPE_HASH", 4, 8, 16) as found:
        assert type(found) is bpf.HashMap


def test_a_name_that_no_map_has_brings_those_that_come_close(created):
    with pytest.raises(KeyError, match=f"close names: .*{NAME}"):
        bpf.Map.find("lbc_tst_map")


def test_a_map_without_a_name_goes_by_its_id_in_errors(root):
    with bpf.Map.create("hash", "u32", "u32", 16) as found, pytest.raises(TypeError, match=f"^key of map {found.id}: "):
        found["x"]


def test_a_type_that_a_later_size_makes_wrong_is_refused(opened):
    obj = opened("typed_maps")
    numbers = obj.maps["numbers"]
    view = numbers.typed(key="u32")
    numbers.key_size = 8
    obj.load()
    with pytest.raises(ValueError, match="was given the type u32, of 4 bytes, and has 8 now"):
        view.get_next_key()
