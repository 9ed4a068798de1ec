"""``vmlinux.h`` is made from a file of BTF, whatever is in that file, and kept in a cache that is the user's alone.

What the running kernel's BTF gives is in tests/kernel.
"""

from __future__ import annotations

import os
import pwd
import stat
import struct
import tempfile

import pytest

from libbpf_cffi import CompileError, LibbpfError, _vmlinux, compile_object
from libbpf_cffi._libbpf import ffi, lib
from libbpf_cffi.compile import vmlinux_h

READS = """\
#include "vmlinux.h"

__attribute__((section("socket"), used))
int reads(struct point *p)
{
	return p->y;
}
"""

PASSES = """\
__attribute__((section("socket"), used))
int passes(void *ctx)
{
	return 4321;
}
"""


class Btf:
    """BTF in the making."""

    def __init__(self) -> None:
        self.pointer = lib.btf__new_empty()
        # It is type 1.
        assert lib.btf__add_int(self.pointer, b"int", 4, lib.BTF_INT_SIGNED) == 1

    def struct(self, name: bytes, size: int, *members: tuple[bytes, int, int]) -> int:
        """Add a struct of members with name, type and offset in bits."""
        made = lib.btf__add_struct(self.pointer, name, size)
        for member, kind, offset in members:
            assert lib.btf__add_field(self.pointer, member, kind, offset, 0) == 0
        return made

    def kfunc(self, name: bytes, *parameters: tuple[bytes, int]) -> None:
        """Add a function of the kernel that BPF may call."""
        proto = lib.btf__add_func_proto(self.pointer, 1)
        for parameter, kind in parameters:
            assert lib.btf__add_func_param(self.pointer, parameter, kind) == 0
        function = lib.btf__add_func(self.pointer, name, lib.BTF_FUNC_STATIC, proto)
        assert lib.btf__add_decl_tag(self.pointer, b"bpf_kfunc", function, -1) > 0

    @property
    def raw(self) -> bytes:
        """Give what a file of it holds."""
        size = ffi.new("__u32 *")
        return ffi.buffer(lib.btf__raw_data(self.pointer, size), size[0])[:]


@pytest.fixture
def make():
    made = []

    def new():
        made.append(Btf())
        return made[-1]

    yield new
    for each in made:
        lib.btf__free(each.pointer)


@pytest.fixture
def point(make, tmp_path):
    """Give a file with the BTF of a struct."""
    btf = make()
    btf.struct(b"point", 8, (b"x", 1, 0), (b"y", 1, 32))
    path = tmp_path / "point.btf"
    path.write_bytes(btf.raw)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give the place of a cache that is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "libbpf_cffi"


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Leave no place for a cache, and give the folder for temporary files."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self")
    monkeypatch.setenv("HOME", "/proc/self")

    def nameless(user):
        raise KeyError(user)

    monkeypatch.setattr(pwd, "getpwuid", nameless)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def headers(cache):
    return sorted(cache.glob("*/vmlinux.h"))


# What is in it


def test_the_types_are_in_it(point):
    assert "struct point {\n\tint x;\n\tint y;\n};\n" in vmlinux_h(point)


def test_it_can_be_included_twice(point):
    assert compile_object('#include "vmlinux.h"\n' + READS, btf=point)


def test_accesses_to_its_types_are_relocated(point):
    """A CO-RE relocation names the access, here that of member 1 of type 0."""
    assert b"0:1\0" in compile_object(READS, btf=point)


def test_relocation_can_be_switched_off(point):
    data = compile_object(READS, btf=point, defines={"BPF_NO_PRESERVE_ACCESS_INDEX": 1})
    assert b"0:1\0" not in data


def test_structs_of_the_source_itself_are_not_relocated(point):
    text = READS.replace("point", "own").replace("\n\n", "\n\nstruct own { int x, y; };\n", 1)
    assert b"0:1\0" not in compile_object(text, btf=point)


def test_functions_for_bpf_are_declared(make, tmp_path):
    btf = make()
    btf.kfunc(b"bpf_do_it", (b"first", 1), (b"second", 1))
    (tmp_path / "btf").write_bytes(btf.raw)
    assert 'extern int bpf_do_it(int first, int second) __attribute__((weak, section(".ksyms")));\n' in vmlinux_h(
        tmp_path / "btf"
    )


