"""Handles: made once, destroyed once, in the right order, whatever comes in between."""

from __future__ import annotations

import _thread
import gc
import operator
import os
import signal
import subprocess
import sys
import threading
import weakref
from functools import partial

import pytest

from libbpf_cffi import ClosedError, StateError, _close_later, ffi
from libbpf_cffi._handle import Handle, ObjectHandle, pointer


class Tree:
    """Makes handles whose destroying is written down instead of done."""

    def __init__(self) -> None:
        self.destroyed: list[str] = []
        self.names: dict[int, str] = {}
        self.results: dict[str, int] = {}
        self.meanwhile = lambda: None

    def make(self, name: str, parent: Handle | None = None, **options: object) -> Handle:
        """Make a handle of a pointer that stands for its name."""
        handle = Handle(self.destroy, parent, name=name, **options)
        # An address that may be one of this process.
        address = (1 << 20) + 16 * len(self.names)
        self.names[address] = name
        handle.make(lambda number: ffi.cast("void *", number), address)
        return handle

    def destroy(self, pointer: object) -> int:
        """Write down what would be destroyed."""
        name = self.names[int(ffi.cast("uintptr_t", pointer))]
        self.destroyed.append(name)
        self.meanwhile()
        return self.results.get(name, 0)


@pytest.fixture
def tree() -> Tree:
    return Tree()


def test_a_handle_is_destroyed_once(tree):
    handle = tree.make("a")
    assert [handle.close(), handle.close(), handle.close()] == [0, 0, 0]
    assert tree.destroyed == ["a"]


def test_the_pointer_of_what_is_closed_is_a_closed_error_with_its_name(tree):
    handle = tree.make("the link of program 'x'")
    handle.close()
    with pytest.raises(ClosedError, match="the link of program 'x' is closed"):
        _ = handle.pointer
    assert handle.closed


def test_children_are_destroyed_first_the_newest_first(tree):
    root = tree.make("root")
    for name in ("first", "second", "third"):
        tree.make(name, root)
    root.close()
    assert tree.destroyed == ["third", "second", "first", "root"]


def test_grandchildren_are_destroyed_before_children(tree):
    root = tree.make("root")
    child = tree.make("child", root)
    tree.make("grandchild", child)
    tree.make("sister", root)
    root.close()
    assert tree.destroyed == ["sister", "grandchild", "child", "root"]


def test_a_child_that_was_closed_alone_is_forgotten_by_its_parent(tree):
    root = tree.make("root")
    child = tree.make("child", root)
    child.close()
    assert root.children == []
    root.close()
    assert tree.destroyed == ["child", "root"]


def test_a_child_that_nobody_holds_is_kept_by_its_parent(tree):
    root = tree.make("root")
    reference = weakref.ref(tree.make("child", root))
    gc.collect()
    assert reference() is not None
    root.close()
    gc.collect()
    assert reference() is None


def test_close_gives_the_last_destroyeds_failure_and_destroys_the_rest(tree):
    root = tree.make("root")
    for name in ("first", "second", "third"):
        tree.make(name, root)
    tree.results = {"second": -5}
    assert root.close() == -5
    assert tree.destroyed == ["third", "second", "first", "root"]


def test_what_a_handle_keeps_for_c_is_let_go_when_it_is_closed(tree):
    class Buffer:
        pass

    buffer = Buffer()
    reference = weakref.ref(buffer)
    handle = tree.make("a")
    handle.kept.append(buffer)
    del buffer
    gc.collect()
    assert reference() is not None
    handle.close()
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("address", [0, 1, 4095, (1 << 64) - 22, 0xFFFFFFFFFF000004, 1 << 63])
def test_what_cannot_be_a_pointer_is_not_kept(tree, address):
    handle = Handle(tree.destroy, name="a")
    assert int(ffi.cast("uintptr_t", handle.make(lambda number: ffi.cast("void *", number), address))) == address
    assert handle.closed
    handle.close()
    assert tree.destroyed == []


