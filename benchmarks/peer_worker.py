"""Runs in the peers' environment: loads one peer, then times it whenever it is told to.

Usage: ``python peer_worker.py MODULE INPUTS.npz``; commands ``version``, ``run`` and ``answer`` come on
stdin, one JSON object each goes to stdout.
"""

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Answer commands until stdin closes."""
    name, inputs = sys.argv[1], Path(sys.argv[2])
    peer = importlib.import_module(f"benchmarks.peers.{name}")
    with np.load(inputs) as arrays:
        call = peer.prepare(dict(arrays))
    answer: dict[str, np.ndarray] = {}
    for line in sys.stdin:
        command = line.strip()
        reply: dict[str, object]
        if command == "run":
            start = time.perf_counter()
            answer = call()
            reply = {"seconds": time.perf_counter() - start}
        elif command == "answer":
            path = inputs.with_name("answer.npz")
            np.savez(path, allow_pickle=False, **answer)
            reply = {"path": str(path)}
        else:
            reply = {"version": peer.VERSION}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