def test_functions_for_bpf_can_be_called(make, tmp_path):
    btf = make()
    btf.kfunc(b"bpf_do_it", (b"first", 1))
    (tmp_path / "btf").write_bytes(btf.raw)
    text = READS.replace("struct point *p", "void *ctx").replace("p->y", "bpf_do_it(1)")
    assert compile_object(text, btf=tmp_path / "btf")


def test_functions_for_bpf_can_be_left_out(make, tmp_path):
    """For sources that declare them in their own way."""
    btf = make()
    btf.kfunc(b"bpf_do_it", (b"first", 1))
    (tmp_path / "btf").write_bytes(btf.raw)
    text = '#include "vmlinux.h"\nextern void bpf_do_it(void);\n'
    assert compile_object(text, btf=tmp_path / "btf", defines={"BPF_NO_KFUNC_PROTOTYPES": 1})
    with pytest.raises(CompileError, match="conflicting types"):
        compile_object(text, btf=tmp_path / "btf")


def test_other_functions_are_not_declared(make, tmp_path):
    btf = make()
    proto = lib.btf__add_func_proto(btf.pointer, 1)
    for name, tag in ((b"without_a_tag", None), (b"with_another_tag", b"bpf_fastcall")):
        function = lib.btf__add_func(btf.pointer, name, lib.BTF_FUNC_STATIC, proto)
        assert tag is None or lib.btf__add_decl_tag(btf.pointer, tag, function, -1) > 0
    (tmp_path / "btf").write_bytes(btf.raw)
    text = vmlinux_h(tmp_path / "btf")
    assert ("without_a_tag" in text, "with_another_tag" in text) == (False, False)


# When it is made


def test_a_source_that_does_not_want_it_makes_none(cache):
    compile_object(PASSES)
    assert not cache.exists()


def test_one_beside_the_source_is_used_as_it_is(tmp_path, cache):
    (tmp_path / "vmlinux.h").write_text("struct point { int x, y; };\n", encoding="utf-8")
    (tmp_path / "prog.c").write_text(READS, encoding="utf-8")
    assert compile_object(tmp_path / "prog.c")
    assert not cache.exists()


def test_one_in_the_include_dirs_is_used_as_it_is(tmp_path, cache):
    (tmp_path / "vmlinux.h").write_text("struct point { int x, y; };\n", encoding="utf-8")
    assert compile_object(READS, include_dirs=[tmp_path])
    assert not cache.exists()


def test_its_folder_is_lent_with_nothing_else_in_it(point):
    with _vmlinux.folder(point) as folder:
        assert os.listdir(folder) == ["vmlinux.h"]


# The files


def test_an_elf_file_may_hold_the_btf(tmp_path):
    text = "struct point { int x, y; };\nstruct point where;\n"
    compile_object(text, output=tmp_path / "vmlinux")
    assert "struct point {" in vmlinux_h(tmp_path / "vmlinux")


def test_btf_of_the_other_byte_order_is_read(make, tmp_path):
    btf = make()
    btf.struct(b"point", 8, (b"x", 1, 0), (b"y", 1, 32))
    other = lib.BTF_BIG_ENDIAN if lib.btf__endianness(btf.pointer) == lib.BTF_LITTLE_ENDIAN else lib.BTF_LITTLE_ENDIAN
    assert lib.btf__set_endianness(btf.pointer, other) == 0
    (tmp_path / "btf").write_bytes(btf.raw)
    assert "struct point {\n\tint x;\n\tint y;\n};\n" in vmlinux_h(tmp_path / "btf")


@pytest.mark.parametrize(
    "content", [b"", b"BTF", b"\x9f\xeb", b"\x7fELF", b"\x9f\xeb\x01\x00" + bytes(20), b"x" * 4096]
)
def test_what_is_no_btf_is_refused(content, tmp_path):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(LibbpfError, match=r"cannot make vmlinux\.h from '.*bad': .*\n(.*\n)*  hint: it holds no BTF"):
        vmlinux_h(tmp_path / "bad")


def test_every_part_of_a_btf_that_is_not_whole_is_refused(point, tmp_path):
    raw = point.read_bytes()
    for size in range(1, len(raw), 7):
        (tmp_path / "bad").write_bytes(raw[:size])
        with pytest.raises(LibbpfError, match=r"cannot make vmlinux\.h"):
            vmlinux_h(tmp_path / "bad")


def referring_to(raw: bytes, offset: int, type_id: int) -> bytes:
    """Give BTF in which the word at `offset` of its types is another type's id."""
    changed = bytearray(raw)
    struct.pack_into("=I", changed, 24 + offset, type_id)
    return bytes(changed)


