"""What `make docs` runs: measured figures into the pages, and the reference from docstrings."""
