"""``python -m laptop.sam``: a private laptop cloud that has traded, and what ``sam local`` needs for it.

It prints the lines that set a shell up and the commands to try, and waits for Ctrl-C; then cloud and engine
end. docs/sam.md goes through it.
"""

from __future__ import annotations

import shlex
import signal
import sys
from tempfile import TemporaryDirectory

from laptop import owner, watchlist
from laptop.build import build
from laptop.demo import trade_session
from laptop.errors import LaptopError
from laptop.quiescence import Quiescence
from laptop.sam.commands import FOLDER, Sam
from laptop.sam.docker import container_engine
from laptop.sam.functions import write_environments
from laptop.sam.image import base_image
from laptop.sam.relay import relayed
from laptop.stack import ACCOUNT, ExchangeOptions, LaptopCloud

# As the cloud that the events were recorded from.
FIRST_SESSION, SESSIONS = "2012-04-09", 6


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _shown(sam: Sam) -> list[str]:
    """What a user types: the variables of a shell, then one command of each kind."""
    changed = {name: value for name, value in sam.shell.items() if name != "LD_LIBRARY_PATH"}
    options = " ".join(map(shlex.quote, sam.options()))
    return [
        "In another shell:",
        *(f"export {name}={shlex.quote(value)}" for name, value in changed.items()),
        f"sam local invoke SignalApi --event events/SignalApi.json {options}",
        f"sam local start-api {options}",
        f"sam local start-lambda {options}",
        "Ctrl-C here ends the cloud and what was started for it.",
    ]


def main() -> int:
    """Prepare, show the commands, wait. 0 after Ctrl-C, 1 with one line that says the fix."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with TemporaryDirectory(prefix="alpaquero-sam-cloud-") as state:
            _hold(state)
    except KeyboardInterrupt:
        return 0
    except LaptopError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _hold(state: str) -> None:
    with container_engine(FOLDER / "docker", _say) as engine:
        sam = Sam(engine, base_image(engine, FOLDER / "image", _say))
        sam.build(build("aws", say=_say).folder)
        exchange = ExchangeOptions(seed=1, clock="stepped", start=FIRST_SESSION)
        with LaptopCloud(state, exchange=exchange, say=_say) as cloud:
            owner.ensure(cloud)
            watchlist.ensure(cloud, None, reason="the symbols to try functions on")
            cloud.tick("sync")
            for _ in range(SESSIONS):
                trade_session(cloud, Quiescence(cloud, ACCOUNT))
            write_environments(cloud, engine.bridge.ip, sam.environments)
            with relayed(engine.bridge, [cloud.ports["engine"], cloud.ports["exchange"]]):
                _say("\n".join(_shown(sam)))
                signal.pause()


if __name__ == "__main__":
    sys.exit(main())
