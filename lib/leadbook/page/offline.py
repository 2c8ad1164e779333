"""Makes HTML safe to hand round: nothing runs, nothing is loaded, no link leads outside the report's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bs4 import BeautifulSoup, Tag

_LOADED = ("src", "srcset", "poster", "data", "background", "xlink:href", "action", "formaction")
_ACTIVE = ["script", "link", "iframe", "object", "embed", "base", "form", "meta", "frame", "applet"]
_FOREIGN_STYLE = re.compile(r"@import|url\(\s*['\"]?(?!data:|#)", re.I)


def contained(html: str, pages: Mapping[str, str] | None = None) -> BeautifulSoup:
    """`html` with everything active or foreign taken out; the words of a link stay, its address beside them.

    `pages` maps the name of a file that prose may link to (a notebook) to the report's page for it; links to anything
    else outside the page become text.
    """
    soup = BeautifulSoup(html, features="html.parser")
    for tag in soup.find_all(_ACTIVE):
        tag.decompose()
    for style in soup.find_all("style"):
        if _FOREIGN_STYLE.search(style.get_text()):
            style.decompose()
    for tag in soup.find_all(True):
        _disarm(tag)
    for anchor in soup.find_all("a"):
        _tie(soup, anchor, pages or {})
    return soup


def _disarm(tag: Tag) -> None:
    for name in [name for name in tag.attrs if name.lower().startswith("on")]:
        del tag[name]
    if _FOREIGN_STYLE.search(str(tag.get("style", ""))):
        del tag["style"]
    for name in _LOADED:
        value = str(tag.get(name, "")).strip()
        if value and not value.lower().startswith("data:image/"):
            del tag[name]
            if tag.name == "img":
                tag.name = "span"
                tag.string = f"[picture left out: {tag.get('alt') or value}]"


def _tie(soup: BeautifulSoup, anchor: Tag, pages: Mapping[str, str]) -> None:
    target = str(anchor.get("href", "")).strip()
    name, hash_, fragment = target.partition("#")
    if not target or (not name and hash_):
        return
    if page := pages.get(name.rpartition("/")[2]):
        anchor["href"] = page + hash_ + fragment
        return
    words = anchor.get_text()
    if target.lower().startswith(("http://", "https://")) and words.strip() != target:
        anchor.insert_after(soup.new_string(f" ({target})"))
    anchor.unwrap()
