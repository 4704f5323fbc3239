"""Codes: chance, hashes and waiting."""

import json

import pytest

from rds_readers import sign_in


def test_codes_are_of_unmistakable_signs_and_never_the_same_again():
    first, second = (
        sign_in.draw_sign_in_codes([f"R{i}" for i in range(50)]) for _ in "ab"
    )
    drawn = [*first.values(), *second.values()]
    assert len(set(drawn)) == 100
    for code in drawn:
        assert [len(part) for part in code.split("-")] == [4, 4, 4]
        assert not set(code.replace("-", "")) & set("01ILO")


def test_a_code_finds_its_reader_however_it_is_typed():
    codes = {"R1": "AB2C-DE3F-GH4J", "R2": "KM5N-PQ6R-ST7V"}
    access = sign_in.hash_sign_in_codes(codes)
    assert sign_in.find_reader(" km5n pq6r st7v ", access) == "R2"
    assert sign_in.find_reader("AB2CDE3FGH4J", access) == "R1"
    for wrong in ("", "-", "AB2C-DE3F-GH4K", "AB2C-DE3F-GH4J-", "R1", "é" * 999):
        found = sign_in.find_reader(wrong, access)
        assert found == ("R1" if wrong.startswith("AB2C-DE3F-GH4J") else None)


def test_what_is_kept_holds_no_code_and_another_salt_each_time():
    drawn = {"R1": "AB2C-DE3F-GH4J"}
    first, second = sign_in.hash_sign_in_codes(drawn), sign_in.hash_sign_in_codes(drawn)
    assert first["hashes"] != second["hashes"]
    assert "AB2C" not in json.dumps(first)


def test_scrypt_is_the_one_of_its_rfc():
    access = {"n": 1024, "r": 8, "p": 16, "salt": b"NaCl".hex()}
    # RFC 7914, section 12, second vector, whose password is in small letters.
    expected = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
    found = sign_in.hashlib.scrypt(b"password", salt=b"NaCl", n=1024, r=8, p=16)
    assert found.hex().startswith(expected)
    assert sign_in._hash("password", access) == sign_in._hash("PASS-WORD", access)
    assert sign_in._hash("password", access) != found.hex()


def test_three_wrong_tries_are_free_then_each_one_waits_longer():
    throttle, waits = sign_in.Throttle(), []
    for _ in range(12):
        waits.append(throttle.wait_seconds("a", 0.0))
        throttle.count_wrong("a", 0.0)
    assert waits == [0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert throttle.wait_seconds("a", 59.0) == 1.0
    assert throttle.wait_seconds("b", 0.0) == 0.0
    throttle.forget("a")
    assert throttle.wait_seconds("a", 0.0) == 0.0


def test_addresses_of_an_hour_ago_are_forgotten():
    throttle = sign_in.Throttle()
    throttle.count_wrong("a", 0.0)
    throttle.count_wrong("b", 3601.0)
    assert list(throttle.attempts) == ["b"]


@pytest.mark.parametrize("text", ["", "[]", '{"salt": ""}'])
def test_a_damaged_file_of_hashes_is_named(tmp_path, text):
    (tmp_path / "access.json").write_text(text)
    with pytest.raises(ValueError, match="access.json"):
        sign_in.load_access(tmp_path)
