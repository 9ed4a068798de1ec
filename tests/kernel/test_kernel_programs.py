"""Programs without an object: opened by id, name, tag, pin and descriptor, and loaded from instructions."""

from __future__ import annotations

import errno
import gc
import os

import pytest

import libbpf_cffi as bpf

RETURN_2 = bytes.fromhex("b700000002000000 9500000000000000")  # r0 = 2; exit
RETURN_R3 = bytes.fromhex("bf30000000000000 9500000000000000")  # r0 = r3, which nobody has set; exit


@pytest.fixture
def two(root):
    """Load a program that returns 2."""
    with bpf.KernelProgram.load("socket_filter", RETURN_2, name="two") as program:
        yield program


# Opened


def test_a_program_is_opened_by_its_id(loaded):
    program = loaded("basic").programs["on_raw"]
    with bpf.Program.from_id(program.id) as opened:
        assert isinstance(opened, bpf.KernelProgram)
        assert (opened.name, opened.id, opened.tag, opened.type) == ("on_raw", program.id, program.tag, program.type)


def test_a_program_outlives_its_object_while_it_is_open(loaded, exists):
    obj = loaded("basic")
    with bpf.Program.from_id(obj.programs["on_raw"].id) as opened:
        obj.close()
        assert opened.info.name == "on_raw"
        assert exists(opened.id)


def test_an_id_that_no_program_has_is_the_kernels_error_and_says_so(root):
    with pytest.raises(bpf.LibbpfError, match="no program has the id 4294967295") as caught:
        bpf.Program.from_id(0xFFFFFFFF)
    assert caught.value.errno == errno.ENOENT


def test_a_program_is_opened_by_its_pin(loaded, pins):
    program = loaded("basic").programs["on_raw"]
    program.pin(pins / "it")
    with bpf.Program.from_pin(pins / "it") as opened:
        assert opened.id == program.id
        assert opened.pin_path == str(pins / "it")


@pytest.mark.parametrize("kind", ["map", "link"])
def test_something_else_that_is_pinned_is_no_program(loaded, pins, kind):
    obj = loaded("basic")
    (obj.maps["events"] if kind == "map" else obj.programs["on_raw"].attach()).pin(pins / "thing")
    with pytest.raises(bpf.LibbpfError, match="other than a program") as caught:
        bpf.Program.from_pin(pins / "thing")
    assert caught.value.errno == errno.EINVAL


def test_a_descriptor_is_duplicated(two):
    with bpf.Program.from_fd(two.fd) as opened:
        assert opened.fd != two.fd
        assert opened.id == two.id


def test_a_descriptor_of_something_else_is_no_program(loaded):
    with pytest.raises(bpf.LibbpfError, match="other than a program"):
        bpf.Program.from_fd(loaded("basic").maps["events"].fd)


def test_a_program_is_found_by_its_name(two):
    with bpf.Program.find("two") as found:
        assert found.id == two.id


def test_a_program_is_found_by_its_tag(root):
    code = bytes.fromhex("b7000000") + os.getpid().to_bytes(4, "little") + RETURN_2[8:]
    with bpf.KernelProgram.load("socket_filter", code) as program, bpf.Program.find(tag=program.tag) as found:
        assert found.id == program.id


def test_find_without_anything_to_find_is_a_type_error(root):
    with pytest.raises(TypeError):
        bpf.Program.find()


def test_a_name_that_no_program_has_is_a_key_error_with_close_names(two):
    with pytest.raises(KeyError, match=r"close names: .*two"):
        bpf.Program.find("twoo")


def test_a_name_that_several_have_is_a_value_error_with_their_ids(two):
    with bpf.KernelProgram.load("socket_filter", RETURN_2, name="two") as other:
        with pytest.raises(ValueError, match=f"{two.id}, {other.id}"):
            bpf.Program.find("two")
        found = bpf.Program.find_all("two")
        assert [each.id for each in found] == [two.id, other.id]
        for each in found:
            each.close()


def test_all_programs_are_found(two):
    found = bpf.Program.find_all()
    assert two.id in [each.id for each in found]
    for each in found:
        each.close()


# Its life


def test_a_closed_program_is_a_closed_error(two):
    two.close()
    two.close()
    assert two.closed
    for use in (lambda: two.fd, lambda: two.info, two.__enter__, lambda: two.pin("/sys/fs/bpf/never")):
        with pytest.raises(bpf.ClosedError, match="two"):
            use()


def test_a_closed_program_still_says_what_it_was(two):
    number = two.id
    two.close()
    assert (two.name, two.id, two.type) == ("two", number, bpf.ProgType.SOCKET_FILTER)
    assert "two" in repr(two)
    assert "closed" in repr(two)


def test_a_forgotten_program_is_closed_with_a_warning(root, until, exists):
    program = bpf.KernelProgram.load("socket_filter", RETURN_2, name="forgotten")
    number = program.id
    with pytest.warns(ResourceWarning, match="forgotten"):
        del program
        gc.collect()
    until(lambda: not exists(number), "the program to go")


