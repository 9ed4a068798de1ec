"""The life of one BPF object as a user of libbpf_cffi sees it: open, load, attach, close, one fact a line.

    python -bb -W error steps.py OBJECT

steps.c prints the same lines for libbpf in C, and compare.py compares the two: whatever changes here changes
there.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import zlib

import libbpf_cffi as bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BREAKS_LINES = re.compile(r"[\x00-\x1f\x7f\\]")


class Messages(logging.Handler):
    """Print what libbpf says as it comes, as the print hook of steps.c does."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message with libbpf's own number for its level."""
        level = {logging.WARNING: 0, logging.INFO: 1}[record.levelno]
        say(f"message {level} {quoted(record.getMessage())}")


def say(line: str) -> None:
    """Print a line; names of any bytes go out as they came in."""
    sys.stdout.write(line + "\n")


def quoted(text: str) -> str:
    """Write what would break the line in hexadecimal."""
    return BREAKS_LINES.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def open_descriptors() -> int:
    """Count this process's descriptors, without the one that counts them."""
    return len(os.listdir("/proc/self/fd")) - 1


def programs(obj: bpf.Object, when: str) -> Iterator[str]:
    """Describe each program."""
    for name, program in obj.programs.items():
        facts = [
            f"{when} program {quoted(name)} section={quoted(program.section_name)}",
            f"type={int(program.type)} expected_attach_type={int(program.expected_attach_type)}",
            f"flags={int(program.flags)}",
            f"autoload={program.autoload:d} autoattach={program.autoattach:d} log_level={program.log_level}",
            f"insn_cnt={program.insn_cnt}",
        ]
        try:
            info = program.info
        except bpf.StateError:
            # Not loaded: before load, or for its autoload.
            facts.append(f"insns={zlib.crc32(program.insns):08x}")
        else:
            facts.append(
                f"tag={program.tag} kernel_name={quoted(info.name)} kernel_type={int(info.type)} "
                f"xlated_prog_len={info.xlated_prog_len} nr_map_ids={len(info.map_ids)} "
                f"gpl_compatible={info.gpl_compatible:d} btf={info.btf_id != 0:d}"
            )
        yield " ".join(facts)


def maps(obj: bpf.Object, when: str, *, created: bool) -> Iterator[str]:
    """Describe each map."""
    for name, each in obj.maps.items():
        # As libbpf has them: of some types it forgets them in load, and the package does not.
        with bpf.pointer(each) as raw:
            key, value = bpf.lib.bpf_map__btf_key_type_id(raw), bpf.lib.bpf_map__btf_value_type_id(raw)
        facts = [
            f"{when} map {quoted(name)} type={int(each.type)} key_size={each.key_size}",
            f"value_size={each.value_size} max_entries={each.max_entries}",
            f"map_flags={int(each.map_flags)}",
            f"numa_node={each.numa_node} map_extra={each.map_extra} ifindex={each.ifindex}",
            f"autocreate={each.autocreate:d} autoattach={each.autoattach:d} internal={each.is_internal:d}",
            f"btf_key={key} btf_value={value}",
            f"pinned={each.is_pinned:d} pin_path={quoted(each.pin_path or '')}",
        ]
        if created and each.autocreate:
            info = each.info
            facts.append(
                f"kernel_name={quoted(info.name)} kernel_type={int(info.type)} kernel_key_size={info.key_size} "
                f"kernel_value_size={info.value_size} kernel_max_entries={info.max_entries} "
                f"kernel_map_flags={info.map_flags}"
            )
        yield " ".join(facts)


def failed(step: str, error: bpf.LibbpfError, culprit: str = "") -> None:
    """Say which step failed, and of a refusal by the verifier its program and log."""
    say(f"{step} errno={error.errno}{culprit}")
    if isinstance(error, bpf.VerifierError):
        say(f"verifier {quoted(error.program)} {quoted(error.log)}")


def attach(obj: bpf.Object) -> list[int] | None:
    """Attach, and return the ids of the links, or None."""
    try:
        links = obj.attach()
    except bpf.LibbpfError as error:
        # "attach program 'name' (section …)", "attach struct_ops map 'name'".
        kind, _, name = error.action.partition("'")
        failed("attach", error, f" {'map' if 'map' in kind else 'prog'} '{name.partition(chr(39))[0]}'")
        return None
    say("attach ok")
    ids = []
    for name, link in links.items():
        facts = "no info"
        if name in obj.programs:
            try:
                info = link.info
            except bpf.StateError:
                # Made of several (USDT): it has no descriptor to ask the kernel with.
                pass
            else:
                facts = f"type={int(info.type)}"
                ids.append(info.id)
        say(f"link {quoted(name)} {facts}")
    return ids


def live(path: str, only: str | None = None) -> list[str] | None:
    """Go through the life of the object, with all its programs or with only one.

    Return the names of the programs if the object was opened but did not come all the way.
    """
    try:
        obj = bpf.Object.open(path)
    except bpf.LibbpfError as error:
        failed("open", error)
        return None
    with obj:
        names = list(obj.programs)
        if only is None:
            say("open ok")
            say(f"object {quoted(obj.name)} kversion={obj.kversion}")
            for line in [*programs(obj, "opened"), *maps(obj, "opened", created=False)]:
                say(line)
        else:
            say(f"only {quoted(only)}")
            for name, program in obj.programs.items():
                program.autoload = name == only
        try:
            obj.load()
        except bpf.LibbpfError as error:
            failed("load", error)
            return names
        say("load ok")
        say(f"object btf={obj.btf_fd is not None:d} token={obj.token_fd is not None:d}")
        for line in [*programs(obj, "loaded"), *maps(obj, "loaded", created=True)]:
            say(line)
        ids = attach(obj)
    for number in ids or ():
        if bpf.lib.bpf_link_get_fd_by_id(number) >= 0:
            say(f"link {number} is still there")
    return names if ids is None else None


def main() -> None:
    """Print the life of the object that the command line names."""
    (path,) = sys.argv[1:]
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    logger = logging.getLogger("libbpf_cffi.libbpf")
    logger.setLevel(logging.INFO)
    logger.addHandler(Messages())
    before = open_descriptors()
    names = live(path)
    if names is not None and len(names) > 1:
        for name in names:
            live(path, name)
    say(f"close descriptors={open_descriptors() - before:+d}")


main()
