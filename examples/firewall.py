"""Drop the packets that come from the networks of a list.

python firewall.py [--seconds N] INTERFACE NETWORK [NETWORK ...]
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from pathlib import Path

import libbpf_cffi as bpf


def main() -> None:
    """Drop until the time is over or Ctrl-C comes, then say how much each network has sent."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("interface")
    parser.add_argument("networks", nargs="+", help="such as 10.0.0.0/8; the longest that matches counts")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()

    with bpf.Object.open(bpf.compile_object(Path(__file__).with_name("firewall.bpf.c"))) as obj:
        obj.load()
        blocked = obj.maps["blocked"]
        blocked.update(dict.fromkeys(options.networks, 0))
        # On any interface; without a mode the driver's, where it has XDP.
        with obj.programs["firewall"].attach_xdp(options.interface, mode="skb"):
            print(f"dropping {len(blocked)} networks on {options.interface}", flush=True)
            with suppress(KeyboardInterrupt):
                time.sleep(options.seconds)
        for network, dropped in sorted(blocked.items()):
            print(f"{network}: {dropped} packets dropped")


if __name__ == "__main__":
    main()
