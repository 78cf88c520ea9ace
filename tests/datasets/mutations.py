"""Valid files made bad in every way that a disk, a person or an attacker makes them bad."""

import csv
import io
import json
import stat
import struct
import sys
import warnings
import zipfile
import zlib
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml
from hypothesis import note
from hypothesis import strategies as st


@dataclass(frozen=True)
class Folder:
    """A folder where a file is expected."""


@dataclass(frozen=True)
class Link:
    """A link where a file is expected."""

    target: str


Tree = dict[str, bytes | Folder | Link]
"""Content by path, with ``/``, below a folder."""

HOSTILE_NAMES = (
    "../outside.txt", "..\\outside.txt", "a/../../outside.txt", "/etc/passwd", "C:\\Windows\\x.png",
    "\\\\host\\x",
    "~/x", "", ".", "..", "nul", "\0", "a\0b", "\ud800", "x" * 5000, "a/" * 500 + "b", "%2e%2e/x",
    "file:///etc/passwd",
)  # fmt: skip
HOSTILE_NUMBERS = (0, -1, 1, 2, 0.5, -0.0, 255, 2**31, 2**32 + 1, 2**63, 10**40, -(10**40), 1e308, -1e-308)
NOT_NUMBERS = (float("nan"), float("inf"), float("-inf"))
HOSTILE_VALUES = (
    None, True, False, *HOSTILE_NUMBERS, *NOT_NUMBERS, *HOSTILE_NAMES, [], {}, [[]], [[[]]], {"a": 1},
    [1, 2, 3],
    [None], ["x"], [[1, 2, 3, 4]], "1", "nan", "ü", [0] * 100, {"counts": [1, 2], "size": [10**6, 10**6]},
    {"counts": "00", "size": [3, 3]}, {"counts": [10**9], "size": [1, 1]}, "e30;", "PP\x7f\x00~",
)  # fmt: skip
HOSTILE_CELLS = (
    "", " ", "0", "-1", "1 -5", "1 2 3", "1 99999999999", "99999999999999999999999 1", "1.5 2", "nan",
    "inf", "1e9", "a b",
    "1 1 " * 3000, "\0", "2 2 1 1", "1 3 2 3", '"', "'", "x" * 200_000, "../../x", "/etc/passwd",
    "\ud7ff", "True",
)  # fmt: skip
HOSTILE_TOKENS = (
    "nan", "inf", "-inf", "-1", "2", "1e400", "-0.5", "0.5", "x", "", "1,5", "99999999999999999999",
    "0x10", "1_000",
    "٣", "\0", "1e-320",
)  # fmt: skip
_LAUGHS = "\n".join(["a0: &a0 x", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))])
YAML_TEXTS = (
    "", "null", "[]", "a", "names: {0: cell", "\t- x", "!!python/object/apply:os.system ['true']",
    "names: !!binary x",
    _LAUGHS + "\nnames: *a11",
    "names: &n [*n]", "train: 2001-01-01\nval: 1:30\nnames: [no, on, 1.0]", "? [a, b]\n: c",
    "names: {0: a, 0: b}",
    "%YAML 9.9\n---\nx", "---\na: 1\n---\nb: 2", "names: " + "[" * 500,
)  # fmt: skip


