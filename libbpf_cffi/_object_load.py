"""Loading an object: everything is looked at first that libbpf would stumble over, and a failure is explained."""

from __future__ import annotations

import errno
import os

from . import _log
from ._check import failure, load_logs
from ._ffi import ffi, lib, text
from ._handle import ObjectHandle
from ._head_room import check_head_room
from ._map_access import close_elements
from ._map_settings import address_of
from ._object_contents import Contents
from ._pins import Folders, absolute_path, check_pin
from ._refusals import refused
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._gen_loader import LoaderProgram
    from ._libbpf import CData, bpf_map, bpf_object

__all__ = ["Loading"]

_UNKNOWN = (0, -errno.EOPNOTSUPP)
"""What libbpf's probes say of types that the kernel does not have, and that libbpf does not know."""

_OF_TYPE = (errno.EINVAL, errno.EOPNOTSUPP, errno.E2BIG)
"""What may be for the type, or for what a map of it is to be like."""

_DEFINITION = {
    "key_size": lib.bpf_map__key_size,
    "value_size": lib.bpf_map__value_size,
    "max_entries": lib.bpf_map__max_entries,
    "map_flags": lib.bpf_map__map_flags,
}
"""What a map is to be like, by the kernel's names."""

OPEN, PREPARED, LOADED, FAILED = ObjectHandle.OPEN, ObjectHandle.PREPARED, ObjectHandle.LOADED, ObjectHandle.FAILED


