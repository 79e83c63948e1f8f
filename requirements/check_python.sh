#!/bin/sh
# Usage: check_python.sh PYTHON. Succeeds if PYTHON can make a virtual environment; says what is
# missing otherwise. Debian ships the module for that as a package of its own: root gets it here.
set -eu
python=${1:-}

if [ -z "$python" ]; then
    echo "Python 3.11 or newer is needed, and no python3 was found." >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed; $python is $("$python" -V 2>&1)." >&2
    exit 1
fi
if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    exit 0
fi
package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $package, which makes virtual environments ..."
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$package" >/dev/null
    exit 0
fi
echo "$python cannot make virtual environments: install its package $package, as in" >&2
echo "    sudo apt-get install $package" >&2
exit 1
