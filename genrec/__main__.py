"""``python -m genrec``, which is what launchers of several processes start."""

from genrec.cli.main import main

if __name__ == "__main__":
    main()
