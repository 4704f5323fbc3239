"""What is no file with an end is not read."""

import os

import pytest

from rds_tf.data import annotation, cohort
from rds_tf.dicom import radiograph
from rds_tf.storage import disk


def test_a_file_up_to_its_bound_is_read_and_a_larger_one_is_not(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    assert disk.read_whole(tmp_path / "a", 3) == b"123"
    with pytest.raises(OSError, match="larger than 2 bytes"):
        disk.read_whole(tmp_path / "a", 2)


@pytest.mark.parametrize(
    "read",
    [
        radiograph.read_image,
        annotation.read_polygons,
        lambda path: cohort.read_table(path, []),
    ],
)
def test_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(ValueError, match=f"{name}: It is a pipe or a device"):
            read(tmp_path / name)
