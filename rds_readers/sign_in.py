"""The codes by which readers sign in: drawn by chance, stored as a hash only.

A code never comes from the study's seed: that one is printed in the plan, and whoever
knows it could draw the codes again.
"""

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path

from rds_tf.storage import disk

FILE = "access.json"
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without 0 and O, 1, I and L
NUM_CHARACTERS, GROUP = 12, 4  # 31^12: 59 bits
COST = {"n": 2**14, "r": 8, "p": 1}  # scrypt (RFC 7914): 16 MiB and some 50 ms a try
FREE_ATTEMPTS = 3
LONGEST_WAIT_SECONDS = 60.0
FORGOTTEN_SECONDS = 3600.0


def draw_sign_in_codes(readers: list[str]) -> dict[str, str]:
    """Draw a code such as `"7KMQ-2XNB-HD4T"` for each reader, never twice the same."""
    codes = {}
    for reader in readers:
        drawn = "".join(secrets.choice(ALPHABET) for _ in range(NUM_CHARACTERS))
        groups = [drawn[i : i + GROUP] for i in range(0, NUM_CHARACTERS, GROUP)]
        codes[reader] = "-".join(groups)
    return codes


def hash_sign_in_codes(codes: dict[str, str]) -> dict:
    """Hash each reader's code with one new salt.

    One salt a study is enough, where the codes are drawn and not chosen: no two are
    alike, and an attempt costs one hash for any number of readers.

    Args:
        codes: reader to code.

    Returns:
        `{"salt": hex, "n": .., "r": .., "p": .., "hashes": {reader: hex}}`.
    """
    access = {"scheme": "scrypt", "salt": secrets.token_hex(16), **COST}
    hashes = {reader: _hash(code, access) for reader, code in codes.items()}
    return {**access, "hashes": hashes}


def load_access(pack: str | Path) -> dict:
    """Load the hashes of a pack.

    Raises:
        FileNotFoundError: it has none.
        errors.InputError: they cannot be read.
    """
    path = Path(pack) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: is missing, so that nobody could sign in.")
    return disk.read_record(path, ("salt", "hashes", *COST))


def find_reader(code: str, access: dict) -> str | None:
    """Return whose code this is, None if nobody's.

    Every hash is compared to its end, so that the time says nothing of the code.

    Args:
        code: as typed: case, spaces and hyphens do not matter.
        access: what `hash_sign_in_codes` returned.
    """
    given, found = _hash(code, access), None
    for reader, known in access["hashes"].items():
        if hmac.compare_digest(given, known):
            found = reader
    return found


def _hash(code: str, access: dict) -> str:
    bare = "".join(letter for letter in code.upper() if letter.isalnum())[:64]
    cost = {name: access[name] for name in COST}
    salt = bytes.fromhex(access["salt"])
    return hashlib.scrypt(bare.encode(), salt=salt, **cost).hex()


@dataclass
class Throttle:
    """Counts wrong attempts of an address and makes the next wait, each time longer.

    Attributes:
        attempts: address to number of wrong ones in a row and the time of the last.
        lock: held by whoever tries, so that attempts at the same time count.
    """

    attempts: dict[str, tuple[int, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_seconds(self, address: str, now: float) -> float:
        """Return how long an address must still wait, 0 if it may try.

        Args:
            address: who tries.
            now: seconds of a clock that never goes back.
        """
        count, last = self.attempts.get(address, (0, now))
        if count < FREE_ATTEMPTS:
            return 0.0
        wait = min(2.0 ** (count - FREE_ATTEMPTS + 1), LONGEST_WAIT_SECONDS)
        return max(0.0, last + wait - now)

    def count_wrong(self, address: str, now: float) -> None:
        """Count a wrong attempt; what is an hour old is forgotten."""
        oldest = now - FORGOTTEN_SECONDS
        recent = {a: one for a, one in self.attempts.items() if one[1] > oldest}
        recent[address] = (recent.get(address, (0, now))[0] + 1, now)
        self.attempts = recent

    def forget(self, address: str) -> None:
        """Forget the wrong attempts of an address that has signed in."""
        self.attempts.pop(address, None)
