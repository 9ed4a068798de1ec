"""The build: what the extension exports, what wheel and sdist contain, and what is said when something is missing."""

from __future__ import annotations

import base64
import ctypes
import email
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENDORED = ROOT / "vendor" / "libbpf" / "source"

pytestmark = pytest.mark.unsanitized("tests the wheel and what builds it")

BPF_HEADERS = {
    "bpf_core_read.h",
    "bpf_endian.h",
    "bpf_helper_defs.h",
    "bpf_helpers.h",
    "bpf_tracing.h",
    "usdt.bpf.h",
}


def _load(name):
    """Return a module of the build; they are in the project's folder, which tests don't have in their path."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


build_native = _load("build_native")
build_dist = _load("build_dist")


# ---------------------------------------------------------------------------------------------------------------
# The extension


class Elf:
    """What these tests want to know of a 64-bit little-endian or big-endian shared object, by the gABI."""

    PT_LOAD, PT_DYNAMIC = 1, 2
    PT_GNU_STACK, PT_GNU_RELRO = 0x6474E551, 0x6474E552
    DT_NEEDED, DT_RPATH, DT_BIND_NOW, DT_RUNPATH, DT_FLAGS, DT_FLAGS_1 = 1, 15, 24, 29, 30, 0x6FFFFFFB
    DF_BIND_NOW, DF_1_NOW, DF_TEXTREL = 8, 1, 4

    def __init__(self, path):
        self.data = Path(path).read_bytes()
        assert self.data[:4] == b"\x7fELF"
        assert self.data[4] == 2, "a 64-bit object"
        self.order = "<" if self.data[5] == 1 else ">"
        self.segments = self._table("IIQQQQQQ", *self._fields("Q", 32), *self._fields("HH", 54))
        sections = self._table("IIQQQQIIQQ", *self._fields("Q", 40), *self._fields("HH", 58))
        self.dynamic = []
        self.symbols = []
        for _, kind, _, _, offset, size, link, *_ in sections:
            if kind == 6:  # SHT_DYNAMIC
                self.strings = sections[link][4]
                self.dynamic = [self._fields("qQ", at) for at in range(offset, offset + size, 16)]
            elif kind == 11:  # SHT_DYNSYM
                for at in range(offset + 24, offset + size, 24):
                    name, info, _, section, _, _ = self._fields("IBBHQQ", at)
                    self.symbols.append((self._string(sections[link][4] + name), info >> 4, section))

    def _fields(self, form, at):
        return struct.unpack_from(self.order + form, self.data, at)

    def _table(self, form, offset, size, count):
        return [self._fields(form, offset + size * index) for index in range(count)]

    def _string(self, at):
        return self.data[at : self.data.index(b"\0", at)].decode()

    @property
    def exported(self):
        """Names that other objects may bind to."""
        return {name for name, _, section in self.symbols if section != 0}

    @property
    def undefined(self):
        """Names that the loader must find; 2 is STB_WEAK, which it need not."""
        return {name for name, binding, section in self.symbols if section == 0 and binding != 2}

    @property
    def needed(self):
        """The libraries that the loader brings along."""
        return [self._string(self.strings + value) for tag, value in self.dynamic if tag == self.DT_NEEDED]

    def tag(self, wanted):
        """Return the value of a tag of the dynamic section, 0 when it has none."""
        return next((value for tag, value in self.dynamic if tag == wanted), 0)


@pytest.fixture(scope="module")
def extension():
    """Give the extension that this Python imports."""
    from libbpf_cffi import _libbpf

    return Elf(_libbpf.__file__)


def test_the_extension_is_an_abi3_module():
    from libbpf_cffi import _libbpf

    if not build_native.limited_api():
        pytest.skip("a free-threaded CPython before 3.15 has no limited API")
    assert Path(_libbpf.__file__).name == "_libbpf.abi3.so"


def test_the_init_function_is_the_only_symbol_that_the_extension_exports(extension):
    assert extension.exported == {"PyInit__libbpf"}


def test_the_extension_needs_libelf_zlib_and_the_c_library_alone(extension):
    allowed = re.compile(r"lib(elf|z|c)\.so(\.\d+)?|libc\.musl-.*|ld-linux.*")
    assert [name for name in extension.needed if not allowed.fullmatch(name)] == []


def test_every_undefined_symbol_is_pythons_or_of_a_library_that_the_extension_names(extension):
    libraries = [ctypes.CDLL(name) for name in extension.needed]
    assert "bpf_object__open" not in extension.undefined

    def found(symbol):
        return any(hasattr(library, symbol) for library in libraries)

    # Python's own are in the interpreter, which is no library of the extension's.
    theirs = {symbol for symbol in extension.undefined if not re.match(r"_?Py", symbol)}
    assert sorted(symbol for symbol in theirs if not found(symbol)) == []
    python = ctypes.pythonapi
    assert sorted(symbol for symbol in extension.undefined - theirs if not hasattr(python, symbol)) == []


def test_the_extension_is_linked_with_full_relro(extension):
    assert Elf.PT_GNU_RELRO in {segment[0] for segment in extension.segments}
    assert extension.tag(Elf.DT_FLAGS) & Elf.DF_BIND_NOW or extension.tag(Elf.DT_FLAGS_1) & Elf.DF_1_NOW


def test_no_stack_and_no_writable_memory_of_the_extension_is_executable(extension):
    flags = {kind: flags for kind, flags, *_ in extension.segments if kind == Elf.PT_GNU_STACK}
    assert flags == {Elf.PT_GNU_STACK: 6}  # PF_R | PF_W
    assert [flags for kind, flags, *_ in extension.segments if kind == Elf.PT_LOAD and flags & 3 == 3] == []


def test_the_extension_has_no_text_relocations(extension):
    assert not extension.tag(Elf.DT_FLAGS) & Elf.DF_TEXTREL


def test_the_extension_has_stack_canaries_and_fortified_calls(extension):
    fortified = {symbol for symbol in extension.undefined if re.fullmatch(r"__\w+_chk", symbol)}
    assert extension.undefined & {"__stack_chk_fail", "__stack_chk_guard"}
    assert fortified or any("musl" in name for name in extension.needed)


def test_no_library_path_of_the_builder_is_in_the_extension(extension):
    assert (extension.tag(Elf.DT_RPATH), extension.tag(Elf.DT_RUNPATH)) == (0, 0)


def test_no_directory_of_the_builder_is_in_the_extension(extension):
    found = re.findall(rb"/[\w.+-]+/[\w.+-]+/[\w./+-]+", extension.data)
    runtime = (b"/sys/", b"/proc/", b"/usr/lib/debug/", b"/lib/modules/", b"/usr/lib", b"/lib", b"/usr/sbin", b"/sbin")
    ours = {path for path in found if not path.startswith(runtime)}
    assert sorted(path for path in ours if path.startswith((os.fsencode(ROOT), b"/tmp/", b"/home/", b"/root/"))) == []


def test_the_libbpf_inside_is_not_the_one_that_another_library_brings(tmp_path):
    """A library that is loaded first and defines libbpf's names must not take the place of what is compiled in."""
    (tmp_path / "fake.c").write_text("unsigned libbpf_major_version(void) { return 99; }\n", encoding="ascii")
    compiler = [*shlex.split(sysconfig.get_config_var("CC")), "-shared", "-fPIC"]
    subprocess.run([*compiler, "-o", str(tmp_path / "fake.so"), str(tmp_path / "fake.c")], check=True)
    program = "from libbpf_cffi import _libbpf; print(_libbpf.lib.libbpf_major_version())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LD_PRELOAD": str(tmp_path / "fake.so")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"


