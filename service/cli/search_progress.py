"""What a person sees while a search goes on: a bar on a terminal, one line for each stage elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import TaskID


class SearchProgress:
    """A listener to a search.

    Parameters
    ----------
    stream
        Where it is shown; stderr, so that the answer stays alone on stdout.

    Attributes
    ----------
    done
        Members that were asked for so far.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.done = 0
        self._stage = ""
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take how far the search is."""
        self.done = done
        self._bar.update(self._task, description=stage, completed=done, total=total or None)
        if stage != self._stage and not self._console.is_terminal:
            of = f", {done:,} of {total:,} members" if total else ""
            self._console.print(f"bells: {stage}{of}", markup=False)
        self._stage = stage
