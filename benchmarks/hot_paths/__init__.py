"""
What callers wait for: `python -m benchmarks.hot_paths.cold_start`, `.submitting` and `.copying`.

    runtime_api.py   the end of Lambda's runtime API that functions talk to
    sink.py          AWS and a gateway that answer at once; files.py   where files come from and go to
    handlers/        functions to compare; submitters.py, copiers.py   ways to do it, a process each
    beyond.py        whom a benchmark measures from outside
"""
