"""The command: processes that share the work find it in workflows.py, since they cannot import this."""

from benchmarks.bill.workflows import main

if __name__ == "__main__":
    main()
