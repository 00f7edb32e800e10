"""Install a wheel or a source distribution into a new environment, and use it.

    python scripts/try_wheel.py target/wheels/uwe-*.whl

It needs the package index, and nothing but Python's own library, on every platform.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path


def main(distribution: Path) -> None:
    """Rank, open a cache, explain; ends with an error if one of them fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = folder / "venv"
        venv.create(environment, with_pip=True)
        scripts = environment / ("Scripts" if sys.platform == "win32" else "bin")

        def run(program: str, *arguments: str) -> str:
            """What it prints; run in the folder, where this checkout is not importable."""
            command = [str(scripts / program), *arguments]
            done = subprocess.run(
                command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8", check=False
            )
            print(done.stdout, flush=True)
            if done.returncode:
                sys.exit(f"{' '.join(command)} ended with {done.returncode}")
            return done.stdout

        run("python", "-m", "pip", "install", "--quiet", str(distribution.resolve()))
        packages = run("python", "-m", "pip", "list", "--format", "freeze").lower()
        for heavy in ("torch", "transformers", "onnx", "sentence-transformers", "hnswlib"):
            expect(f"\n{heavy}==" not in packages, f"the base install brings {heavy}")
        run("uwe", "doctor")
        labels = folder / "labels.txt"
        labels.write_text("Apache Spark\npastry baking\ncontract law\n", encoding="utf-8")
        run("uwe", "cache", "build", "labels.uwe", "--input", "labels.txt")
        run("uwe", "cache", "verify", "labels.uwe")
        ranked = run("uwe", "rank", "big data pipelines", "--targets", "labels.uwe")
        first = ranked.splitlines()[1].split()[:3]
        expect(first == ["1", "Apache", "Spark"], "Apache Spark is not first")
        explained = run("uwe", "explain", "big data", "Apache Spark", "--targets", "labels.uwe")
        expect(explained.startswith("'big data' -> 'Apache Spark': 0."), "no explanation")


def expect(holds: bool, message: str) -> None:
    """End with a message unless something holds."""
    if not holds:
        sys.exit(message)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