# ---------------------------------------------------------------------------------------------------------------
# Flags


def units(monkeypatch, tmp_path, **environment):
    """Return the objects of a build in `environment`, by source."""
    for name in ("CFLAGS", "CPPFLAGS", "LIBBPF_CFFI_DEV"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tools = build_native.Toolchain(["cc"], ["cc", "-shared"])
    libbpf = build_native.Libbpf(("inc",), sources=("vendor/src/hashmap.c", "vendor/src/features.c"))
    found = build_native.units(tools, libbpf, tmp_path / "generated.c", tmp_path)
    return {Path(unit.source).name: list(unit.flags) for unit in found}


@pytest.mark.parametrize("source", ["generated.c", "load.c", "hashmap.c"])
def test_every_object_is_hardened_and_hidden(monkeypatch, tmp_path, source):
    flags = units(monkeypatch, tmp_path)[source]
    assert {"-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-fvisibility=hidden", "-O2"} <= set(flags)


def test_libbpfs_objects_have_the_flags_of_its_makefile(monkeypatch, tmp_path):
    flags = units(monkeypatch, tmp_path)["hashmap.c"]
    assert {"-D_LARGEFILE64_SOURCE", "-D_FILE_OFFSET_BITS=64", "-std=gnu89", "-w"} <= set(flags)


@pytest.mark.parametrize("source", ["generated.c", "load.c"])
def test_warnings_in_our_c_are_errors_in_development_only(monkeypatch, tmp_path, source):
    assert {"-Wall", "-Wextra", "-Werror"} <= set(units(monkeypatch, tmp_path, LIBBPF_CFFI_DEV="1")[source])
    assert "-Werror" not in units(monkeypatch, tmp_path)[source]


def test_warnings_in_libbpf_are_never_errors(monkeypatch, tmp_path):
    assert "-Werror" not in units(monkeypatch, tmp_path, LIBBPF_CFFI_DEV="1")["hashmap.c"]


def test_the_users_optimisation_and_debugging_win(monkeypatch, tmp_path):
    flags = units(monkeypatch, tmp_path, CFLAGS="-O0 -g3")["load.c"]
    assert not {"-O2", "-g0", "-D_FORTIFY_SOURCE=2"} & set(flags)


def test_a_file_of_libbpf_that_one_of_ours_includes_is_not_compiled_twice(monkeypatch, tmp_path):
    assert '#include "features.c"' in (ROOT / "csrc" / "features_reset.c").read_text(encoding="utf-8")
    found = units(monkeypatch, tmp_path)
    assert "features.c" not in found
    assert "features_reset.c" in found


def test_a_file_of_ours_that_includes_libbpfs_c_has_a_stand_in_for_the_systems_libbpf():
    ours = build_native.our_sources(system=True)
    assert [path.name for path in ours if build_native.embedded_sources(path)] == []
    assert {path.name for path in ours} == {path.name for path in (ROOT / "csrc").glob("*.c")}


def test_a_file_without_a_stand_in_is_named(monkeypatch, tmp_path):
    (tmp_path / "csrc").mkdir()
    (tmp_path / "csrc" / "new.c").write_text('#include "hashmap.c"\n', encoding="ascii")
    monkeypatch.setattr(build_native, "ROOT", tmp_path)
    with pytest.raises(build_native.NativeBuildError, match=r"csrc/system/new\.c must stand in for csrc/new\.c"):
        build_native.our_sources(system=True)


def test_a_free_threaded_python_before_3_15_builds_without_the_limited_api(monkeypatch, tmp_path):
    if sys.version_info >= (3, 15):
        pytest.skip("this Python has a limited API for free threading")
    assert f"-DPy_LIMITED_API={build_native.LIMITED_API}" in units(monkeypatch, tmp_path)["generated.c"]
    monkeypatch.setattr(build_native.sysconfig, "get_config_var", lambda name: name == "Py_GIL_DISABLED")
    assert "-D_CFFI_NO_LIMITED_API" in units(monkeypatch, tmp_path)["generated.c"]


# ---------------------------------------------------------------------------------------------------------------
# What is missing


@pytest.fixture
def compiler_without(tmp_path):
    """Give a compiler that works, but for headers that this machine then seems not to have."""

    def make(*headers):
        script = tmp_path / "cc"
        hidden = "|".join(re.escape(header) for header in headers)
        script.write_text(
            textwrap.dedent(f"""\
                #!/bin/sh
                for argument; do
                    case $argument in
                    *.c) grep -E '#include <({hidden})>' "$argument" >/dev/null && {{
                        echo "$argument:1:10: fatal error: {headers[0]}: No such file or directory" >&2
                        exit 1
                    }} ;;
                    esac
                done
                exec {sysconfig.get_config_var("CC")} "$@"
                """),
            encoding="ascii",
        )
        script.chmod(0o755)
        return build_native.Toolchain([str(script)], [str(script), "-shared"])

    return make


def test_nothing_is_missing_here():
    compiler = shlex.split(sysconfig.get_config_var("CC"))
    build_native.probe(build_native.Toolchain(compiler, [*compiler, "-shared"]))


@pytest.mark.parametrize(
    ("header", "debian", "fedora", "alpine"),
    [
        ("gelf.h", "libelf-dev", "elfutils-libelf-devel", "elfutils-dev"),
        ("zlib.h", "zlib1g-dev", "zlib-devel", "zlib-dev"),
        ("Python.h", "python{}.{}-dev".format(*sys.version_info), "python3-devel", "python3-dev"),
        ("linux/types.h", "linux-libc-dev", "kernel-headers", "linux-headers"),
        ("stdio.h", "libc6-dev", "glibc-devel", "musl-dev"),
    ],
)
def test_a_missing_header_is_named_with_the_package_of_each_distribution(
    compiler_without, header, debian, fedora, alpine
):
    with pytest.raises(build_native.NativeBuildError) as caught:
        build_native.probe(compiler_without(header))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("libbpf_cffi cannot be built, this is missing: ")
    assert lines[1:] == [
        f"  Debian, Ubuntu:  apt-get install {debian}",
        f"  Fedora:          dnf install {fedora}",
        f"  Alpine:          apk add {alpine}",
    ]


def test_all_that_is_missing_is_named_at_once(compiler_without):
    with pytest.raises(build_native.NativeBuildError, match="apt-get install libelf-dev zlib1g-dev\n"):
        build_native.probe(compiler_without("gelf.h", "zlib.h"))


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [("/nonexistent/cc", r"\(cannot run '/nonexistent/cc': No such file"), ("false", r"\(false ended with status 1\)")],
)
def test_a_missing_or_broken_compiler_is_named_with_its_reason(compiler, reason):
    with pytest.raises(build_native.NativeBuildError, match=f"a working C compiler {reason}") as caught:
        build_native.probe(build_native.Toolchain([compiler], [compiler]))
    assert "apt-get install gcc libc6-dev" in str(caught.value)