def test_a_forked_child_has_not_the_program(two, in_fork):
    fd = two.fd

    def use():
        with pytest.raises(bpf.ClosedError, match="process that forked"):
            _ = two.fd
        return os.path.exists(f"/proc/self/fd/{fd}")

    assert in_fork(use) == "False"


def test_a_pinned_program_outlives_its_descriptor(two, pins):
    number = two.id
    two.pin(pins / "two")
    assert two.pin_path == str(pins / "two")
    two.close()
    with bpf.Program.from_pin(pins / "two") as opened:
        assert opened.id == number
        opened.unpin()
        assert opened.pin_path is None
    assert not (pins / "two").exists()


def test_unpin_needs_a_pin(two, pins):
    with pytest.raises(ValueError, match="pin_path"):
        two.unpin()
    with pytest.raises(bpf.LibbpfError, match="nothing") as caught:
        two.unpin(pins / "nothing")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.every_kernel
def test_a_link_is_updated_to_a_program_of_the_kernel(loaded):
    obj = loaded("kinds")
    other = obj.programs["of_iterator_too"]
    with obj.programs["of_iterator"].attach() as link, bpf.Program.from_id(other.id) as opened:
        link.update_program(opened)
        assert link.info.prog_id == other.id


# Loaded


@pytest.mark.every_kernel
def test_instructions_are_loaded(two):
    info = two.info
    assert (info.name, info.type) == ("two", bpf.ProgType.SOCKET_FILTER)
    assert info.xlated_prog_len == len(RETURN_2)
    assert info.gpl_compatible


def test_the_licence_reaches_the_kernel(root):
    with bpf.KernelProgram.load("socket_filter", RETURN_2, "Proprietary") as program:
        assert not program.info.gpl_compatible


@pytest.mark.parametrize("kind", [bpf.ProgType.XDP, int(bpf.ProgType.XDP), "xdp", "XDP", "BPF_PROG_TYPE_XDP"])
def test_a_type_is_a_member_a_number_or_a_name(root, kind):
    with bpf.KernelProgram.load(kind, RETURN_2) as program:
        assert program.type is bpf.ProgType.XDP


def test_an_unknown_type_is_a_value_error_with_close_names(root):
    with pytest.raises(ValueError, match="close names: socket_filter"):
        bpf.KernelProgram.load("socket_filtre", RETURN_2)


@pytest.mark.every_kernel
def test_what_the_verifier_refuses_is_a_verifier_error_with_its_log(root):
    with pytest.raises(bpf.VerifierError, match="R3 !read_ok") as caught:
        bpf.KernelProgram.load("socket_filter", RETURN_R3, name="wrong")
    assert caught.value.program == "wrong"
    assert "0: (bf) r0 = r3" in caught.value.log


def test_a_log_level_gives_the_log_of_what_was_accepted(root):
    with bpf.KernelProgram.load("socket_filter", RETURN_2, log_level=2) as program:
        assert "0: (b7) r0 = 2" in program.log
    with bpf.KernelProgram.load("socket_filter", RETURN_2) as program:
        assert program.log == ""


def test_a_log_of_any_size_is_whole(root):
    moves = 12000
    code = RETURN_2[:8] * moves + RETURN_2
    with bpf.KernelProgram.load("socket_filter", code, log_level=2) as program:
        assert sum("r0 = 2" in line for line in program.log.splitlines()) >= moves
        assert len(program.log) > 1 << 17
        assert f"processed {moves + 2} insns" in program.log


@pytest.mark.parametrize("insns", [b"", RETURN_2[:-1], RETURN_2[:4]])
def test_instructions_that_are_none_are_a_value_error(root, insns):
    with pytest.raises(ValueError, match="8 bytes"):
        bpf.KernelProgram.load("socket_filter", insns)


def test_a_name_that_is_too_long_is_a_value_error(root):
    with pytest.raises(ValueError, match="15"):
        bpf.KernelProgram.load("socket_filter", RETURN_2, name="a" * 16)


def test_a_name_of_other_letters_is_refused_in_words(root):
    with pytest.raises(bpf.LibbpfError, match="ASCII letters"):
        bpf.KernelProgram.load("socket_filter", RETURN_2, name="a-b")


def test_the_flags_and_the_attach_type_reach_the_kernel(root):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.KernelProgram.load("socket_filter", RETURN_2, prog_flags=1 << 31)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(bpf.LibbpfError):
        bpf.KernelProgram.load("cgroup_skb", RETURN_2, expected_attach_type=bpf.AttachType.TRACE_ITER)
    ingress = bpf.AttachType.CGROUP_INET_INGRESS
    with bpf.KernelProgram.load("cgroup_skb", bytes.fromhex("b700000001000000") + RETURN_2[8:],
                                expected_attach_type=ingress):  # fmt: skip
        pass


