"""Against moto's server, which answers as S3 does, on this machine."""

import bz2
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from steward.adapters.executors.local import LocalExecutor
from steward.adapters.remote_files import FsspecStore, check_address
from steward.core.errors import InputError, Unavailable
from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard
from steward.workflows.curate import run_pipeline
from steward.workflows.data_review import profile_files

pytestmark = pytest.mark.xdist_group("moto")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (
        ("AWS_ENDPOINT_URL", endpoint), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # another file's server may have been known, which has ended
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="corpus")
    yield lambda key, body: client.put_object(Bucket="corpus", Key=key, Body=body)
    for item in client.list_objects_v2(Bucket="corpus").get("Contents", []):
        client.delete_object(Bucket="corpus", Key=item["Key"])
    client.delete_bucket(Bucket="corpus")


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def read(*patterns: str) -> list[dict[str, Any]]:
    source = Source(path=list(patterns)).with_store(FsspecStore())
    plan = plan_reading(source)
    return [
        row for shard in plan.shards for item in read_shard(shard, plan.shape, source) for row in item.batch.to_pylist()
    ]


def test_files_folders_and_patterns_of_s3_are_read(bucket: Any, tmp_path: Path) -> None:
    bucket("a/one.jsonl", lines("one", "two"))
    bucket("a/two.jsonl.gz", gzip.compress(lines("three")))
    bucket("a/_SUCCESS", b"")
    bucket("a/deep/three.jsonl.bz2", bz2.compress(lines("four")))
    pq.write_table(pa.table({"text": ["five", "six"]}), tmp_path / "t.parquet", row_group_size=1)
    bucket("p/five.parquet", (tmp_path / "t.parquet").read_bytes())
    assert [row["text"] for row in read("s3://corpus/a")] == ["four", "one", "two", "three"]
    assert [row["id"] for row in read("s3://corpus/a/*.jsonl")] == [
        "s3://corpus/a/one.jsonl:1",
        "s3://corpus/a/one.jsonl:2",
    ]
    assert [row["text"] for row in read("s3://corpus/p/five.parquet", "s3://corpus/a/*.gz")] == ["three", "five", "six"]


def test_a_changed_file_is_another_input(bucket: Any) -> None:
    bucket("one.jsonl", lines("one"))
    source = Source(path="s3://corpus/one.jsonl").with_store(FsspecStore())
    first, again = plan_reading(source), plan_reading(source)
    bucket("one.jsonl", lines("two"))
    assert first.inputs == again.inputs != plan_reading(source).inputs


def test_a_pipeline_reads_from_s3_in_two_processes_and_copies_its_output_there(bucket: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        bucket(f"in/{name}.jsonl", lines(name, "the same words in both of the files"))
    (tmp_path / "pipeline.yaml").write_text(
        "input: {path: 's3://corpus/in/*.jsonl'}\nstages: [{use: dedupe.exact}]\n"
        "output: {path: out, copy_to: 's3://corpus/out'}\n"
    )
    summary = run_pipeline(tmp_path / "pipeline.yaml", workers=2)
    assert (summary.rows_in, summary.rows_out, summary.merged) == (4, 3, 1)
    found = [file.url.removeprefix("s3://corpus/out/") for file in FsspecStore().find("s3://corpus/out")]
    rows = ["rows/_SUCCESS", "rows/part-00000.parquet", "rows/part-00001.parquet"]
    assert found == ["ledger/entries.parquet", "manifest.json", *rows, "summary.json"]
    assert sorted(row["text"] for row in read("s3://corpus/out/rows")) == [
        "one",
        "the same words in both of the files",
        "two",
    ]
    assert run_pipeline(tmp_path / "pipeline.yaml", workers=1).shards_redone == 0
    assert profile_files(["s3://corpus/in"]).rows == 4


def test_what_is_not_there_is_said(bucket: Any) -> None:
    for pattern in ("s3://corpus/none.jsonl", "s3://corpus/*.none", "s3://nobucket/a.jsonl"):
        with pytest.raises(InputError, match=r"no such file|no file is there"):
            FsspecStore().find(pattern)
    with pytest.raises(InputError, match="nosuch"):
        FsspecStore().find("nosuch://a/b")
    with pytest.raises(InputError, match="no store for addresses"):
        plan_reading(Source(path="s3://corpus/a.jsonl"))


def test_a_store_that_is_away_is_no_damaged_row(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket("a.jsonl", lines("one"))
    S3FileSystem.clear_instance_cache()  # which would go on with the server that it found first
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable, match="s3 does not answer"):
        FsspecStore().open("s3://corpus/a.jsonl").read()
    S3FileSystem.clear_instance_cache()


def test_other_file_systems_of_fsspec_are_read_the_same_way(tmp_path: Path) -> None:
    store = FsspecStore()
    (tmp_path / "a.jsonl").write_bytes(lines("one"))
    store.upload(tmp_path / "a.jsonl", "memory://x/deep/a.jsonl")
    assert [file.bytes for file in store.find("memory://x")] == [16]
    assert store.open("memory://x/deep/a.jsonl").read() == lines("one")
    with store.open("memory://x/deep/a.jsonl") as opened:
        assert (opened.seek(2), opened.tell(), opened.read(4)) == (2, 2, b"text")


def test_a_store_goes_to_other_processes(bucket: Any) -> None:
    for number in range(3):
        bucket(f"{number}.jsonl", lines(f"text {number}"))
    with LocalExecutor(2) as executor:
        found = sorted(executor.map(read_one, [f"s3://corpus/{number}.jsonl" for number in range(3)]))
    assert found == ["text 0", "text 1", "text 2"]


def read_one(url: str) -> str:
    return str(json.loads(FsspecStore().open(url).read())["text"])


@pytest.mark.parametrize("url", ["s3://corpus/models", "memory://models"])
def test_an_address_is_checked_without_asking(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://", "s3://: it names no bucket"),
        ("s3:///", "names no bucket"),
        ("nosuch://x", "Protocol not known: nosuch"),
    ],
)
def test_an_address_that_can_lead_nowhere_is_refused(url: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_address(url)


@pytest.mark.parametrize(("address", "package"), [("gs://b/a.jsonl", "gcsfs"), ("az://b/a.jsonl", "adlfs")])
def test_k11_the_package_for_a_kind_of_address_is_named_with_its_line(address: str, package: str) -> None:
    """Names: fsspec's registry, `fsspec.registry.known_implementations`."""
    with pytest.raises(InputError, match=f"install {package}$"):
        FsspecStore().find(address)
