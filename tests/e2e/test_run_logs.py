"""What a run writes, from a push to the terminal: followed while it is written, with the rights of who asks."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nautes_adapters.kubernetes import KubernetesClient
from nautes_cli.demo.systems import connect_cluster
from support import tekton
from support.platform import PIPELINE_RUNS

SOURCE = "orchard/apple-api-src"
NAUTES = str(Path(sys.executable).with_name("nautes"))


class Player:
    """Plays Tekton and a kubelet for one run, with a connection for each act."""

    def __init__(self, platform, run):
        self._kubeconfig = platform.described.clusters["build-east"].kubeconfig
        metadata = run["metadata"]
        self._pods = {
            task: tekton.Pod(None, metadata["namespace"], metadata["name"], task, ("one", "two"))
            for task in ("unit", "build")
        }

    def do(self, task, *acts):
        async def act():
            client = KubernetesClient.from_kubeconfig(self._kubeconfig)
            pod = self._pods[task]
            pod._client = client
            try:
                for name, *arguments in acts:
                    await getattr(pod, name)(*arguments)
            finally:
                await client.close()

        asyncio.run(act())


@pytest.fixture
def nautes(platform):
    def start(*arguments, token="dev"):
        access = ("--api", platform.described.api_url, "--token-file", str(platform.described.tokens[token]))
        command = [NAUTES, "run", "logs", *arguments, "--product", "orchard", *access]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def ended(process, code=0):
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)
    return out if code == 0 else err


@pytest.fixture
def pushed(platform):
    def push(name):
        commit = platform.push(SOURCE, {f"src/{name}.py": "1\n"}, name)
        (run,) = platform.until(lambda: platform.runs_of(commit), "the run")
        name = run["metadata"]["name"]
        platform.until(lambda: name in listed(platform), "the run in the list")
        return run

    return push


def listed(platform):
    return {one["name"] for one in platform.api.get("/products/orchard/runs")["items"]}


def test_a_run_is_followed_from_before_its_begin_to_its_end(platform, pushed, nautes):
    run = pushed("follow")
    name, player = run["metadata"]["name"], Player(platform, run)
    following = nautes(name, "-f")
    player.do("unit", ("create",), ("run",), ("write", "one", "compiling"))
    assert following.stdout.readline() == "[unit : one] compiling\n"
    player.do("unit", ("write", "one", "linking"), ("write", "two", "12 passed"), ("end", 0))
    player.do("build", ("create",), ("run",), ("write", "one", "pushing"), ("end", 0))
    platform.play_tekton(run, tekton.SUCCEEDED)
    rest = ended(following).splitlines()
    assert sorted(rest) == sorted(["[unit : one] linking", "[unit : two] 12 passed", "[build : one] pushing"])
    assert rest.index("[unit : one] linking") < rest.index("[unit : two] 12 passed")

    whole = ended(nautes(name)).splitlines()
    unit = ["[unit : one] compiling", "[unit : one] linking", "[unit : two] 12 passed"]
    # Pods are in the order of their time, which clusters tell by the second.
    assert whole in ([*unit, "[build : one] pushing"], ["[build : one] pushing", *unit])
    assert ended(nautes(name, "--task", "unit", "--step", "one", "--tail", "1")) == "linking\n"
    (line,) = [json.loads(one) for one in ended(nautes(name, "--task", "build", "-o", "json")).splitlines()]
    assert (line["task"], line["step"], line["text"]) == ("build", "one", "pushing")
    assert ended(nautes(name, "--task", "build", "--timestamps")).startswith(tekton.STARTED[:19])


def test_whoever_has_enough_leaves_by_ctrl_c(platform, pushed, nautes):
    run = pushed("leave")
    player, following = Player(platform, run), nautes(run["metadata"]["name"], "-f")
    player.do("unit", ("create",), ("run",), ("write", "one", "compiling"))
    assert following.stdout.readline() == "[unit : one] compiling\n"
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=60)
    assert (following.returncode, out, err) == (130, "", "")


def test_what_cannot_be_shown_is_said_in_words(platform, pushed, nautes):
    run = pushed("words")
    name = run["metadata"]["name"]
    assert "-f" in ended(nautes(name), 1)
    assert "there is no run" in ended(nautes("apple-ci-none"), 1)
    hidden, absent = (ended(nautes(one, token="nautes-api-server"), 1) for one in (name, "apple-ci-none"))
    assert hidden == absent
    Player(platform, run).do("unit", ("create",), ("run",), ("write", "one", "canary-5e11"))
    assert "there are" in ended(nautes(name, "--task", "none"), 1)
    assert "canary-5e11" in ended(nautes(name))
    with connect_cluster(platform.described.clusters["build-east"].kubeconfig) as cluster:
        path = PIPELINE_RUNS.format(namespace=run["metadata"]["namespace"])
        cluster.delete(f"{path}/{name}").raise_for_status()
    assert "is not on its cluster any more" in ended(nautes(name), 1)
    for service in ("reconciler", "api-server"):
        assert "canary-5e11" not in platform.described.parts[service].log.read_text()
