"""`python -m rds_tf VERB` is `rds-tf VERB`."""

import sys

from rds_tf import command_line

if __name__ == "__main__":  # worker processes import this file too
    sys.exit(command_line.main())
