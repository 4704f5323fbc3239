"""Memory that large arrays leave behind, kept for the next ones."""

import sys

import pytest

from rds_tf.parallel import isolated, memory

resource = pytest.importorskip("resource")  # not on Windows


@pytest.mark.skipif(sys.platform != "linux", reason="left alone elsewhere")
def test_worker_takes_the_pages_that_the_film_before_it_left():
    def count_faults():
        return child.call(resource.getrusage, resource.RUSAGE_SELF).ru_minflt

    child, counts = isolated.Child(), []
    try:
        assert child.call(memory.keep_freed)
        for _ in range(4):
            begin = count_faults()
            child.call(eval, "len(b'x' * (48 << 20))")  # 12,288 pages
            counts.append(count_faults() - begin)
    finally:
        child.end()
    assert min(counts) < 100


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory.keep_freed() is False
