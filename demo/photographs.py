# SPDX-License-Identifier: MIT
"""Photographs to work on: the user's own, or those of a few Debian packages.

The packages are downloaded and unpacked below the build directory, never installed, and not again when they are there.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile

# Small packages of large photographs (18 MB in all), and where in them these lie.
PACKAGES = {
    "lomiri-wallpapers-16.04": "usr/share/backgrounds",
    "palapeli-data": "usr/share/palapeli/collection",
}
# Lies there too, but was drawn.
NO_PHOTOGRAPHS = {"analogpattern_by_Peter_Nerlich.jpg", "umang_by_Abhishek_Mudgal.jpg"}


class no_photographs(Exception):
    """Says why there is nothing to work on, and what to do."""


def jpeg_files(directory):
    directory = pathlib.Path(directory)
    return sorted(path for path in directory.rglob("*")
                  if path.suffix.lower() in (".jpg", ".jpeg") and path.is_file() and not path.is_symlink())


def own_photographs(directory):
    """[(name, path)] of a directory of the user's; the names are relative to it."""
    if not pathlib.Path(directory).is_dir():
        raise no_photographs(f"PHOTOS={directory} is not a directory")
    found = jpeg_files(directory)
    if not found:
        raise no_photographs(f"PHOTOS={directory} holds no file named *.jpg or *.jpeg")
    return [(str(path.relative_to(directory)), path) for path in found]


def packaged_photographs(directory):
    """[(name, path)] of the packages, which are fetched into `directory` when they are not there."""
    found = []
    for package, inside in PACKAGES.items():
        place = pathlib.Path(directory) / package
        if not place.is_dir():
            fetch(package, place)
        found += [(path.name, path) for path in jpeg_files(place / inside) if path.name not in NO_PHOTOGRAPHS]
    if len({name for name, _ in found}) != len(found):
        raise no_photographs("two of the packages hold photographs of one name")
    return sorted(found)


def fetch(package, place):
    hint = ("Without network, or on another system than Debian, name a directory of JPEG photographs of your own: "
            "PHOTOS=DIRECTORY make demo")
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise no_photographs(f"the photographs come from Debian packages, and there is no apt-get here. {hint}")
    print(f"demo: fetching photographs: {package}", flush=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    # A finished directory appears by rename, so that one cut short is never taken for whole.
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        if not download(package, scratch):
            update_lists()
            if not download(package, scratch):
                raise no_photographs(f"the package {package} could not be downloaded. {hint}")
        unpacked = pathlib.Path(scratch) / "unpacked"
        archive = next(pathlib.Path(scratch).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True, stdin=subprocess.DEVNULL)
        unpacked.rename(place)


def download(package, into):
    """The download needs no root; as root, apt must not try to become a user that cannot write here."""
    done = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package], cwd=into,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode != 0:
        print(done.stdout.strip(), flush=True)
    return done.returncode == 0


def update_lists():
    """A fresh system knows no packages yet. Only root can change that, so a failure here is not the end."""
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and not shutil.which("sudo"):
        return
    subprocess.run([*as_root, "apt-get", "-qq", "update"], stdin=subprocess.DEVNULL, check=False)