def test_what_libbpf_said_is_in_the_error(make, tmp_path):
    """A struct that holds itself would have no end."""
    btf = make()
    btf.struct(b"endless", 8, (b"x", 1, 0), (b"again", 2, 32))
    (tmp_path / "bad").write_bytes(btf.raw)
    with pytest.raises(LibbpfError, match="its BTF is malformed") as error:
        vmlinux_h(tmp_path / "bad")
    assert error.value.messages == ("unsatisfiable type cycle, id:[2]",)


@pytest.mark.unsanitized("the child's stack overflows on purpose, which ends it in another way")
def test_btf_that_crashes_libbpf_does_not_crash_the_caller(make, tmp_path):
    """A typedef of itself makes libbpf's dumper call itself until the stack is full."""
    btf = make()
    lib.btf__add_typedef(btf.pointer, b"itself", 1)
    (tmp_path / "bad").write_bytes(referring_to(btf.raw, 16 + 8, 2))
    with pytest.raises(LibbpfError, match=r"its BTF is malformed: it crashes libbpf \(signal 11\)"):
        vmlinux_h(tmp_path / "bad")


def test_btf_with_which_libbpf_comes_to_no_end_does_not_hang_the_caller(make, tmp_path, monkeypatch):
    """Two types that are each a const of the other."""
    monkeypatch.setattr(_vmlinux, "CHILD_SECONDS", 1)
    btf = make()
    lib.btf__add_const(btf.pointer, 1)
    lib.btf__add_const(btf.pointer, 2)
    (tmp_path / "bad").write_bytes(referring_to(btf.raw, 16 + 8, 3))
    with pytest.raises(LibbpfError, match="its BTF is malformed: libbpf came to no end with it in 1 s"):
        vmlinux_h(tmp_path / "bad")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LibbpfError, match=r"cannot make vmlinux\.h from '.*absent': No such file"):
        vmlinux_h(tmp_path / "absent")


def test_a_folder_is_no_btf(tmp_path):
    with pytest.raises(LibbpfError, match="Is a directory"):
        vmlinux_h(tmp_path)


def test_a_pipe_is_no_btf(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LibbpfError, match="not a regular file"):
        vmlinux_h(tmp_path / "pipe")


def test_a_bad_file_is_an_error_even_if_the_source_does_not_want_the_header(tmp_path):
    (tmp_path / "bad").write_bytes(b"bad")
    with pytest.raises(LibbpfError, match=r"cannot make vmlinux\.h"):
        compile_object(PASSES, btf=tmp_path / "bad")


def test_without_an_interpreter_no_file_is_read(point, monkeypatch):
    """As in a program that embeds Python: nothing then shields it from malformed BTF."""
    monkeypatch.setattr("sys.executable", "")
    with pytest.raises(LibbpfError, match="no Python interpreter"):
        vmlinux_h(point)


# The cache


def test_it_is_kept(point, cache):
    text = vmlinux_h(point)
    assert [path.read_text(encoding="utf-8") for path in headers(cache)] == [text]


def test_it_is_not_made_twice(point, cache):
    vmlinux_h(point)
    before = [os.stat(path) for path in headers(cache)]
    vmlinux_h(point)
    after = [os.stat(path) for path in headers(cache)]
    assert [(each.st_ino, each.st_mtime_ns) for each in before] == [(each.st_ino, each.st_mtime_ns) for each in after]


def test_what_is_kept_is_what_is_used(point, cache):
    vmlinux_h(point)
    (kept,) = headers(cache)
    kept.write_text("/* other */\n" + kept.read_text(encoding="utf-8"), encoding="utf-8")
    assert vmlinux_h(point).startswith("/* other */\n")


def test_another_content_of_the_file_is_another_header(point, make, cache):
    vmlinux_h(point)
    btf = make()
    btf.struct(b"other", 4, (b"x", 1, 0))
    point.write_bytes(btf.raw)
    assert ("struct other" in vmlinux_h(point), len(headers(cache))) == (True, 2)


def test_the_same_content_elsewhere_is_the_same_header(point, tmp_path, cache):
    vmlinux_h(point)
    (tmp_path / "copy").write_bytes(point.read_bytes())
    vmlinux_h(tmp_path / "copy")
    assert len(headers(cache)) == 1


