"""`python -m outgrow` is the command line."""

from __future__ import annotations

from outgrow.cli import main

if __name__ == "__main__":
    main()