@pytest.mark.parametrize("at", ["third", "second", "first", "root"])
def test_an_exception_right_after_a_destroying_loses_nothing_and_destroys_nothing_twice(tree, at):
    # As the handler of a signal would raise when the call of C returns.
    root = tree.make("root")
    for name in ("first", "second", "third"):
        tree.make(name, root)

    def interrupt():
        if tree.destroyed[-1] == at:
            tree.meanwhile = lambda: None
            raise KeyboardInterrupt

    tree.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        root.close()
    root.close()
    assert tree.destroyed == ["third", "second", "first", "root"]
    assert root.closed


def test_an_exception_while_a_child_is_closed_alone_does_not_stop_the_parents_close(tree):
    root = tree.make("root")
    child = tree.make("child", root)

    def interrupt():
        tree.meanwhile = lambda: None
        raise KeyboardInterrupt

    tree.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        child.close()
    root.close()
    assert tree.destroyed == ["child", "root"]


def test_from_the_beginning_of_its_close_on_nobody_gets_the_pointer(tree):
    # A child that was made now would outlive its parent.
    root = tree.make("root")
    tree.make("child", root)
    seen = []

    def look():
        try:
            seen.append(root.pointer)
        except ClosedError:
            seen.append(None)

    tree.meanwhile = look
    root.close()
    assert seen == [None, None]


def test_a_close_inside_a_call_on_the_same_tree_is_put_off(tree):
    root = tree.make("root")
    child = tree.make("child", root)
    done = threading.Event()
    tree.meanwhile = lambda: tree.destroyed == ["child", "root"] and done.set()
    with child.lock:
        root.close()
        assert tree.destroyed == []
        assert child.pointer
    assert done.wait(20)


def test_a_call_inside_a_call_on_the_same_tree_is_refused_where_it_would_do_harm(tree):
    root = tree.make("object 'x'")
    with root.lock, pytest.raises(StateError, match=r"cannot load it: a signal handler has interrupted .* object 'x'"):
        root.refuse_reentry("load it")
    root.refuse_reentry("load it")
    root.close()


def test_another_thread_waits_until_the_lock_is_free(tree):
    root = tree.make("root")
    closed = threading.Event()

    def close():
        root.close()
        closed.set()

    with root.lock:
        thread = threading.Thread(target=close)
        thread.start()
        assert not closed.wait(0.05)
        assert tree.destroyed == []
    thread.join(20)
    assert tree.destroyed == ["root"]


def test_a_root_is_closed_when_its_owner_is_collected_with_a_warning(tree):
    class Owner:
        pass

    owner = Owner()
    root = tree.make("object 'x'")
    tree.make("child", root)
    root.close_with(owner)
    with pytest.warns(ResourceWarning, match="object 'x' was not closed"):
        del owner
        gc.collect()
    assert tree.destroyed == ["child", "object 'x'"]


def test_a_root_that_is_closed_is_collected_in_silence(tree):
    class Owner:
        pass

    owner = Owner()
    root = tree.make("root")
    root.close_with(owner)
    root.close()
    del owner
    gc.collect()
    assert tree.destroyed == ["root"]


class Owner:
    """What has a handle and can be forgotten."""


def interrupted_when_forgotten(tree, handle, *, quietly):
    """Forget the owner of a handle in C, with a Ctrl-C that has come a moment before."""
    box = [Owner()]
    handle.close_with(box[0], quietly=quietly)
    with pytest.raises(KeyboardInterrupt):
        list(map(operator.methodcaller("__call__"), (_thread.interrupt_main, box.clear)))


@pytest.mark.parametrize("quietly", [True, False])
@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
def test_a_ctrl_c_at_the_start_of_the_close_of_what_is_collected_comes_after_it(tree, quietly):
    interrupted_when_forgotten(tree, tree.make("root"), quietly=quietly)
    assert tree.destroyed == ["root"]


