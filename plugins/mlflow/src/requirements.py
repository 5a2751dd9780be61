"""Gives a program the packages it asks for, without touching the Python environment that others share.

What the environment already satisfies is used from there. The rest, and of its dependencies only what is missing,
goes into a folder that comes first on the path of the program and of every interpreter that it starts.
"""

import importlib.metadata
import json
import os
import subprocess
import sys

from packaging.requirements import InvalidRequirement, Requirement

# Long enough for a large wheel on a slow line between two bytes; the caller's own timeout ends the whole.
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--timeout", "30"]


class NotInstalled(Exception):
    """A requirement that cannot be had; the text says which, and why in pip's words."""


def provide(requirements, folder):
    """Makes the requirements importable: installs what is missing into `folder`. Answers with what it installed."""
    missing = [line for line in requirements if not satisfied(line)]
    if not missing:
        return []
    print(f"installing {', '.join(missing)}", flush=True)
    found = resolve(missing, folder)
    if found:
        # Without dependencies: the resolution above has named them all.
        pip(["install", "--quiet", "--no-deps", "--upgrade", "--target", folder, *found], missing)
    on_path(folder)
    return found


def satisfied(line):
    """Whether the environment has this requirement already, its extras included."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement as error:
        raise NotInstalled(f"`{line}` is no requirement: {error}") from None
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    if requirement.url is not None or requirement.extras:
        return False
    try:
        installed = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(installed, prereleases=True)


def resolve(missing, folder):
    """Exact versions of what has to be installed for `missing`, dependencies included."""
    os.makedirs(folder, exist_ok=True)
    report = os.path.join(folder, "resolution.json")
    pip(["install", "--quiet", "--dry-run", "--report", report, *missing], missing)
    with open(report, encoding="utf-8") as file:
        installs = json.load(file)["install"]
    os.remove(report)
    return [pinned(each) for each in installs]


def pinned(install):
    """A resolved package as a line for pip."""
    metadata = install["metadata"]
    if install.get("is_direct"):
        return f"{metadata['name']} @ {install['download_info']['url']}"
    return f"{metadata['name']}=={metadata['version']}"


def pip(arguments, wanted):
    """Runs pip; its words are the error's."""
    done = subprocess.run([*PIP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise NotInstalled(f"pip could not install {', '.join(wanted)}:\n{done.stdout.strip()}")


def on_path(folder):
    """Puts the folder first, here and in every interpreter that is started from here."""
    sys.path.insert(0, folder)
    rest = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = folder if not rest else os.pathsep.join([folder, rest])
