"""No module needs at import what Windows lacks."""

from __future__ import annotations

import json
import subprocess
import sys

# Modules of packages that are loaded first may need what Linux has; ours may not.
PROGRAM = """
import builtins, errno, importlib, json, os, pkgutil, signal, sys
import filelock, numpy, onnxruntime, platformdirs, rich.progress, tokenizers, typer, uwe

for name in ("torch", "transformers", "sentence_transformers"):  # slow to import
    sys.modules[name] = None
lacking = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
import_any = builtins.__import__

def import_some(name, globals=None, *rest, **named):
    if name.partition(".")[0] in lacking and str((globals or {}).get("__name__")).startswith("uwe"):
        raise ImportError(f"Windows has no {name}")
    return import_any(name, globals, *rest, **named)

builtins.__import__ = import_some
for module, names in (
    (os, "fork geteuid getuid register_at_fork sched_getaffinity sysconf statvfs"),
    (signal, "SIGKILL SIGHUP SIGPIPE SIGUSR1"),
    (errno, "EDQUOT ESTALE ETXTBSY"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
failed = {}
for found in pkgutil.walk_packages(uwe.__path__, "uwe.", onerror=lambda name: None):
    if found.name == "uwe.__main__":
        continue
    try:
        importlib.import_module(found.name)
    except ImportError as error:
        if error.name not in ("torch", "transformers", "sentence_transformers"):
            failed[found.name] = str(error)
    except Exception as error:
        failed[found.name] = repr(error)
print(json.dumps([len([name for name in sys.modules if name.startswith("uwe.")]), failed]))
"""


def test_every_module_imports_without_what_windows_lacks() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    imported, failed = json.loads(done.stdout)
    assert failed == {}
    assert imported > 100
