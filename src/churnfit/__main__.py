"""``python -m churnfit`` is ``churnfit``."""

from churnfit.cli import main

if __name__ == "__main__":
    main()