class Loading(Contents):
    """The part of `Object` that is its load."""

    __slots__ = ()

    def prepare(self) -> None:
        """Do everything of load but loading the programs: relocate them and create the maps.

        Afterwards `Program.insns` are what the kernel will see. *Wraps* ``bpf_object__prepare()``.
        """
        self._advance("prepare", lib.lbc_object_prepare, PREPARED, OPEN)

    def load(self) -> None:
        """Create the maps and load the programs into the kernel.

        *Wraps* ``bpf_object__load()``. Raises `VerifierError`, with the whole log, when the verifier refuses
        a program, and
        `LibbpfPermissionError`, with the missing capabilities, when the kernel refuses the process. After a
        load that failed the object can only be closed. Signals wait until the load is done: one that came in
        during a long verification would make it fail.
        """
        self._advance("load", lib.lbc_object_load, LOADED, OPEN, PREPARED)

    def gen_loader(self, *, gen_hash: bool = False) -> LoaderProgram:
        """Generate, instead of loading, a program that does all that load would do, for a place without libbpf.

        *Wraps* ``bpf_object__gen_loader()``. Light skeletons are made of such a program. It is of the type SYSCALL, and
        needs nothing of the object any more, which can only be closed afterwards. With `gen_hash` it compares the map
        of its data with a hash inside it, so that whoever signs the instructions has signed the data, too. Raises
        `NotSupportedError` for struct_ops maps and for variables in an arena, of which libbpf can make no loader. Linux
        5.14; `gen_hash` 6.18.
        """
        from ._gen_loader import Generation

        generation = Generation(self._handle, gen_hash)
        self._advance("generate the loader of", generation.run, ObjectHandle.GENERATED, OPEN)
        return generation.result(tuple(self._maps), tuple(self._programs))

    def _advance(self, verb: str, function: Callable[[bpf_object, CData], None], phase: str, *before: str) -> None:
        action = f"{verb} {self._handle.name}"
        self._handle.refuse_reentry(action)
        with self._handle.lock:
            pointer = self._handle.pointer
            self._handle.require(action, *before)
            _log.listen()
            check_head_room(len(self._programs) + len(self._maps), action)
            for each in self._maps.values():
                _check_arena(each, action)
                types = lib.bpf_map__btf_key_type_id(each), lib.bpf_map__btf_value_type_id(each)
                self._handle.map_types.setdefault(address_of(each), types)
            if self._custom_btf and self._handle.phase == OPEN:
                _check_custom_btf(self._custom_btf, action)
            with self._pin_by_name(action):
                _log.listen(debug=any(lib.bpf_program__log_level(each) for each in self._programs.values()))
                # A load that fails after a prepare closes the descriptors.
                close_elements(self._handle)
                result = ffi.new("int *", 1)
                try:
                    function(pointer, result)
                finally:
                    # A signal that was held back may raise here, with the work done.
                    if result[0] <= 0:
                        self._handle.phase = FAILED if result[0] else phase
                messages = _log.take()
                if messages:
                    self._logs.update(load_logs(messages))
                if result[0]:
                    # What failed may have been libbpf's probe of a feature, for want of a descriptor or a privilege.
                    lib.lbc_features_forget_missing()
                    hint = self._load_hint(-result[0], messages)
                    raise failure(-result[0], action, hint, user_log=self.kernel_log, messages=messages)

    def _load_hint(self, error: int, messages: list[tuple[int, str]]) -> str | None:
        """Say what is wrong with what was refused: its target or its type, or that nobody may load its like."""
        from ._capabilities import lacking_hint
        from ._close_names import missing_btf_target
        from ._program_open import traced_hint

        sections = {name: text(lib.bpf_program__section_name(each)) for name, each in self._programs.items()}
        refused = [said.partition("'")[2].partition("'")[0] for _, said in messages if "': failed to load: " in said]
        hint = missing_btf_target((said for _, said in messages), sections)
        untargeted = [said.partition("'")[2].partition("'")[0] for _, said in messages if _NO_TARGET in said]
        section = sections.get(untargeted[0], "") if untargeted else ""
        if section == "freplace" or any("attach program FD is not set" in said for _, said in messages):
            return (
                "it is not said what it is to replace: before load, set_attach_target(program, function) names a "
                "function of a program that is loaded"
            )
        if section:
            return _target_hint(section)
        if error == errno.E2BIG and any(part in said for _, said in messages for part in _NOT_RELOCATED):
            return (
                "its CO-RE relocations ask whether types match that contain each other so often that comparing them "
                "would not end"
            )
        if refused and refused[0] in self._programs:
            hint = hint or lacking_hint(error, lib.bpf_program__type(self._programs[refused[0]]))
            hint = hint or traced_hint(error, sections[refused[0]])
        hint = hint or self._pinned_hint(messages) or self._map_hint(error, messages)
        return hint or (self._type_hint(error, messages) if error in _OF_TYPE else None)

    def _map_hint(self, error: int, messages: list[tuple[int, str]]) -> str | None:
        """Say which capability a map needs that the kernel refused to create."""
        from ._capabilities import map_hint

        for _, said in messages:
            name = said.partition("'")[2].partition("'")[0]
            if "': failed to create: " in said and name in self._maps:
                return map_hint(error, lib.bpf_map__type(self._maps[name]))
        return None

    def _type_hint(self, error: int, messages: list[tuple[int, str]]) -> str | None:
        """Say of what type the map or program is that was refused, if the kernel does not have that."""
        from .enums import MapType, ProgType

        of_type = error != errno.E2BIG
        for _, said in messages:
            name = said.partition("'")[2].partition("'")[0]
            if "': failed to auto-pin at '" in said:
                # It was created; "failed to create" follows.
                return None
            if "': failed to create: " in said and name in self._maps:
                number = lib.bpf_map__type(self._maps[name])
                if of_type and lib.libbpf_probe_bpf_map_type(number, ffi.NULL) in _UNKNOWN:
                    kind = MapType(number).name
                    return f"this kernel has no maps of the type {kind}: autocreate = False leaves it out"
                return self._definition_hint(self._maps[name])
            # A verifier has seen it of which there is a log.
            if of_type and "': failed to load: " in said and name in self._programs and not load_logs(messages):
                number = lib.bpf_program__type(self._programs[name])
                if number == lib.BPF_PROG_TYPE_UNSPEC:
                    from ._close_names import missing_section

                    return missing_section(text(lib.bpf_program__section_name(self._programs[name])))
                if lib.libbpf_probe_bpf_prog_type(number, ffi.NULL) in _UNKNOWN:
                    kind = ProgType(number).name
                    return f"this kernel has no programs of the type {kind}: autoload = False leaves it out"
        return None

    def _definition_hint(self, map: bpf_map) -> str:
        from ._map_create import refused_hint

        return refused_hint(lib.bpf_map__type(map), *(get(map) for get in _DEFINITION.values()))

    def _pinned_hint(self, messages: list[tuple[int, str]]) -> str | None:
        """Say in what a pinned map differs from the object's that was to be it (libbpf's map_is_reuse_compat())."""
        from ._borrow import Descriptors

        head, tail = "pinned map at '", "': parameter mismatch"
        paths = [said.partition(head)[2].partition(tail)[0] for _, said in messages if head in said and tail in said]
        for name, each in self._maps.items():
            if not paths or text(lib.bpf_map__pin_path(each)) != paths[-1]:
                continue
            info = ffi.new("struct bpf_map_info *")
            size = ffi.new("__u32 *", ffi.sizeof(info[0]))
            with Descriptors() as made:
                fd = made.make(lib.bpf_obj_get, os.fsencode(paths[-1]))
                if fd < 0 or lib.bpf_map_get_info_by_fd(fd, info, size) < 0:
                    return None
            fields = {"type": lib.bpf_map__type, **_DEFINITION, "map_extra": lib.bpf_map__map_extra}
            both = [(field, getattr(info, field), get(each)) for field, get in fields.items()]
            theirs = ", ".join(f"{field} {pinned}" for field, pinned, own in both if pinned != own)
            ours = ", ".join(f"{field} {own}" for field, pinned, own in both if pinned != own)
            if not theirs:
                # It is another one by now.
                return None
            return (
                f"the pinned map has {theirs}, {name!r} of the object {ours}: set that to the same before load, or "
                "take the pinned one as it is by Map.reuse(), or remove the pin, with what is in it"
            )
        return None

    def _pin_by_name(self, action: str) -> Folders:
        """Check the way to where load pins maps, or takes pinned ones from."""
        pointers = (lib.bpf_map__pin_path(each) for each in self._maps.values())
        paths = {absolute_path(text(pointer), action) for pointer in pointers if pointer}
        for path in paths:
            check_pin(path, action)
        return Folders(action, *sorted({os.path.dirname(path) for path in paths}))


