"""Merge requests on GitLab: finds them by source branch, opens drafts, completes them.

https://docs.gitlab.com/api/merge_requests/
"""

import re
from collections.abc import Sequence

from airbyte_ci.campaigns.delivery import wording
from airbyte_ci.campaigns.delivery.review_requests import PullRequest
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.git.gitlab import GitLabClient, GitLabProject

# GitLab has no field for drafts: the title marks them.
_DRAFT = "Draft: "
_DRAFTS = re.compile(r"(?:\s*(?:\[draft\]|\(draft\)|draft:)\s*)+", re.IGNORECASE)


class MergeRequests:
    """The merge requests of one project into one branch. Methods raise AirbyteCiError; none reveals the token."""

    noun = "merge request"

    def __init__(self, project: GitLabProject, target: str) -> None:
        self._client, self._target = GitLabClient(project), target

    def close(self) -> None:
        self._client.close()

    def of(self, branch: str) -> PullRequest | None:
        """Returns the open one of a branch. One that was closed without a merge was rejected by a person, so it is
        refused.
        """
        query = {"source_branch": branch, "target_branch": self._target, "state": "all"}
        listed = self._client.list_all("merge_requests", query, f"looking for the merge request of {branch}")
        # A fork may have a branch of the same name.
        found = [item for item in listed if item.get("source_project_id") == item.get("target_project_id")]
        for item in found:
            if item["state"] in ("opened", "locked"):
                return PullRequest(item["iid"], item["web_url"], item)
        latest = max(found, key=lambda item: int(item["iid"]), default=None)
        if latest is not None and latest["state"] == "closed":
            raise AirbyteCiError(
                f"merge request {latest['iid']} of {branch} was closed without being merged",
                advice=f"open it again ({latest['web_url']}), or give another name with --branch",
            )
        return None

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """Opens a draft."""
        wanted = {"source_branch": branch, "target_branch": self._target}
        wanted |= {"title": f"{_DRAFT}{title}", "description": wording.draft_body(body)}
        made = self._client.write("POST", "merge_requests", wanted, f"opening the merge request of {branch}")
        return PullRequest(made["iid"], made["web_url"], made)

    def finish(self, pull: PullRequest, title: str, body: str, labels: Sequence[str]) -> None:
        """Adds labels, marks it ready for review if it waited for its number, and updates the parts of airbyte-ci in
        it, in one request.
        """
        given = pull.handle
        present, shown = given.get("description") or "", given["title"]
        mark = found[0] if (found := _DRAFTS.match(shown)) else ""
        own = shown.removeprefix(mark)
        if wording.our_title(present) == wording.shown_title(own):
            own = title
        wanted = {
            "title": own if wording.waits(present) else f"{mark}{own}",
            "description": wording.renewed(present, body),
        }
        changed = {key: value for key, value in wanted.items() if value != (given.get(key) or "").replace("\r\n", "\n")}
        if missing := [name for name in labels if name not in given.get("labels", [])]:
            changed["add_labels"] = ",".join(missing)
        if changed:
            self._client.write(
                "PUT", f"merge_requests/{pull.number}", changed, f"finishing merge request {pull.number}"
            )