@pytest.mark.parametrize("quietly", [True, False])
@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
def test_a_ctrl_c_in_the_middle_of_the_close_of_what_is_collected_comes_after_it(tree, quietly):
    root = tree.make("root")
    tree.make("child", root)
    box = [Owner()]
    root.close_with(box[0], quietly=quietly)

    def interrupt():
        tree.meanwhile = lambda: None
        raise KeyboardInterrupt

    tree.meanwhile = interrupt
    with pytest.raises(KeyboardInterrupt):
        list(map(operator.methodcaller("__call__"), (box.clear,)))
    assert tree.destroyed == ["child", "root"]
    free = threading.Thread(target=root.lock.acquire)
    free.start()
    free.join(20)
    assert not free.is_alive()


class StopError(Exception):
    """What a handler raises."""


@pytest.mark.parametrize("raised", [StopError, SystemExit, MemoryError, RecursionError, UserWarning])
@pytest.mark.parametrize("where", ["close_forgotten", "_close", "close_waiting"])
@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
def test_what_a_handler_raises_in_the_close_of_what_is_collected_comes_after_it(tree, raised, where):
    def handler(*told):
        raise raised(5)

    def at(frame, event, argument):
        if event == "call" and frame.f_code.co_name == where:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)

    root = tree.make("root")
    tree.make("child", root)
    box = [Owner()]
    root.close_with(box[0])
    if where == "close_waiting":
        _close_later.waiting.append(tree.make("another"))
    before = signal.signal(signal.SIGTERM, handler)
    profile = sys.getprofile()
    try:
        with pytest.raises(raised, match="5"):
            list(map(operator.methodcaller("__call__"), (partial(sys.setprofile, at), box.clear)))
    finally:
        sys.setprofile(profile)
        signal.signal(signal.SIGTERM, before)
    assert tree.destroyed[-2:] == ["child", "root"]


ODD_NAME = """
from libbpf_cffi._ffi import settle

class Name(%s):
    def partition(self, separator):
        return (5,)

    def __hash__(self):
        raise TypeError

module = {"__name__": Name()}
exec("def failing(handle): raise RecursionError", module)
settle(waiting := [], module["failing"], "handle")
print(waiting)
"""


@pytest.mark.parametrize(("base", "said"), [("object", "['handle']\n"), ("str", "")])
def test_the_name_of_a_handlers_module_may_be_anything(base, said):
    # What fails in a module with a name, which is not ours, is raised.
    done = subprocess.run([sys.executable, "-c", ODD_NAME % base], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, "RecursionError" in done.stderr) == (not said, said, not said)


def drop_at(depth, box):
    """Let go of what is in the box that many calls further down: the last step is no call."""
    if depth:
        drop_at(depth - 1, box)
    else:
        box[0] = None


@pytest.mark.parametrize("quietly", [True, False])
@pytest.mark.filterwarnings("ignore:.*was not closed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*RecursionError:pytest.PytestUnraisableExceptionWarning")
def test_what_is_collected_near_the_limit_of_recursion_is_closed_when_others_are_watched(quietly):
    destroyed = []
    made = 0
    while True:
        box = [Owner()]
        # Both are C, as they are with libbpf.
        handle = Handle(destroyed.append, name="root")
        handle.make(ffi.cast, "void *", (1 << 20) + made)
        handle.close_with(box[0], quietly=quietly)
        made += 1
        try:
            drop_at(made, box)
        except RecursionError:
            break
    del box, handle
    kept = [Owner() for _ in range(6)]
    for each in kept:
        Handle(destroyed.append, name="next").close_with(each, quietly=True)
    assert sorted(int(ffi.cast("intptr_t", each)) - (1 << 20) for each in destroyed) == list(range(made))