_NOT_RELOCATED = "failed to relocate: ", "failed to patch insn #"

_NO_TARGET = "no BTF-based attach target is specified"

_TARGETS = {"tp_btf": "tracepoint", "iter": "kind", "lsm": "hook", "lsm_cgroup": "hook"}
"""What a section names behind the slash, where that is no function."""


def _target_hint(section: str) -> str:
    """Say how the target is named that a program of such a section has none of."""
    what = _TARGETS.get(section.removesuffix(".s"), "function")
    return (
        f'its section does not say what it is to be attached to: SEC("{section}/{what}") does, or before load '
        f"Program.set_attach_target(None, {what})"
    )


def _check_custom_btf(path: str, action: str) -> None:
    """Raise when relocating against the BTF in a file would crash, or never end: libbpf reads it in the next moment."""
    from .btf import Btf

    try:
        Btf.from_file(path).close()
    except LibbpfError as error:
        hint = f"the file {path!r}, which btf_custom_path names, cannot be read, or has no BTF"
        if error.errno == errno.EINVAL:
            hint = f"btf_custom_path: {error}"
        raise failure(error.errno or errno.EINVAL, action, hint) from None


def _check_arena(pointer: bpf_map, action: str) -> None:
    """Raise when load would write over this process's own memory, or where it gets a SIGSEGV.

    libbpf maps an arena with ``MAP_FIXED`` at the address in its ``map_extra``, over whatever is there (EEXIST), and
    writes the initial values of variables into pages that with ``BPF_F_SEGV_ON_FAULT`` must not be touched (EFAULT).
    """
    if lib.bpf_map__type(pointer) != lib.BPF_MAP_TYPE_ARENA or not lib.bpf_map__autocreate(pointer):
        return
    arena = f"arena {text(lib.bpf_map__name(pointer))!r}"
    if lib.bpf_map__map_flags(pointer) & lib.BPF_F_SEGV_ON_FAULT and lib.bpf_map__initial_value(
        pointer, ffi.new("size_t *")
    ):
        why = "holds variables, whose initial values cannot be written with the map flag SEGV_ON_FAULT"
        raise failure(errno.EFAULT, action, f"{arena} {why}")
    start = lib.bpf_map__map_extra(pointer)
    if not start:
        return
    end = start + lib.bpf_map__max_entries(pointer) * os.sysconf("SC_PAGESIZE")
    wants = f"{arena} wants the addresses from {start:#x} to {end:#x}"
    try:
        with open("/proc/self/maps", "rb") as file:
            parts = [line.partition(b" ")[0].partition(b"-") for line in file]
    except OSError as error:
        why = "and /proc/self/maps alone says whether there is other memory: without map_extra it may be any"
        raise failure(refused(error), action, f"{wants}, {why}") from None
    if any(start < int(last, 16) and int(first, 16) < end for first, _, last in parts):
        raise failure(errno.EEXIST, action, f"{wants}, where this process has other memory: choose another map_extra")
