"""`python -m wattrain_operator.cluster`: the operator, without the command line's own dependencies."""

import sys

from wattrain_operator.cluster.serve import main

if __name__ == "__main__":
    sys.exit(main())