def test_a_compiler_that_fails_for_another_reason_is_quoted(tmp_path):
    script = tmp_path / "cc"
    script.write_text(
        '#!/bin/sh\nfor file; do case $file in *.c) grep -q Python.h "$file" && grep -q zlib.h "$file" && '
        f'{{ echo out of luck; exit 1; }} ;; esac; done\nexec {sysconfig.get_config_var("CC")} "$@"\n',
        encoding="ascii",
    )
    script.chmod(0o755)
    with pytest.raises(build_native.NativeBuildError, match=r"refuses a test program:(.|\n)*out of luck"):
        build_native.probe(build_native.Toolchain([str(script)], [str(script)]))


@pytest.fixture
def pkg_config(tmp_path, monkeypatch):
    """Give a pkg-config that finds a libbpf of the version that is asked for, and nothing else."""
    if not shutil.which("pkg-config"):
        pytest.skip("needs pkg-config")

    def install(version):
        text = f"includedir=/opt/include\nName: libbpf\nDescription: x\nVersion: {version}\nLibs: -L/opt/lib -lbpf\n"
        (tmp_path / "libbpf.pc").write_text(text, encoding="ascii")

    monkeypatch.setenv("PKG_CONFIG_LIBDIR", str(tmp_path))
    monkeypatch.delenv("PKG_CONFIG_PATH", raising=False)
    monkeypatch.delenv("PKG_CONFIG", raising=False)
    return install


