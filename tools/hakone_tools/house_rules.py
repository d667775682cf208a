"""Rules of this code base that no ready-made linter knows, as functions that return lists of findings.

Each finding is one line ``file:line: what is wrong``. Used by ``make lint`` and by the tests of the rules themselves.
"""

import ast
import fnmatch
import re
import subprocess
from pathlib import Path

#: Rooms of the hardware, and the rooms that each may import besides itself.
ALLOWED_IMPORTS = {
    "isa": set(),
    "lib": {"isa"},
    "bus": {"isa", "lib"},
    "crypto": {"isa", "lib", "bus"},
    "protect": {"isa", "lib", "bus"},
    "memory": {"isa", "lib", "bus", "crypto", "protect"},
    "core": {"isa", "lib", "bus", "crypto", "protect", "memory"},
    "parts": {"isa", "lib", "bus", "crypto", "protect", "memory", "periph"},
    "periph": {"isa", "lib", "bus"},
    "soc": {"isa", "lib", "bus", "crypto", "protect", "memory", "core", "periph"},
    "boards": {"isa", "lib", "bus", "crypto", "protect", "memory", "core", "periph", "soc"},
    "gen": {"isa", "lib", "bus", "crypto", "protect", "memory", "core", "periph", "soc", "boards", "parts"},
}
#: Modules of ``soc`` that everyone may read: the configuration is a choice, not a part.
SHARED_MODULES = {"soc.config"}
ISA_EXTERNAL = ("amaranth.lib",)
#: Addresses of package indexes, and folders that exist on one machine only (home of the superuser, a work folder at the
#: root, a folder beside the project). Written so that the rule does not find itself.
FORBIDDEN_TEXT = re.compile(
    r"p[y]pi\.org|pythonh[o]sted\.org|deb\.d[e]bian\.org|registry\.n[p]mjs|/w[o]rk/|/r[o]ot/|\.\./sh[a]red",
    re.IGNORECASE,
)


def tracked_files(root: Path, *patterns: str) -> list[Path]:
    """Files under version control that match the patterns; every matching file where there is no repository."""
    done = subprocess.run(["git", "-C", str(root), "ls-files", *patterns], capture_output=True, text=True)
    if done.returncode == 0:
        return [root / name for name in done.stdout.splitlines() if (root / name).is_file()]
    names = (p for p in root.rglob("*") if p.is_file() and "build" not in p.relative_to(root).parts)
    return [p for p in names if any(fnmatch.fnmatch(p.relative_to(root).as_posix(), pattern) for pattern in patterns)]


def _imported(module: str, tree: ast.Module) -> list[tuple[int, str]]:
    """Absolute names of everything a module imports, with line numbers. ``module`` is its dotted name."""
    found = []
    package = module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{name}.{a.name}") for a in node.names]
    return found


def import_direction(root: Path) -> list[str]:
    """Imports of ``hw/hakone`` and of the golden models that go against the order of the rooms."""
    out = []
    for path in tracked_files(root, "hw/hakone/*.py", "sim/hakone_sim/models/*.py"):
        relative = path.relative_to(root)
        parts = list(relative.with_suffix("").parts[1:])
        module = ".".join(parts)
        room = parts[1] if parts[0] == "hakone" and len(parts) > 2 else None
        for line, name in _imported(module, ast.parse(path.read_text())):
            if not name.startswith("hakone."):
                external = room == "isa" and name.startswith("amaranth") and not name.startswith(ISA_EXTERNAL)
                if external and name != "amaranth.lib.enum":
                    out.append(f"{relative}:{line}: isa imports {name}; only {', '.join(ISA_EXTERNAL)} is allowed")
                continue
            target = name.split(".")[1]
            if ".".join(name.split(".")[1:3]) in SHARED_MODULES:
                continue
            if parts[0] == "hakone_sim":
                if target != "isa":
                    out.append(f"{relative}:{line}: a golden model imports {name}; hakone.isa at most is allowed")
            elif room and target != room and target in ALLOWED_IMPORTS and target not in ALLOWED_IMPORTS[room]:
                out.append(f"{relative}:{line}: {room} imports {target}; that is against the order of the rooms")
    return out


def loose_comparisons(source: str, name: str) -> list[str]:
    """Comparisons that bind around ``&``, ``|`` or ``^`` without parentheses, as ``a != b | c`` does."""
    out = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        for side in (node.left, *node.comparators):
            if not (isinstance(side, ast.BinOp) and isinstance(side.op, ast.BitOr | ast.BitAnd | ast.BitXor)):
                continue
            segment = ast.get_source_segment(source, side) or ""
            line = source.splitlines()[side.lineno - 1]
            if not line[: side.col_offset].rstrip().endswith("(") or not segment:
                out.append(f"{name}:{side.lineno}: the comparison binds around `{segment}`; add parentheses")
    return out


def missing_docstrings(source: str, name: str) -> list[str]:
    """Modules, classes and public functions without a docstring."""
    out = []
    tree = ast.parse(source)
    if tree.body and not ast.get_docstring(tree):
        out.append(f"{name}:1: the module has no docstring")
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not ast.get_docstring(node):
            out.append(f"{name}:{node.lineno}: class {node.name} has no docstring")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node):
            out.append(f"{name}:{node.lineno}: function {node.name} has no docstring")
    return out


def unnamed_submodules(source: str, name: str) -> list[str]:
    """``m.submodules += x``: its name in the Verilog would depend on the order of the code."""
    out = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AugAssign) and ast.unparse(node.target).endswith(".submodules"):
            out.append(f"{name}:{node.lineno}: submodule without a name")
    return out


def forbidden_text(root: Path) -> list[str]:
    """Index addresses, paths of one machine and the like in any tracked text file."""
    out = []
    for path in tracked_files(root, "*"):
        try:
            text = path.read_text()
        except (UnicodeDecodeError, OSError):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if FORBIDDEN_TEXT.search(line):
                out.append(f"{path.relative_to(root)}:{number}: an address or path of one machine: {line.strip()[:80]}")
    return out


def check_all(root: Path) -> list[str]:
    """Every rule over the whole tree."""
    out = import_direction(root) + forbidden_text(root)
    for path in tracked_files(root, "hw/*.py", "sim/*.py", "tools/*.py"):
        name = str(path.relative_to(root))
        source = path.read_text()
        out += missing_docstrings(source, name)
        if name.startswith("hw/"):
            out += loose_comparisons(source, name) + unnamed_submodules(source, name)
    return out
