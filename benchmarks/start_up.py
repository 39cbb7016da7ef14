"""What starting costs: CPU seconds of `import churnfit` and `churnfit --help` beyond Python's own start.

Run: python benchmarks/start_up.py [--repeats 5]. Prints the median of the repeats; exits 1 above the budget.
"""

import argparse
import resource
import statistics
import subprocess
import sys

BUDGET_CPU_SECONDS = 0.5
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import churnfit": [sys.executable, "-c", "import churnfit"],
    "churnfit --help": [sys.executable, "-m", "churnfit", "--help"],
}


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    seconds = {name: statistics.median(cpu_seconds(c) for _ in range(repeats)) for name, c in COMMANDS.items()}
    own = seconds.pop("python")
    print(f"{'python itself':18} {own:.3f} CPU s")
    for name, value in seconds.items():
        print(f"{name:18} {value:.3f} CPU s, {value - own:.3f} beyond Python's own, budget {BUDGET_CPU_SECONDS}")
    return int(any(value - own > BUDGET_CPU_SECONDS for value in seconds.values()))


if __name__ == "__main__":
    raise SystemExit(main())
