"""`uwe spaces`: what is built in."""

from __future__ import annotations

from uwe.cli import arguments, output


def spaces_command(as_json: arguments.AsJson = False) -> None:
    """List the built-in target spaces.

    Example:
      uwe spaces --json
    """
    from uwe.spaces import target_space, target_spaces

    found = [target_space(name) for name in target_spaces()]
    if as_json:
        output.print_json(
            [
                {
                    "name": space.name,
                    "title": space.title,
                    "version": space.version,
                    "language": space.language,
                    "targets": len(space),
                    "aliases": 0 if space.aliases is None else sum(map(len, space.aliases)),
                    "columns": list(space.metadata),
                    "licence": space.licence,
                    "attribution": space.attribution,
                }
                for space in found
            ],
            indent=2,
        )
        return
    rows = [
        [space.name, space.version, str(len(space)), ", ".join(space.metadata), space.title]
        for space in found
    ]
    output.print_table(["name", "version", "targets", "columns", "title"], rows, right="2")
    output.print_line("")
    sentences = (s for space in found for s in space.attribution.split(". "))
    for sentence in dict.fromkeys(sentence.rstrip(".") for sentence in sentences):
        output.print_line(f"{sentence}.")
