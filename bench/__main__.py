"""`make bench`: every benchmark, side by side in one run. Names on the command line choose some of them."""

import sys

from bench import auth, flood, relay_client, retrieval, revocation, streams

BENCHMARKS = {
    "auth": auth.main,
    "client": relay_client.main,
    "flood": flood.main,
    "retrieval": retrieval.main,
    "revocation": revocation.main,
    "streams": streams.main,
}


def main() -> None:
    """Run what was asked for, or all."""
    unknown = [name for name in sys.argv[1:] if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name]()


main()
