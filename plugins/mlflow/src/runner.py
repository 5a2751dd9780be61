"""Runs a training script: first its requirements, then the script itself in this process's place.

Arguments: the script's path, then one requirement each. The working folder is the current one.
"""

import os
import sys

from requirements import NotInstalled, provide

# What the script may not change is absolute before it starts: it may go to another folder.
FEATURES = "ASGARD_FEATURES"
# Its existence says that the script has started: an end before that was not the script's doing.
STARTED = os.path.join(".asgard", "started")


def main(script, requirements):
    """Does not return: the script takes this process over, so that its exit status and traceback are its own."""
    try:
        provide(requirements, os.path.abspath("packages"))
    except NotInstalled as error:
        sys.exit(str(error))
    if FEATURES in os.environ:
        os.environ[FEATURES] = os.path.abspath(os.environ[FEATURES])
    with open(STARTED, "wb"):
        pass
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, script])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