def system_libbpf():
    compiler = shlex.split(sysconfig.get_config_var("CC"))
    return build_native.system_libbpf(
        build_native.Toolchain(compiler, [*compiler, "-shared"]), str(VENDORED / "include" / "uapi")
    )


@pytest.mark.parametrize("version", ["0.8.1", "1.1.2", "1.6.99"])
def test_an_older_system_libbpf_is_refused_with_both_versions_named(pkg_config, version):
    pkg_config(version)
    with pytest.raises(build_native.NativeBuildError, match=rf"1\.7 or later, but pkg-config finds libbpf {version}"):
        system_libbpf()


@pytest.mark.parametrize("version", ["1.7.0", "1.10.0", "2.0.0"])
def test_a_system_libbpf_from_1_7_on_is_linked_as_pkg_config_says(pkg_config, version):
    pkg_config(version)
    found = system_libbpf()
    assert (found.sources, found.link_args) == ((), ("-L/opt/lib", "-lbpf"))
    assert found.include_dirs[0] == "/opt/include/bpf"


def test_a_system_without_libbpf_is_told_which_package_has_it(pkg_config):
    with pytest.raises(build_native.NativeBuildError, match="apt-get install pkg-config libbpf-dev"):
        system_libbpf()


def test_kernel_headers_that_are_too_old_for_the_system_libbpf_are_an_error(pkg_config, tmp_path):
    pkg_config("1.7.0")
    (tmp_path / "linux").mkdir()
    (tmp_path / "linux" / "bpf.h").write_text("enum { BPF_TRACE_FENTRY };\n", encoding="ascii")
    compiler = shlex.split(sysconfig.get_config_var("CC"))
    tools = build_native.Toolchain(compiler, [*compiler, "-shared"])
    with pytest.raises(build_native.NativeBuildError, match=r"linux/bpf\.h lacks BPF_TRACE_FSESSION"):
        build_native.system_libbpf(tools, str(tmp_path))


