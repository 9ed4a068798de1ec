"""Where no descriptor is left, or one or two are, nothing is taken for absent: the answer is right, or EMFILE."""

from __future__ import annotations

SETTING = """
import errno, os, resource, sys
import libbpf_cffi as bpf
from libbpf_cffi import kernel, net, probe, tracefs
pin, group = sys.argv[1:3]

def said(function):
    try:
        return repr(function())
    except Exception as error:
        none_left = isinstance(error, bpf.Error) and getattr(error, "errno", None) == errno.EMFILE
        return "EMFILE" if none_left else repr(error)

def short_of_descriptors(free):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for _ in range(free):
        os.close(taken.pop())
    return taken

def enough_again(taken):
    any(map(os.close, taken))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
"""

READERS = """
made = bpf.Map.create("array", 4, 4, 1, name="few")
made.pin(pin)
code = bytes.fromhex("b700000000000000 9500000000000000")
program = bpf.KernelProgram.load("raw_tracepoint", code)
link = bpf.lib.bpf_raw_tracepoint_open(b"task_newtask", program.fd)
with bpf.KernelProgram.load("cgroup_skb", code) as filter, bpf.KernelProgram.load("xdp", code) as dropper:
    net.prog_attach(filter, group, "cgroup_inet_egress")
    net.xdp_attach("lo", dropper, mode="skb")
folder = tracefs.make_instance()
pipe = os.open(folder + "/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)

# Of what others have, too, what is ours.
def ours(records, **fields):
    return [each for each in records if all(getattr(each, name) == value for name, value in fields.items())]

calls = {
    "kernel.holders": lambda: kernel.holders().get(("map", made.id)),
    "kernel.pins": lambda: ours(kernel.pins(), path=pin) + kernel.pins(os.path.dirname(pin)),
    "kernel.perf_events": lambda: ours(kernel.perf_events(), pid=os.getpid()),
    "kernel.programs": lambda: ours(kernel.programs(), id=program.id),
    "kernel.maps": lambda: ours(kernel.maps(), id=made.id),
    "kernel.links": lambda: ours(kernel.links(), prog_id=program.id),
    "kernel.btfs": lambda: ours(kernel.btfs(), name="vmlinux"),
    "kernel.find_programs": lambda: kernel.find_programs(id=program.id),
    "kernel.find_maps": lambda: kernel.find_maps(pin=pin),
    "kernel.find_links": lambda: kernel.find_links(prog_id=program.id),
    "kernel.find_btfs": lambda: kernel.find_btfs(name="vmlinux"),
    "net.attached": lambda: net.attached("lo"),
    "net.attached_cgroup": lambda: net.attached_cgroup(group),
    "net.attached_netns": net.attached_netns,
    "net.prog_query": lambda: net.prog_query(group, "cgroup_inet_egress"),
    "net.xdp_query": lambda: net.xdp_query("lo"),
    "net.xdp_query_id": lambda: net.xdp_query_id("lo"),
    "probe.attach_type": lambda: probe.attach_type("tcx_ingress"),
    "probe.helper": lambda: probe.helper("xdp", "bpf_xdp_adjust_head"),
    "probe.helpers": lambda: probe.helpers("socket_filter"),
    "probe.map_type": lambda: probe.map_type("ringbuf"),
    "probe.prog_type": lambda: probe.prog_type("xdp"),
    "probe.missing_capabilities": lambda: probe.missing_capabilities("xdp"),
    "probe.needed_capabilities": lambda: probe.needed_capabilities("socket_filter"),
    "probe.symbols": lambda: (probe.symbols("libc"), probe.symbols(sys.executable)),
    "probe.usdt_probes": lambda: probe.usdt_probes(sys.executable),
    "tracefs.instance_users": lambda: tracefs.instance_users(folder),
    "tracefs.is_bpffs": lambda: tracefs.is_bpffs(pin),
    "tracefs.pipe_readers": lambda: tracefs.pipe_readers(folder),
}
CHANGING = {
    "main", "prog_attach", "prog_detach", "xdp_attach", "xdp_detach", "make_instance", "remove_instance",
    "remove_stale_instances", "mount_bpffs", "mount_tracefs",
}
for module in (kernel, net, probe, tracefs):
    for name in set(module.__all__) - CHANGING:
        whole = module.__name__.rpartition(".")[2] + "." + name
        if not isinstance(getattr(module, name), type):
            calls.setdefault(whole, getattr(module, name))

right = {name: said(call) for name, call in calls.items()}
assert "EMFILE" not in right.values()
for free in range(3):
    taken = short_of_descriptors(free)
    answers = {name: said(call) for name, call in calls.items()}
    enough_again(taken)
    for name, answer in answers.items():
        if answer not in (right[name], "EMFILE"):
            print(f"{free} left: {name}: {answer[:200]} for {right[name][:200]}")
for name, call in calls.items():
    if said(call) != right[name]:
        print(f"afterwards: {name}")
os.close(pipe)
os.close(link)
tracefs.remove_instance(folder)
made.close()
program.close()
"""


def test_what_reads_gives_the_right_answer_or_says_that_there_is_no_descriptor(python, tracefs, pins, cgroup):
    assert python(SETTING + READERS, pins / "few", cgroup, before=("unshare", "--net")) == ""
