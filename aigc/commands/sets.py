"""`aigc status | verify | regenerate | view`: inspect and check content sets."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aigc.commands.common import AsJson, place, print_json, progress, say
from aigc.errors import JobError

Out = Annotated[str, typer.Argument(callback=place, help="A content set: folder or s3:// prefix.")]


def status(out: Out, as_json: AsJson = False) -> None:
    """Show the progress of a job from its committed shards. Needs no cluster.

    Example: aigc status out/fashion
    """
    from aigc.sets.manifest import status as read_status
    from aigc.sets.merge import merged_sets

    if parts := merged_sets(out):
        _show_merged(out, [read_status(part) for part in parts], as_json)
        return
    found = read_status(out)
    if as_json:
        print_json(found)
        return
    state = "complete" if found["complete"] else "not finished"
    share = found["items"] / found["count"]
    typer.echo(f"{out}: {state}, {found['items']:,} of {found['count']:,} items ({share:.1%})")
    size_mb = found["size_bytes"] / 1e6
    typer.echo(f"{found['shards']} of {found['planned_shards']} shards, {size_mb:,.1f} MB")
    if found["rounds"]:
        typer.echo(_rounds(found["rounds"], found["count"]))
    if not found["complete"]:
        typer.echo("run the command that started it again to continue")
        age = found["last_commit_age_s"]
        typer.echo(f"last commit {age:,.0f} s ago" if age is not None else "no commit yet")


def _rounds(found: dict[str, Any], count: int) -> str:
    """Shards of a set without duplicates are committed at the end; until then its rounds count."""
    share = f"{found['made']:,} of {count:,} items made ({found['made'] / count:.1%})"
    if found["refused"] is None:
        return (
            f"round {found['round']}: {share}, {found['shards']} of {found['planned_shards']} "
            "shards; they are committed once there are no duplicates"
        )
    again = f"{found['refused']:,} duplicates to replace" if found["refused"] else "no duplicates"
    return f"round {found['round']}: {share}, compared: {again}"


def _show_merged(out: str, parts: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"out": out, "sets": parts})
        return
    typer.echo(f"{out}: {len(parts)} sets, {sum(part['items'] for part in parts):,} items")
    for part in parts:
        typer.echo(f"{part['out']}: {part['items']:,} items by {part['model']}")


def verify(
    out: Out,
    decode: Annotated[int, typer.Option(min=0, help="Number of items to decode as well.")] = 1000,
    regenerate_items: Annotated[
        int,
        typer.Option(
            "--regenerate", min=0, help="Number of random items to regenerate and compare."
        ),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Check a finished set: every file, index, label and digest.

    Example: aigc verify out/fashion --regenerate 20
    """
    from aigc.sets.verify import verify as run_verify

    with progress("verify", "items") as report:
        result = run_verify(out, decode, report)
    if regenerate_items:
        result["regenerated"] = _compare_some(out, regenerate_items)
    if as_json:
        print_json(result)
        return
    typer.echo(
        f"ok: {result['items']:,} items in {result['shards']} files, each index once, "
        f"{result['decoded']:,} decoded"
    )
    _show_credentials(result)
    if regenerate_items:
        _show_regenerated(result["regenerated"])
    typer.echo(f"content digest {result['content_digest']}")


def _show_credentials(result: dict[str, Any]) -> None:
    if result.get("credentials") == "checked":
        typer.echo(f"ok: credentials of {result['decoded']:,} items are valid")
    elif "credentials" in result:
        typer.echo("credentials not checked: decode some, with pip install 'aigc[credentials]'")
    if lacking := result.get("unstamped"):
        typer.echo(f"{lacking:,} items have no time stamp: the authority did not answer")


def _show_regenerated(found: dict[str, Any]) -> None:
    """One line for all that are equal, one for each that is not."""
    differing = sum(map(len, found["differing"].values()))
    equal = found["items"] - differing
    typer.echo(f"ok: {equal} items made again, byte for byte equal")
    for differences in found["differing"].values():
        for index, difference in differences.items():
            typer.echo(f"item {index}: {difference}")