def tree_of(folder: Path) -> Tree:
    """All files below a folder."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def write_tree(tree: Tree, folder: Path) -> None:
    """Write a tree into a folder."""
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Folder):
            path.mkdir()
        elif isinstance(content, Link):
            if sys.platform != "win32":
                path.symlink_to(content.target)
        else:
            path.write_bytes(content)


@st.composite
def mutated_trees(draw, tree: Tree):
    """The tree with one to three of its files made bad."""
    result = dict(tree)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(result) or sorted(tree)))
        content = result.get(path)
        if not isinstance(content, bytes):
            continue
        ways = _WAYS.get(PurePosixPath(path).suffix.lower(), ())
        way = draw(st.sampled_from([*_ANY_FILE, *ways, *ways]))
        note(f"{way.__name__} of {path!r}")
        made = way(draw, content)
        if made is None:
            del result[path]
        else:
            result[path] = made
    return result


def flipped(draw, content):
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 8)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def header_flipped(draw, content):
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4)) if data else 0):
        data[draw(st.integers(0, min(len(data), 300) - 1))] = draw(st.sampled_from([0, 1, 127, 128, 255]))
    return bytes(data)


def truncated(draw, content):
    return content[: draw(st.integers(0, len(content)))]


def emptied(draw, content):
    return b""


def removed(draw, content):
    return None


def grown(draw, content):
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.binary(min_size=1, max_size=64)) + content[at:]


def made_a_folder(draw, content):
    return Folder()


def made_a_link(draw, content):
    return Link(draw(st.sampled_from(["/etc/passwd", "../../outside.txt", "nowhere", "."])))


def encoded(draw, content):
    if draw(st.booleans()):
        return b"\xff\xfe" + content
    return content.decode("latin-1").encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-7", "utf-8-sig"])))


def nodes(value, path=()):
    """Where every value of a parsed JSON or YAML lies."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from nodes(item, (*path, key))


def altered(draw, value):
    """A parsed JSON or YAML with one value replaced, removed, doubled or wrapped."""
    path = draw(st.sampled_from(list(nodes(value))))
    junk = deepcopy(draw(st.sampled_from(HOSTILE_VALUES)))
    if not path:
        return junk
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "double", "wrap"]))
    if how == "replace":
        parent[path[-1]] = junk
    elif how == "remove":
        del parent[path[-1]]
    elif how == "double":
        parent[path[-1]] = [parent[path[-1]], parent[path[-1]]]
        if isinstance(parent, list):
            parent.append(parent[path[-1]][0])
    else:
        parent[path[-1]] = {"0": parent[path[-1]]}
    return value


def json_altered(draw, content):
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return content
    for _ in range(draw(st.integers(1, 2))):
        value = altered(draw, value)
    return json.dumps(value).encode()


def json_nested(draw, content):
    opening = draw(st.sampled_from([b"[", b'{"a":']))
    return draw(st.sampled_from([b"", b'{"images": ', b'{"features": '])) + opening * 100_000


def json_number(draw, content):
    return draw(
        st.sampled_from([b"1" * 5000, b'{"images": 1' + b"0" * 5000 + b"}", b"-", b"NaN", b'"\\ud800"'])
    )


def yaml_altered(draw, content):
    try:
        value = altered(draw, yaml.safe_load(content))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        return content
    return yaml.safe_dump(value, allow_unicode=True).encode(errors="surrogatepass")


def yaml_replaced(draw, content):
    return draw(st.sampled_from(YAML_TEXTS)).encode()


def cells_altered(draw, content):
    try:
        rows = list(csv.reader(io.StringIO(content.decode())))
    except (UnicodeDecodeError, csv.Error):
        return content
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.sampled_from(rows)) if rows else []
        if row:
            at = draw(st.integers(0, len(row) - 1))
            row[at] = draw(st.sampled_from([*HOSTILE_CELLS, row[at] + " 7", row[at][:-1], row[at] * 2]))
    return _table(rows)


def columns_altered(draw, content):
    try:
        rows = list(csv.reader(io.StringIO(content.decode()))) or [[]]
    except (UnicodeDecodeError, csv.Error):
        return content
    at = draw(st.integers(0, 4))
    how = draw(st.sampled_from(["remove", "double", "short", "long", "shuffle"]))
    if how == "remove":
        rows = [row[:at] + row[at + 1 :] for row in rows]
    elif how == "double":
        rows = [row[: at + 1] + row[at:] for row in rows]
    elif how == "short":
        rows[-1] = rows[-1][:at]
    elif how == "long":
        rows[-1] = rows[-1] + ["x"] * (at + 1)
    else:
        rows = rows[1:]
    return _table(rows)


