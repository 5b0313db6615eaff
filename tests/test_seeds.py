"""Named random streams: pinned, independent of order and threads, and of each other."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.seeds import stream

NAMES = [
    (seed, purpose, *rest) for seed in (0, 8) for purpose in ("a", "b") for rest in ((), (0,), (1,), (0, 1))
]


def numbers(name: tuple, count: int = 1000) -> np.ndarray:
    return stream(*name).random(count)


@pytest.mark.contract
def test_the_raw_bits_are_pinned():
    assert stream(8, "sample/returns").bit_generator.random_raw(3).tolist() == [
        6246972283087321910,
        11733297987558733530,
        5931666309273478415,
    ]
    pinned = [-0.21998865, 1.15403623, 0.84059316]
    np.testing.assert_allclose(stream(8, "sample/returns", 1, 2).standard_normal(3), pinned, atol=5e-9)


@pytest.mark.contract
def test_the_key_is_the_head_of_a_digest_over_the_length_prefixed_name():
    import hashlib

    parts = b"".join(len(p).to_bytes(4, "little") + p for p in (b"8", b"sample/returns", b"3"))
    digest = hashlib.sha256(b"eightbells/stream/1" + parts).digest()
    key = [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")]
    expected = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64))).random(5)
    np.testing.assert_array_equal(stream(8, "sample/returns", 3).random(5), expected)


def test_a_stream_does_not_depend_on_order_on_others_or_on_threads():
    alone = {name: numbers(name) for name in NAMES}
    backwards = {name: numbers(name) for name in reversed(NAMES)}
    with ThreadPoolExecutor(8) as pool:
        together = dict(zip(NAMES, pool.map(numbers, NAMES), strict=True))
    for name in NAMES:
        np.testing.assert_array_equal(alone[name], backwards[name])
        np.testing.assert_array_equal(alone[name], together[name])


def test_two_streams_are_two_objects_and_the_global_state_is_untouched():
    np.random.seed(1)  # noqa: NPY002 - the global state is what is watched here
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = stream(8, "x"), stream(8, "x")
    first.random(10)
    assert second.random() == stream(8, "x").random()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_streams_of_different_names_differ_and_are_not_correlated():
    drawn = np.array([stream(*name).standard_normal(4000) for name in NAMES])
    assert len({row.tobytes() for row in drawn}) == len(NAMES)
    correlation = np.corrcoef(drawn) - np.eye(len(NAMES))
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_parts_of_a_name_cannot_run_into_each_other():
    names = [
        (1, "a", 11),
        (1, "a", 1, 1),
        (11, "a", 1),
        (1, "a1", 1),
        (1, "1"),
        (1, "a", -1, 1),
        (1, "a", -11),
    ]
    assert len({numbers(name).tobytes() for name in names}) == len(names)


def test_numpy_integers_name_the_same_stream():
    np.testing.assert_array_equal(numbers((np.int64(8), "a", np.int32(3))), numbers((8, "a", 3)))


NO_NAMES = [(-1, "a"), (2**63, "a"), (8.0, "a"), (True, "a"), ("8", "a"), (8, ""), (8, None)]
NO_NAMES += [(8, "a", 1.5), (8, "a", "1"), (8, "a", True)]


@pytest.mark.parametrize("name", NO_NAMES, ids=str)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ConfigError):
        stream(*name)
