"""`aigc bench provenance`: what marks and signatures cost."""

from __future__ import annotations

from typing import Annotated

import typer

from aigc.commands.common import AsJson, print_json, print_table, say


def provenance(
    model: Annotated[str, typer.Argument(help="name, name@version, name@alias or a URI.")],
    items: Annotated[int, typer.Option(min=1, help="Images of each variant per round.")] = 512,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 5,
    codec: Annotated[str, typer.Option(help="png, jpeg or webp.")] = "png",
    watermark: Annotated[bool, typer.Option(help="Also with a watermark.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare files without marks with marked and with signed ones, in CPU time.

    Example: aigc bench provenance shop --items 512 --rounds 5
    """
    from aigc.bench.provenance import ProvenanceBench, run

    variants = ("unmarked", "metadata", "signed", *(("watermark",) if watermark else ()))
    found = run(ProvenanceBench(model, items, rounds, codec, variants), say)
    if as_json:
        print_json(found)
        return
    rows = [
        [name, f"{found['cpu_ms_per_item'][name]:.3f}", f"{found['ratios'].get(name, 1):.3f}",
         f"{size:,}"]
        for name, size in found["bytes_per_item"].items()
    ]  # fmt: skip
    print_table(["files", "CPU ms each", "with rendering, ratio", "bytes each"], rows)
    typer.echo(f"rendering takes {found['cpu_ms_per_item']['render']:.3f} ms of CPU an item")
