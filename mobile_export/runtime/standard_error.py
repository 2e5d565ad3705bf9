"""What native libraries write to standard error."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def diverted() -> Iterator[IO[bytes]]:
    """Lets standard error go to a temporary file, which is gone after the block.

    TensorFlow's C++ part writes to the file descriptor, so that is what is diverted.
    """
    with tempfile.TemporaryFile() as log:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield log
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
