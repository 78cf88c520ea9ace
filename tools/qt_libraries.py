"""See that the system libraries that Qt loads are there; on Debian as root, install the missing ones."""

import os
import shutil
import subprocess
import sys

from napari_cellseg.doctor import missing_qt_libraries


def main() -> int:
    """Install what is missing, or say what to type; 1 if the user has to act."""
    missing = missing_qt_libraries()
    if not missing:
        return 0
    line = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.stderr.write(f"Qt needs system libraries that are missing. On Debian or Ubuntu: sudo {line}\n")
        return 1
    sys.stderr.write(f"Qt needs system libraries: apt-get update && {line}\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=environment)
    subprocess.run(line.split(), check=True, env=environment)
    return 0


if __name__ == "__main__":
    sys.exit(main())
