"""Which clang compiles: the one that is asked for, or else the newest in PATH that can compile for BPF.

Most of the compilers here are scripts that hand on to the real one, or fail as a real one would that was built without
BPF.
"""

from __future__ import annotations

import os
import shlex

import pytest

from libbpf_cffi import CompileError, LibbpfError, _clang, compile_object

PROGRAM = """\
__attribute__((section("socket"), used))
int passes(void *ctx)
{
	return 4321;
}
"""

BROKEN = "int passes(void) { return nowhere; }\n"

WITHOUT_BPF = """\
for argument; do
	case $argument in --target=bpf*)
		echo "error: unable to create target: 'No available targets are compatible with triple \\"bpf\\"'" >&2
		exit 1
	esac
done
"""


@pytest.fixture(scope="module")
def real():
    """Find the machine's clang."""
    return os.path.realpath(_clang.find(None, "test")[0])


@pytest.fixture(autouse=True)
def own_path(tmp_path, monkeypatch, real):
    """Have nothing in PATH but what a test puts there."""
    monkeypatch.delenv("CLANG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()


@pytest.fixture
def install(tmp_path, real):
    """Put a compiler into PATH: a script that notes that it compiled, and hands on to the real one."""

    def put(name: str, before: str = "", folder: str = "bin") -> str:
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        note = shlex.quote(str(tmp_path / "ran"))
        lines = ["#!/bin/sh", f"echo {shlex.quote(name)} >>{note}", before, f'exec {shlex.quote(real)} "$@"']
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return put


@pytest.fixture
def ran(tmp_path):
    """Tell which compilers ran, in their order."""
    return lambda: (tmp_path / "ran").read_text(encoding="utf-8").split()


# None


def test_without_a_clang_the_packages_are_named():
    packages = r"(?s)apt-get install clang.*dnf install clang.*apk add clang"
    with pytest.raises(CompileError, match=packages):
        compile_object(PROGRAM)


def test_without_a_clang_nothing_was_run():
    with pytest.raises(CompileError) as error:
        compile_object(PROGRAM)
    assert (error.value.command, error.value.returncode, error.value.stderr) == ((), None, "")


def test_an_empty_path_has_no_clang(monkeypatch, tmp_path, install):
    install("clang")
    monkeypatch.chdir(tmp_path / "bin")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CompileError, match="no clang in PATH"):
        compile_object(PROGRAM)


def test_an_empty_part_of_the_path_is_not_the_working_directory(monkeypatch, tmp_path, install):
    install("clang", folder="elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("PATH", f":{tmp_path / 'bin'}:")
    with pytest.raises(CompileError, match="clang='clang' is no program"):
        compile_object(PROGRAM, clang="clang")


def test_a_folder_of_the_path_that_is_not_there_is_passed_over(monkeypatch, tmp_path, install):
    install("clang")
    monkeypatch.setenv("PATH", f"{tmp_path / 'absent'}:{tmp_path / 'bin'}")
    assert compile_object(PROGRAM)


def test_without_a_path_the_systems_own_is_searched(monkeypatch, tmp_path, install):
    place = install("clang", folder="system")
    monkeypatch.delenv("PATH")
    monkeypatch.setattr(os, "defpath", f"{tmp_path / 'absent'}:{tmp_path / 'system'}")
    assert _clang.find(None, "test") == [place]


@pytest.mark.parametrize("name", ["clang-format-19", "clang++-19", "clang-cl-19", "clangd", "clang-", "xclang-19"])
def test_other_tools_of_clang_are_no_clang(name, install):
    install(name)
    with pytest.raises(CompileError, match="no clang in PATH"):
        compile_object(PROGRAM)


def test_what_cannot_be_executed_is_no_clang(tmp_path):
    (tmp_path / "bin" / "clang").write_text("", encoding="utf-8")
    (tmp_path / "bin" / "clang-19").mkdir()
    with pytest.raises(CompileError, match="no clang in PATH"):
        compile_object(PROGRAM)


# The one that is asked for


def test_the_argument_names_a_path(install, ran):
    compile_object(PROGRAM, clang=install("mine", folder="elsewhere"))
    assert ran() == ["mine"]


def test_the_argument_names_a_program_in_the_path(install, ran):
    install("mine")
    compile_object(PROGRAM, clang="mine")
    assert ran() == ["mine"]


def test_the_environment_names_one(install, ran, monkeypatch):
    install("clang-99")
    monkeypatch.setenv("CLANG", install("mine"))
    compile_object(PROGRAM)
    assert ran() == ["mine"]


def test_the_argument_comes_before_the_environment(install, ran, monkeypatch):
    monkeypatch.setenv("CLANG", install("theirs"))
    compile_object(PROGRAM, clang=install("mine"))
    assert ran() == ["mine"]


def test_an_empty_variable_names_none(install, ran, monkeypatch):
    monkeypatch.setenv("CLANG", "")
    install("clang-19")
    compile_object(PROGRAM)
    assert ran() == ["clang-19"]


def test_an_argument_that_is_no_program_is_named():
    with pytest.raises(CompileError, match=r"clang='/not/there' is no program.*\n.*apt-get install clang"):
        compile_object(PROGRAM, clang="/not/there")


def test_a_variable_that_is_no_program_is_named(monkeypatch):
    monkeypatch.setenv("CLANG", "not-there")
    with pytest.raises(CompileError, match="environment variable CLANG='not-there' is no program"):
        compile_object(PROGRAM)


def test_no_other_takes_the_place_of_the_one_that_is_asked_for(install):
    install("clang-19")
    with pytest.raises(CompileError, match="mine cannot compile for BPF"):
        compile_object(PROGRAM, clang=install("mine", WITHOUT_BPF))


# The newest


def test_the_newest_is_taken(install, ran):
    for name in ("clang-9", "clang-19", "clang-14"):
        install(name)
    compile_object(PROGRAM)
    assert ran() == ["clang-19"]


def test_the_newest_is_taken_wherever_it_is_in_the_path(install, ran, monkeypatch, tmp_path):
    install("clang-14")
    install("clang-19", folder="other")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path / 'other'}")
    compile_object(PROGRAM)
    assert ran() == ["clang-19"]


