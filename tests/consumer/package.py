# SPDX-License-Identifier: MIT
"""The Debian packages: built from a build directory, looked at, put into a root of their own, and removed from it."""
import io
import os
import pathlib
import re
import stat
import subprocess
import sys
import tarfile

PACKAGES = ("muster", "libmuster-dev")
MUST_HAVE = {
    "muster": ["usr/bin/muster", "usr/share/bash-completion/completions/muster", "usr/share/man/man1/muster.1.gz",
               "usr/share/man/man1/muster-run.1.gz", "usr/share/doc/muster/copyright",
               "usr/share/doc/muster/changelog.gz"],
    "libmuster-dev": ["usr/include/muster/muster.hpp", "usr/include/muster/detail/thunk.hpp", "*/libmuster.a",
                      "*/cmake/muster/musterConfig.cmake", "*/pkgconfig/muster.pc",
                      "usr/share/doc/libmuster-dev/copyright", "usr/share/doc/libmuster-dev/changelog.gz"],
}


def build(options, scratch, run):
    """Of what is built there: debug information is left out anyway, and time is not spent on a small file."""
    run(["cpack", "--config", options.build / "CPackConfig.cmake", "-B", scratch / "packages",
         "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip"])
    found = {path.name.split("_")[0]: path for path in (scratch / "packages").glob("*.deb")}
    if sorted(found) != sorted(PACKAGES):
        sys.exit(f"package: these were built: {sorted(found)}")
    return found


def problems_of_control(name, control, version):
    for field, wanted in (("Package", re.escape(name)), ("Version", re.escape(version)), ("Maintainer", r".+ <.+@.+>"),
                          ("Section", "utils|libdevel"), ("Architecture", r"[a-z0-9-]+"), ("Installed-Size", r"\d+"),
                          ("Description", r".{20,79}")):
        if not re.fullmatch(wanted, control.get(field, "")):
            yield f"{field} is '{control.get(field)}'"
    # Computed from what the program links against.
    if name == "muster" and not re.search(r"libc6 \(>= [\d.]+\), .*libstdc\+\+6 \(>=", control.get("Depends", "")):
        yield f"Depends is '{control.get('Depends')}'"


def problems_of_files(name, members):
    paths = [pathlib.PurePosixPath(member.name) for member in members]  # which knows no "./"
    parents = {parent for path in paths for parent in path.parents}
    for member, path in zip(members, paths):
        if member.isdir() and path not in parents:
            yield f"{path} is empty"
    for wanted in MUST_HAVE[name]:
        if not any(path.match(wanted) for path in paths):
            yield f"{wanted} is missing"
    for member, path in zip(members, paths):
        is_program = path.parts[:2] == ("usr", "bin")
        wanted = 0o755 if member.isdir() or is_program else 0o644
        if path.parts and path.parts[0] != "usr":
            yield f"{path} is outside of /usr"
        if stat.S_IMODE(member.mode) != wanted or not (member.isdir() or member.isfile()):
            yield f"{path} has mode {member.mode:o}"
        if (member.uid, member.gid) != (0, 0):
            yield f"{path} is not root's"
        if path.parts[:2] in {("usr", "local"), ("usr", "src")} or path.suffix == ".cpp":
            yield f"{path} has no place there"


def problems_of_texts(archive, places):
    """Neither where it was built nor a prefix that is not the package's is in what its users' builds read."""
    for member in archive.getmembers():
        if not member.name.endswith((".cmake", ".pc", "completions/muster")):
            continue
        text = archive.extractfile(member).read().decode()
        for place in (*map(str, places), "/usr/local"):
            if place in text:
                yield f"{member.name} names {place}"


def look_at(name, deb, options):
    said = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
    control = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line and not line.startswith(" "))
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        problems = [*problems_of_control(name, control, options.version),
                    *problems_of_files(name, archive.getmembers()),
                    *problems_of_texts(archive, (options.source, options.build))]
    if problems:
        sys.exit("\n".join(f"package: {deb.name}: {problem}" for problem in problems))


def dpkg(root):
    """In a root that has nothing, so without what the packages depend on; and for any user."""
    faked = [] if os.geteuid() == 0 else ["fakeroot"]
    return [*faked, "dpkg", "--root", root, "--log", "/dev/null", "--force-depends", "--force-not-root", "--force-script-chrootless"]


def installed_root(options, scratch, run):
    debs = build(options, scratch, run)
    for name, deb in debs.items():
        look_at(name, deb, options)
    root = scratch / "root"
    for directory in ("info", "updates"):
        (root / "var/lib/dpkg" / directory).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    run([*dpkg(root), "--install", *debs.values()])
    said = run([root / "usr/bin/muster", "--version"])
    if said != f"muster {options.version}":
        sys.exit(f"package: the installed command says '{said}'")
    run(["bash", "-n", root / "usr/share/bash-completion/completions/muster"])
    return root


def remove(root, run):
    run([*dpkg(root), "--purge", *PACKAGES])
    left = [str(path.relative_to(root)) for path in root.rglob("*") if "var/lib/dpkg" not in str(path)]
    left = [path for path in left if path not in ("var", "var/lib")]
    if left:
        sys.exit(f"package: removed, they leave {left}")
