"""What starting costs: CPU seconds of `import churnfit` and `churnfit --help` beyond Python's own start.

Run: python benchmarks/start_up.py [--repeats 5 | --smoke]. Prints the median of the repeats beside `import pandas`,
which both do without; exits 1 above the budget.
"""

import argparse
import resource
import statistics
import subprocess
import sys

BUDGET_CPU_SECONDS = 0.5
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import pandas": [sys.executable, "-c", "import pandas"],
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
    parser.add_argument("--smoke", action="store_true", help="once each: that it runs, not how fast")
    given = parser.parse_args()
    repeats = 1 if given.smoke else given.repeats
    seconds = {name: statistics.median(cpu_seconds(c) for _ in range(repeats)) for name, c in COMMANDS.items()}
    own = seconds.pop("python")
    pandas = seconds.pop("import pandas") - own
    print(f"{'python itself':18} {own:.3f} CPU s; import pandas {pandas:.3f} beyond it")
    beyond = {name: value - own for name, value in seconds.items()}
    for name, value in beyond.items():
        print(f"{name:18} {value:.3f} CPU s beyond, {value / pandas:.2f} of pandas, budget {BUDGET_CPU_SECONDS}")
    return int(not given.smoke and max(beyond.values()) > BUDGET_CPU_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
