"""Dated episodes of the real folder: the share of bars that carry the label, and what the closes say.

``python -m benchmarks.regime_episodes`` prints a sentence for each on stderr and one JSON object: shares by
episode, episodes with fewer labelled bars than they must have, and bars that the rule and its three closes in
a row do not explain.
"""

from __future__ import annotations

import json
import sys
import time

from tests.conftest import real_folder
from tests.support.real_episodes import EPISODES, explained, read_real
from tests.support.real_regimes import END


def main() -> int:
    """Explain every episode; 1 when one has too few bars or bars that nothing explains."""
    start = time.perf_counter()
    read = read_real(real_folder())
    classified = read.at(read.axis(END))
    found = [explained(read, classified, episode) for episode in EPISODES]
    for one in found:
        print(one, file=sys.stderr, flush=True)
    answer = {
        "episodes": len(found),
        "short": sum(one.labelled < one.episode.least for one in found),
        "unexplained": sum(one.unexplained for one in found),
        "shares": {
            f"{e.dimension} {e.label} {e.first} {e.last}": one.labelled
            for one in found
            for e in [one.episode]
        },
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(answer))
    return int(bool(answer["short"] or answer["unexplained"]))


if __name__ == "__main__":
    sys.exit(main())