# ---------------------------------------------------------------------------------------------------------------
# The cdef's order


@pytest.fixture
def build_ffi(tmp_path, monkeypatch):
    module = _load("build_ffi")
    monkeypatch.setattr(module, "CDEF_DIR", tmp_path)
    monkeypatch.setattr(module, "CDEF_ORDER", ("types.h", "lbc.h"))
    (tmp_path / "types.h").write_text("typedef int lbc_int;\n", encoding="ascii")
    (tmp_path / "lbc.h").write_text("#pragma once\nlbc_int lbc_function(void);\n", encoding="ascii")
    return module


def test_the_cdef_is_read_in_the_order_that_is_written_down(build_ffi, tmp_path):
    assert build_ffi.cdef_files() == [tmp_path / "types.h", tmp_path / "lbc.h"]
    build_ffi.make_ffi()


def test_a_cdef_file_that_is_not_in_the_order_is_an_error(build_ffi, tmp_path):
    (tmp_path / "new.h").touch()
    with pytest.raises(build_ffi.CdefError, match=r"csrc/cdef/new\.h is not in CDEF_ORDER"):
        build_ffi.cdef_files()


def test_an_entry_of_the_order_without_a_file_is_an_error(build_ffi, tmp_path):
    (tmp_path / "types.h").unlink()
    with pytest.raises(build_ffi.CdefError, match=r"names csrc/cdef/types\.h, which is not there"):
        build_ffi.cdef_files()


def test_a_cdef_file_that_cffi_cannot_read_is_named(build_ffi, tmp_path):
    (tmp_path / "types.h").write_text("typedef int;;\nint x y;\n", encoding="ascii")
    with pytest.raises(build_ffi.CdefError, match=r"csrc/cdef/types\.h: "):
        build_ffi.make_ffi()


# ---------------------------------------------------------------------------------------------------------------
# Wheel and sdist


def project_files():
    """List the files of the project: git's, or all but what builds leave where there is no git."""
    names = [str(path.relative_to(ROOT)) for path in sorted(ROOT.rglob("*")) if path.is_file()]
    left = re.compile(
        r"(\.git|\.venv|build|dist|vendor/libbpf/source|[^/]*\.egg-info|libbpf_cffi/include|\.\w+_cache|\.hypothesis)/"
        r"|.*__pycache__/|vendor/libbpf/\.|.*\.(so|o|pyc)$"
    )
    return build_dist.tracked([name for name in names if not left.match(name)], ROOT)


def copy_project(folder):
    for name in project_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(VENDORED, folder / "vendor" / "libbpf" / "source")
    return folder


#: -O0: what is built here is looked at, or run for a moment.
FAST = {"CFLAGS": "-O0", "SOURCE_DATE_EPOCH": "1700000000"}


