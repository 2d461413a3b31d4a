"""What can be checked of the container files and proxy examples without a container engine."""

import re

import pytest
import yaml

from tests.house.repository import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    copied = [name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name.split("/")[0] in allowed, name


def test_the_image_runs_as_an_ordinary_user_in_exec_form() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER chatkeep$", final, re.MULTILINE)
    assert 'ENTRYPOINT ["chatkeep"]' in final  # in shell form SIGTERM would reach the shell, and not the server


def test_the_image_installs_by_hash_alone() -> None:
    installs = re.findall(r"pip install .+", DOCKERFILE)
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.scale.yaml"])
def test_compose_files_hold_together(name: str) -> None:
    compose = yaml.safe_load((DEPLOY / name).read_text())
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        named = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert named <= compose["volumes"].keys()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert (DEPLOY / services["chatkeep"]["build"]["context"] / "deploy/Dockerfile").exists()


def test_no_compose_file_holds_a_password() -> None:
    for path in DEPLOY.glob("compose*.yaml"):
        for line in re.findall(r".*(?:PASSWORD|API_KEY|SECRET).*", path.read_text()):
            assert line.lstrip().startswith("#") or "${" in line, line


@pytest.mark.parametrize(
    "setting",
    ["proxy_buffering    off;", "gzip               off;", "proxy_http_version 1.1;", "Upgrade    $http_upgrade;"],
)
def test_nginx_lets_streams_and_websockets_through(setting: str) -> None:
    assert setting in (DEPLOY / "nginx.conf").read_text()


def test_nginx_overwrites_the_address_a_client_claims() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    assert re.search(r"X-Forwarded-For\s+\$remote_addr;", text)
    assert "proxy_add_x_forwarded_for" not in text


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_braces_of_proxy_examples_balance(name: str) -> None:
    text = re.sub(r"#.*", "", (DEPLOY / name).read_text())
    assert text.count("{") == text.count("}") > 0
