"""Attestations of tests and verifications, in the form that others parse."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2

from airbyte_ci.attest import test_result
from airbyte_ci.attest.statement import SUMMARY, TEST_RESULT, Statement
from airbyte_ci.attest.verification import published, summary, verify
from airbyte_ci.attest.verification.verify import Demand
from airbyte_ci.errors import UsageError
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.store.store import Store
from tests.attest import releases
from tests.attest.conftest import SignedRelease


def _results(signed: SignedRelease, *, failed: bool = False) -> list[dict[str, Any]]:
    """What `connectors test --json` prints: one connector whose image was tested, and one that was not built."""
    image = signed.released.subject.images[0].image.digest
    steps = [{"id": "build", "status": "ok"}, {"id": "spec", "status": "failed" if failed else "ok"}]
    steps.append({"id": "check", "status": "skipped"})
    tested = {"name": "source-postal", "status": "failed" if failed else "ok", "image": str(image), "steps": steps}
    return [tested, {"name": "source-other", "status": "failed", "steps": [{"id": "build", "status": "failed"}]}]


@pytest.mark.parametrize(("failed", "result"), [(False, "PASSED"), (True, "FAILED")])
def test_results_are_attested_of_the_tested_image_alone(
    signed: SignedRelease, tmp_path: Path, failed: bool, result: str
) -> None:
    """The image that was tested has the result with its steps; other platforms and the index have none."""
    path = tmp_path / "results.json"
    path.write_text("".join(json.dumps(item) + "\n" for item in _results(signed, failed=failed)))
    subject, found = signed.released.subject, test_result.read(path)
    with releases.tools(signed.store) as tools:
        (attachment,) = found.write(subject, subject.images[0], tools)
        assert found.write(subject, subject.images[1], tools) == found.write(subject, None, tools) == ()
    statement = Statement.parse(attachment.content, "it")
    assert (statement.predicate_type, statement.subject) == (TEST_RESULT, subject.images[0].image.digest)
    parsed = json_format.Parse(json.dumps(dict(statement.predicate)), test_result_pb2.TestResult())
    assert parsed.result == result
    assert list(parsed.passed_tests) == (["build"] if failed else ["build", "spec"])
    assert list(parsed.failed_tests) == (["spec"] if failed else [])
    assert list(parsed.warned_tests) == ["check"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "x", '{"steps": 1, "status": "ok"}', '{"steps": [], "status": "great", "image": "x"}']
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    """Anything but the output of the tests is wrong usage, except for an empty file, which attests nothing."""
    path = tmp_path / "results.json"
    path.write_text(text)
    if not text:
        assert test_result.read(path).by_image == {}
        return
    with pytest.raises(UsageError, match="is not the output"):
        test_result.read(path)


def test_a_summary_names_what_was_verified(signed: SignedRelease, tmp_path: Path) -> None:
    """The summary is about the index, names the attestations that were read, and claims no more than was checked."""
    demand = Demand((signed.key.public,))
    with releases.tools(Store(tmp_path / "store")) as tools:
        found = published.fetch(signed.released.address, tools)
        findings = list(verify.verify(found, demand, tools, Platform("linux", "amd64")))
    moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    statement = summary.make(found, demand, findings, moment)
    assert (statement.predicate_type, statement.subject) == (SUMMARY, found.digest)
    predicate = dict(statement.predicate)
    # The specification has a list, and this version of the model a single text.
    assert predicate.pop("verifiedLevels") == ["SLSA_BUILD_LEVEL_1"]
    parsed = json_format.Parse(json.dumps(predicate), vsa_pb2.VerificationSummary())
    assert parsed.verification_result == "PASSED"
    assert len(parsed.input_attestations) == len(found.evidence.claims)
