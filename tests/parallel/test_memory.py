"""Memory that large arrays leave behind, kept for the next ones."""

import sys

import pytest

from rds_tf.parallel import local, memory

resource = pytest.importorskip("resource")  # not on Windows


@pytest.mark.skipif(sys.platform != "linux", reason="left alone elsewhere")
def test_worker_takes_the_pages_that_the_film_before_it_left():
    def count_faults():
        return pool.submit(resource.getrusage, resource.RUSAGE_SELF).result().ru_minflt

    with local.open_pool(1) as pool:
        counts = []
        for _ in range(4):
            begin = count_faults()
            pool.submit(eval, "len(b'x' * (48 << 20))").result()  # 12,288 pages
            counts.append(count_faults() - begin)
    assert min(counts) < 100


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory.keep_freed() is False
