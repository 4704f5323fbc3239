"""The reading room: readers sign in, judge the films of a pack, and are remembered.

The page asks one function, `Room.ask`; without the token that a sign-in code buys, it
shows and writes nothing.
"""

import secrets
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from rds_readers import answers, design, sign_in
from rds_tf import errors
from rds_tf.storage import disk

IDLE_SECONDS = 3600.0  # a page left alone asks for the code again


@dataclass
class Visit:
    """A signed-in page: who it is, what it shows and since when.

    Attributes:
        reader: name in the plan.
        used: when it was last heard of, seconds of the monotonic clock.
        due: what it shows, None before the first film.
        shown: when that was shown, on the same clock.
        files: ticket to what of the film may be fetched now.
    """

    reader: str
    used: float
    due: design.Due | None = None
    shown: float = 0.0
    files: dict[str, Path] = field(default_factory=dict)


class Room:
    """The state of a running reading room; all that matters is on disk.

    Raises:
        FileNotFoundError: if the folder is not a pack, or it lacks a file.
        ValueError: if something in it cannot be read.
    """

    def __init__(self, pack: str | Path) -> None:
        """Open a pack."""
        self.pack = Path(pack)
        self.answers = answers.Answers(pack)
        self.access = sign_in.load_access(self.pack)
        self.answers.check_files()
        self.throttle = sign_in.Throttle()
        self.visits: dict[str, Visit] = {}

    def ask(self, message, address: str) -> dict:
        """Answer a page.

        Args:
            message: dict with `"do"`: `"sign_in"` with a `"code"`; or, each with a
                `"token"`, `"next"`, `"answer"` with `session, case, step, rating,
                decision`, or `"leave"`.
            address: where it comes from.

        Returns:
            The screen to show, as JSON values; see `reading_room.js`.
        """
        if not isinstance(message, dict):
            return {"screen": "sign_in"}
        if message.get("do") == "sign_in":
            return self._sign_in(str(message.get("code", "")), address)
        visit = self._find_visit(message.get("token"))
        if visit is None:
            word = "not_stored" if message.get("do") == "answer" else "signed_out"
            return {"screen": "sign_in", "word": word}
        if message.get("do") == "next":
            return self._show(visit)
        if message.get("do") == "answer":
            return self._store(visit, message)
        self.visits.pop(message["token"], None)
        return {"screen": "sign_in"}

    def read_file(self, ticket: str) -> bytes | None:
        """Return what a ticket is for: grey levels of a film, or the PNG of a map.

        Grey levels, row by row and 1 or 2 bytes each (little end first), and no PNG: a
        browser would cut 16 bits down to 8.
        """
        for visit in list(self.visits.values()):
            path = visit.files.get(ticket)
            if path is not None:
                is_film = path.parent.name == "films"
                return _read_levels(path).tobytes() if is_film else path.read_bytes()
        return None

    def _sign_in(self, code: str, address: str) -> dict:
        with self.throttle.lock:
            now = time.monotonic()
            if wait := self.throttle.wait_seconds(address, now):
                values = {"seconds": int(wait) + 1}
                return {"screen": "sign_in", "word": "slow_down", "values": values}
            reader = sign_in.find_reader(code, self.access)
            if reader not in self.answers.sessions:
                self.throttle.count_wrong(address, now)
                return {"screen": "sign_in", "word": "wrong_code"}
            self.throttle.forget(address)
            token = secrets.token_urlsafe(32)
            self.visits = {
                other: visit
                for other, visit in self.visits.items()
                if now - visit.used < IDLE_SECONDS
            }
            self.visits[token] = Visit(reader, now)
        due = self.answers.find_due(reader)
        if not isinstance(due, design.Due):
            return {"token": token, **self._show(self.visits[token])}
        welcome = {"screen": "welcome", "order": self.answers.plan["order"]}
        return welcome | {"token": token} | self._place(reader, due)

    def _find_visit(self, token) -> Visit | None:
        visit = self.visits.get(token) if isinstance(token, str) else None
        now = time.monotonic()
        if visit is None or now - visit.used > IDLE_SECONDS:
            return None
        visit.used = now
        return visit

    def _place(self, reader: str, due: design.Due) -> dict:
        sessions = len(self.answers.sessions[reader])
        return {"reader": reader, "sessions": sessions, **asdict(due)}

    def _show(self, visit: Visit, word: str | None = None) -> dict:
        """Return the next screen of a reader; its clock starts now."""
        due = self.answers.find_due(visit.reader)
        visit.files, visit.due = {}, None
        if due is None:
            return {"screen": "finished"}
        if isinstance(due, design.Wait):
            return {"screen": "wait", "opens": due.opens.isoformat()}
        reply = {"screen": "film", "word": word, **self._place(visit.reader, due)}
        film = self.pack / "films" / f"{due.case}.png"
        levels = _read_levels(film)
        height, width = levels.shape
        reply["film"] = {"height": height, "width": width, "bytes": levels.itemsize}
        reply["film"]["ticket"] = _write_ticket(visit, film)
        if due.step == design.WITH_MODEL:
            view = disk.read_json(self.pack / "model" / f"{due.case}.json")
            reply["model"] = {n: view[n] for n in ("probability", "decision")}
            reply["model"]["reasons"] = view.get("reasons", [])  # older packs: none
            if view.get("has_map", True):
                layer = self.pack / "model" / f"{due.case}.png"
                reply["model"]["ticket"] = _write_ticket(visit, layer)
            alone = design.Place(due.session, due.case, design.ALONE)
            reply["first"] = self.answers.find_answer(visit.reader, alone)
        self.answers.note_shown(visit.reader, due)
        visit.due, visit.shown = due, time.monotonic()
        return reply

    def _store(self, visit: Visit, message: dict) -> dict:
        """Store an answer and show what is next."""
        due, seconds, word = visit.due, None, None
        place = tuple(message.get(name) for name in ("session", "case", "step"))
        if due and place == due.key:
            seconds = round(time.monotonic() - visit.shown, 3)
        try:
            stored = self.answers.add(
                visit.reader,
                place,
                rating=message.get("rating"),
                decision=message.get("decision"),
                seconds=seconds,
            )
            word = None if stored else "already"
        except ValueError as error:  # not due, or out of range: show what is due
            print(f"Refused: {error}", file=sys.stderr, flush=True)
        return self._show(visit, word)


def _read_levels(path: Path) -> np.ndarray:
    """Read a film of the pack as uint8 or uint16 `(H, W)`."""
    levels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.ndim != 2:
        raise errors.InputError(f"{path}: cannot be read as a grey PNG.")
    return levels


def _write_ticket(visit: Visit, path: Path) -> str:
    ticket = secrets.token_urlsafe(32)
    visit.files[ticket] = path
    return ticket
