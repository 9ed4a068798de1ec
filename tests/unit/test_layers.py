"""A module imports only from rows above its own; this is the table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent.parent / "libbpf_cffi"

ROWS = (
    {"_arguments", "_elf", "_kernel_symbols", "_libbpf", "_preload", "_refusals", "errors"},
    {"_alternative_names", "_command_io", "_privileges", "_process_maps"},
    {"_command_text"},
    {"_alone", "_elf_embedded", "_elf_uncalled", "_helper_calls", "hist", "_mounts", "_ffi", "_named"},
    {"_close_later"},
    {"tracefs", "_handle", "enums", "_log", "_map_fields", "_verifier_hints"},
    {"tracepoints", "_check", "_map_access", "_record", "infos"},
    {"_borrow", "_contexts", "_type_numbers", "insns"},
    {
        "_btf_dump", "_capabilities", "_cgroup_process", "_codec_program", "_files", "_pin_paths", "_pins", "_sections",
        "_trace_held", "_trace_lines",
    },
    {"_kernel_open", "_net_names", "_targets"},
    {"_link_opts"},
    {"_codec_base", "_syscall_attrs", "_syscall_text"},
    {"syscalls"},
    {
        "_elf_target", "_gen_loader", "_head_room", "_isolate", "_kernel_holders", "_link_kinds", "_link_update",
        "_memlock", "tokens",
    },
    {"_codec_scalar", "_codec_union", "_kernel_listing", "_trace_source"},
    {"_codec_array", "_codec_struct", "_link_open", "_trace_text"},
    {"_codec_flexible", "_trace_format", "_trace_instance", "_trace_names", "_trace_reader"},
    {"_trace_async", "_trace_raw"},
    {"_codec"},
    {"_btf_values"},
    {"_btf_type", "_event_types"},
    {"_batch", "_btf_build", "_btf_find", "_btf_text"},
    {"_btf_derive", "_perf_settings", "_stream_source", "_stream_steps"},
    {"_stream"},
    {"_map_open", "_map_settings", "_program_open", "_vmlinux", "btf", "links", "stats"},
    {"_event_find", "perfbuf", "ringbuf", "trace_pipe", "user_ringbuf"},
    {"_clang", "_map_identity", "_prog_handlers", "_type_spec", "btf_ext"},
    {"_map_create", "_map_elements"},
    {"_map_related"},
    {"_map_creatable"},
    {"_map"},
    {"_map_no_elements", "_map_lend", "_map_numpy", "_map_queues"},
    {"_map_arena", "_map_bulk", "_map_ring"},
    {"_map_hash"},
    {"_map_array", "_map_lpm", "_map_slots"},
    {"_map_insns", "_map_of_maps", "_map_percpu", "_map_programs", "_map_redirect", "_map_sockets", "_map_stacks"},
    {"_map_groups", "_map_storage", "_map_struct_ops"},
    {
        "maps", "perf_events", "_close_names", "_attach_methods", "_attach_options", "_net_enums", "_net_links",
        "_net_records", "_netlink", "_program",
    },
    {
        "_attach_iter", "_attach_place", "_close_symbols", "_net_hints", "_net_target", "_program_info", "_socket",
        "_test_run",
    },
    {"_attach_cgroup", "_dump", "_net_tc", "_net_xdp"},
    {
        "_net_query", "_attach_net", "_attach_tracing", "_attach_user", "_jited_sizes", "_program_code",
        "_program_dump", "_program_run",
    },
    {"_program_kernel"},
    {"loaded", "_probe_files", "_probe_system", "_probe_targets", "_probe_types"},
    {"_probe_code"},
    {"probe", "symbols"},
    {"programs", "variables"},
    {"_command_entries"},
    {"_object_contents"},
    {"_object_load"},
    {"objects"},
    {"net"},
    {"_kernel_dump", "_kernel_table"},
    {"compile", "kernel", "linker"},
    {"__init__"},
    {"_run_family", "_run_given", "_run_io"},
    {"_run_facts", "_run_loop", "_run_parser"},
    {"_run_options"},
    {"_run_child", "_run_pins", "_run_setup", "_run_syscalls", "_run_trace"},
    {"_run_buffers", "_run_maps", "_run_once", "_run_targets", "_run_values"},
    {"_run_fields"},
    {"_run_rows"},
    {"_run_table"},
    {"_run_events"},
    {"_run_job"},
    {"run"},
)
"""The modules by row; the first rows know nothing of the later ones. What is private stands as low as it can."""

ROW_OF = {module: row for row, modules in enumerate(ROWS) for module in modules}
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))

COMMANDS = {"run", "compile", "kernel", "linker", "probe"}
"""The modules that are commands; all but `run` are libraries as well."""


def imports(module: str) -> set[str]:
    """The package's modules that a module imports, lazily or not; what only a type checker sees is left out."""
    found: set[str] = set()
    _collect(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8")), found)
    return found


def _collect(node: ast.AST, found: set[str]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for other in child.orelse:
                _collect(other, found)
            continue
        if isinstance(child, ast.ImportFrom):
            absolute = (child.module or "").split(".")
            if child.level == 1 and child.module is None:
                found.update(alias.name for alias in child.names)
            elif child.level == 1:
                found.add(absolute[0])
            elif absolute[0] == PACKAGE.name:
                names = {alias.name for alias in child.names}
                found.update(absolute[1:2] or ({*names & set(MODULES), "__init__"}))
        elif isinstance(child, ast.Import):
            found.update("__init__" for alias in child.names if alias.name.split(".")[0] == PACKAGE.name)
        _collect(child, found)


def test_the_table_names_every_module() -> None:
    """A new module gets a row, and a row names no module that is gone."""
    assert sorted(ROW_OF) == sorted([*MODULES, "_libbpf"])


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_rows_above(module: str) -> None:
    """What a module imports stands in a row above its own."""
    if module == "__init__":
        # `import libbpf_cffi` is what the rows below have; the lazy names are checked by test_names.py.
        return
    known = imports(module) & set(ROW_OF)
    wrong = {name for name in known if ROW_OF[name] >= ROW_OF[module]}
    assert not wrong, f"{module} (row {ROW_OF[module]}) imports {wrong}"


def test_one_module_imports_the_extension() -> None:
    """`_ffi` is the only importer of `_libbpf`."""
    assert [module for module in MODULES if "_libbpf" in imports(module)] == ["_ffi"]


@pytest.mark.parametrize("module", ["run", *(name for name in MODULES if name.startswith("_run_"))])
def test_the_command_uses_only_what_the_package_offers(module: str) -> None:
    """The command is written as any tool on this package could be: no private module of the library, but its rules.

    How values are shown is what the commands have in common.
    """
    rules = {"_elf_uncalled", "_event_find", "_helper_calls", "_command_entries", "_command_text"}
    library = {name for name in imports(module) if name.startswith("_") and not name.startswith("_run_")}
    assert library <= {"__init__", *rules}


PRINTERS = {*COMMANDS, "_command_io", "_vmlinux"}
"""The commands, what writes for them, and what a child process answers by its stdout."""

LIBRARY = [name for name in MODULES if name not in PRINTERS and not name.startswith("_run_")]


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_prints_nothing(module: str) -> None:
    """No `print`, `sys.stdout` or `sys.stderr` outside the commands."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Name) and node.id == "print"), f"{module}:{node.lineno}"
        assert not (isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr") and _is_sys(node.value))


def _is_sys(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "sys"


def test_two_functions_make_every_libbpf_error() -> None:
    """Outside `_check` nothing builds a `LibbpfError`, but what hands on the one of a child process."""
    kinds = {"LibbpfError", "VerifierError", "LibbpfPermissionError", "NotSupportedError"}
    for module in MODULES:
        if module in ("_check", "errors", "_vmlinux"):
            continue
        tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
        made = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not made & kinds, module
