"""``python -m asr``: the command line of this very interpreter."""

from asr.cli import main

if __name__ == "__main__":
    main()
