"""The executor of a Ray cluster, and its refusals, which need no Ray."""

import math
import operator
import os
import socket
import sys
from functools import partial

import pytest

from rds_tf import command_line as command
from rds_tf.parallel import local, ray_cluster


def test_local_executor_is_the_module():
    assert ray_cluster.choose_executor("local") is local


def test_an_address_without_ray_is_refused():
    with pytest.raises(ValueError, match="`--address` needs `--engine ray`"):
        ray_cluster.choose_executor("local", "127.0.0.1:6379")


@pytest.mark.parametrize("lies_here", ["nothing", "a folder of that name"])
def test_where_ray_is_missing_one_sentence_says_how_to_install_it(
    lies_here, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    if lies_here != "nothing":
        (tmp_path / "ray").mkdir()
    assert command.main(["prepare", "a.csv", "out", "--engine", "ray"]) == 1
    message = capsys.readouterr().err.strip()
    assert "pip install" in message and "[ray]" in message and "\n" not in message


def test_an_address_where_nobody_listens_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionError, match=f"No Ray cluster on 127.0.0.1:{port}: "):
        ray_cluster._check_address(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["here", "127.0.0.1", "127.0.0.1:x", ":6379"])
def test_an_address_must_be_a_host_and_a_port(address):
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        ray_cluster._check_address(address)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine alone, with two workers."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    quiet = {"log_to_driver": False, "logging_level": "error"}
    ray.init("local", num_cpus=2, include_dashboard=False, **quiet)
    yield ray_cluster.choose_executor("ray")
    ray.shutdown()


def test_outcomes_of_a_cluster_are_those_of_local_processes(cluster):
    for function in (cluster.map_items, cluster.map_isolated):
        assert function(math.isqrt, [9, -1, 16], 2) == local.map_items(
            math.isqrt, [9, -1, 16]
        )


def test_item_that_always_kills_its_worker_costs_no_other_of_its_shard(cluster):
    items = [partial(int, number) for number in range(40)]
    items[3] = partial(os._exit, 1)
    outcomes = cluster.map_items(operator.call, items, 2)
    assert [o.value for o in outcomes] == [*range(3), None, *range(4, 40)]
    assert [o.error for o in outcomes if o.error] == [local.WORKER_DIED]


def test_each_item_of_map_isolated_has_a_process_of_its_own(cluster):
    outcomes = cluster.map_isolated(operator.call, [os.getpid] * 3, 2)
    assert len({outcome.value for outcome in outcomes}) == 3


def test_bug_in_the_function_is_not_swallowed(cluster):
    with pytest.raises(TypeError, match="str"):
        cluster.map_items(math.isqrt, ["a", "b"], 2)


def test_no_items_need_no_workers(cluster):
    assert cluster.map_items(math.isqrt, [], 2) == []
