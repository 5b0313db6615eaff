"""The peers: each module has ``VERSION`` and ``prepare(arrays) -> call``, and imports nothing of ours."""