def run(command, cwd, *, check=True, **environment):
    """Run a build with a clean environment, and return what it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LIBBPF_CFFI_", "PYTEST"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**inherited, **FAST, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stdout
    return done


def build(folder, *what, prefix=(), **environment):
    run([*prefix, sys.executable, "-m", "build", *what, "--no-isolation", "."], folder, **environment)
    return {path.suffix: path for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """Build sdist and wheel in a copy of the tree, and both again, elsewhere and otherwise, from the sdist."""
    if not VENDORED.is_dir():
        pytest.skip("libbpf's sources are not unpacked in this tree")
    first = copy_project(tmp_path_factory.mktemp("first"))
    made = build(first, "--sdist", "--wheel", LIBBPF_CFFI_NO_DOWNLOAD="1", TZ="UTC")
    second = tmp_path_factory.mktemp("a-directory-with-a-much-longer-name")
    with tarfile.open(made[".gz"]) as archive:
        archive.extractall(second, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (unpacked,) = second.iterdir()
    # Not everybody may make a network namespace; without one the build is told not to use the network.
    offline = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    offline = offline if subprocess.run([*offline, "true"], check=False, capture_output=True).returncode == 0 else []
    mask = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    # Without SOURCE_DATE_EPOCH: the sdist knows.
    settings = {"TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "", "LIBBPF_CFFI_NO_DOWNLOAD": "" if offline else "1"}
    again = build(unpacked, "--sdist", "--wheel", prefix=[*offline, *mask], **settings)
    return SimpleNamespace(first=first, sdist=made[".gz"], wheel=made[".whl"], again=again, offline=bool(offline))


@pytest.fixture(scope="session")
def wheel(builds):
    with zipfile.ZipFile(builds.wheel) as archive:
        yield archive


@pytest.fixture(scope="session")
def sdist_names(builds):
    with tarfile.open(builds.sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.build
def test_the_sdist_builds_with_the_network_off(builds):
    if not builds.offline:
        pytest.skip("this user may not make a network namespace")
    assert set(builds.again) == {".gz", ".whl"}


@pytest.mark.build
def test_a_wheel_from_the_sdist_is_the_checkouts_byte_for_byte(builds):
    assert digest(builds.again[".whl"]) == digest(builds.wheel)


@pytest.mark.build
def test_an_sdist_from_the_sdist_is_the_checkouts_byte_for_byte(builds):
    assert digest(builds.again[".gz"]) == digest(builds.sdist)


@pytest.mark.build
def test_the_times_in_wheel_and_sdist_are_the_sources(builds, wheel):
    assert {info.date_time for info in wheel.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    with tarfile.open(builds.sdist) as archive:
        assert {member.mtime for member in archive} == {1700000000}
    assert struct.unpack_from("<I", builds.sdist.read_bytes(), 4) == (1700000000,)


@pytest.mark.build
def test_modes_and_owners_are_fixed(builds, wheel):
    executable = {info.filename for info in wheel.infolist() if info.external_attr >> 16 & 0o777 == 0o755}
    # RECORD is written by setuptools itself, always as 664.
    plain = [info for info in wheel.infolist() if info.filename not in executable and info.filename[-7:] != "/RECORD"]
    assert executable == {name for name in wheel.namelist() if name.endswith(".so")}
    assert {info.external_attr >> 16 & 0o777 for info in plain} == {0o644}
    with tarfile.open(builds.sdist) as archive:
        assert {(member.uid, member.gid, member.uname, member.gname) for member in archive} == {(0, 0, "", "")}
        assert {member.mode for member in archive} <= {0o644, 0o755}


@pytest.mark.build
def test_the_wheel_is_tagged_for_every_cpython_from_3_10_on(builds, wheel):
    if not build_native.limited_api():
        pytest.skip("a free-threaded CPython before 3.15 has no limited API")
    assert re.fullmatch(r"libbpf_cffi-[\w.]+-cp310-abi3-linux_\w+\.whl", builds.wheel.name)
    text = wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/WHEEL"))).decode()
    assert re.findall(r"^(?:Tag|Root-Is-Purelib): (\S+)", text, re.MULTILINE)[0] == "false"
    assert "Tag: cp310-abi3-linux_" in text


@pytest.mark.build
def test_the_wheel_has_the_package_typed_and_the_headers_for_bpf_programs(wheel):
    names = set(wheel.namelist())
    sources = {f"libbpf_cffi/{path.name}" for path in (ROOT / "libbpf_cffi").glob("*.py*") if path.suffix != ".pyc"}
    assert sources <= names
    assert {"libbpf_cffi/_libbpf.pyi", "libbpf_cffi/py.typed", "libbpf_cffi/_libbpf.abi3.so"} <= names
    assert {f"libbpf_cffi/include/bpf/{name}" for name in BPF_HEADERS} <= names


@pytest.mark.build
def test_the_wheel_has_nothing_but_the_package_and_its_metadata(wheel):
    stray = [
        name
        for name in wheel.namelist()
        if not re.fullmatch(
            r"libbpf_cffi/([\w/]+\.pyi?|py\.typed|_libbpf\.abi3\.so|include/(bpf/)?[\w.]+\.h)|libbpf_cffi-[\w.]+\.dist-info/.*",
            name,
        )
    ]
    assert stray == []


@pytest.mark.build
def test_the_headers_in_the_wheel_are_libbpfs(wheel):
    for name in BPF_HEADERS:
        assert wheel.read(f"libbpf_cffi/include/bpf/{name}") == (VENDORED / "src" / name).read_bytes()
    ours = "libbpf_cffi.bpf.h"
    assert wheel.read(f"libbpf_cffi/include/{ours}") == (ROOT / "csrc" / "bpf" / ours).read_bytes()


def metadata(wheel):
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


@pytest.mark.build
def test_the_wheel_contains_the_licences_of_all_that_it_contains(wheel):
    files = set(metadata(wheel).get_all("License-File"))
    libbpfs = {f"vendor/libbpf/source/{name}" for name in ("LICENSE", "LICENSE.BSD-2-Clause", "LICENSE.LGPL-2.1")}
    assert files == {"LICENSE", "vendor/libbpf/LICENSE.note", *libbpfs}
    for name in files:
        packed = next(path for path in wheel.namelist() if path.endswith(f".dist-info/licenses/{name}"))
        assert wheel.read(packed) == (ROOT / name).read_bytes()


@pytest.mark.build
def test_the_metadata_says_what_an_installer_needs(wheel):
    read = metadata(wheel)
    assert (read["Name"], read["License-Expression"], read["Requires-Python"]) == (
        "libbpf-cffi",
        "BSD-2-Clause",
        ">=3.10",
    )
    needed = [text for text in read.get_all("Requires-Dist") if "extra" not in text]
    assert needed == ["cffi>=2.0"]
    entry = next(name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    assert "bpf-run = libbpf_cffi.run:main" in wheel.read(entry).decode()


@pytest.mark.build
def test_the_wheels_record_has_the_hash_of_every_file(wheel):
    record = next(name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
    listed = dict(line.rsplit(",", 2)[:2] for line in wheel.read(record).decode().splitlines())
    assert set(listed) == set(wheel.namelist())
    for name, value in listed.items():
        if name != record:
            found = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).decode().rstrip("=")
            assert value == f"sha256={found}"


@pytest.mark.build
def test_the_sdist_contains_every_file_of_the_project_and_libbpfs_sources(sdist_names):
    kept = {f"vendor/libbpf/source/{path.relative_to(VENDORED)}" for path in VENDORED.rglob("*") if path.is_file()}
    assert len(kept) > 50
    assert sdist_names == {*project_files(), *kept, "PKG-INFO", "SOURCE_DATE_EPOCH"}


@pytest.mark.build
def test_nothing_that_a_build_leaves_is_in_the_sdist(sdist_names):
    assert [
        name for name in sdist_names if re.search(r"\.(so|o|pyc)$|egg-info|__pycache__|\.lock$|^setup\.cfg$", name)
    ] == []


@pytest.mark.build
def test_a_second_build_in_one_tree_compiles_nothing(builds):
    command = [sys.executable, "setup.py", "build_ext"]
    run(command, builds.first)
    assert re.findall(r"^(?:compiled|linked) .*", run(command, builds.first).stdout, re.MULTILINE) == []


@pytest.mark.build
def test_an_edit_of_one_file_of_ours_compiles_that_file_alone(builds):
    command = [sys.executable, "setup.py", "build_ext"]
    run(command, builds.first)
    with open(builds.first / "csrc" / "load.c", "a", encoding="utf-8") as file:
        file.write("\n/* edited */\n")
    done = run(command, builds.first)
    assert re.findall(r"^(?:compiled|linked) .*", done.stdout, re.MULTILINE)[:1] == ["compiled csrc/load.c"]
    assert len(re.findall(r"^compiled ", done.stdout, re.MULTILINE)) == 1


@pytest.mark.build
def test_an_edited_header_compiles_what_includes_it(builds):
    command = [sys.executable, "setup.py", "build_ext"]
    run(command, builds.first)
    with open(builds.first / "vendor" / "libbpf" / "source" / "src" / "zip.h", "a", encoding="utf-8") as file:
        file.write("\n/* edited */\n")
    # An edited libbpf is refused, unless the user says that it is meant.
    mine = builds.first.parent / "mine"
    shutil.move(builds.first / "vendor" / "libbpf" / "source", mine)
    done = run(command, builds.first, LIBBPF_CFFI_SOURCE=str(mine))
    compiled = set(re.findall(r"^compiled .*/(\w+\.c)$", done.stdout, re.MULTILINE))
    shutil.rmtree(mine)
    shutil.rmtree(builds.first / "vendor" / "libbpf" / "source")
    shutil.copytree(VENDORED, builds.first / "vendor" / "libbpf" / "source")
    # Two of libbpf's files include zip.h: zip.c and libbpf.c, which one of ours may include in turn.
    assert "zip.c" in compiled
    assert len(compiled) == 2


@pytest.mark.build
def test_a_file_that_was_deleted_is_in_no_later_wheel(builds, tmp_path):
    gone = builds.first / "libbpf_cffi" / "gone.py"
    gone.write_text('"""Soon deleted."""\n', encoding="ascii")
    command = [sys.executable, "setup.py", "bdist_wheel", "--dist-dir", tmp_path]
    run(command, builds.first)
    gone.unlink()
    run(command, builds.first)
    (path,) = tmp_path.iterdir()
    assert "libbpf_cffi/gone.py" not in zipfile.ZipFile(path).namelist()


@pytest.mark.build
@pytest.mark.parametrize("frontend", [["setup.py", "build_ext"], ["-m", "pip", "wheel", "--no-build-isolation", "."]])
def test_a_build_without_a_compiler_says_so_in_a_few_lines(builds, frontend):
    done = run([sys.executable, *frontend], builds.first, check=False, CC="/nonexistent/cc")
    assert done.returncode != 0
    assert "this is missing: a working C compiler" in done.stdout
    assert "apt-get install gcc libc6-dev" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.build
def test_a_build_without_libbpfs_sources_and_without_download_says_what_to_do(builds, tmp_path):
    for name in project_files():
        if not name.startswith("tests/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    done = run([sys.executable, "setup.py", "build_ext"], tmp_path, check=False, LIBBPF_CFFI_NO_DOWNLOAD="1")
    assert done.returncode != 0
    assert "LIBBPF_CFFI_NO_DOWNLOAD forbids to download it" in done.stdout
    assert "Set LIBBPF_CFFI_SOURCE" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.build
def test_an_sdist_is_not_made_from_a_libbpf_that_is_not_the_pinned_one(builds, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(VENDORED, mine)
    with open(mine / "src" / "libbpf.c", "a", encoding="utf-8") as file:
        file.write("/* patched */\n")
    project = copy_project(tmp_path / "project")
    done = run([sys.executable, "setup.py", "sdist"], project, check=False, LIBBPF_CFFI_SOURCE=str(mine))
    assert done.returncode != 0
    assert "an sdist carries the pinned libbpf" in done.stdout


@pytest.mark.build
def test_both_a_source_and_the_systems_libbpf_are_a_contradiction(builds):
    settings = {"LIBBPF_CFFI_SOURCE": str(VENDORED), "LIBBPF_CFFI_SYSTEM_LIBBPF": "1"}
    done = run([sys.executable, "setup.py", "build_ext"], builds.first, check=False, **settings)
    assert "set one of LIBBPF_CFFI_SOURCE and LIBBPF_CFFI_SYSTEM_LIBBPF, not both" in done.stdout


@pytest.mark.build
def test_the_systems_libbpf_is_linked_and_works(builds, tmp_path):
    """The extension links what libbpf's own Makefile builds and installs, as a distribution's package does."""
    if not shutil.which("pkg-config") or not shutil.which("make"):
        pytest.skip("needs pkg-config and make")
    shutil.copytree(VENDORED, tmp_path / "libbpf")
    prefix = tmp_path / "usr"
    install = ["make", "-j2", "-s", f"PREFIX={prefix}", f"LIBDIR={prefix}/lib", "CFLAGS=-O0 -w", "install"]
    run(install, tmp_path / "libbpf" / "src", MAKEFLAGS="")
    project = copy_project(tmp_path / "project")
    shutil.rmtree(project / "vendor" / "libbpf" / "source" / "src")
    settings = {"LIBBPF_CFFI_SYSTEM_LIBBPF": "1", "PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
    run([sys.executable, "setup.py", "build_ext", "--inplace"], project, **settings)
    made = next((project / "libbpf_cffi").glob("_libbpf*.so"))
    elf = Elf(made)
    assert "libbpf.so.1" in elf.needed
    assert elf.exported == {"PyInit__libbpf"}
    headers = project / "libbpf_cffi" / "include" / "bpf"
    assert {path.name for path in headers.iterdir()} == BPF_HEADERS
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import _libbpf; lib = _libbpf.lib\n"
        "print(lib.libbpf_major_version(), lib.libbpf_minor_version())"
    )
    command = [sys.executable, "-c", program, made.parent]
    assert run(command, tmp_path, LD_LIBRARY_PATH=f"{prefix}/lib").stdout == "1 7\n"
