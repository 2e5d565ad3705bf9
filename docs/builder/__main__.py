"""`python -m docs.builder`: figures into pages, cards beside bundles, then the reference."""

import sys

from docs.builder.cards import cards
from docs.builder.figures import ROOT, pages, rendered
from docs.builder.links import broken_links
from docs.builder.reference import build
from mobile_export.runtime.files import replacing


def main() -> int:
    """Writes everything anew; 1 if a link leads nowhere or a docstring is not as it should be."""
    written = {page: rendered(page.read_text(encoding="utf-8")) for page in pages()}
    written |= dict(cards())
    for page, text in written.items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            with replacing(page) as partial:
                partial.write_text(text, encoding="utf-8")
            sys.stderr.write(f"{page.relative_to(ROOT)}: written anew\n")
    faults = [*broken_links(), *build(ROOT / "build" / "docs")]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