def test_a_ctrl_c_right_after_the_lock_was_taken_leaves_it_to_others(tree):
    class Lock:
        """A lock that interrupts who has taken it."""

        def __init__(self, lock):
            self.release, self._is_owned, self._acquire = lock.release, lock._is_owned, lock.acquire

        def acquire(self, blocking=True):
            self._acquire()
            if not blocking and not tree.results:
                tree.results["root"] = 0
                raise KeyboardInterrupt
            return True

    root = tree.make("root")
    box = [Owner()]
    root.close_with(box[0], quietly=True)
    root.lock = Lock(root.lock)
    with pytest.raises(KeyboardInterrupt):
        list(map(operator.methodcaller("__call__"), (box.clear,)))
    assert tree.destroyed == ["root"]
    assert not root.lock._is_owned()


@pytest.fixture
def no_threads(monkeypatch):
    """Have no thread start any more."""

    def fail(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_close_later, "start_new_thread", fail)


@pytest.mark.parametrize("what", ["made", "closed"])
def test_what_no_thread_can_close_is_closed_when_the_next_handle_is(tree, no_threads, what):
    root = tree.make("root")
    other = tree.make("other")
    with root.lock:
        assert root.close() == 0
        # It is in use still.
        tree.make("meanwhile").close()
        assert tree.destroyed == ["meanwhile"]
    tree.make("next") if what == "made" else other.close()
    assert tree.destroyed[:2] == ["meanwhile", "root"]
    assert not _close_later.waiting


def test_what_is_collected_in_use_and_no_thread_can_close_is_closed_when_the_next_handle_is(tree, no_threads):
    root = tree.make("root")
    box = [Owner()]
    tree.make("link", root).close_with(box[0], quietly=True)
    with root.lock:
        box.clear()
        assert tree.destroyed == []
    tree.make("next")
    assert tree.destroyed == ["link"]


def test_after_a_fork_the_child_destroys_nothing_and_drops_the_descriptors(tree):
    reading, writing = os.pipe()
    root = tree.make("root")
    child = tree.make("child", root, fds=lambda pointer: [writing])
    pid = os.fork()
    if not pid:
        status = 1
        try:
            root.close()
            try:
                _ = child.pointer
            except ClosedError as error:
                if "forked" in str(error) and not tree.destroyed:
                    status = 0
            try:
                os.fstat(writing)
                status = 2
            except OSError:
                pass
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    root.close()
    assert tree.destroyed == ["child", "root"]
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("phase", "wanted", "advice"),
    [
        (ObjectHandle.OPEN, ObjectHandle.LOADED, "load it first"),
        (ObjectHandle.LOADED, ObjectHandle.OPEN, "between open and load"),
        (ObjectHandle.PREPARED, ObjectHandle.OPEN, "between open and load"),
        (ObjectHandle.FAILED, ObjectHandle.LOADED, "open it again"),
        (ObjectHandle.FAILED, ObjectHandle.OPEN, "open it again"),
    ],
)
def test_the_wrong_phase_says_what_to_do(phase, wanted, advice):
    handle = ObjectHandle(lambda pointer: 0, name="object 'x'")
    handle.phase = phase
    with pytest.raises(StateError, match=f"cannot do it: object 'x' is {phase}.*{advice}"):
        handle.require("do it", wanted)
    handle.require("do it", wanted, phase)


@pytest.mark.parametrize("thing", [None, 5, "obj", object(), ffi.NULL])
def test_no_pointer_is_lent_of_what_has_none(thing):
    with pytest.raises(TypeError, match="Object, Program, Map or Link"):
        pointer(thing)


def test_no_memory_for_a_lock_is_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise RuntimeError("can't allocate lock")

    monkeypatch.setattr("libbpf_cffi._handle.RLock", full)
    with pytest.raises(MemoryError):
        Handle(print, name="one")


def test_what_a_handler_raises_beside_the_making_of_a_lock_is_no_want_of_memory(monkeypatch):
    def interrupted():
        raise RecursionError("the handler's")

    monkeypatch.setattr("libbpf_cffi._handle.RLock", interrupted)
    with pytest.raises(RecursionError, match="the handler's"):
        Handle(print, name="one")
