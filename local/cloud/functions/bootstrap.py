"""The entry of a function's process: `python -m local.cloud.functions.bootstrap submit.handler http://127.0.0.1:…`.

It swaps the one socket of the code for the loopback and hands over to AWS's own runtime client, or to the stand-in
where that has no wheels (macOS). The code itself cannot tell that it is not in Lambda.

Two more words, a folder and the function's logical id, have it die where a test wants it to (deaths.py).
"""

import sys
from contextlib import suppress
from pathlib import Path


def install_loopback(simulator_url: str) -> None:
    # A fault of the code's own imports comes up again, and is reported as Lambda does, when the handler is imported.
    with suppress(Exception):
        import darkroom.http
        from local.cloud.functions.loopback import Loopback

        darkroom.http.transport = lambda: Loopback(simulator_url)


def install_deaths(handler: str, folder: str, function: str) -> None:
    from local.cloud.functions.deaths import Doom

    Doom(Path(folder), function).install(handler)


def main(handler: str, simulator_url: str, *deaths: str) -> None:
    install_loopback(simulator_url)
    if deaths:
        install_deaths(handler, *deaths)
    try:
        from awslambdaric.__main__ import main as serve
    except ImportError:
        from local.cloud.functions.runtime import main as serve
    serve([sys.argv[0], handler])


if __name__ == "__main__":
    main(*sys.argv[1:])
