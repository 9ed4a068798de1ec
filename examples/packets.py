"""Count IPv4 packets by protocol: one counter a CPU in the kernel, added up here.

python packets.py [--seconds N] [INTERFACE]
"""

from __future__ import annotations

import argparse
import socket
import time
from contextlib import suppress
from pathlib import Path

import libbpf_cffi as bpf

ETH_P_ALL = 3
NAMES = {getattr(socket, name): name.removeprefix("IPPROTO_").lower() for name in dir(socket) if "IPPROTO_" in name}


def main() -> None:
    """Count until the time is over or Ctrl-C comes, then say what there was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("interface", nargs="?", default="lo")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()

    source = Path(__file__).with_name("packets.bpf.c")
    with bpf.Object.open(bpf.compile_object(source)) as obj, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        obj.load()
        obj.programs["count"].attach_socket(raw)
        raw.bind((options.interface, ETH_P_ALL))
        print(f"counting on {options.interface} for {options.seconds:g} s", flush=True)
        with suppress(KeyboardInterrupt):
            time.sleep(options.seconds)
        for protocol, cpus in obj.maps["by_protocol"].items():
            packets, size = sum(cpu.packets for cpu in cpus), sum(cpu.bytes for cpu in cpus)
            if packets:
                print(f"{NAMES.get(protocol, protocol)}: {packets} packets, {size} bytes")


if __name__ == "__main__":
    main()
