"""Where names fall."""

from kit.data.stable_place import stable_place


def test_a_name_has_one_place() -> None:
    # The first 6 bytes of SHA-256 of "abc" are ba7816bf8f01.
    assert stable_place("abc") == 0xBA7816BF8F01 / 2**48
    assert all(0 <= stable_place(str(number)) < 1 for number in range(100))
