"""Blocks and transactions written byte by byte, for tests of what reads them."""

from hashlib import sha256
from random import Random
from struct import pack

from pipeline.chain import twin

REGTEST_BITS = 0x207F_FFFF
REGTEST_LIMIT = 0x7F_FFFF << 232
COIN = 100_000_000
HEIGHT = 700_000

GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c01010000000100000000000000000000000000000000000000"
    "00000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63"
    "656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a0100"
    "0000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de"
    "5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)


def compact(size):
    if size < 253:
        return bytes([size])
    if size < 2**16:
        return b"\xfd" + pack("<H", size)
    return b"\xfe" + pack("<I", size) if size < 2**32 else b"\xff" + pack("<Q", size)


def sized(octets):
    return compact(len(octets)) + octets


def spend(previous=b"\x11" * 32, vout=0, script=b"", sequence=0xFFFF_FFFE):
    return previous + pack("<I", vout) + sized(script) + pack("<I", sequence)


def pay(value=COIN, script=b"\x00\x14" + b"\x22" * 20):
    return pack("<Q", value) + sized(script)


ONE_INPUT, ONE_OUTPUT = (spend(),), (pay(),)


def transaction(inputs=ONE_INPUT, outputs=ONE_OUTPUT, witness=None, version=2, locktime=0):
    """``witness`` lists the items of each input, or is None for the old form."""
    core = compact(len(inputs)) + b"".join(inputs) + compact(len(outputs)) + b"".join(outputs)
    head, tail = pack("<i", version), pack("<I", locktime)
    if witness is None:
        return head + core + tail
    stacks = b"".join(compact(len(items)) + b"".join(map(sized, items)) for items in witness)
    return head + b"\x00\x01" + core + stacks + tail


def coinbase(height, value, witness=None):
    number = height.to_bytes((height.bit_length() + 8) // 8, "little")
    entry = spend(bytes(32), 0xFFFF_FFFF, sized(number) + b"/eight bells/", 0xFFFF_FFFF)
    return transaction((entry,), (pay(value),), witness, version=1)


def double(octets):
    return sha256(sha256(octets).digest()).digest()


def root_of(txids):
    level = list(txids)
    while len(level) > 1:
        level += level[-1:] * (len(level) % 2)
        level = [double(a + b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def block(transactions, txids, bits=REGTEST_BITS, time=1_600_000_000, version=4, previous=b"\x33" * 32):
    """A block with proof of work at the easiest target of regtest; ``txids`` are those of its header."""
    for nonce in range(10_000):
        header = pack("<i32s32sIII", version, previous, root_of(txids), time, bits, nonce)
        if int.from_bytes(double(header), "little") <= REGTEST_LIMIT:
            return header + compact(len(transactions)) + b"".join(transactions)
    raise AssertionError("no nonce found")


KEY33, KEY65 = b"\x21\x02" + b"\x44" * 32, b"\x41\x04" + b"\x55" * 64
SCRIPTS = {
    "OTHER": (
        b"",
        b"\x51",
        b"\x00\x14" + b"\x66" * 19,
        b"\x51\xae",
        b"\x76\xa9\x14" + b"\x01" * 20 + b"\x88\xad",
    ),
    "P2PK": (KEY33 + b"\xac", KEY65 + b"\xac"),
    "P2PKH": (b"\x76\xa9\x14" + b"\x77" * 20 + b"\x88\xac",),
    "P2SH": (b"\xa9\x14" + b"\x77" * 20 + b"\x87",),
    "MULTISIG": (b"\x51" + KEY33 * 2 + b"\x52\xae", b"\x52" + KEY65 + KEY33 + KEY65 + b"\x53\xae"),
    "OP_RETURN": (b"\x6a", b"\x6a\x04beef"),
    "P2WPKH": (b"\x00\x14" + b"\x88" * 20,),
    "P2WSH": (b"\x00\x20" + b"\x88" * 32,),
    "P2TR": (b"\x51\x20" + b"\x88" * 32,),
}


def random_script(random: Random):
    kind = random.choice(list(SCRIPTS))
    script = random.choice(SCRIPTS[kind])
    if random.random() < 0.2:
        script = random.randbytes(random.choice((1, 23, 25, 34, 35, 37, 67, 105, 252, 253, 300)))
    return script


def random_transaction(random: Random):
    inputs = [
        spend(random.randbytes(32), random.getrandbits(32), random_script(random), random.getrandbits(32))
        for _ in range(random.choice((1, 1, 1, 2, 3, 9)))
    ]
    outputs = [
        pay(random.randrange(21_000 * COIN), random_script(random))
        for _ in range(random.choice((1, 2, 2, 3, 12)))
    ]
    witness = None
    if random.random() < 0.5:
        witness = [
            [random.randbytes(random.choice((0, 1, 33, 64, 72, 260))) for _ in range(random.randrange(4))]
            for _ in inputs
        ]
        witness[0] = witness[0] or [b"\x01"]
    return transaction(
        inputs, outputs, witness, random.choice((1, 2, -1, 2**31 - 1, -(2**31))), random.getrandbits(32)
    )


def small_block(others=3, paid=625_000_000 + 1_234, height=HEIGHT, **options):
    """A block with a segwit coinbase and as many random transactions; the twin tells their ids."""
    random = Random(others)
    bodies = [coinbase(height, paid, [[bytes(32)]])] + [random_transaction(random) for _ in range(others)]
    return block(bodies, [twin.read_transactions(body)[0].txid for body in bodies], **options)