@pytest.mark.every_kernel
@pytest.mark.needs("fd_array")
def test_instructions_name_maps_by_their_place_in_fd_array(root):
    # r1 = map[fd_array 0] (BPF_PSEUDO_MAP_IDX); r0 = 2; exit
    code = bytes.fromhex("1851000000000000 0000000000000000") + RETURN_2
    with bpf.Map.create("array", "u32", "u64", 1) as table:
        with bpf.KernelProgram.load("socket_filter", code, fd_array=[table]) as program:
            assert program.info.map_ids == (table.id,)
        with bpf.KernelProgram.load("socket_filter", code, fd_array=[table.fd]) as program:
            assert program.info.map_ids == (table.id,)


def test_a_wrong_fd_array_is_refused(root):
    with pytest.raises(TypeError, match="fd_array"):
        bpf.KernelProgram.load("socket_filter", RETURN_2, fd_array=["x"])
    with pytest.raises(ValueError, match="fd_array_cnt"):
        bpf.KernelProgram.load("socket_filter", RETURN_2, fd_array=[], fd_array_cnt=1)
    closed = bpf.Map.create("array", "u32", "u64", 1)
    closed.close()
    with pytest.raises(bpf.ClosedError):
        bpf.KernelProgram.load("socket_filter", RETURN_2, fd_array=[closed])


@pytest.mark.needs("token")
def test_a_token_reaches_the_kernel(root):
    with bpf.Map.create("array", "u32", "u64", 1) as no_token:
        with pytest.raises(bpf.LibbpfError) as caught:
            bpf.KernelProgram.load("socket_filter", RETURN_2, token_fd=no_token.fd)
        assert caught.value.errno == errno.EINVAL
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.KernelProgram.load("socket_filter", RETURN_2, token_fd=100000)
    assert caught.value.errno == errno.EBADF


def test_a_wrong_length_of_function_records_is_a_value_error(root):
    with pytest.raises(ValueError, match="func_info_rec_size"):
        bpf.KernelProgram.load("socket_filter", RETURN_2, func_info=bytes(9))


# Links


def test_a_link_is_opened_by_its_id(loaded, attached):
    program = loaded("basic").programs["on_raw"]
    link = program.attach()
    with bpf.Link.from_id(link.info.id) as opened:
        assert opened.info == link.info
        link.close()
        assert attached(program.id) == [opened.info.id]
    assert attached(program.id) == []


def test_an_id_that_no_link_has_is_the_kernels_error_and_says_so(root):
    with pytest.raises(bpf.LibbpfError, match="no link has the id 4294967295") as caught:
        bpf.Link.from_id(0xFFFFFFFF)
    assert caught.value.errno == errno.ENOENT


def test_a_link_is_opened_by_a_descriptor_which_is_duplicated(loaded):
    with loaded("basic").programs["on_raw"].attach() as link, bpf.Link.from_fd(link.fd) as opened:
        assert opened.fd != link.fd
        assert opened.info.id == link.info.id


def test_a_descriptor_of_something_else_is_no_link(loaded, tmp_path):
    with pytest.raises(bpf.LibbpfError, match="other than a link"):
        bpf.Link.from_fd(loaded("basic").programs["on_raw"].fd)
    with (tmp_path / "x").open("w") as file, pytest.raises(bpf.LibbpfError, match="other than a link"):
        bpf.Link.from_fd(file.fileno())


@pytest.mark.every_kernel
def test_the_links_of_a_program_are_found(loaded):
    program = loaded("basic").programs["on_raw"]
    with program.attach() as link:
        found = bpf.Link.find_all(program.id)
        everything = bpf.Link.find_all()
        assert [each.info.id for each in found] == [link.info.id]
        assert link.info.id in [each.info.id for each in everything]
        for each in (*found, *everything):
            each.close()


def test_a_link_that_was_opened_by_its_id_is_pinned_and_disconnected(loaded, pins, attached, until):
    program = loaded("basic").programs["on_raw"]
    with program.attach() as link:
        opened = bpf.Link.from_id(link.info.id)
        opened.pin(pins / "link")
        assert opened.pin_path == str(pins / "link")
        opened.unpin()
    fd = opened.disconnect()
    assert len(attached(program.id)) == 1
    os.close(fd)
    # The kernel lets go of a link by and by.
    until(lambda: attached(program.id) == [], "the link's end")


def test_unpin_removes_no_file_that_is_no_pin(root, tmp_path):
    path = tmp_path / "file"
    path.write_text("kept")
    refused = pytest.raises(bpf.LibbpfError, match="BPF file system")
    with bpf.KernelProgram.load("socket_filter", RETURN_2) as program, refused:
        program.unpin(path)
    assert path.read_text() == "kept"


def test_unpin_removes_no_pin_of_another(root, pins):
    with bpf.KernelProgram.load("socket_filter", RETURN_2) as one, bpf.KernelProgram.load("xdp", RETURN_2) as other:
        one.pin(pins / "one")
        with pytest.raises(bpf.LibbpfError, match="something else is pinned there"):
            other.unpin(pins / "one")
        assert (pins / "one").exists()
        one.unpin()
    assert not (pins / "one").exists()
