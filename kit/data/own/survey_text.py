"""A survey as people read it."""

from __future__ import annotations

from kit.data.own.class_table import ClassTable
from kit.data.own.survey import Survey

_LISTED = 10


def survey_text(survey: Survey, table: ClassTable | None, notes: tuple[str, ...] = ()) -> str:
    """What was found in a folder, as lines of text.

    Args:
        survey: Of the folder.
        table: Its classes; None where label maps hold colours.
        notes: What is worth a look.
    """
    labels = len(survey.scans) + len(survey.without_image)
    lines = [
        f"{survey.folder}: {len(survey.suffixes)} images, {labels} label maps, "
        f"{len(survey.scans)} pairs",
        f"sizes    {_sizes(survey)}",
    ]
    for title, names in (
        ("image without a label map", survey.unlabelled),
        ("label map without an image", survey.without_image),
    ):
        if names:
            more = ", ..." if len(names) > _LISTED else ""
            lines.append(f"{title}: {len(names)} ({', '.join(names[:_LISTED])}{more})")
    if table is not None:
        lines += _classes(table)
    elif survey.colors:
        lines += _colors(survey)
    lines += [f"note: {note}" for note in notes]
    lines += [f"fault: {fault}" for fault in survey.faults[:_LISTED]]
    if len(survey.faults) > _LISTED:
        lines.append(f"and {len(survey.faults) - _LISTED} more faults")
    return "\n".join(lines)


def _sizes(survey: Survey) -> str:
    sizes = survey.image_sizes.most_common()
    if not sizes:
        return "-"
    (height, width), count = sizes[0]
    if len(sizes) == 1:
        return f"{width}x{height}, all of them"
    areas = sorted((h * w, f"{w}x{h}") for (h, w), _ in sizes)
    return (
        f"{len(sizes)} of them, {areas[0][1]} to {areas[-1][1]}; "
        f"most often {width}x{height} ({count} images)"
    )


def _classes(table: ClassTable) -> list[str]:
    void = f"{table.void}, {100 * table.void_share:.2f} % of all pixels"
    width = max(len(item.name) for item in table.classes) if table.classes else 4
    lines = [
        f"void     {void if table.void_pixels else 'none'}",
        f"balance  the largest class has {table.balance:.0f} times the pixels of the smallest",
        f"{'id':>4}  {'name':{width}}  {'pixels':>8}  {'images':>6}  color",
    ]
    for number, item in enumerate(table.classes):
        share = f"{100 * table.shares[number]:.2f} %"
        color = " ".join(map(str, item.color))
        lines.append(
            f"{number:>4}  {item.name:{width}}  {share:>8}  {table.images[number]:>6}  {color}"
        )
    return lines


def _colors(survey: Survey) -> list[str]:
    total = max(sum(survey.colors.values()), 1)
    found = sorted(survey.colors.items(), key=lambda pair: -pair[1])
    lines = [f"{len(found)} colours, no class ids:"]
    for (red, green, blue), count in found[: 2 * _LISTED]:
        lines.append(f"  {red:>3} {green:>3} {blue:>3}  {100 * count / total:>6.2f} %")
    if len(found) > 2 * _LISTED:
        lines.append("  ...")
    return lines