def _table(rows):
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="surrogatepass")


def tokens_altered(draw, content):
    lines = content.decode("utf-8", "replace").splitlines() or [""]
    at = draw(st.integers(0, len(lines) - 1))
    words = lines[at].split() or [""]
    for _ in range(draw(st.integers(1, 3))):
        k = draw(st.integers(0, len(words) - 1))
        how = draw(st.sampled_from(["replace", "replace", "remove", "double"]))
        words[k : k + 1] = {
            "replace": [draw(st.sampled_from(HOSTILE_TOKENS))],
            "remove": [] if len(words) > 1 else ["x"],
            "double": [words[k], words[k]],
        }[how]
    lines[at] = " ".join(words)
    return "\n".join(lines).encode()


def png_claims(draw, content):
    """A PNG whose header claims another size, with a valid checksum."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 33:
        return content
    width, height = struct.unpack(">II", content[16:24])
    size = draw(
        st.sampled_from([(width + 1, height), (0, 0), (60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 2**31)])
    )
    header = b"IHDR" + struct.pack(">II", *size) + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def tiff_claims(draw, content):
    """A TIFF one of whose tags says something else."""
    if content[:4] not in (b"II*\0", b"MM\0*"):
        return content
    order = "<" if content[:2] == b"II" else ">"
    at = struct.unpack(order + "I", content[4:8].ljust(4, b"\0"))[0]
    if at + 2 > len(content):
        return content
    count = struct.unpack(order + "H", content[at : at + 2])[0]
    entry = at + 2 + 12 * draw(st.integers(0, max(0, count - 1)))
    value = draw(st.sampled_from([0, 1, 2, 3, 255, 65_535, 10**6, 2**31 - 1, 2**32 - 1]))
    place = entry + draw(st.sampled_from([4, 8, 8, 8]))
    return content[:place] + struct.pack(order + "I", value) + content[place + 4 :]


def members_altered(draw, content):
    """An archive with hostile members, valid as an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, OSError):
        return content
    made = io.BytesIO()
    at = draw(st.integers(0, max(0, len(members) - 1)))
    how = draw(st.sampled_from(["rename", "rename", "link", "bomb", "double", "corrupt", "truncate", "none"]))
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore", UserWarning)
        for k, (name, data) in enumerate(members if how != "none" else []):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if k == at:
                info, data = _member(draw, how, info, data)
            archive.writestr(info, data)
            if k == at and how == "double":
                archive.writestr(info, data)
    return made.getvalue()


def _member(draw, how, info, data):
    suffix = PurePosixPath(info.filename).suffix
    if how == "rename":
        names = [n for n in HOSTILE_NAMES if n and "\ud800" not in n and len(n) < 3000]
        info.filename = draw(st.sampled_from(names)) + draw(st.sampled_from(["", suffix]))
    elif how == "link":
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        data = b"/etc/passwd"
    elif how == "bomb":
        data = b"\0" * 30_000_000
    elif how == "corrupt":
        data = flipped(draw, data)
    elif how == "truncate":
        data = truncated(draw, data)
    return info, data


_ANY_FILE = (flipped, truncated, emptied, removed, grown, made_a_folder, made_a_link, encoded, header_flipped)
_WAYS = {
    ".json": (json_altered, json_altered, json_altered, json_nested, json_number),
    ".geojson": (json_altered, json_altered, json_altered, json_nested, json_number),
    ".yaml": (yaml_altered, yaml_altered, yaml_replaced),
    ".csv": (cells_altered, cells_altered, columns_altered),
    ".txt": (tokens_altered,),
    ".png": (png_claims, header_flipped),
    ".tif": (tiff_claims, header_flipped),
    ".zip": (members_altered, members_altered),
}
