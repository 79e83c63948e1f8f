"""Which images a file names: lists, compose files, Kubernetes manifests, Dockerfiles."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cache.warm import Request, Skipped, Unreadable, images_in_file

FILES = Path(__file__).parent / "files"


def found_in(content: str | bytes, name: str = "standard input") -> list[str]:
    data = content.encode() if isinstance(content, str) else content
    return [each.text for each in images_in_file(io.BytesIO(data), name)]


def read(name: str) -> tuple[list[Request], list[Skipped]]:
    with (FILES / name).open("rb") as file:
        found = images_in_file(file, name)
    return (
        [each for each in found if isinstance(each, Request)],
        [each for each in found if isinstance(each, Skipped)],
    )


def test_a_list() -> None:
    requests, skipped = read("images.txt")

    assert [(each.text, each.where) for each in requests] == [
        ("busybox", "images.txt:2"),
        ("python:3.12-slim", "images.txt:3"),
        (f"ghcr.io/owner/tool:1.2@sha256:{'a' * 64}", "images.txt:5"),
        ("localhost:5000/x", "images.txt:6"),
    ]
    assert skipped == []


def test_a_compose_file() -> None:
    requests, skipped = read("compose.yml")

    assert [(each.text, each.platform) for each in requests] == [
        ("postgres:16", ""),
        ("redis:7.2-alpine", "linux/arm64"),
        (f"quay.io/opensearch/opensearch@sha256:{'b' * 64}", ""),
    ]
    assert requests[1].where == "compose.yml:9"
    assert [each.text for each in skipped] == [
        "registry.corp.example/shop/web:dev",
        "nginx:${NGINX_VERSION:-1.27}",
    ]
    assert skipped[0].reason == "the service web builds it"
    assert "holds a variable" in skipped[1].reason
    assert "docker compose config" in skipped[1].reason


def test_kubernetes_manifests() -> None:
    requests, skipped = read("cluster.yaml")

    assert [each.text for each in requests] == [
        "registry.k8s.io/migrate:v1",
        "nginx:1.27",
        "envoyproxy/envoy:v1.31",
        "busybox:1.36",
        "quay.io/models/small:3",
        "ghcr.io/owner/report:2",
        "alpine",
        "quay.io/prometheus/prometheus:v2.55.0",
        "quay.io/thanos/thanos:v0.36.1",
    ]
    assert requests[1].where == "cluster.yaml:12"
    assert skipped == []


def test_a_dockerfile() -> None:
    requests, skipped = read("Dockerfile")

    assert [(each.text, each.platform) for each in requests] == [
        ("golang:1.23", ""),
        ("ghcr.io/owner/data:1", ""),
        ("nginx:1.27", ""),
        (f"quay.io/owner/base@sha256:{'c' * 64}", "linux/arm64"),
        ("debian:bookworm", ""),
    ]
    assert requests[0].where == "Dockerfile:3"
    assert [(each.text, each.where) for each in skipped] == [("${BASE}", "Dockerfile:18")]
    assert "holds a variable" in skipped[0].reason


@pytest.mark.parametrize("name", ["images.txt", "compose.yml", "cluster.yaml", "Dockerfile"])
def test_the_content_tells_what_a_nameless_file_is(name: str) -> None:
    content = (FILES / name).read_bytes()

    assert found_in(content, "standard input") == found_in(content, name)


@pytest.mark.parametrize(
    "name", ["build/Dockerfile.prod", "app.dockerfile", "Containerfile", "dockerfile"]
)
def test_a_dockerfile_is_known_by_its_name(name: str) -> None:
    assert found_in("# nothing\nLABEL a=b\nFROM a:1\n", name) == ["a:1"]


def test_json_is_read_as_what_it_is() -> None:
    pod = '{"kind": "Pod", "spec": {"containers": [{"image": "a:1"}, {"image": "b"}]}}'

    assert found_in(pod) == ["a:1", "b"]


def test_a_list_with_a_byte_order_mark_and_carriage_returns() -> None:
    assert found_in(b"\xef\xbb\xbfa:1\r\nb\r\n") == ["a:1", "b"]


@pytest.mark.parametrize("image", ["{{ .Values.image }}", "'{{ image }}:1'"])
def test_a_template_is_skipped(image: str) -> None:
    content = f"kind: Pod\nimage: {image}\n".encode()

    (found,) = images_in_file(io.BytesIO(content), "pod.yaml")

    assert isinstance(found, Skipped)
    assert (found.where, "variable" in found.reason) == ("pod.yaml:2", True)


def test_a_template_that_is_no_yaml_is_told() -> None:
    with pytest.raises(Unreadable, match="cannot be read as YAML"):
        found_in("{{- if .Values.web }}\nkind: Pod\nimage: a\n{{- end }}\n", "pod.yaml")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: [", "cannot be read as YAML"),
        (b'a: "\\Uffffffff"', "cannot be read as YAML"),
        (b"a: " + b"[" * 500 + b"]" * 500, "nested deeper"),
        (b"\xff\xfe\xfa", "not a text in UTF-8"),
        (b"a\0b", "not a text"),
        (b"#" * (16 * 1024**2 + 1), "more than 16777216 bytes"),
    ],
)
def test_what_cannot_be_read_is_told(content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        found_in(content)


def test_aliases_make_no_small_file_large() -> None:
    lines = ["a0: &a0 [{image: x}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]

    assert found_in("\n".join(lines)) == ["x"]


def test_here_documents_without_an_end_do_not_take_for_ever() -> None:
    assert found_in("FROM x\n" + "RUN <<A\n" * 100_000, "Dockerfile") == ["x"]


def test_a_file_that_names_no_image_is_empty(tmp_path: Path) -> None:
    for content in ("", "# only a comment\n", "---\n", "kind: Pod\nimage: ''\n"):
        assert found_in(content) == []