@pytest.mark.parametrize("rest", [0, 1, 400])
def test_one_that_has_lost_its_end_is_made_anew(point, cache, rest):
    text = vmlinux_h(point)
    (kept,) = headers(cache)
    os.truncate(kept, rest)
    assert vmlinux_h(point) == text


def test_a_bad_file_leaves_nothing_in_the_cache(tmp_path, cache):
    (tmp_path / "bad").write_bytes(b"bad")
    with pytest.raises(LibbpfError):
        vmlinux_h(tmp_path / "bad")
    assert headers(cache) == []


def test_only_the_user_can_look_into_it(point, cache):
    before = os.umask(0)
    try:
        vmlinux_h(point)
    finally:
        os.umask(before)
    everything = [cache.parent, cache, *cache.rglob("*")]
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in everything] == [0] * 4


def test_headers_that_are_not_used_make_room(point, make, tmp_path, cache):
    vmlinux_h(point)
    (used,) = headers(cache)
    for number in range(_vmlinux.KEPT):
        btf = make()
        btf.struct(b"number_%d" % number, 4, (b"x", 1, 0))
        (tmp_path / "btf").write_bytes(btf.raw)
        vmlinux_h(tmp_path / "btf")
        # All of it was long ago; then the first is used again.
        for entry in cache.iterdir():
            os.utime(entry, (1000 + number, 1000 + number))
        os.utime(used.parent, (1, 1))
        vmlinux_h(point)
    assert (len(headers(cache)), used.exists()) == (_vmlinux.KEPT, True)


def test_a_cache_that_others_can_write_is_not_used(point, cache, nowhere, monkeypatch):
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    vmlinux_h(point)
    assert headers(cache) == []


def test_a_cache_in_a_folder_that_others_can_write_is_not_used(point, cache, nowhere, monkeypatch):
    cache.mkdir(parents=True, mode=0o700)
    cache.parent.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    vmlinux_h(point)
    assert headers(cache) == []


def test_a_relative_place_for_the_cache_is_ignored(point, tmp_path, nowhere, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    vmlinux_h(point)
    assert not (tmp_path / "relative").exists()


def test_without_a_place_of_its_own_it_is_in_the_home(point, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    vmlinux_h(point)
    assert len(headers(tmp_path / ".cache" / "libbpf_cffi")) == 1


def test_a_home_that_is_not_there_is_not_made(point, tmp_path, nowhere, monkeypatch):
    """That of a system user is ``/nonexistent``."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "nonexistent"))
    vmlinux_h(point)
    assert not (tmp_path / "nonexistent").exists()


def test_without_a_cache_it_is_made_all_the_same(point, nowhere):
    assert "struct point {" in vmlinux_h(point)


def test_without_a_cache_a_source_is_compiled_all_the_same(point, nowhere):
    assert compile_object(READS, btf=point)


def test_without_a_cache_nothing_is_left(point, nowhere):
    with _vmlinux.folder(point) as folder:
        assert os.path.dirname(folder) == str(nowhere)
    assert os.listdir(nowhere) == []


def test_without_a_cache_nothing_is_left_by_a_failure(point, nowhere):
    with pytest.raises(CompileError):
        compile_object(READS.replace("p->y", "nowhere"), btf=point)
    assert os.listdir(nowhere) == []


def test_without_any_place_for_files_the_error_says_so(point, nowhere, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc/self")
    with pytest.raises(LibbpfError, match=r"cannot make vmlinux\.h"):
        vmlinux_h(point)


def test_a_header_that_cannot_be_put_into_the_cache_is_made_all_the_same(point, cache, nowhere, monkeypatch):
    """A file is where the entry's folder should be."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    cache.mkdir(parents=True, mode=0o700)
    cache.parent.chmod(0o700)
    (cache / _vmlinux._file_name(str(point), "test")).touch()
    assert "struct point {" in vmlinux_h(point)


def test_the_name_of_an_entry_tells_the_version_of_libbpf(point):
    name = _vmlinux._file_name(str(point), "test")
    assert name.split("-")[2] == f"{lib.libbpf_major_version()}.{lib.libbpf_minor_version()}"


def test_malformed_names_do_not_break_the_text(make, tmp_path):
    btf = make()
    btf.struct(b"latin_\xe9", 4, (b"x", 1, 0))
    (tmp_path / "btf").write_bytes(btf.raw)
    assert "struct latin_\udce9 {" in vmlinux_h(tmp_path / "btf")
