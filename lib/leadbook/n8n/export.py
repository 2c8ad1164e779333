"""A folder that n8n imports: one workflow a file, and the credentials that they name."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadbook.core import files
from leadbook.core.errors import InputFileError, RefusedError
from leadbook.n8n.credentials import Credential, as_file, id_of
from leadbook.n8n.workflows import each_text

CREDENTIALS_FILE = "credentials.json"
WORKFLOWS_FOLDER = "workflows"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written. workflows: their names.  ids: in the same order.  credentials: name and type of each."""

    folder: Path
    workflows: tuple[str, ...]
    ids: tuple[str, ...]
    credentials: tuple[tuple[str, str], ...]


def bound(
    workflows: Iterable[Mapping[str, Any]], credentials: Sequence[Credential], database: str
) -> list[dict[str, Any]]:
    """The workflows with ids of their own, and the ids of what they name: credentials, and other workflows.

    Templates name both by name only; n8n finds them by id. A name that is not exported stays as it is.
    """
    known = {(one.type, one.name): one.id for one in credentials}
    made = [placed(one, {}) for one in workflows]
    ids = {str(one["name"]): id_of(str(one["name"]), database) for one in made}
    for workflow in made:
        workflow["id"] = ids[workflow["name"]]
        settings = workflow.setdefault("settings", {})
        if settings.get("errorWorkflow") in ids:
            settings["errorWorkflow"] = ids[settings["errorWorkflow"]]
        for node in workflow["nodes"]:
            for kind, named in node.get("credentials", {}).items():
                if (kind, named.get("name")) in known:
                    named["id"] = known[kind, named["name"]]
            called = node.get("parameters", {}).get("workflowId")
            if isinstance(called, dict) and called.get("value") in ids:
                called["value"] = ids[called["value"]]
    return made


def placed(value: Any, texts: Mapping[str, str]) -> Any:
    """A copy of `value` with each text that is a key of `texts` replaced."""
    return each_text(value, lambda text: texts.get(text, text))


def refuse_folder(folder: Path) -> None:
    """Raise RefusedError for a folder that git would take in, InputFileError for one that holds something already."""
    try:
        held = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise InputFileError(folder, f"cannot be looked into ({error.strerror})", hint="name another folder") from None
    if held:
        problem = "exists already, and an export overwrites nothing"
        raise InputFileError(folder, problem, hint="delete it, or name another folder")
    if _taken_by_git(folder.resolve()):
        raise RefusedError(
            f"{folder} lies in a git work tree and is not ignored there, so passwords could be committed; "
            "name a folder outside of it"
        )


def _taken_by_git(folder: Path) -> bool:
    """Whether git would add files of `folder`. Where git itself cannot be asked, any work tree counts."""
    tree = next((one for one in folder.parents if (one / ".git").exists()), None)
    if tree is None:
        return False
    git = shutil.which("git")
    if git is None:
        return True
    held = (folder / CREDENTIALS_FILE, folder / WORKFLOWS_FOLDER / "errors.json")  # it names the alert channel
    argv = [git, "-C", str(tree), "check-ignore", "--quiet"]
    return any(subprocess.run([*argv, str(one)], capture_output=True, check=False).returncode for one in held)


def write(folder: Path, workflows: Sequence[Mapping[str, Any]], credentials: Sequence[Credential]) -> Exported:
    """Write everything into `folder`, which only its owner may enter. Raises as `refuse_folder`, and InputFileError
    where it cannot be written."""
    refuse_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for workflow in workflows:
            text = json.dumps(workflow, indent=1, ensure_ascii=False) + "\n"
            files.write(folder / WORKFLOWS_FOLDER / f"{file_name(str(workflow['name']))}.json", text, mode=0o600)
        files.write(folder / CREDENTIALS_FILE, as_file(credentials), mode=0o600)
    except OSError as error:
        raise InputFileError(folder, f"cannot be written ({error.strerror})", hint="name another folder") from None
    return Exported(
        folder=folder, workflows=tuple(str(one["name"]) for one in workflows),
        ids=tuple(str(one["id"]) for one in workflows),
        credentials=tuple((one.name, one.type) for one in credentials),
    )  # fmt: skip


def file_name(workflow: str) -> str:
    """`leadbook collector 01` as the name of its file, without the ending."""
    return workflow.removeprefix("leadbook ").replace(" ", "-")
