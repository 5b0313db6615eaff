"""Hold Ctrl-C and SIGTERM back for the few milliseconds in which a session commits and lets go.

Python runs signal handlers in the main thread between any two bytecodes; raised inside a clean-up they would
leave the file attached or a commit in doubt.
"""

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType


@contextlib.contextmanager
def interrupts_held() -> Generator[None]:
    """Deliver SIGINT and SIGTERM after the block; does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: dict[int, FrameType | None] = {}

    def note(number: int, frame: FrameType | None) -> None:
        arrived[number] = frame

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {int(number): handler for number, handler in before.items() if callable(handler)}
    try:
        for number in handlers:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in arrived.items():
            handlers[number](number, frame)
