"""What a page must not have: something unresolved, a dead link, or another file that it would load."""

import re
from html.parser import HTMLParser

UNRESOLVED = re.compile(r"\?(?:var|meta):[\w.-]*|\{\{<.*?>\}\}|\??@(?:fig|tbl|sec)-[\w-]+|<<|<%")
LOADING = ("script", "img", "link", "iframe", "source", "object")


class Page(HTMLParser):
    """What stands in a web page: what it says, its identifiers, links within it, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said, self.loaded = list[str](), list[str]()
        self.identifiers, self.targets = set[str](), set[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value and not value.startswith("data:")}
        self.said += ["\n", *(f"{value}\n" for value in given.values())]
        self.identifiers.add(given.get("id", ""))
        links = [given[name] for name in ("src", "href", "data") if name in given]
        self.targets |= {link[1:] for link in links if link.startswith("#")}
        self.loaded += [link for link in links if tag in LOADING and not link.startswith("#")]

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def faults(page):
    """Return what is wrong with a page."""
    seen = Page(page)
    dead = {f"#{target}" for target in seen.targets - seen.identifiers}
    return [*UNRESOLVED.findall("".join(seen.said)), *seen.loaded, *sorted(dead)]
