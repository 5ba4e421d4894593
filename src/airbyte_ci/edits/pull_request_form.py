"""The form of a changelog cell's reference to a pull request: a link of any forge, an address, or only a number."""

import re
from dataclasses import dataclass

# The last folder of pull requests' addresses on GitHub, GitLab, Bitbucket, Azure, Gitea and Gerrit.
_FOLDERS = r"(?:pulls?|merge_requests|pull-requests|pullrequests?|\+)"
_LINK = re.compile(rf"\[(?P<label>[^\]]*)\]\((?P<address>[^()\s]*/{_FOLDERS}/)(?P<number>\d+)[^()]*\)")
# On an unknown forge, the text of the link must repeat the number. Issues are not pull requests.
_OTHER_LINK = re.compile(
    r"\[(?P<label>[^\]\d]*(?P<number>\d+)[^\]\d]*)\]\((?P<address>https?://[^()\s]*/(?<!/issues/))(?P=number)[^()\w]?[^()]*\)"
)
# Only an address, also as an autolink.
_ADDRESS = re.compile(rf"(?P<before><?)(?P<address>https?://[^\s<>()]*/{_FOLDERS}/)(?P<number>\d+)(?P<after>>?)")
# Only a number, possibly with a mark: #1, !1, PR 1, acme/x#1, [#1].
_PLAIN = re.compile(
    r"(?P<before>\[?(?:[\w.-]+(?:/[\w.-]+)+(?=[#!]))?(?:\\?[#!]|(?:PR|MR)[ #!-]*)?)(?P<number>\d+)(?P<after>\]?)"
)
# The text of a link around its number: #1, \#1, !1, PR 1.
_LABEL = re.compile(r"(?P<before>(?:PR|MR|Pull Request|Merge Request)?[ -]?\\?[#!]?)(?P<number>\d+)", re.IGNORECASE)
# These expressions take quadratic time in a cell's length, and no reference is longer.
_LONGEST = 1_000
_HASH = re.compile(r"(?P<before>\\?#)")


@dataclass(frozen=True, slots=True)
class PullRequestForm:
    """A reference to the pull request `number`; `template` is its text with {number} in place of each occurrence."""

    number: int
    template: str
    is_link: bool

    def with_number(self, number: str) -> str:
        """Returns the same form for another pull request."""
        return self.template.replace("{number}", number)


def pull_request_form(cell: str) -> PullRequestForm | None:
    """Returns the form of a cell's reference to a pull request; None if there is none that can be repeated.

    Discards other parts of the cell or the address, such as the tab of a page.
    """
    if len(cell) > _LONGEST:
        return None
    if found := _LINK.search(cell) or _OTHER_LINK.search(cell):
        label = _LABEL.fullmatch(found["label"]) or _HASH.match(found["label"])
        text = f"{label['before'] if label else ''}{{number}}"
        return PullRequestForm(int(found["number"]), f"[{text}]({found['address']}{{number}})", is_link=True)
    if found := _ADDRESS.fullmatch(cell):
        template = f"{found['before']}{found['address']}{{number}}{found['after']}"
        return PullRequestForm(int(found["number"]), template, is_link=True)
    if found := _PLAIN.fullmatch(cell):
        return PullRequestForm(int(found["number"]), f"{found['before']}{{number}}{found['after']}", is_link=False)
    return None
