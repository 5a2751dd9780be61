"""Runs a training script: first its requirements, then the script itself in this process's place.

Arguments: the script's path, then one requirement each. The working folder is the current one.
"""

import os
import shutil
import sys

from requirements import NotInstalled, provide

# What the script may not change is absolute before it starts: it may go to another folder.
FEATURES = "ASGARD_FEATURES"
# Its existence says that the script has started: an end before that was not the script's doing.
STARTED = os.environ.pop("ASGARD_STARTED", os.path.join(".asgard", "started"))


def main(script, requirements):
    """Does not return: the script takes this process over, so that its exit status and traceback are its own."""
    try:
        provide(requirements, os.path.abspath("packages"))
    except NotInstalled as error:
        sys.exit(str(error))
    if FEATURES in os.environ:
        collect(os.environ[FEATURES])
        os.environ[FEATURES] = os.path.abspath(os.environ[FEATURES])
    with open(STARTED, "w", encoding="utf-8") as file:
        file.write("started")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, script])


def collect(path):
    """Puts the features where the script looks for them, where they came as parts or are in a bucket."""
    parts = os.environ.pop("ASGARD_FEATURES_PARTS", None)
    url = os.environ.pop("ASGARD_FEATURES_URL", None)
    if parts is None and url is None:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        if parts is not None:
            for name in sorted(os.listdir(parts)):
                # A mounted folder has the cluster's own links beside the parts.
                if name.startswith("part-"):
                    with open(os.path.join(parts, name), "rb") as part:
                        shutil.copyfileobj(part, file)
        else:
            with bucket().open_input_stream(url.removeprefix("s3://")) as object:
                shutil.copyfileobj(object, file)


def bucket():
    """The store, by the variables that AWS's own tools know."""
    try:
        from pyarrow.fs import S3FileSystem
    except ImportError:
        sys.exit("the features are in a bucket, which takes pyarrow: add it to the image or to the requirements")
    endpoint = os.environ.get("S3_ENDPOINT")
    return S3FileSystem(region=os.environ.get("AWS_REGION"), **({"endpoint_override": endpoint} if endpoint else {}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