def regenerate(
    out: Out,
    item: Annotated[list[int], typer.Option(help="Index of an item; repeatable.")],
    to: Annotated[
        str | None, typer.Option(callback=place, help="Folder or s3:// prefix for the items.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Current location of the model, if it was moved.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make single items of a set again and compare them with the stored ones.

    A set made on a GPU is regenerated on the CPU of a machine without one; the command then reports
    by how much items differ.

    Example: aigc regenerate out/fashion --item 123456 --to /tmp/again
    """
    result = _compare(out, item, model, to)
    if as_json:
        print_json(result)
    else:
        for index in result["indices"]:
            found = result["differing"].get(index, "made again, byte for byte equal")
            typer.echo(f"item {index}: {found}")


def view(
    out: Out,
    each: Annotated[int, typer.Option(min=1, max=1000, help="Items per label.")] = 24,
    to: Annotated[
        str | None, typer.Option(callback=place, help="Folder or s3:// prefix; default: OUT.")
    ] = None,
) -> None:
    """Write gallery.html, a self-contained page, and preview.png, a contact sheet.

    Example: aigc view out/fashion --each 50
    """
    from aigc import storage
    from aigc.modalities.image import contact_sheet
    from aigc.output import commit
    from aigc.sets import gallery, read
    from aigc.sets.manifest import status as read_status

    where = to or out
    job, records = commit.read_job(out), commit.read_records(out)
    columns = min(each, 24)
    looks, names = read.sample_by_label(out, job, records, columns)
    sheet = contact_sheet(looks, columns, names)
    page = gallery.page(out, job, records, each, read_status(out))
    storage.write_bytes(storage.join(where, "gallery.html"), page.encode())
    storage.write_bytes(storage.join(where, "preview.png"), sheet)
    typer.echo(storage.join(where, "gallery.html"))
    typer.echo(storage.join(where, "preview.png"))


def _compare_some(out: str, items: int) -> dict[str, Any]:
    """Random items of a set, or of each set in a merged one. Raises as `_compare`."""
    from aigc.output import commit
    from aigc.sets.merge import merged_sets

    found = {
        part: _compare(part, _sample(commit.read_job(part).count, items), None)
        for part in merged_sets(out) or [out]
    }
    return {
        "items": sum(one["items"] for one in found.values()),
        "indices": {part: one["indices"] for part, one in found.items()},
        "differing": {part: one["differing"] for part, one in found.items() if one["differing"]},
        "equal": all(one["equal"] for one in found.values()),
    }


def _sample(count: int, items: int) -> list[int]:
    import secrets

    generator = secrets.SystemRandom()
    return sorted(generator.sample(range(count), min(items, count)))


def _compare(
    out: str, indices: list[int], model: str | None, to: str | None = None
) -> dict[str, Any]:
    """Make items again and hold them against the stored bytes.

    Raises:
        JobError: one differs although it was made again on the kind of device that made the set.
    """
    from aigc import storage
    from aigc.distributed.generate import regenerate as run_regenerate
    from aigc.execution.shard_work import device_here
    from aigc.output import commit
    from aigc.sets import read
    from aigc.sets.verify import difference

    made = run_regenerate(out, indices, model, say)
    job = commit.read_job(out)
    stored = read.stored(out, job, commit.read_records(out), indices)
    if to:
        for index, data in made.items():
            name = f"{index:012d}{job.delivery.codecs[stored[index].format.codec].suffix}"
            storage.write_bytes(storage.join(to, name), data)
    differing = {
        index: difference(made[index], stored[index])
        for index in indices
        if made[index] != stored[index].unsigned
    }
    if differing and device_here(job) == job.device:
        index, found = next(iter(differing.items()))
        raise JobError(f"item {index}: {found}")
    return {
        "items": len(indices),
        "indices": indices,
        "differing": differing,
        "equal": not differing,
    }
