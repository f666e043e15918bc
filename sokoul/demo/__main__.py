"""`python -m sokoul.demo --port N --data-dir DIR`."""

from sokoul.demo.program import main

if __name__ == "__main__":
    main()