def test_a_clang_whose_path_tells_its_version_is_not_asked(install, ran, tmp_path):
    """As in Debian, where clang leads to llvm-14/bin/clang."""
    install("clang-19")
    (tmp_path / "bin" / "clang").symlink_to(install("clang", folder="llvm-14/bin"))
    compile_object(PROGRAM)
    assert ran() == ["clang-19"]


def test_a_clang_without_a_version_in_its_path_is_asked_for_it(install, ran):
    install("clang-9")
    install("clang")
    compile_object(PROGRAM)
    assert ran() == ["clang", "clang"], "once for its version, which is that of the real one"


def test_of_equals_the_first_in_the_path_is_taken(install, ran, monkeypatch, tmp_path):
    install("clang-19", "echo second >&2", folder="second")
    first = install("clang-19")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path / 'second'}")
    assert _clang.find(None, "test")[0] == first


def test_an_only_one_is_not_asked_for_its_version(install, ran):
    install("clang")
    compile_object(PROGRAM)
    assert ran() == ["clang"]


# What cannot compile for BPF


def test_a_clang_without_bpf_is_passed_over(install, ran):
    install("clang-19")
    install("clang-20", WITHOUT_BPF)
    compile_object(PROGRAM)
    assert ran() == ["clang-20", "clang-20", "clang-19"]


def test_without_any_that_has_bpf_each_is_named_with_what_it_says(install):
    install("clang-19", WITHOUT_BPF)
    install("clang-18", WITHOUT_BPF)
    said = "cannot compile for BPF: error: unable to create target"
    with pytest.raises(CompileError, match=rf"(?s)clang-19 {said}.*clang-18 {said}"):
        compile_object(PROGRAM)


def test_without_any_that_has_bpf_the_packages_are_named(install):
    install("clang-19", WITHOUT_BPF)
    with pytest.raises(CompileError, match="apt-get install clang"):
        compile_object(PROGRAM)


def test_a_source_that_is_refused_is_not_tried_with_another(install, ran):
    install("clang-19")
    install("clang-18")
    with pytest.raises(CompileError, match="use of undeclared identifier"):
        compile_object(BROKEN)
    assert set(ran()) == {"clang-19"}


def test_a_program_that_cannot_be_run_is_passed_over(install, ran, tmp_path):
    (tmp_path / "bin" / "clang-20").write_bytes(b"\0no program")
    (tmp_path / "bin" / "clang-20").chmod(0o755)
    install("clang-19")
    compile_object(PROGRAM)
    assert ran() == ["clang-19"]


def test_a_program_that_cannot_be_run_is_named(tmp_path):
    (tmp_path / "bin" / "clang-20").write_bytes(b"\0no program")
    (tmp_path / "bin" / "clang-20").chmod(0o755)
    with pytest.raises(CompileError, match="clang-20 cannot be run: Exec format error"):
        compile_object(PROGRAM)


def test_a_program_that_makes_something_else_is_named(tmp_path):
    path = tmp_path / "bin" / "clang-20"
    path.write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
    path.chmod(0o755)
    with pytest.raises(CompileError, match="clang-20 cannot compile for BPF: it makes something else"):
        compile_object(PROGRAM)


def test_a_clang_that_is_too_old_is_said_to_be(install):
    with pytest.raises(CompileError, match=r"this clang is version 9; CO-RE and vmlinux\.h need 10 or later"):
        compile_object(BROKEN, clang=install("clang-9"))


def test_a_clang_that_is_not_too_old_is_not_said_to_be(install):
    with pytest.raises(CompileError) as error:
        compile_object(BROKEN, clang=install("clang-10"))
    assert "this clang is" not in str(error.value)


@pytest.mark.unsanitized("its clang is a shell that kills itself, which libasan in it reports")
def test_a_clang_that_a_signal_ended_is_said_to_be(install):
    dies = "for argument; do case $argument in /proc/*) kill -SEGV $$; esac; done"
    with pytest.raises(CompileError, match="was ended by signal 11") as error:
        compile_object(PROGRAM, clang=install("clang-19", dies))
    assert error.value.returncode == -11


def test_no_thread_for_the_compiler_is_an_error_of_ours(monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    with pytest.raises(LibbpfError, match="can't start new thread"):
        compile_object("int x;\n", clang="/bin/true")
