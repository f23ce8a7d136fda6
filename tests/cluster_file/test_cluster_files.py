"""cluster.yaml and cluster/kuberay.yaml, held against what reads them; all that starts Ray agrees on its settings.

On AWS and on Kubernetes themselves nothing of this can be tried here.
"""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from autoscaling_ray import ROOT, ray_environment, read

SCRIPTS = sorted((ROOT / "cluster").glob("*.sh"))


@pytest.fixture
def kuberay() -> dict[str, Any]:
    claim, cluster = yaml.safe_load_all((ROOT / "cluster" / "kuberay.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    cluster["metadata"]["namespace"] = "default"
    return dict(cluster)


def groups(kuberay: dict[str, Any]) -> list[dict[str, Any]]:
    return [kuberay["spec"]["headGroupSpec"], *kuberay["spec"]["workerGroupSpecs"]]


class TestClusterYaml:
    def test_ray_takes_it(self):
        from ray.autoscaler._private.util import prepare_config, validate_config

        prepared = prepare_config(copy.deepcopy(read()))
        validate_config(prepared)
        # What it leaves out Ray fills in: with set-up and start commands of its own, for one.
        for field in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
            assert prepared[field] == read()[field]

    def test_ec2_takes_its_machines(self):
        from botocore.session import Session
        from botocore.validate import ParamValidator

        run_instances = Session().get_service_model("ec2").operation_model("RunInstances").input_shape
        for node_type in read()["available_node_types"].values():
            config = dict(node_type["node_config"])
            # Ray's own word: it takes one of them after the other.
            config["SubnetId"] = config.pop("SubnetIds")[0]
            report = ParamValidator().validate(config | {"MinCount": 1, "MaxCount": 1}, run_instances)
            assert not report.has_errors(), report.generate_report()

    def test_workers_are_on_spot_and_may_do_nothing_on_aws(self):
        types = read()["available_node_types"]
        assert "InstanceMarketOptions" not in types["head"]["node_config"]
        assert "IamInstanceProfile" in types["head"]["node_config"]
        assert types["gpu"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert "IamInstanceProfile" not in types["gpu"]["node_config"]
        assert all(each["node_config"]["MetadataOptions"]["HttpTokens"] == "required" for each in types.values())

    def test_trials_run_on_workers_alone(self):
        assert read()["available_node_types"][read()["head_node_type"]]["resources"]["CPU"] == 0

    def test_what_only_the_driver_needs_listens_on_loopback(self):
        start = " ".join(read()["head_start_ray_commands"])
        assert "--dashboard-host=127.0.0.1" in start and "MLFLOW_TRACKING_URI=http://127.0.0.1:5000" in start
        assert "--host 127.0.0.1 --port 5000" in (ROOT / "cluster" / "head.sh").read_text()
        assert "MLFLOW" not in " ".join(read()["worker_start_ray_commands"])

    def test_only_ssh_is_open_and_only_to_given_addresses(self):
        rules = re.findall(r"CidrIp: (.+?)[},]", (ROOT / "cluster" / "aws.yaml").read_text())
        assert rules == ["!Ref SshFrom"]

    def test_workers_watch_for_spot_notices(self):
        assert "-m grokgrid.engine.notices" in read()["worker_start_ray_commands"][-1]

    def test_what_is_to_be_changed_is_marked(self):
        for line in (ROOT / "cluster.yaml").read_text().splitlines():
            assert "0000000" not in line or "# yours" in line


class TestKubeRay:
    def test_rays_autoscaler_takes_it(self, kuberay: dict[str, Any]):
        from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
        from ray.autoscaler._private.util import validate_config

        config = _derive_autoscaling_config_from_ray_cr(kuberay)
        validate_config(config)
        types = config["available_node_types"]
        assert types["headgroup"]["resources"]["CPU"] == 0, "no trial runs on the head"
        assert types["gpu"]["resources"].items() >= {"CPU": 4, "GPU": 1}.items()
        assert (types["gpu"]["min_workers"], types["gpu"]["max_workers"]) == (0, 8)

    def test_ray_start_has_its_parameters(self, kuberay: dict[str, Any]):
        from ray.scripts.scripts import start

        known = {option.removeprefix("--") for parameter in start.params for option in parameter.opts}
        for group in groups(kuberay):
            assert set(group["rayStartParams"]) <= known
            assert all(isinstance(value, str) for value in group["rayStartParams"].values())

    def test_its_ray_is_the_one_that_is_locked(self, kuberay: dict[str, Any]):
        locked = re.search(r"^ray(?:\[.*\])?==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
        assert locked is not None and kuberay["spec"]["rayVersion"] == locked[1]

    def test_every_pod_has_the_shared_storage_where_the_head_evaluations_for_it(self, kuberay: dict[str, Any]):
        head_env = {each["name"]: each.get("value", "") for each in containers(kuberay)[0]["env"]}
        for group in groups(kuberay):
            pod = group["template"]["spec"]
            (container,) = pod["containers"]
            mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert set(mounted) == {volume["name"] for volume in pod["volumes"]}
            for variable in ("GROKGRID_HOME", "GROKGRID_STORAGE", "GROKGRID_DATA"):
                assert Path(head_env[variable]).is_relative_to(mounted["shared"])
        assert "/dev/shm" in mounted.values(), "Ray's store of objects, for which a container's default is too small"

    def test_ports_and_service(self, kuberay: dict[str, Any]):
        head = kuberay["spec"]["headGroupSpec"]
        assert head["serviceType"] == "ClusterIP"
        ports = {port["name"]: port["containerPort"] for port in containers(kuberay)[0]["ports"]}
        assert ports == {"gcs-server": 6379, "dashboard": 8265, "client": 10001}


def containers(kuberay: dict[str, Any]) -> list[dict[str, Any]]:
    return [container for group in groups(kuberay) for container in group["template"]["spec"]["containers"]]


class TestRaysSettings:
    """grokgrid sets them for a Ray that it starts; on a cluster Ray is there before it."""

    def test_what_the_engine_sets_for_rays_processes_clusters_set_as_well(self):
        code = """
import os
before = set(os.environ)
import grokgrid.engine.ray
print(*(f"{name}={os.environ[name]}" for name in set(os.environ) - before if name.startswith("RAY_")))
"""
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
        printed = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
        engine = dict(pair.split("=") for pair in printed.stdout.split())
        # These are for the process that runs the study.
        of_drivers = {
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV",
            "RAY_ENABLE_AUTO_CONNECT",
            "RAY_AIR_NEW_OUTPUT",
            "RAY_CLIENT_MODE",
        }
        of_nodes = {name: value for name, value in engine.items() if name not in of_drivers}
        assert of_nodes and ray_environment() == of_nodes | {"RAY_AUTH_MODE": "token"}

    def test_everything_that_starts_ray_has_them(self, kuberay: dict[str, Any]):
        for commands in (read()["head_start_ray_commands"], read()["worker_start_ray_commands"]):
            (start,) = (command for command in commands if "ray start" in command)
            assert start.index(". ~/grokgrid/cluster/ray.env") < start.index("ray start")
        slurm = (ROOT / "cluster" / "slurm.sh").read_text()
        assert slurm.index(". cluster/ray.env") < slurm.index("ray start")
        sidecar = kuberay["spec"]["autoscalerOptions"]
        for container in (sidecar, *containers(kuberay)):
            env = {each["name"]: each.get("value") for each in container["env"]}
            assert env.items() >= ray_environment().items()
            assert "RAY_AUTH_TOKEN" in env


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_whole_and_can_be_run(script: Path):
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert "set -euo pipefail" in script.read_text()


@pytest.mark.parametrize("path", [ROOT / "cluster.yaml", *(ROOT / "cluster").iterdir()], ids=lambda path: path.name)
def test_there_are_no_secrets_inside(path: Path):
    secret = r"(?i)(password|secret_access_key|private_key|token)\w*\s*[:=]\s*[\"']?[\w/+]{12,}|AKIA\w{16}|://[^\s/:]+:[^\s/@]+@"
    assert not re.findall(secret, path.read_text())
