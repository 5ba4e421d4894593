"""Results of `connectors test` as attestations of the tested image (in-toto, predicates/test-result.md)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from airbyte_ci.attest.attachment import Attachment
from airbyte_ci.attest.statement import TEST_RESULT, Statement, attach_plain
from airbyte_ci.attest.subject import Subject, SubjectImage
from airbyte_ci.documents import load_json
from airbyte_ci.errors import UsageError
from airbyte_ci.python.environment.tools import Tools

_RESULTS: Mapping[str, Literal["PASSED", "WARNED", "FAILED"]] = {
    "ok": "PASSED",
    "unverified": "WARNED",
    "skipped": "WARNED",
    "failed": "FAILED",
}


@dataclass(frozen=True, slots=True)
class ResultsByImage:
    """The results of one run of `connectors test --json`, by the digest of the tested image."""

    by_image: Mapping[str, Mapping[str, Any]]

    def write(self, subject: Subject, image: SubjectImage | None, _: Tools) -> tuple[Attachment, ...]:
        """Returns the unsigned result of a platform's image; none if exactly this image was not tested."""
        found = self.by_image.get(str(image.image.digest)) if image else None
        if image is None or found is None:
            return ()
        predicate = make(found, image)
        statement = Statement(image.image.digest, TEST_RESULT, predicate, str(subject.repository))
        return (attach_plain(statement, subject.created),)


def make(result: Mapping[str, Any], image: SubjectImage) -> dict[str, Any]:
    """Returns the predicate: the result, what was tested, and the steps by their results."""
    steps = {"PASSED": [], "WARNED": [], "FAILED": []}  # type: dict[str, list[str]]
    for step in result["steps"]:
        steps[_RESULTS[step["status"]]].append(str(step["id"]))
    return {
        "result": _RESULTS[result["status"]],
        "configuration": [
            {"name": f"build plan for {image.platform}", "digest": {"sha256": image.plan.digest.hex}},
        ],
        "passedTests": steps["PASSED"],
        "warnedTests": steps["WARNED"],
        "failedTests": steps["FAILED"],
    }


def read(path: Path) -> ResultsByImage:
    """Reads the output of `connectors test --json`; raises UsageError for anything else."""
    try:
        documents = [load_json(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return ResultsByImage({str(item["image"]): item for item in documents if _is_result(item)})
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"cannot read {path}: it is not the output of `connectors test --json` ({error})",
            advice="airbyte-ci connectors --name=NAME test --json > FILE",
        ) from error


def _is_result(item: Mapping[str, Any]) -> bool:
    """Returns whether an image was tested; raises for what is not a result of a test."""
    known: Iterable[Any] = item["steps"]
    for status in (item["status"], *(step["status"] for step in known)):
        if status not in _RESULTS:
            raise ValueError(f"unknown status {status!r}")
    return "image" in item
