"""`python -m simulator`: the same as `charts simulate`."""

import sys

from cli import main

if __name__ == "__main__":
    main(["simulate", *sys.argv[1:]], prog_name="charts")
