"""The median of several rounds, and each candidate as a ratio to the baseline of the same round."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median

from bench.load import Measured


async def measure(
    candidates: Mapping[str, Callable[[], Awaitable[Measured]]], rounds: int
) -> list[dict[str, Measured]]:
    """Run every candidate once per round, after one round that is thrown away.

    The order turns round from one to the next, so that whatever the one before leaves behind (a warm cache, a hot
    core) is not always to the same one's favour.
    """
    names = list(candidates)
    measured = []
    for number in range(rounds + 1):
        taken = {name: await candidates[name]() for name in names[:: -1 if number % 2 else 1]}
        measured.append({name: taken[name] for name in names})
    return measured[1:]


def print_ratios(title: str, unit: str, rounds: Sequence[dict[str, Measured]]) -> None:
    """One line a candidate; the first one is the baseline. Ratios are taken within a round, then their median."""
    baseline, *_ = rounds[0]
    print(f"\n{title}\n")
    print(f"  {'':34} {unit + '/s':>12} {'CPU us/' + unit:>14} {'throughput':>12} {'CPU':>8}")
    for name in rounds[0]:
        rate = median(measured[name].rate for measured in rounds)
        cost = median(measured[name].cost for measured in rounds)
        faster = median(measured[name].rate / measured[baseline].rate for measured in rounds)
        dearer = median(measured[name].cost / measured[baseline].cost for measured in rounds)
        print(f"  {name:34} {rate:12,.0f} {cost:14.1f} {faster:11.2f}x {dearer:7.2f}x")
