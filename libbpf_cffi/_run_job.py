"""One run of the command, step by step, and its way back from wherever it got to."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from time import monotonic

import libbpf_cffi as bpf

from . import _run_facts as facts
from ._run_io import Interrupted, Output, ReaderGoneError
from ._run_loop import Lines, drain, stream
from ._run_options import TARGETS, UsageError, object_name
from ._run_setup import (
    choose_programs,
    compile_source,
    find_tracefs,
    leave_out,
    needs_tracefs,
    open_object,
    resize_maps,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._run_child import Child
    from ._run_events import Events
    from ._run_io import Reporter, Stopper
    from ._run_loop import Source
    from ._run_maps import Shows
    from ._run_once import Once
    from ._run_options import Options
    from ._run_pins import Pins
    from ._run_syscalls import Calls
    from ._run_targets import Targets
    from ._run_trace import Trace

__all__ = ["Job"]


class Job:
    """What one command line asks for: `go` does it, `close` undoes what must not stay."""

    def __init__(self, options: Options, stopper: Stopper, report: Reporter) -> None:
        self._options = options
        self._stopper = stopper
        self._report = report
        self._objects: dict[str, bpf.Object] = {}
        self._links: dict[str, dict[str, bpf.Link | bpf.SocketProgram]] = {}
        self._pins: Pins | None = None
        self._child: Child | None = None
        self._command_path = ""
        self._trace: Trace | None = None
        self._output: Output | None = None
        self._events: Events | None = None
        self._shows: Shows | None = None
        self._targets: Targets | None = None
        self._once: Once | None = None
        self._calls: Calls | None = None
        self._lines = Lines(options.lines)
        self._set_up = False
        self._show_rest = True

    def go(self) -> None:
        """Do it all, until there is a reason to end; `Interrupted` by a signal."""
        self._check()
        if self._options.syscalls:
            from ._run_syscalls import Calls

            self._calls = Calls(self._options.syscalls, self._report)
        self._open()
        self._configure()
        for path, obj in self._objects.items():
            facts.found(self._report, path, obj)
        self._prepare_pins()
        self._load()
        iterators = self._once is not None and bool(self._once.iterators)
        if self._options.variables or self._shows is not None or self._events is not None or iterators:
            self._output = Output(self._options.output, self._stopper)
        if self._options.variables:
            self._list_variables()
        if not self._options.load_only:
            self._attach()
            if self._calls is not None:
                self._calls.show()
            self._stay()
        else:
            self._set_up = True

    # Steps

    def _check(self) -> None:
        """Look at what can be wrong before anything is loaded."""
        for pid in self._options.pid:
            if not os.path.isdir(f"/proc/{pid}/task"):
                raise OSError(errno.ESRCH, f"there is no process {pid}")
        if self._options.command:
            from ._run_child import find_command

            self._command_path = find_command(self._options.command[0])

    def _open(self) -> None:
        for path in self._options.objects:
            self._stopper.check()
            if path in self._objects:
                raise UsageError(f"{path!r} is named twice")
            if path.endswith(".c"):
                self._objects[path] = bpf.Object.open(
                    compile_source(path, self._options, self._stopper, self._report), object_name=object_name(path)
                )
            else:
                self._objects[path] = open_object(path, self._options)

    def _configure(self) -> None:
        options = self._options
        choose_programs(options, self._objects)
        resize_maps(options, self._objects)
        iterators = any(facts.is_iterator(each) for obj in self._objects.values() for each in obj.programs.values())
        if options.call or (iterators and not options.load_only):
            from ._run_once import Once

            self._once = Once(options, self._objects)
        if options.pid or any(getattr(options, name) for name in TARGETS):
            from ._run_targets import Targets

            self._targets = Targets(options, self._objects)
        leave_out(self._objects, self._targets.functions if self._targets else (), self._report)
        if options.verifier_log:
            for obj in self._objects.values():
                for program in obj.programs.values():
                    program.log_level = options.log_level
        if options.set:
            from ._run_values import assign

            for name, value in options.set:
                assign(self._objects, name, value, self._report)
        if options.map or options.hist:
            from ._run_maps import Shows

            self._shows = Shows(options, self._objects, self._report)
        if not options.load_only:
            self._find_events()

    def _find_events(self) -> None:
        """Find the buffers whose events are shown, and see whether there is what the options ask for."""
        options = self._options
        if not options.no_events and (options.events or facts.has_buffers(self._objects.values())):
            from ._run_buffers import find
            from ._run_events import Events

            buffers = find(options, self._objects, self._report)
            if buffers:
                self._events = Events(options, buffers, self._report)
                return
        if options.about_events:
            raise UsageError(
                f"{options.about_events[0]} is about events, and there is no ring or perf buffer whose events are of a "
                "known type (--events MAP:TYPE tells one)"
            )
        if options.no_trace:
            iterators = self._once is not None and self._once.iterators
            about = [] if iterators else [*options.about_lines]
            about += options.about_output if self._shows is None and not iterators else ()
            if about:
                raise UsageError(f"{about[0]} is about the trace and events: --no-trace shows none, and there are none")

    def _prepare_pins(self) -> None:
        """Make ready for pins, if there will be any."""
        by_name = any(
            each.pin_path is not None for obj in self._objects.values() for each in obj.maps.values()
        )
        if self._options.pin is None and not by_name:
            return
        from ._run_pins import Pins

        self._pins = Pins(self._options.pin)
        self._pins.prepare(self._objects, self._options, self._stopper, self._report)

    def _load(self) -> None:
        for obj in self._objects.values():
            self._stopper.check()
            obj.load()
            if self._options.verifier_log:
                for program in obj.programs.values():
                    if program.log:
                        self._report.plain(f"verifier's log of program {program.name}:\n{program.log}")
            facts.loaded(self._report, obj)
        if self._pins is not None and self._pins.folder is not None:
            for path, obj in self._objects.items():
                self._stopper.check()
                self._pins.pin_loaded(obj, self._pin_folder(path))

    def _list_variables(self) -> None:
        from ._command_text import room
        from ._run_values import list_variables

        assert self._output is not None
        # As in a pipe to head: whoever has read enough has not been failed.
        with suppress(ReaderGoneError):
            list_variables(self._objects, self._output, room(self._output.fd), as_json=self._options.json)

    def _pin_folder(self, path: str) -> str:
        assert self._pins is not None
        assert self._pins.folder is not None
        return (
            self._pins.folder
            if len(self._objects) == 1
            else os.path.join(self._pins.folder, object_name(path))
        )

    def _attach(self) -> None:
        self._stopper.check()
        if self._needs_no_trace():
            self._options.no_trace = True
        follows = self._events is not None and self._options.filtered
        if not self._options.no_trace or follows or needs_tracefs(self._objects.values()):
            find_tracefs(self._options, self._stopper, self._report)
        if self._options.command:
            from ._run_child import Child

            self._stopper.watch_children()
            self._child = Child(self._command_path, self._options.command)
        if not self._options.no_trace:
            from ._run_trace import Trace

            if self._output is None:
                self._output = Output(self._options.output, self._stopper)
            self._trace = Trace(self._options, self._report, self._output, self._lines)
            self._trace.ready(self._child)
        if self._events is not None:
            if self._options.task:
                self._report.fact("--task chooses among the lines of the trace: --filter chooses among the events")
            assert self._output is not None
            self._events.open(self._output, self._lines)
            if self._options.filtered:
                self._events.follow(None if self._child is None else self._child.pid)
        for path, obj in self._objects.items():
            self._stopper.check()
            self._links[path] = {**obj.attach()}
            if self._targets is not None:
                for name, link in self._targets.attach(path):
                    self._links[path][name] = link
        for path, obj in self._objects.items():
            places = self._targets.places.get(path, {}) if self._targets is not None else {}
            facts.attached(self._report, obj, self._links[path], places)
            facts.skipped(self._report, obj)
        if not any(self._links.values()) and (self._once is None or not self._once.calls):
            raise NothingAttachedError(
                "nothing is attached, so there is nothing to wait for (--load-only only loads)"
            )
        if self._pins is not None and self._pins.folder is not None:
            for path, links in self._links.items():
                self._stopper.check()
                self._pins.pin_links(links, self._pin_folder(path))
            self._report.fact(f"pinned in {self._pins.folder}: stays attached until that folder is removed")
        self._stopper.check()
        self._set_up = True

    def _needs_no_trace(self) -> bool:
        """Tell whether the trace would show only what other programs print, and something else is asked for."""
        options = self._options
        if options.csv:
            return True
        about = [*options.about_trace, *(options.about_lines if self._events is None else ())]
        asked = self._shows is not None or self._events is not None or self._is_done_at_once()
        return asked and not about and not facts.prints(self._objects.values())

    def _is_done_at_once(self) -> bool:
        """Tell whether nothing stays attached but iterators, and nothing asks for more than what is there at once."""
        options = self._options
        if self._once is None or self._events is not None or options.about_trace:
            return False
        if self._shows is not None and self._shows.repeated:
            return False
        if options.pin is not None or options.duration is not None or options.command or options.lines is not None:
            return False
        if self._set_up:
            names = {(path, name.partition(".")[0]) for path, links in self._links.items() for name in links}
        else:
            programs = [(path, each) for path, obj in self._objects.items() for each in obj.programs.values()]
            loaded = [(path, each) for path, each in programs if each.autoload]
            names = {(path, each.name) for path, each in loaded if facts.type_name(each) != "syscall"}
        return names <= self._once.iterators

    def _stay(self) -> None:
        """Show what is there at once, then events and the trace, or wait, until it is time to end."""
        options = self._options
        deadline = None if options.duration is None else monotonic() + options.duration
        if self._once is not None:
            try:
                self._once.show(self._links, self._output, self._stopper, self._report, deadline)
            except ReaderGoneError:
                self._show_rest = False
                return
            if self._is_done_at_once():
                return
        until = ["Ctrl-C"]
        if options.duration is not None:
            until.append(f"{options.duration:g} s have passed")
        if options.lines is not None:
            lines = "lines" if self._events is None else "events" if self._trace is None else "lines and events"
            one = "an event has come" if self._events is not None and self._trace is None else "a line has come"
            until.append(f"{options.lines} {lines} have come" if options.lines > 1 else one)
        if self._child is not None:
            until.append(f"{self._child.command[0]} has ended")
        what = "showing events" if self._events is not None else "attached"
        if self._trace is not None:
            what = f"tracing ({self._trace.pipe.path}/trace_pipe)"
        self._report.fact(f"{what} until {' or '.join(until)}")
        if self._trace is not None and not facts.prints(self._objects.values()):
            self._report.fact(
                "note: none of these programs calls bpf_printk(): the lines, if any, are of others"
            )
        if self._child is not None:
            self._child.start(self._stopper)
        if self._shows is not None:
            if self._calls is not None:
                self._shows.after = self._calls.show
            self._shows.start()
        sources = [*([self._trace] if self._trace is not None else []), *(self._events.sources if self._events else [])]
        try:
            stream(self._stopper, deadline, self._child, sources, self._lines, self._output, self._shows)
        except ReaderGoneError:
            self._show_rest = False
        except Exception:
            # What went wrong once, a full disk say, would go wrong again with the rest.
            self._show_rest = False
            raise

    # The way back

    def close(self) -> list[str]:
        """Detach, close and remove what must not stay; return, in words, what did not succeed."""
        trouble = []
        if self._child is not None:
            self._tell_end(self._child)
            self._child.close()
        if self._pins is not None and not self._set_up:
            trouble += [f"cannot remove the pin {each}" for each in self._pins.undo()]
        # All is detached before the rest is shown; maps are read before they are gone.
        if (self._shows is not None or self._events is not None) and self._set_up:
            trouble += [each for links in self._links.values() for link in links.values() for each in _closed(link)]
        else:
            trouble += self._close_objects()
        if self._trace is not None:
            trouble += self._close_trace(self._trace)
        if self._events is not None:
            trouble += self._close_events(self._events)
        if self._shows is not None and self._output is not None and self._set_up and self._show_rest:
            try:
                self._shows.show_all(self._output)
            except (Interrupted, ReaderGoneError):
                pass
            except (OSError, bpf.Error) as error:
                trouble.append(f"cannot show what the maps hold: {error}")
        trouble += self._close_objects()
        if self._targets is not None:
            self._targets.close()
        if self._calls is not None:
            self._calls.close()
        if self._output is not None:
            try:
                self._output.close()
            except OSError as error:
                trouble.append(f"cannot write {self._options.output}: {error.strerror}")
        if self._set_up and any(self._links.values()):
            shown = "" if self._trace is None else f"; {self._trace.summary()} shown"
            pinned = self._pins is not None and self._pins.folder is not None
            self._report.fact(f"{'left attached, by its pins' if pinned else 'detached'}{shown}")
        return trouble

    def _close_objects(self) -> list[str]:
        return [each for obj in reversed(self._objects.values()) for each in _closed(obj)]

    def _close_trace(self, trace: Trace) -> list[str]:
        trouble = self._drain([trace], "trace")
        if self._set_up:
            trace.tell_lost()
        try:
            trace.close()
        except (OSError, bpf.Error) as error:
            trouble.append(str(error))
        return trouble

    def _close_events(self, events: Events) -> list[str]:
        trouble = self._drain(events.buffers, "events")
        if self._set_up:
            events.tell()
        try:
            events.close()
        except (OSError, bpf.Error) as error:
            trouble.append(str(error))
        return trouble

    def _drain(self, sources: Iterable[Source], what: str) -> list[str]:
        """Show what is left of something."""
        try:
            if self._set_up and self._show_rest:
                for source in sources:
                    drain(source, self._lines)
        except (Interrupted, ReaderGoneError):
            self._show_rest = False
        except (OSError, bpf.Error) as error:
            self._show_rest = False
            return [f"cannot show the rest of the {what}: {error}"]
        return []

    def _tell_end(self, child: Child) -> None:
        if not child.ended():
            return
        name, status = child.command[0], child.status
        if status is not None and status < 0:
            self._report.fact(f"{name} was ended by signal {-status}")
        else:
            self._report.fact(f"{name} ended with status {status}")


def _closed(thing: bpf.Object | bpf.Link | bpf.SocketProgram) -> list[str]:
    """Close something; say what went wrong."""
    try:
        thing.close()
    except bpf.Error as error:
        return [str(error)]
    return []


class NothingAttachedError(Exception):
    """All is loaded, and nothing says what it should be attached to."""
